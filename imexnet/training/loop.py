"""Training: the same recipe for every kind of step.

Everything random follows from (seed, epoch, process), so a run that was killed and resumed ends
at the very weights of an uninterrupted one. Several processes share a batch under
`accelerate launch`.
"""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from imexnet.io.files import check_new
from imexnet.memory import keep_freed_memory
from imexnet.models.checkpoints import save
from imexnet.models.config import MODELS, ModelConfig
from imexnet.models.networks import Network, build
from imexnet.models.spec import ModelSpec
from imexnet.training.optimisation import one_cycle, parameter_groups
from imexnet.training.recipes import TrainConfig
from imexnet.training.state import _load_state, _save_state, begin_with
from imexnet.training.tasks import make_task


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
        data: the NYU folder, for the indoor networks; for the others a folder of Q-tips with
            their labels, in the place of fresh ones.
        resume: go on from the state beside `out`; with none there, start.
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
    from accelerate import Accelerator
    from tqdm import tqdm

    if out.is_dir():
        raise ValueError(f"{out} is a folder; give the name of a file to write")
    state_file = out.with_name(f"{out.stem}.training.safetensors")
    if state_file.exists() and not resume:
        raise ValueError(f"{state_file.name} is an unfinished run: use --resume, or delete it")
    if resume and out.exists() and not state_file.exists():
        raise ValueError(f"{out.name} is finished: there is nothing to resume")
    check_new(out)  # before hours of work, not after
    keep_freed_memory()
    out.parent.mkdir(parents=True, exist_ok=True)
    accelerator = Accelerator(
        cpu=not torch.cuda.is_available(), mixed_precision="bf16" if _has_bfloat16() else "no"
    )
    rank, processes = accelerator.process_index, accelerator.num_processes
    torch.manual_seed(config.seed)
    shape = architecture or MODELS[config.model]
    network = build(replace(shape, size=config.size or shape.size))
    if start_from is not None:
        begin_with(network, start_from)
    task = make_task(config, network.config, data, rendered)
    decays = config.weight_decay, config.stencil_decay
    optimizer = torch.optim.AdamW(parameter_groups(network, *decays, config.encoder_rate))
    average = AveragedModel(
        network, multi_avg_fn=get_ema_multi_avg_fn(config.average), use_buffers=True
    ).to(accelerator.device)
    identity = {
        "config": asdict(config),
        "architecture": json.loads(json.dumps(network.config.to_dict())),
        "images": task.images,
    }
    first_epoch = 0
    if resume and state_file.exists():
        first_epoch = _load_state(state_file, identity, network, average, optimizer)
    network = network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    model, optimizer = accelerator.prepare(network, optimizer)

    steps = task.images // config.batch
    if steps == 0:
        raise ValueError(f"{task.images} images are less than one batch of {config.batch}")
    for epoch in range(first_epoch, config.epochs):
        model.train()
        torch.manual_seed(_epoch_seed(config.seed, epoch))
        order = torch.randperm(task.images)  # the same in all processes
        torch.manual_seed(_epoch_seed(config.seed, epoch) + 1 + rank)
        bar = tqdm(
            total=steps * config.batch,
            desc=f"{config.model} epoch {epoch + 1}/{config.epochs}",
            unit="images",
            disable=rank != 0,
            file=sys.stderr,
        )
        for i in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = group["rate"] * one_cycle(
                    epoch * steps + i, config.epochs * steps, config.learning_rate
                )
            indices = order[i * config.batch : (i + 1) * config.batch][rank::processes]
            pictures, targets = task.batch(epoch, indices)
            targets = {name: target.to(accelerator.device) for name, target in targets.items()}
            pictures = pictures.to(accelerator.device, memory_format=torch.channels_last)
            loss = task.loss(model(pictures), targets)
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            average.update_parameters(network)
            bar.update(config.batch)
            bar.set_postfix(loss=f"{loss.item():.4f}")
        bar.close()
        if rank == 0:
            _save_state(state_file, identity, epoch + 1, network, average, optimizer)
    accelerator.wait_for_everyone()
    if rank != 0:
        return None
    averaged = cast(Network, average.module)
    if batches := list(task.unaugmented()):
        update_bn(batches, averaged, accelerator.device)
    averaged.eval()
    metrics = task.validate(averaged)
    command = command or _command(config, out, data, rendered, start_from)
    save(averaged, out, {"command": command, **asdict(config)}, metrics)
    state_file.unlink(missing_ok=True)
    return metrics


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
        words.append("--data NYU" if spec.family == "indoor" else "--data QTIPS")
    elif config.images != TrainConfig.images:
        words.append(f"--images {config.images}")
    if rendered is not None:
        words.append("--rendered KITCHENS")
    if config.size is not None:
        words.append(f"--size {config.size[1]}x{config.size[0]}")
    if start_from is not None:
        words.append(f"--start-from {start_from.name}")
    return " ".join([*words, f"--seed {config.seed} --epochs {config.epochs} --out {out.name}"])


def _epoch_seed(seed: int, epoch: int) -> int:
    return (seed * 10_007 + epoch + 1) * 1_009  # leaves room for a seed per process


def _has_bfloat16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # not in every build
    return bool(supported and supported())
