"""Files: what is written is what is read, and whatever is not ours is refused in one sentence."""

import hashlib
import json
import os
import pickle
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from imexnet.cli.main import app
from imexnet.models import checkpoints
from imexnet.models.checkpoints import (
    SUMS,
    WEIGHTS,
    checksum,
    golden_output,
    load,
    load_pretrained,
    load_whole,
    read,
    read_tensors,
    save,
    training_command,
    write_tensors,
)
from imexnet.models.config import MODELS, Stage
from imexnet.models.networks import Network, build, parameter_count, with_boundary
from imexnet.models.spec import shipped_names

SMALL = replace(
    MODELS["indoor-imexnet"], stages=(Stage(channels=4, stride=2, steps=1), Stage(6, 2, 2))
)
SHIPPED = sorted(p for p in WEIGHTS.glob("*.safetensors") if ".training." not in p.name)


def network(seed: int = 0) -> Network:
    """With batch norm statistics unlike 0 and 1, which live in buffers."""
    torch.manual_seed(seed)
    net = build(SMALL)
    net(torch.rand(4, 3, 24, 24))
    return net


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good checkpoint."""
    path = tmp_path / "net.safetensors"
    save(network(), path, {"recipe": "none"}, {"mean_iou": 0.5})
    return path


def refused(path: Path, words: str) -> None:
    """Loading says in one short line what is wrong with which file."""
    with pytest.raises(ValueError, match=words) as error:
        load(path)
    message = str(error.value)
    assert path.name in message and "\n" not in message and len(message) < 120


def test_what_is_loaded_is_what_was_saved(path):
    original, loaded = network().eval(), load(path, "cpu")
    assert loaded.config == SMALL and not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    state = loaded.state_dict()
    assert all(torch.equal(state[k], v) for k, v in original.state_dict().items())
    x = torch.rand(1, 3, 29, 40)
    with torch.no_grad():
        expected, outputs = original(x), loaded(x)
    assert outputs.keys() == {"depth", "segmentation"}
    assert all(torch.equal(outputs[task], expected[task]) for task in outputs)


def test_the_card_says_all_that_is_needed(path):
    header, tensors = read_tensors(path)
    assert header.keys() == {"config", "training", "metrics", "sha256", "golden"}
    assert header["training"] == {"recipe": "none"} and header["metrics"] == {"mean_iou": 0.5}
    card, _ = read(path)
    assert card.config == SMALL
    assert card.sha256 == checksum(tensors) and re.fullmatch("[0-9a-f]{64}", card.sha256)
    golden = golden_output(load(path, "cpu"))
    assert {task: tuple(pair) for task, pair in card.golden.items()} == golden
    assert all(std > 0 for _, std in golden.values())


def test_saving_leaves_the_training_mode_and_the_weights_alone(tmp_path):
    net = network().train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    save(net, tmp_path / "net.safetensors", {}, {})
    assert net.training and all(module.training for module in net.modules())
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


def test_the_checksum_knows_names_types_shapes_and_bytes():
    tensors = {"a": torch.zeros(2, 3), "b": torch.ones(1)}
    others = [
        {"a": torch.zeros(3, 2), "b": torch.ones(1)},
        {"a": torch.zeros(2, 3, dtype=torch.int32), "b": torch.ones(1)},
        {"a": torch.zeros(2, 3), "c": torch.ones(1)},
        {"a": torch.zeros(2, 3), "b": torch.full((1,), 1 + 2**-23)},
    ]
    assert len({checksum(t) for t in [tensors, *others]}) == 5
    assert checksum(dict(reversed(tensors.items()))) == checksum(tensors)
    assert checksum({"a": torch.zeros(3, 2).T, "b": torch.ones(1)}) == checksum(tensors)


def test_a_network_in_bfloat16_is_saved(tmp_path):
    net = network().bfloat16()
    save(net, tmp_path / "net.safetensors", {}, {})
    loaded = load(tmp_path / "net.safetensors", "cpu").state_dict()
    assert all(torch.equal(loaded[k], v.to(loaded[k])) for k, v in net.state_dict().items())


def test_a_path_may_be_a_string(tmp_path):
    path = str(tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match="there is no file net"):
        load(path)
    card = save(network(), path, {}, {})
    assert read(path)[0].sha256 == card.sha256
    assert load(path, "cpu").config == SMALL


@pytest.mark.parametrize("position", [-1, -1000])
def test_one_flipped_bit_is_found(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    refused(path, "damaged: its sha256")


def test_files_that_are_none_of_ours(path, tmp_path):
    refused(tmp_path / "absent.safetensors", "no file")
    content = path.read_bytes()
    for wrong in (content[: len(content) // 2], content[:100], b"", b"epoch 3: loss 0.1\n" * 50):
        path.write_bytes(wrong)
        refused(path, "no checkpoint of this library")
    tensors = network().state_dict()
    save_file(tensors, path)  # of another library
    refused(path, "no checkpoint of this library")
    for metadata in ("{", "[]", '"text"', "null", "{}", '{"config": {"step": "imex"}}'):
        save_file(tensors, path, metadata={"imexnet": metadata})
        refused(path, "no (checkpoint|network) of this library")


@pytest.mark.parametrize(
    "changed",
    [{"channels": "1"}, {"channels": -1}, {"mean": "abc"}, {"stages": 3}, {"heads": 3}],
)
def test_a_header_that_someone_changed_is_refused(path, changed):
    header, tensors = read_tensors(path)
    for config in (header["config"] | changed, [1, 2], "imexnet"):
        write_tensors(path, header | {"config": config}, tensors)
        refused(path, "no network of this library")


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("new_format", [True, False])
def test_nothing_is_unpickled(tmp_path, new_format):
    path, folder = tmp_path / "net.safetensors", tmp_path / "sprung"
    trap = {"weight": Trap(str(folder))}
    torch.save(trap, path, _use_new_zipfile_serialization=new_format)
    refused(path, "no checkpoint of this library")
    path.write_bytes(pickle.dumps(trap))
    refused(path, "no checkpoint of this library")
    assert not folder.exists()
    pickle.loads(pickle.dumps(trap))
    assert folder.exists()  # the trap does work


def altered(path: Path, **changes) -> None:
    """The configuration in the header says something else than the weights."""
    header, tensors = read_tensors(path)
    header["config"] |= changes
    write_tensors(path, header, tensors)


@pytest.mark.parametrize(
    "changes",
    [
        {"step": "explicit"},
        {"channels": 1, "mean": [0.5], "std": [0.5]},
        {"heads": [["depth", 1]]},
        {"stages": [{"channels": 4, "stride": 2, "steps": 3}]},
    ],
)
def test_weights_must_fit_their_configuration(path, changes):
    altered(path, **changes)
    refused(path, "do not fit their configuration")


@pytest.mark.parametrize(
    "changes", [{"step": "heun"}, {"operator": "heat"}, {"stages": [{"channels": 4}]}]
)
def test_configurations_of_another_version(path, changes):
    altered(path, **changes)
    refused(path, "no network of this library")


def test_only_models_that_there_are(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"no model 'indoor'; there are qtips-resnet, "):
        load_pretrained("indoor")
    monkeypatch.setattr(checkpoints, "WEIGHTS", tmp_path)
    with pytest.raises(ValueError, match=r"indoor-imexnet\.safetensors are not there"):
        load_pretrained("indoor-imexnet")


@pytest.fixture
def copies(tmp_path, monkeypatch) -> Path:
    """The folder of shipped weights, to be spoilt."""
    for file in WEIGHTS.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(checkpoints, "WEIGHTS", tmp_path)
    return tmp_path


@pytest.mark.skipif(not SHIPPED, reason="weights/ is empty")
def test_whole_weights_are_loaded_and_each_other_file_is_explained(copies):
    names = [name for name in MODELS if (copies / f"{name}.safetensors").is_file()]
    networks, faults = load_whole(names, "cpu")
    assert list(networks) == names and faults == []
    expected = dict(line.split()[::-1] for line in (copies / SUMS).read_text().splitlines())

    def spoil(name: str, change) -> None:
        file = copies / f"{name}.safetensors"
        file.write_bytes(change(file.read_bytes()))

    (copies / "qtips-resnet.safetensors").unlink()
    spoil("indoor-resnet", lambda content: content[:10_000])
    spoil("indoor-imexnet", lambda content: content[:-1] + bytes([content[-1] ^ 1]))
    spoil("indoor-backbone-resnet", lambda content: b"")
    networks, faults = load_whole(names, "cpu")
    spoilt = ["qtips-resnet", "indoor-resnet", "indoor-imexnet", "indoor-backbone-resnet"]
    assert set(networks) == set(names) - set(spoilt)
    told = {name: next(f for f in faults if f"{name}.safetensors" in f) for name in spoilt}
    assert len(faults) == len(set(told.values())) == 4
    for name, fault in told.items():
        assert f"expected sha256 {expected[f'{name}.safetensors']}" in fault
        assert fault.endswith(f"make it with: {training_command(name)}")
        assert "\n" not in fault
    assert "found no file" in told["qtips-resnet"]
    assert "damaged: its sha256" in told["indoor-imexnet"]
    found = hashlib.sha256((copies / "indoor-imexnet.safetensors").read_bytes()).hexdigest()
    assert f"found {found}" in told["indoor-imexnet"]
    (copies / SUMS).unlink()
    assert "expected sha256 unknown" in load_whole(["qtips-resnet"])[1][0]


@pytest.mark.parametrize("name", MODELS)
def test_the_command_that_makes_weights_is_one_of_ours(name, monkeypatch):
    """It reaches the training of that network, by the recipe in the header of a shipped one."""
    asked: dict[str, Any] = {}

    def fit(config, out, *given, **named):
        asked.update(config=config, out=out)

    monkeypatch.setattr("imexnet.training.loop.fit", fit)
    for command in training_command(name).split(" && "):
        words = command.split()
        assert words[:3] == ["python", "-m", "imexnet"]
        done = CliRunner().invoke(app, words[3:])
        assert done.exit_code == 0, done.output
    assert asked["config"].model == name
    assert asked["out"] == Path(f"weights/{name}.safetensors")
    if name in shipped_names():
        recipe = read(WEIGHTS / f"{name}.safetensors")[0].training
        for key in ("epochs", "seed", "learning_rate"):
            assert getattr(asked["config"], key) == recipe[key]


@pytest.mark.skipif(not SHIPPED, reason="weights/ is empty")
def test_the_sums_are_those_of_the_shipped_files():
    """After a training: `cd weights && sha256sum *.safetensors > SHA256SUMS`."""
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}" for p in SHIPPED]
    assert (WEIGHTS / SUMS).read_text("utf-8").splitlines() == lines


@pytest.mark.parametrize("step", ["explicit", "imex", "diffusion-reaction"])
def test_a_bounded_network_comes_back_as_it_was(step, tmp_path):
    torch.manual_seed(0)
    config = replace(MODELS["qtips-resnet-bounded"], step=step, learned_step_size=True)
    before = build(config).eval()
    save(before, tmp_path / "net.safetensors", {}, {})
    after = load(tmp_path / "net.safetensors", "cpu")
    assert after.config == config
    assert parameter_count(after) == parameter_count(before)
    x = torch.rand(1, 1, 12, 10)
    assert torch.equal(after(x)["qtips"], before(x)["qtips"])
    assert torch.equal(with_boundary(after, "periodic")(x)["qtips"], after(x)["qtips"])
    with pytest.raises(ValueError, match="a bounded network has the boundary"):
        with_boundary(after, "mirrored")


def test_a_failed_save_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    old = path.read_bytes()

    def fail(temporary, content):
        with temporary.open("wb") as file:
            file.write(content[:100])
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="no space left"):
        save(network(1), path, {}, {})
    assert path.read_bytes() == old
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(not SHIPPED, reason="weights/ is empty")
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_weights(path):
    assert path.stat().st_size < 10e6
    header, tensors = read_tensors(path)
    assert checksum(tensors) == header["sha256"]
    assert not re.search(r"(^|[\s\"'=:])(/|~|[A-Z]:\\)\w", json.dumps(header))  # no folders
    assert header["training"] and header["metrics"]
    net = load(path, "cpu")
    if path.stem in MODELS:
        usual = MODELS[path.stem]
        size = tuple(header["training"].get("size") or usual.size)  # as the training was asked for
        assert net.config == replace(usual, size=size)
    for task, pair in golden_output(net).items():
        assert pair == pytest.approx(header["golden"][task], rel=1e-4, abs=1e-4 * pair[1])
