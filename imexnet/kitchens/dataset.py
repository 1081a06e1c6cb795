"""Rendered kitchens into a folder that the NYU loader reads."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import current_thread, main_thread

from PIL import Image

from imexnet.data import room_folder
from imexnet.kitchens.path_tracing import QUALITIES, Rendering, mitsuba, render_kitchen

SPLITS = ("train", "val", "test")


def render_kitchens(
    out: Path,
    count: int,
    seed: int,
    size: tuple[int, int],
    quality: str = "low",
    truth_size: tuple[int, int] | None = None,
    split: str = "train",
    validation: int = 0,
) -> int:
    """Write kitchens 0001… of sequence `seed` under `out`, one process a core.

    `index.csv` is written last: a folder without it is incomplete and may be rendered again.

    Args:
        out: the folder to write; made where it does not exist.
        count: how many.
        seed: of the sequence.
        size: (H, W) of the photos.
        quality: low or high.
        truth_size: (h, w) of depth and classes if not the photos', in the same proportions.
        split: train, val or test, for `index.csv`.
        validation: how many of the last ones are of the split val instead.

    Returns:
        The number of kitchens written.

    Raises:
        ValueError: an argument is out of range, or `out` holds a data set already.
        ModuleNotFoundError: the render extra is not installed.
    """
    if quality not in QUALITIES:
        raise ValueError(f"the quality must be one of {', '.join(QUALITIES)}, got {quality!r}")
    if split not in SPLITS:
        raise ValueError(f"the split must be one of {', '.join(SPLITS)}, got {split!r}")
    if not 0 <= validation <= count:
        raise ValueError(f"of {count} kitchens, {validation} cannot be for validation")
    for height, width in (size, truth_size or size):
        if not (16 <= height <= 4096 and 16 <= width <= 4096):
            raise ValueError(f"sizes must be 16…4096 pixels a side, got {width}x{height}")
    if truth_size and size[0] * truth_size[1] != size[1] * truth_size[0]:
        words = f"{truth_size[1]}x{truth_size[0]} and {size[1]}x{size[0]}"
        raise ValueError(f"depth and classes must have the proportions of the photos, got {words}")
    room_folder.check_free(out)
    mitsuba()  # missing packages are told before anything is written
    from tqdm import tqdm

    room_folder.make_folders(out)
    work = partial(_render, seed, size, quality, truth_size)
    with _rendered(work, count) as done:
        # Written here alone: a worker is stopped in the middle of whatever it does.
        for index, made in tqdm(done, "Rendering", count, unit="image"):
            photo = Image.fromarray(made.photo)
            room_folder.write_room(out, _name(index), photo, made.depth, made.label40)
    splits = [split] * (count - validation) + ["val"] * validation
    rows = (
        (_name(i), "test" if of == "test" else "train", of, "kitchen", i)
        for i, of in enumerate(splits)
    )
    room_folder.write_index(out, rows)
    return count


def _render(
    seed: int, size: tuple[int, int], quality: str, truth_size: tuple[int, int] | None, index: int
) -> tuple[int, Rendering]:
    return index, render_kitchen(seed, index, size, quality, truth_size)


@contextmanager
def _rendered(
    work: Callable[[int], tuple[int, Rendering]], count: int
) -> Iterator[Iterator[tuple[int, Rendering]]]:
    """All kitchens as they get ready, one process a core; Ctrl-C is for this process to answer."""
    processes = min(count, _cores())
    if processes == 1:
        yield map(work, range(count))
        return
    spawn = multiprocessing.get_context("spawn")
    with _no_interrupts():  # as workers inherit it, where they do; else they turn it off
        pool = spawn.Pool(processes, signal.signal, (signal.SIGINT, signal.SIG_IGN))
    with pool:
        yield pool.imap_unordered(work, range(count))


@contextmanager
def _no_interrupts() -> Iterator[None]:
    if current_thread() is not main_thread():  # others may not ask for it
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _name(index: int) -> str:
    return f"{index + 1:04d}"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
