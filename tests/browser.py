"""The browser that the tests drive: found, or brought (`python tests/browser.py` prints where)."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence

CHOSEN = "IMEXNET_BROWSER"  # a program, instead of looking for one
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
USUAL = os.pathsep.join(("/usr/local/bin", "/usr/bin", "/snap/bin"))
HOW = f"install chromium, run `playwright install chromium`, or name a browser in {CHOSEN}"
MANAGERS = {
    "apt-get": (("update", "-qq"), ("install", "-y", "-qq", "chromium")),
    "dnf": (("install", "-y", "-q", "chromium"),),
    "apk": (("add", "-q", "chromium"),),
    "pacman": (("-Sy", "--noconfirm", "chromium"),),
    "zypper": (("--non-interactive", "install", "chromium"),),
}


def find(path: str | None = None) -> str | None:
    """The program of a Chromium that starts: the one chosen, one on the path, Playwright's own.

    Args:
        path: where to look; the environment's PATH by default.
    """
    if chosen := os.environ.get(CHOSEN):
        return chosen if _starts(chosen) else None
    there = filter(None, (shutil.which(name, path=path) for name in NAMES))
    return next(filter(_starts, there), None) or _playwrights_own()


def bring() -> str | None:
    """A browser, installed if there is none; None where that cannot be done."""
    found = find()
    for command in () if found else _installations():
        print(*command, file=sys.stderr)
        if not _succeeds(command, 600):
            print("  did not work", file=sys.stderr)
        elif found := find(os.pathsep.join((os.environ.get("PATH", ""), USUAL))):
            break
    return found


def _installations() -> Iterator[Sequence[str]]:
    """Commands to try one after the other."""
    playwright = (sys.executable, "-m", "playwright")
    yield (*playwright, "install", "chromium")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        rights: tuple[str, ...] = ()
    elif shutil.which("sudo") and _succeeds(("sudo", "-n", "true"), 10):
        rights = ("sudo", "-n")
    else:
        return
    for manager, steps in MANAGERS.items():
        if shutil.which(manager):
            for step in steps:
                yield (*rights, "env", "DEBIAN_FRONTEND=noninteractive", manager, *step)
            break
    yield (*playwright, "install-deps", "chromium")  # libraries that Playwright's own needs


def _playwrights_own() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        program = driver.chromium.executable_path
    return program if _starts(program) else None


def _starts(program: str) -> bool:
    """Whether it is more than a note where to get it, and has its libraries."""
    return _succeeds((program, "--version"), 60)


def _succeeds(command: Sequence[str], seconds: float) -> bool:
    # Playwright asks three hosts, each for half a minute by default.
    quick = {"PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT": "10000", **os.environ}
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, env=quick, timeout=seconds
        )
        return done.returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


if __name__ == "__main__":
    print(bring() or "")
