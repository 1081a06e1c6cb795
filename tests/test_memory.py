"""Freed memory stays with the process that asked for it, until it is given back."""

import subprocess
import sys

import pytest

from imexnet.memory import keep_freed_memory, return_freed_memory

FAULTS = """
import resource, torch
from imexnet.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        a = torch.empty(2**21).fill_(1)  # 8 MB, freed at once
        del a
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

assert keep_freed_memory()
faults()
print(faults())
"""


def no_null_library(_name: str | None) -> None:
    raise TypeError("expected str, not NoneType")  # as on Windows


def no_such_library(_name: str | None) -> None:
    raise OSError("no such library")


@pytest.mark.parametrize("load", [no_null_library, no_such_library, lambda _name: object()])
def test_where_there_is_no_glibc_nothing_is_asked(monkeypatch, load):
    monkeypatch.setattr("ctypes.CDLL", load)
    assert keep_freed_memory() is False


def test_a_python_without_ctypes_goes_without(monkeypatch):
    monkeypatch.setitem(sys.modules, "ctypes", None)
    assert keep_freed_memory() is False


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc alone")
def test_freed_memory_is_not_fetched_again():
    """50 times 8 MB are 100,000 pages when each is fetched anew."""
    if not keep_freed_memory():
        pytest.skip("another C library")
    run = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 5000


HELD = """
from pathlib import Path
from imexnet.memory import keep_freed_memory, return_freed_memory

def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 2**20

assert keep_freed_memory()
before = held()
blocks = [bytearray(b"x" * 2**size) for _ in range(300) for size in (20, 12)]
between = blocks[1::2]  # small ones stay, so that nothing can be given back at the end
del blocks
kept = held()
assert return_freed_memory()
print(kept - before, held() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc alone")
def test_freed_memory_between_used_blocks_is_given_back():
    if not return_freed_memory():
        pytest.skip("another C library")
    run = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    kept, returned = map(int, run.stdout.split())
    assert kept > 250  # MB
    assert returned < 30
