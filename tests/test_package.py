"""What `import imexnet` gives, and that it changes nothing in other libraries."""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

import imexnet


def run(program: str) -> str:
    """What a fresh Python prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


IMPORT_ALL = """
import pkgutil, sys, warnings
from PIL import Image

limit, calls = Image.MAX_IMAGE_PIXELS, []

def recording(change):
    def called(*given, **named):
        caller = sys._getframe(1).f_globals["__name__"]
        if caller.startswith("imexnet"):
            calls.append(caller)
        return change(*given, **named)
    return called

warnings.simplefilter = recording(warnings.simplefilter)
warnings.filterwarnings = recording(warnings.filterwarnings)

import imexnet
count = 0
for module in pkgutil.walk_packages(imexnet.__path__, "imexnet."):
    if module.name == "imexnet.__main__" or ".kitchens" in module.name:
        continue
    __import__(module.name)
    count += 1
assert count > 60, count
assert "gradio" in sys.modules and "torch" in sys.modules
assert Image.MAX_IMAGE_PIXELS == limit, Image.MAX_IMAGE_PIXELS
of_pillow = [f for f in warnings.filters if f[2] is Image.DecompressionBombWarning]
print(calls, of_pillow)
"""


def test_importing_any_module_changes_neither_pillow_nor_the_warnings():
    assert run(IMPORT_ALL) == "[] []"


def test_a_photo_is_read_without_changing_them():
    program = (
        "import io, warnings, numpy as np\n"
        "from PIL import Image\n"
        "before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)\n"
        "from imexnet.io.photos import read_photo\n"
        "file = io.BytesIO()\n"
        "Image.new('L', (7000, 5000)).save(file, 'PNG')\n"
        "print(read_photo(file).shape, (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before)"
    )
    assert run(program) == "(5000, 7000) True"


IMPORT_EACH = """
import os, torch, imexnet

for name in ("sensitivity", "stability", "models", "inference", "spectral"):
    if os.fork() == 0:  # each by itself: one module brings others
        found = getattr(imexnet, name)
        print(found.__name__, getattr(imexnet, name) is found, flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_modules_are_there_once_the_package_is_imported():
    assert run(IMPORT_EACH).splitlines() == [
        f"imexnet.{name} True"
        for name in ("sensitivity", "stability", "models", "inference", "spectral")
    ]


def test_public_names_are_there_and_torch_waits_for_them():
    program = (
        "import sys, imexnet\n"
        "print(imexnet.__version__, 'torch' in sys.modules)\n"
        "print(all(callable(getattr(imexnet, name)) for name in imexnet.__all__))\n"
        "print(imexnet.predict.__module__)\n"
        "print('torch._dynamo' in sys.modules)"  # the compiler, more than a second
    )
    assert run(program).split("\n") == [
        f"{imexnet.__version__} False", "True", "imexnet.inference", "False",
    ]  # fmt: skip
    with pytest.raises(AttributeError, match="module 'imexnet' has no attribute 'nothing'"):
        _ = imexnet.nothing


def test_the_version_stands_in_one_place():
    """A build reads it from the package; the citation, which no program fills in, agrees."""
    words = [sys.executable, "setup.py", "--version"]
    built = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert built.stdout.split()[-1] == imexnet.__version__
    assert imexnet.__version__ not in (ROOT / "pyproject.toml").read_text("utf-8")
    cited = re.search(r"(?m)^version: (\S+)$", (ROOT / "CITATION.cff").read_text("utf-8"))
    assert cited and cited[1] == imexnet.__version__
