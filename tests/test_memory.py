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


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc alone")
def test_freed_memory_is_not_fetched_again():
    """50 times 8 MB are 100,000 pages when each is fetched anew."""
    if not keep_freed_memory():
        pytest.skip("another C library")
    run = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 5000
