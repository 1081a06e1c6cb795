"""Training: the same recipe for every kind of step.

Everything random follows from (seed, epoch, process), so a run that was killed and resumed ends
at the very weights of an uninterrupted one. Several processes share a batch under
`accelerate launch`.
"""

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from imexnet.io.files import check_new
from imexnet.models.checkpoints import save
from imexnet.models.config import MODELS, ModelConfig
from imexnet.models.folding import has_bfloat16
from imexnet.models.networks import Network, build
from imexnet.models.spec import ModelSpec
from imexnet.training.optimisation import one_cycle, parameter_groups
from imexnet.training.recipes import TrainConfig, averaging_decay, recipe
from imexnet.training.state import Identity, _load_state, _save_state, begin_with
from imexnet.training.tasks import TrainingSet, make_task

if TYPE_CHECKING:
    from accelerate import Accelerator


def fit(
    config: TrainConfig,
    out: Path,
    data: Path | None = None,
    resume: bool = False,
    rendered: Path | None = None,
    architecture: ModelConfig | None = None,
    command: str | None = None,
    start_from: Path | None = None,
) -> dict | None:
    """Trains a network and writes it to `out`; a state to resume from beside it after each epoch.

    Args:
        config: the recipe.
        out: the safetensors file to write.
        data: the NYU folder, for the indoor networks; for the others a folder of pictures with
            their labels, in the place of fresh ones.
        resume: go on from the state beside `out`, by the command that it was begun with; with none
            there, start.
        rendered: a folder that `render` wrote, for the indoor networks to see besides.
        architecture: another than that of the model's name.
        command: what to note in the file of how it was made; by default `imexnet train …`.
        start_from: a file with the weights to begin with: of a network of this architecture, as
            trained at any size, or of its encoder, as `convert-encoder` writes it.

    Returns:
        The scores on the validation split; None on other processes than the first.

    Raises:
        ValueError: if data are missing, `out` is there already or cannot be written, or a state is
            there that does not fit.
    """
    state_file = _state_file(out, resume)
    out.parent.mkdir(parents=True, exist_ok=True)
    begun = state_file.exists()  # then weights and command are those that the training began with
    training = _begin(config, data, rendered, architecture, None if begun else start_from)
    first_epoch, command = 0, command or _command(config, out, data, rendered, start_from)
    if begun:
        first_epoch, command = _load_state(state_file, *training.state(), command)
    training.prepare(first_epoch)
    for epoch in range(first_epoch, config.epochs):
        training.run_epoch(epoch)
        if training.accelerator.is_main_process:
            _save_state(state_file, epoch + 1, command, *training.state())
    training.accelerator.wait_for_everyone()
    if not training.accelerator.is_main_process:
        return None
    averaged = training.averaged()
    metrics = training.task.validate(averaged)
    save(averaged, out, {"command": command, **asdict(config)}, metrics)
    state_file.unlink(missing_ok=True)
    return metrics


def _state_file(out: Path, resume: bool) -> Path:
    """Where the state lies; files in the way are told before hours of work, not after."""
    if out.is_dir():
        raise ValueError(f"{out} is a folder; give the name of a file to write")
    state_file = out.with_name(f"{out.stem}.training.safetensors")
    if state_file.exists() and not resume:
        raise ValueError(f"{state_file.name} is an unfinished run: use --resume, or delete it")
    if resume and out.exists() and not state_file.exists():
        raise ValueError(f"{out.name} is finished: there is nothing to resume")
    check_new(out)
    return state_file


@dataclass
class _Training:
    """A training under way."""

    config: TrainConfig
    task: TrainingSet
    network: Network
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    accelerator: "Accelerator"

    @property
    def steps(self) -> int:
        """Batches per epoch."""
        return self.task.images // self.config.batch

    def state(self) -> tuple[Identity, Network, AveragedModel, torch.optim.Optimizer]:
        """What identifies the training, and what changes in its course."""
        identity = Identity(self.config, self.network.config, self.task.images)
        return identity, self.network, self.average, self.optimizer

    def prepare(self, first_epoch: int) -> None:
        """Places everything on its device, and sets the learning rate of the first epoch."""
        total, done = self.config.epochs * self.steps, first_epoch * self.steps
        network = self.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.model, self.optimizer = self.accelerator.prepare(network, self.optimizer)
        self.schedule = one_cycle(self.optimizer, total, self.config.learning_rate, done)

    def run_epoch(self, epoch: int) -> None:
        """One pass over the data set, in an order that follows from seed and epoch alone."""
        from tqdm import tqdm

        config, rank = self.config, self.accelerator.process_index
        self.model.train()
        torch.manual_seed(_epoch_seed(config.seed, epoch))
        order = torch.randperm(self.task.images)  # the same in all processes
        torch.manual_seed(_epoch_seed(config.seed, epoch) + 1 + rank)
        with tqdm(
            total=self.steps * config.batch,
            desc=f"{config.model} epoch {epoch + 1}/{config.epochs}",
            unit="images",
            disable=rank != 0,
            file=sys.stderr,
        ) as bar:
            for batch in order.split(config.batch)[: self.steps]:
                pictures, targets = self.task.batch(
                    epoch, batch[rank :: self.accelerator.num_processes]
                )
                loss = self._step(pictures, targets)
                bar.update(config.batch)
                bar.set_postfix(loss=f"{loss:.4f}")

    def _step(self, pictures: Tensor, targets: dict[str, Tensor]) -> float:
        """One step of the optimizer; the loss before it."""
        device = self.accelerator.device
        targets = {name: target.to(device) for name, target in targets.items()}
        pictures = pictures.to(device, memory_format=torch.channels_last)
        loss = self.task.loss(self.model(pictures), targets)
        self.accelerator.backward(loss)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        self.average.update_parameters(self.network)
        return loss.item()

    def averaged(self) -> Network:
        """The network of averaged weights, calibrated."""
        network = cast(Network, self.average.module)
        self.task.calibrate(network)
        return network.eval()


def _begin(
    config: TrainConfig,
    data: Path | None,
    rendered: Path | None,
    architecture: ModelConfig | None,
    start_from: Path | None,
) -> _Training:
    """The training before its first step; arguments as of `fit`."""
    from accelerate import Accelerator

    device = "cuda" if torch.cuda.is_available() else "cpu"
    accelerator = Accelerator(
        cpu=device == "cpu", mixed_precision="bf16" if has_bfloat16(device) else "no"
    )
    torch.manual_seed(config.seed)
    shape = architecture or MODELS[config.model]
    network = build(replace(shape, size=config.size or shape.size))
    if start_from is not None:
        begin_with(network, start_from)
    task = make_task(config, network.config, data, rendered)
    if task.images < config.batch:
        raise ValueError(f"{task.images} images are less than one batch of {config.batch}")
    decays = config.weight_decay, config.stencil_decay
    optimizer = torch.optim.AdamW(parameter_groups(network, *decays, config.encoder_rate))
    decay = averaging_decay(config, task.images)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True).to(
        accelerator.device
    )
    return _Training(config, task, network, average, optimizer, accelerator)


def _command(
    config: TrainConfig,
    out: Path,
    data: Path | None,
    rendered: Path | None,
    start_from: Path | None,
) -> str:
    spec = ModelSpec.from_name(config.model)
    words = [spec.train_command]
    if data is not None:
        words.append("--data NYU" if spec.family == "indoor" else f"--data {spec.family.upper()}")
    elif config.images != TrainConfig.images:
        words.append(f"--images {config.images}")
    if rendered is not None:
        words.append("--rendered KITCHENS")
    if config.learning_rate != recipe(config.model).learning_rate:
        words.append(f"--learning-rate {config.learning_rate:g}")
    if config.edge_weight != recipe(config.model).edge_weight:
        words.append(f"--edge-weight {config.edge_weight:g}")
    if config.size is not None:
        words.append(f"--size {config.size[1]}x{config.size[0]}")
    if start_from is not None:
        words.append(f"--start-from {start_from.name}")
    return " ".join([*words, f"--seed {config.seed} --epochs {config.epochs} --out {out.name}"])


def _epoch_seed(seed: int, epoch: int) -> int:
    return (seed * 10_007 + epoch + 1) * 1_009  # leaves room for a seed per process
