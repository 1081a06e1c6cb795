"""Memory that a process has had from the system: kept for what comes next, or given back."""

from collections.abc import Callable

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # of glibc's malloc.h
ARENAS = 2
LARGEST_THRESHOLD = 2**25  # bytes; glibc refuses a larger one for blocks of their own


def keep_freed_memory() -> bool:
    """Asks glibc to keep freed memory; whether it could be asked.

    Feature maps are allocated and freed at every layer. By default glibc hands memory of that size
    back to the system, which then clears it page by page for the next map: that can take longer
    than a Fourier transform of the map. What is kept lies in few arenas, or each thread of a server
    would come to keep its own. For programs, not for the library: it lasts as long as the process.
    Other systems and other C libraries are left alone.
    """
    mallopt = _of_glibc("mallopt")
    if mallopt is None:
        return False
    wishes = (MMAP_THRESHOLD, LARGEST_THRESHOLD), (TRIM_THRESHOLD, 2**31 - 1), (ARENA_MAX, ARENAS)
    return all(mallopt(*wish) for wish in wishes)


def return_freed_memory() -> bool:
    """Gives all freed memory back to the system; whether glibc could be asked.

    After `keep_freed_memory` a process stays as large as it ever was, and larger: what was freed in
    between blocks that are still used fits nothing else. A server calls this now and then. It takes
    some ten milliseconds, and the next question that much longer.
    """
    trim = _of_glibc("malloc_trim")
    if trim is None:
        return False
    trim(0)
    return True


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function of the C library, where there is one of that name to ask."""
    try:
        import ctypes  # some builds of Python have none

        return getattr(ctypes.CDLL(None), name)
    except (ImportError, OSError, TypeError, AttributeError):  # TypeError: on Windows
        return None
