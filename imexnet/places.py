"""Where weights and pictures lie, in a checkout and in an installed wheel; how to add an extra."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def _folder(name: str) -> Path:
    """Inside the installed package, beside it in the repository."""
    inside = PACKAGE / name
    return inside if inside.is_dir() else PACKAGE.parent / name


WEIGHTS = _folder("weights")
KITCHENS = _folder("assets") / "kitchens"


def install_command(extra: str) -> str:
    """What installs an extra, in the way that this package was installed."""
    in_checkout = (PACKAGE.parent / "pyproject.toml").is_file()
    return f"pip install -e '.[{extra}]'" if in_checkout else f"pip install 'imexnet[{extra}]'"
