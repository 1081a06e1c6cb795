"""Memory that a process has had from the system, kept for what it allocates next."""

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
LARGEST_THRESHOLD = 2**25  # bytes; glibc refuses a larger one for blocks of their own


def keep_freed_memory() -> bool:
    """Asks glibc to keep freed memory; whether it could be asked.

    Feature maps are allocated and freed at every layer. By default glibc hands memory of that size
    back to the system, which then clears it page by page for the next map: that can take longer
    than a Fourier transform of the map. For programs, not for the library: it lasts as long as
    the process.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(MMAP_THRESHOLD, LARGEST_THRESHOLD) and mallopt(TRIM_THRESHOLD, 2**31 - 1))
