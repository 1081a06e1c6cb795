"""How a program of this project prints and ends: no traceback for what is not its fault."""

import errno
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from threading import current_thread, main_thread
from typing import NoReturn

from imexnet.places import install_command

BAD_INPUT, BROKEN_PIPE, INTERRUPTED = 2, 1, 130
EXTRAS = {
    "mitsuba": "render",
    "embreex": "render",
    "pyoidn": "render",
    "webdataset": "shards",
    "braceexpand": "shards",
    "playwright": "test",
}
"""Package → the extra that brings it; others come with `train`."""
NO_ROOM = (errno.ENOSPC, errno.EIO)


def run(main: Callable[[], int | None], name: str = "imexnet") -> None:
    """Runs a program and ends the process, unless all is well.

    Bad input is told in one line on stderr and ends with status 2, Ctrl-C ends with 130, a reader
    who has gone (`| head`) with 1 and no word.

    Args:
        main: the program; returns its exit status, None for 0.
        name: begins the line on stderr.
    """
    _print_anything()
    try:
        with _interruptible():
            status = main()
        if sys.stdout:
            sys.stdout.flush()  # here, or its failure is told by the interpreter
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0], "train")
        _fail(name, f"{error.name} is not installed: {install_command(extra)}")
    except BrokenPipeError:
        _print_no_more()
        sys.exit(BROKEN_PIPE)
    except OSError as error:
        if error.filename is None:
            _print_no_more()  # it may have been stdout
        _fail(name, sentence(error))
    except ValueError as error:
        _fail(name, str(error))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    if status:
        sys.exit(status)


class _Interrupt(KeyboardInterrupt):
    """Ctrl-C; Python would send itself the signal again for some that are KeyboardInterrupt."""


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends all with KeyboardInterrupt, also where a library makes another error of it."""
    pressed = []

    def interrupt(*_: object) -> NoReturn:
        pressed.append(True)
        raise _Interrupt

    before = signal.getsignal(signal.SIGINT)
    # Else it is ignored or another's, or this is a thread, which may not ask for it.
    ours = before is signal.default_int_handler and current_thread() is main_thread()
    if ours:
        signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except Exception:
        if pressed:
            raise _Interrupt from None
        raise
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)


def sentence(error: OSError) -> str:
    """What went wrong, and with which file."""
    if error.strerror is None:
        return str(error)
    if error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return f"stdout: {error.strerror}" if error.errno in NO_ROOM else error.strerror


def _print_anything() -> None:
    """A console that lacks a character gets its number: no result is lost for want of a σ."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _print_no_more() -> None:
    """What is still in the buffer goes nowhere, and fails no more."""
    with suppress(AttributeError, OSError):  # no stdout, or one without a file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def tell(message: str, name: str = "imexnet") -> None:
    """One line on stderr."""
    print(f"{name}: {' '.join(message.split())}", file=sys.stderr)


def _fail(name: str, message: str) -> NoReturn:
    tell(message, name)
    sys.exit(BAD_INPUT)
