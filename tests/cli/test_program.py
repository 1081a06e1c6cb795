"""How programs end and print: exit statuses, Ctrl-C, readers who go, consoles without a σ."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
import typer
from conftest import ROOT, free_port, made_room, serving

from imexnet import program
from imexnet.cli import main
from imexnet.models.checkpoints import WEIGHTS

pytestmark = pytest.mark.skipif(
    not (WEIGHTS / "qtips-imexnet.safetensors").exists(), reason="weights are not there"
)
CONSOLES = (
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "cp1252"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""},
)


def python(*words: object, **more) -> subprocess.CompletedProcess:
    given = {"capture_output": True, "text": True, "errors": "replace", "timeout": 120, **more}
    return subprocess.run([sys.executable, *map(str, words)], cwd=ROOT, **given)


def interrupted(command: list[str], begun, **environment: str) -> tuple[int, str]:
    """Ctrl-C for a program and its children once it has begun: exit status, stderr."""
    environ = {**os.environ, **environment}
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        for _ in range(600):
            if begun():
                break
            assert process.poll() is None
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=60)
        return process.returncode, told
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def left(folder: Path) -> list[str]:
    """Temporary files that nobody took away."""
    return [path.name for path in folder.rglob(".*")]


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (typer.Exit(3), 3),
        (typer.Exit(0), 0),
        (typer.Abort(), 130),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(32, "Broken pipe"), 1),
        (ValueError("bad\n  input"), 2),
        (OSError(28, "No space left on device", "a.npy"), 2),
    ],
)
def test_how_a_command_ends_is_its_exit_status(monkeypatch, raised, status):
    def predict(*_given, **_named):
        raise raised

    # SystemExit ends a test's process, too; stdout is pytest's and stays as it is.
    monkeypatch.setattr(program, "_print_no_more", lambda: None)
    monkeypatch.setattr("imexnet.io.photos.read_photo", predict)
    words = ["predict", "a.jpg", "--task", "depth", "--out", "out"]
    if status == 0:
        main.main(words)
        return
    with pytest.raises(SystemExit) as end:
        main.main(words)
    assert end.value.code == status


def test_an_error_of_a_file_is_one_line_that_names_it(capsys):
    def full():
        raise OSError(28, "No space left on device", "out/a.npy")

    with pytest.raises(SystemExit):
        program.run(full)
    assert capsys.readouterr().err == "imexnet: out/a.npy: No space left on device\n"


def test_an_interrupt_that_a_library_makes_an_error_of_is_one():
    """Some packages catch it while they are imported, and fail for a reason that follows."""

    def swallowing():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise NameError("_extension") from None

    with pytest.raises(SystemExit) as end:
        program.run(swallowing)
    assert end.value.code == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_through_code_that_is_made_at_run_time_ends_with_130():
    """Python sends itself the signal again for a KeyboardInterrupt that left `exec`."""
    code = "exec('import signal; signal.raise_signal(signal.SIGINT)')"
    done = python("-c", f"from imexnet.program import run\nrun(lambda: exec({code!r}))")
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.training
def test_interrupted_training_leaves_the_last_epoch_alone(tmp_path):
    out = tmp_path / "net.safetensors"
    state = tmp_path / "net.training.safetensors"
    words = ["-m", "imexnet", "train", "qtips", "--model", "imexnet", "--images", "32"]
    words += ["--epochs", "1000", "--out", str(out)]
    status, told = interrupted(words, state.exists)
    assert status == 130
    assert "Traceback" not in told
    assert [path.name for path in tmp_path.iterdir()] == [state.name]


@pytest.mark.kitchens
def test_interrupted_rendering_leaves_no_half_written_file(tmp_path):
    words = ["-m", "imexnet", "render", "--count", "200", "--size", "32x24", "--out", str(tmp_path)]
    status, told = interrupted(words, lambda: any(tmp_path.glob("rgb/*.jpg")))
    assert status == 130
    assert "Traceback" not in told
    assert left(tmp_path) == []
    assert not (tmp_path / "index.csv").exists()


@pytest.mark.parametrize("port", ["abc", "", "-1", "65536"])
def test_a_port_that_is_none_is_told_with_its_setting(port):
    done = python("-m", "imexnet", "serve", env={**os.environ, "GRADIO_SERVER_PORT": port})
    told = f"imexnet: GRADIO_SERVER_PORT must be the number of a port, got {port!r}\n"
    assert (done.returncode, done.stderr) == (2, told)


def test_interrupted_page_ends_with_130_and_takes_its_files_away(tmp_path):
    with serving(free_port(), tmp_path) as server:
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 130
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_interrupted_benchmark_ends_with_130(tmp_path, write_rooms):
    folder = write_rooms([made_room("train" if seed < 16 else "val", seed) for seed in range(17)])
    state = tmp_path / "imex-0.training.safetensors"
    words = ["benchmarks/variants.py", "train", "imex", "--data", str(folder)]
    status, told = interrupted([*words, "--out", str(tmp_path)], state.exists)
    assert status == 130
    assert "Traceback" not in told


@pytest.mark.parametrize("words", [("robustness", "--help"), ("stability", "--help")])
def test_a_reader_who_goes_is_no_error(words):
    program_ = f"{sys.executable} -m imexnet {' '.join(words)}"
    script = f"{program_} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() in ("0", "1")  # 0: all was in the pipe before the reader went
    assert done.stderr == ""


def test_more_than_a_pipe_holds_for_a_reader_who_goes():
    code = "from imexnet.program import run; run(lambda: print('x' * 10**6))"
    script = f'{sys.executable} -c "{code}" | head -c 1 >&2; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout.strip(), done.stderr) == ("1", "x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_output_that_finds_no_room_is_told():
    with open("/dev/full", "w") as full:
        done = python("-m", "imexnet", "--help", capture_output=False, stdout=full, stderr=-1)
    assert done.returncode == 2
    assert done.stderr == "imexnet: stdout: No space left on device\n"


SEVERAL = """
import runpy, sys
from imexnet.cli.main import main

sys.path.insert(0, "benchmarks")
for command in {commands}:
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="strict")  # as it is in a process of its own
    sys.argv = command.split()
    try:
        if sys.argv[0] == "imexnet":
            main()
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as end:
        status = end.code or 0
    print("status", status)
"""


@pytest.mark.parametrize("console", CONSOLES, ids=("ascii", "cp1252", "C"))
def test_no_output_fails_for_want_of_a_character(console):
    commands = [
        "imexnet robustness --task qtips --images 2 --severities 0.01",
        "imexnet stability --help", "imexnet robustness --help", "imexnet serve --help",
        "imexnet predict \u03c3\u2016.jpg --task depth --out o", "benchmarks/compare_runs.py",
    ]  # fmt: skip
    program = SEVERAL.format(commands=ascii(commands))
    done = python("-c", program, env={**os.environ, **console})
    assert done.returncode == 0, done.stderr
    *shown, last = re.split(r"status (\d+)\n", done.stdout)
    assert (shown[1::2], last) == (["0", "0", "0", "0", "2", "0"], "")
    table, *helps, bad, script = shown[::2]
    assert table.count("\n") == 2 and "\\u03c3 on the [0, 1] image" in table
    assert all("Usage:" in text for text in helps)
    assert (bad, done.stderr.count("\n")) == ("", 1)
    assert "mean_iou" in script
