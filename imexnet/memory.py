"""Memory that a process has had from the system, kept for what it allocates next."""

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
    try:
        import ctypes  # some builds of Python have none

        mallopt = ctypes.CDLL(None).mallopt
    except (ImportError, OSError, TypeError, AttributeError):  # TypeError: on Windows
        return False
    wishes = (MMAP_THRESHOLD, LARGEST_THRESHOLD), (TRIM_THRESHOLD, 2**31 - 1), (ARENA_MAX, ARENAS)
    return all(mallopt(*wish) for wish in wishes)
