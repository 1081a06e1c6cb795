"""Files that visitors and programs send: uploaded, or as a data URI."""

import binascii
import os
import re
from base64 import b64decode
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import gradio as gr

from imexnet.io.files import write_bytes
from imexnet.ui.components.parts import NOT_KEPT, Folder, user_error
from imexnet.ui.server.gradio_internals import SERVED, UPLOADED, is_within, upload_folder

OWN = "imexnet"  # the page's folder in GRADIO_TEMP_DIR, which may be anybody's
SEND = "Send the photo as a data URI or an uploaded file."
NO_ADDRESS = "Give the file itself: the page fetches nothing from other addresses."
REMOTE = re.compile(r"(?:https?|ftp):", re.IGNORECASE)


def uploaded(value: Any) -> dict[str, Any] | None:
    """The file that was sent, as Gradio has an uploaded one; None for none.

    Args:
        value: a data URI, or the path or the page's address of an uploaded file; by itself, or as
            `path` or `url` of an object.

    Raises:
        gr.Error: for anything else, in one sentence.
    """
    if value is None:
        return None
    given = value if isinstance(value, dict) else {"path": value}
    said = [text for key in ("path", "url") if isinstance(text := given.get(key), str) and text]
    if not said:
        raise user_error(SEND)
    named = given.get("orig_name")
    kept = {"orig_name": named} if isinstance(named, str) else {}
    for text in said[:-1]:
        with suppress(gr.Error):
            return {"path": _path(text), "meta": UPLOADED, **kept}
    return {"path": _path(said[-1]), "meta": UPLOADED, **kept}


def content(uri: str) -> bytes:
    """What a data URI holds (RFC 2397), in base64 of either alphabet or percent-encoded.

    Raises:
        ValueError: if it has no content, or what it has is no base64.
    """
    head, comma, body = uri.partition(",")
    if not comma:
        raise ValueError("a data URI has a comma before its content")
    data = unquote_to_bytes(body)
    if not re.search(r";\s*base64\s*$", head, re.IGNORECASE):
        return data
    data = b"".join(data.split()).rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    return b64decode(data + b"=" * (-len(data) % 4), validate=True)


def _path(said: str) -> str:
    """Where the page has the file."""
    said = said.strip()
    if said[:5].lower() == "data:":
        try:
            return str(write_bytes(Folder().new() / "photo", content(said)))
        except (ValueError, binascii.Error):
            raise user_error(SEND) from None
    served = re.fullmatch(SERVED, said)
    path = unquote(served[1]) if served else said
    if REMOTE.match(path):
        raise user_error(NO_ADDRESS)
    if not os.path.isfile(path) or not is_within(path, upload_folder()):
        raise user_error(NOT_KEPT if OWN in Path(path).parts else SEND)
    return path
