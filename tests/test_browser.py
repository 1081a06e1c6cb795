"""Where the browser of the tests comes from, and what a run without one says."""

import os
import subprocess
import sys
from pathlib import Path

import browser
import pytest
from conftest import ROOT

DRIVES = "def test_one(browser): ...\ndef test_two(browser): ...\ndef test_other(): ...\n"


def program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path, monkeypatch) -> Path:
    """The only folder where programs are looked for; Playwright has no browser of its own."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(browser, "USUAL", "")
    monkeypatch.delenv(browser.CHOSEN, raising=False)
    monkeypatch.setattr(browser, "_playwrights_own", lambda: None)
    return tmp_path


@pytest.mark.parametrize("name", browser.NAMES)
def test_any_usual_name_is_found_if_it_starts(bare, name):
    assert browser.find() is None
    there = program(bare / name, "exit 10")  # a note where to get the browser
    assert browser.find() is None
    program(there, "exit 0")
    assert browser.find() == str(there)


def test_a_chosen_browser_comes_first(bare, monkeypatch):
    program(bare / "chromium", "exit 0")
    chosen = program(bare / "mine", "exit 0")
    monkeypatch.setenv(browser.CHOSEN, str(chosen))
    assert browser.find() == str(chosen)


def test_the_package_manager_follows_a_download_that_fails(bare, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(program(bare / "python", "exit 1")))
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    program(bare / "env", 'shift; exec "$@"')
    program(bare / "chromium-later", "exit 0")
    install = f"[ $1 = install ] && /bin/mv {bare}/chromium-later {bare}/chromium; exit 0"
    program(bare / "apt-get", install)
    assert browser.bring() == str(bare / "chromium")


@pytest.mark.parametrize("rights", ["none", "sudo asks", "sudo"])
def test_without_rights_no_package_manager_is_called(bare, monkeypatch, rights):
    monkeypatch.setattr(sys, "executable", str(program(bare / "python", "exit 1")))
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    program(bare / "apt-get", f"echo called > {bare}/called")
    program(bare / "env", 'shift; exec "$@"')
    if rights != "none":
        works = 'shift; [ "$1" = true ] || exec "$@"'
        program(bare / "sudo", works if rights == "sudo" else "exit 1")
    assert browser.bring() is None
    assert (bare / "called").exists() == (rights == "sudo")


def test_a_run_without_a_browser_skips_and_says_so_in_one_line(tmp_path):
    (tmp_path / "test_x.py").write_text(DRIVES)
    settings = {"PATH": "", "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path), browser.CHOSEN: ""}
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "conftest", "test_x.py"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, **settings, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    *_, line, last = done.stdout.strip().splitlines()
    assert line == f"2 tests skipped: there is no browser; {browser.HOW}"
    assert last.startswith("1 passed, 2 skipped")
