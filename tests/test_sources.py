"""What no source may name."""

import re

from conftest import ROOT

REGISTRIES = re.compile(
    r"pypi\.org|pythonhosted\.org|anaconda\.|huggingface\.co|\bhf\.co|download\.pytorch\.org|"
    r"npmjs\.|yarnpkg\.|kaggle\.com|index-url|find-links|trusted-host"
)
FRAMES = re.compile('"frame-ancestors [^"]*"')  # who may show the page inside theirs


def test_no_registry_is_named():
    """Where packages and weights come from is the user's affair, and nothing is downloaded."""
    assert REGISTRIES.search('URL = "https://huggingface.co/a/b"')
    assert REGISTRIES.search("pip install --index-url http://mirror")
    build_files = (
        "Makefile", "requirements.txt", "requirements-test.txt", ".pre-commit-config.yaml",
        "pyproject.toml", "setup.py", ".ci/run",
    )  # fmt: skip
    paths = [ROOT / "app.py", *(ROOT / "imexnet").rglob("*.py")]
    paths += [*(ROOT / "benchmarks").rglob("*.py")]
    paths += [ROOT / name for name in build_files if (ROOT / name).exists()]
    found = {
        str(p.relative_to(ROOT)): REGISTRIES.search(FRAMES.sub("", p.read_text("utf-8")))
        for p in paths
    }
    assert not {name: match[0] for name, match in found.items() if match}
