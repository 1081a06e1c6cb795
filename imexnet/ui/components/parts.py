"""Pieces of the page: the upload component, colour bars, legends and tables as HTML."""

import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from imexnet.io.files import write_bytes, write_picture
from imexnet.io.photos import Photo, UnfitError, read_photo
from imexnet.ui.components.kept import Kept, forget_answers
from imexnet.ui.components.words import explain
from imexnet.ui.server.gradio_internals import upload_folder
from imexnet.viz import plots
from imexnet.viz.colours import colour_stops

Changes = dict[Any, Any]  # what a handler returns: component → new value, or an update of it

SHOWN = 512  # longer side of every picture on the page
DEVICE = threading.Lock()  # of all tabs; also for events that pass the queue by
DECODER = threading.Lock()  # one photo at a time, as a large one takes up to a gigabyte
PHOTOS_KEPT = 64 * 2**20  # bytes of decoded photos, for the clicks that follow
PROGRESS = gr.Progress()  # Gradio knows it by its place as a default
ON_DEVICE: dict[str, Any] = {"concurrency_id": "device", "concurrency_limit": 1}
SEED: dict[str, Any] = {"precision": 0, "minimum": 0, "maximum": 2**32 - 1, "min_width": 90}
PRIVATE: dict[str, Any] = {"api_visibility": "private"}
EVERY: dict[str, Any] = {"trigger_mode": "multiple"}  # the default drops what comes while busy
LATEST: dict[str, Any] = {"trigger_mode": "always_last"}
COMPUTE = ON_DEVICE | PRIVATE | LATEST  # for events that ask the networks, in most tabs

DOWNLOAD = """(file) => {
    const link = document.createElement("a");
    Object.assign(link, { href: file.url, download: file.orig_name }).click();
}"""  # of the file that an event has just made

ANNOUNCE = """() => {{
    document.dispatchEvent(new Event("{}"));
    return [];
}}"""  # to a script of the page

NO_PICTURE = "This file is not a picture that can be read. Try a JPEG, PNG, WebP or HEIC file."
NOT_KEPT = (
    "This photo is no longer on this server: photos are kept for an hour. Please upload it again."
)


class PhotoUpload(gr.Image):
    """An image component whose handlers get and give a `Photo`; a bad file gives one sentence."""

    is_template = True  # the front end knows it as "image"

    def preprocess(self, payload) -> Photo | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The photo, without pixels that nothing on the page can show."""
        if payload is None:
            return None
        try:
            return decoded(payload.path or "")
        except (OSError, ValueError) as error:
            raise unreadable(error) from None

    def postprocess(self, value: Any) -> Any:
        """For the browser; whatever `gr.Image` takes will do, too."""
        if not isinstance(value, Photo):
            return super().postprocess(value)
        if value.focal_length_35mm is None:
            return super().postprocess(value.picture)
        content = value.encoded("PNG")  # Gradio would write none of what the file said
        return super().postprocess(str(write_bytes(Folder().new() / "photo.png", content)))


def decoded(path: str) -> Photo:
    """The photo in a file, decoded for its first event and kept for the clicks that follow.

    Raises:
        ValueError: as `read_photo`.
    """
    key = path, Path(path).stat().st_mtime_ns
    photo = _photos.get(key)
    if photo is None:
        with DECODER:
            photo = _photos.get(key) or read_photo(Path(path)).shrunk()  # another event's, by now
            _photos.put(key, photo)
    return photo


def _size(photo: Photo) -> int:
    return 4 * photo.picture.width * photo.picture.height  # bytes: Pillow keeps RGB in four


_photos: Kept[tuple[str, int], Photo] = Kept(PHOTOS_KEPT, _size)  # by path and time of change


def forget_photos() -> None:
    """Drops pictures and answers; those that are still asked for are made again."""
    _photos.clear()
    forget_answers()


class Folder:
    """Where files to show and to download are written: in Gradio's own, which the page sweeps."""

    def new(self) -> Path:
        """An empty folder that nobody can guess."""
        root = upload_folder()
        Path(root).mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=root))

    def pictures(self, arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
        """Pictures as PNG files, each written once for all components that show it."""
        folder = self.new()
        return {
            name: str(write_picture(array, folder / f"{name}.png"))
            for name, array in arrays.items()
        }


def picture(label: str, name: str, visible: bool = True, **options: Any) -> gr.Image:
    """An image that can be viewed and downloaded."""
    given: dict[str, Any] = {"min_width": 280, "buttons": ["download", "fullscreen"], **options}
    return gr.Image(
        label=label,
        alt_text=label,
        format="png",
        interactive=False,
        elem_id=name,
        elem_classes="pic",
        visible=visible,
        **given,
    )


def unreadable(error: Exception) -> gr.Error:
    """Why a file cannot be read: too large, no longer kept, or not a picture."""
    if isinstance(error, UnfitError):
        return user_error(sentence(error))
    return user_error(NOT_KEPT if isinstance(error, FileNotFoundError) else NO_PICTURE)


def sentence(error: Exception) -> str:
    """The message of a library error, as a sentence."""
    words = str(error)
    return f"{words[:1].upper()}{words[1:]}."


def user_error(message: str) -> gr.Error:
    """An error message for the visitor, without traceback and path."""
    return gr.Error(message, title="That did not work", print_exception=False)


@contextmanager
def as_user_error() -> Iterator[None]:
    """Turns a `ValueError` of the library into an error message for the visitor."""
    try:
        yield
    except ValueError as error:
        raise user_error(escape(sentence(error), quote=False)) from None


def colour_bar(colours: str, labels: Sequence[str], title: str) -> str:
    """A horizontal colour bar with labels at equal distances."""
    stops = ", ".join(colour_stops(colours))
    ticks = "".join(f"<span>{escape(label)}</span>" for label in labels)
    return (
        f'<div class="bar"><div class="bar-title">{escape(title)}</div>'
        f'<div class="bar-colours" style="background:linear-gradient(90deg,{stops})"></div>'
        f'<div class="bar-ticks">{ticks}</div></div>'
    )


def class_legend(names: Sequence[str], palette: Sequence[str], present: Sequence[int]) -> str:
    """Chips with colour and name of the classes that occur."""
    chips = "".join(
        f'<span class="chip"><i style="background:{palette[k]}"></i>{escape(names[k])}</span>'
        for k in present
    )
    return f'<div class="chips">{chips}</div>'


def table(
    rows: Sequence[tuple[str, Mapping[str, str]]],
    columns: Sequence[str],
    labels: Mapping[str, str] = plots.LABELS,
) -> str:
    """A small table: one row per label, one column per network or other name in `labels`."""
    head = "".join(f"<th>{escape(labels[name])}</th>" for name in columns)
    body = "".join(
        f"<tr><td>{explain(label)}</td>"
        + "".join(f"<td>{escape(values[name])}</td>" for name in columns)
        + "</tr>"
        for label, values in rows
    )
    return f'<table class="measures"><tr><td></td>{head}</tr>{body}</table>'
