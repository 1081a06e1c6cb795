"""Freed memory stays with the process that asked for it."""

import subprocess
import sys

import pytest

from imexnet.memory import keep_freed_memory

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
