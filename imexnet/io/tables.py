"""Tables in CSV files, as programs write them and as spreadsheets save them."""

import csv
import io
from collections.abc import Collection
from pathlib import Path

DELIMITERS = ",;\t"


def read_table(path: Path, columns: Collection[str]) -> list[dict[str, str]]:
    """The rows of a CSV file by the names in its first row, cells without blanks round them.

    Taken as they are: a byte-order mark, UTF-16 or a Windows code page; commas, semicolons or tabs
    between the cells; any order, capitals and blanks in the names; further columns; empty rows.

    Args:
        path: the file.
        columns: names that must be there, in small letters; none of their cells may be empty.

    Raises:
        ValueError: if columns or cells are missing.
        OSError: if the file cannot be read.
    """
    text = _decoded(path.read_bytes())
    wanted = set(columns)
    tables = (_lines(path, text, delimiter) for delimiter in DELIMITERS)
    (_, header), *lines = max(tables, key=lambda found: len(wanted & {*_names(found[0][1])}))
    names = _names(header)
    missing = [name for name in columns if name not in names]
    if missing:
        has = ", ".join(filter(None, names)) or "none"
        raise ValueError(f"{path} lacks the columns {', '.join(missing)}; it has {has}")
    twice = [name for name in columns if names.count(name) > 1]
    if twice:
        raise ValueError(f"{path} has the column {twice[0]} more than once")
    rows = []
    for number, cells in lines:
        row = dict(zip(names, map(str.strip, cells), strict=False))
        for name in columns:
            if not row.get(name):
                raise ValueError(f"{path}, line {number}: there is no {name}")
        rows.append(row)
    return rows


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _lines(path: Path, text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """Number and cells of every line that holds any; an empty header if there is none."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise ValueError(f"{path} is no table: {error}") from None
    if lines and lines[0][1][0].lower().startswith("sep="):  # for Excel
        del lines[0]
    return lines or [(0, [])]


def _names(header: list[str]) -> list[str]:
    return ["_".join(cell.lower().split()) for cell in header]
