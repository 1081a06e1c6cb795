"""Training: the same recipe for every kind of step.

Everything random follows from (seed, epoch, process), so a run that was killed and resumed ends
at the very weights of an uninterrupted one. Several processes share a batch under
`accelerate launch`.
"""

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from imexnet.backbone import ConvNorm, InvertedResidual
from imexnet.checkpoints import read_tensors, save, train_words, write_tensors
from imexnet.data import nyu, qtips
from imexnet.evaluation import evaluate_indoor, evaluate_qtips
from imexnet.files import check_new
from imexnet.memory import keep_freed_memory
from imexnet.models import MODELS, ModelConfig, Network, build
from imexnet.predict import resize
from imexnet.steps import IMEXStep

TRAINING_STREAM = 2**32  # added to the seed: sequences that no evaluation asks for
VALIDATION_STREAM = 2**33


@dataclass(frozen=True)
class TrainConfig:
    """A recipe: AdamW, one cycle of the learning rate, averaged weights.

    Attributes:
        model: a key of `MODELS`.
        epochs: passes over the data set.
        seed: of weights, order and augmentation.
        batch: images per step, over all processes.
        learning_rate: peak of the cycle.
        weight_decay: of the convolution kernels.
        stencil_decay: of the stencils; it would pull B to 0, the IMEXNet back to the ResNet.
        encoder_rate: learning rate of the encoder per that of all else.
        average: decay of the exponential moving average of the weights.
        segmentation: weight of the cross-entropy beside the loss of log-depth, of rooms.
        balance: e of the weights (median frequency / frequency)ᵉ of a class, of rooms: 0 asks for
            the most right pixels, 1 for every class alike.
        smoothing: share of a label that goes to all classes alike, of rooms.
        images: Q-tips per epoch; each is seen once.
        background: weight of the background, 94 % of the pixels, in the loss of Q-tips.
        noise: largest σ of the Gaussian noise on a picture, uniform from 0 on.
        blur: largest σ in pixels of the Gaussian blur of every other picture, uniform from 0.1 on.
        scales: number of grids, each half as fine as the one before, on which the gradients of
            log-depth are compared, of rooms.
        portrait: share of the batches that are cut to upright pictures, of rooms.
        size: (H, W) of the pictures, that of the network's configuration by default.
    """

    model: str
    epochs: int
    seed: int = 0
    batch: int = 16
    learning_rate: float = 4e-3
    weight_decay: float = 1e-2
    stencil_decay: float = 0.0
    encoder_rate: float = 0.15
    average: float = 0.995
    segmentation: float = 0.3
    balance: float = 0.5
    smoothing: float = 0.0
    images: int = 1024
    background: float = 0.1
    noise: float = 0.0
    blur: float = 0.0
    scales: int = 1
    portrait: float = 0.0
    size: tuple[int, int] | None = None


RECIPES = {
    "qtips": TrainConfig("qtips-imexnet", epochs=30),
    "indoor": TrainConfig("indoor-imexnet", epochs=80, learning_rate=3e-3, weight_decay=5e-2),
    "indoor-pyramid": TrainConfig(
        "indoor-pyramid-imexnet",
        epochs=100,
        learning_rate=3e-3,
        weight_decay=5e-2,
        segmentation=0.5,
        balance=0.25,
        smoothing=0.1,
    ),
    "indoor-backbone": TrainConfig(
        "indoor-backbone-imexnet",
        epochs=150,
        learning_rate=3e-3,
        weight_decay=5e-2,
        segmentation=0.5,
        balance=0.25,
        smoothing=0.1,
        noise=0.1,
        blur=1.0,
        scales=3,
        portrait=0.25,
    ),
}


class Task(Protocol):
    """What `fit` needs to know of a data set."""

    images: int

    def batch(self, epoch: int, indices: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Pictures (B, C, H, W) on [0, 1] and targets; randomness from the global generator."""
        ...

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """A scalar."""
        ...

    def unaugmented(self) -> Iterator[Tensor]:
        """Batches of pictures to take the statistics of the norms from, after training."""
        ...

    def validate(self, network: Network) -> dict:
        """Scores on the validation split."""
        ...


class QtipsTask:
    """Fresh Q-tips every epoch, or those of a folder over and over; cross-entropy."""

    def __init__(self, config: TrainConfig, folder: Path | None = None) -> None:
        self.given = None if folder is None else qtips.read_qtips(folder)
        self.images = config.images if self.given is None else len(self.given[0])
        self.config = config

    def batch(self, epoch: int, indices: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        if self.given is not None:
            pictures, labels = (array[indices.numpy()] for array in self.given)
        else:
            first, seed = epoch * self.images, self.config.seed
            pairs = [qtips.qtip(TRAINING_STREAM + seed, first + i) for i in indices.tolist()]
            pictures, labels = (np.stack(arrays) for arrays in zip(*pairs, strict=True))
        scaled = torch.from_numpy(pictures).unsqueeze(1) / 255
        if self.config.noise > 0 or self.config.blur > 0:
            scaled = noisy(relit(blurred(scaled, self.config.blur)), self.config.noise)
        return scaled, {"qtips": torch.from_numpy(labels).long()}

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        logits = outputs["qtips"]
        weights = logits.new_tensor([self.config.background, 1, 1, 1])
        return F.cross_entropy(logits, targets["qtips"], weight=weights)

    def unaugmented(self) -> Iterator[Tensor]:
        return iter(())  # the averages over all noises serve them all

    def validate(self, network: Network) -> dict:
        return evaluate_qtips(network, *qtips.qtips(VALIDATION_STREAM, range(256)))


class IndoorTask:
    """Rooms of NYU Depth V2 at the network's size, held in memory, augmented in batches.

    Image, depth and labels are flipped, zoomed, rotated and shifted together. A zoom by s brings
    everything nearer: depth is divided by s, and s spreads around 1 in both directions so that
    the mean log-depth of the stream stays that of the photos.
    """

    def __init__(
        self,
        config: TrainConfig,
        size: tuple[int, int],
        folder: Path,
        rendered: Path | None = None,
    ) -> None:
        import kornia.augmentation as augmentation

        rooms = nyu.read_rooms(folder, "train")
        photos = len(rooms)
        if rendered is not None:  # besides the photos: an epoch passes once over both
            rooms += nyu.read_rooms(rendered, "train")
        self.images = len(rooms)
        self.validation = nyu.read_rooms(folder, "val")
        self.photos = torch.stack([_photo(room.photo, size) for room in rooms])
        self.depth = torch.stack([_nearest(room.depth, size) for room in rooms])
        self.labels = torch.stack([_nearest(room.labels, size) for room in rooms])
        real = self.labels[:photos]  # the weights are the same with and without kitchens
        counts = torch.bincount(real.flatten().long(), minlength=14)[1:].float()
        usual = counts[counts > 0].median()
        self.weights = (usual / counts).pow(config.balance).where(counts > 0, 0)
        self.config = config
        self.geometry = augmentation.AugmentationSequential(
            augmentation.RandomHorizontalFlip(p=0.5),
            augmentation.RandomAffine(
                degrees=5.0,
                translate=(0.1, 0.1),
                scale=(0.72, 1.33),
                padding_mode="reflection",
                p=1.0,
            ),
            data_keys=["input", "mask", "mask"],
        )
        self.colour = augmentation.ColorJiggle(0.3, 0.3, 0.3, 0.05, p=0.8)

    def batch(self, epoch: int, indices: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        photos = self.photos[indices].float() / 255
        truth = (self.depth[indices], self.labels[indices].float())
        photos, depth, labels = self.geometry(photos, *truth)
        matrix = cast(Tensor, self.geometry.transform_matrix)
        zoom = torch.linalg.det(matrix[:, :2, :2]).abs().sqrt().view(-1, 1, 1, 1)
        if torch.rand(()) < self.config.portrait:
            photos, depth, labels, nearer = upright(photos, depth, labels)
            zoom = nearer * zoom
        photos = blurred(self.colour(photos), self.config.blur)
        targets = {"depth": depth / zoom, "segmentation": labels[:, 0].long()}
        return noisy(photos, self.config.noise), targets

    def unaugmented(self) -> Iterator[Tensor]:
        for photos in self.photos.split(self.config.batch):
            yield photos.float() / 255

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        depth = log_depth_loss(outputs["depth"], targets["depth"], self.config.scales)
        logits = outputs["segmentation"]
        classes = F.cross_entropy(
            logits,
            targets["segmentation"] - 1,  # 0 = unlabelled becomes -1
            weight=self.weights.to(logits.device),
            ignore_index=-1,
            label_smoothing=self.config.smoothing,
        )
        return depth + self.config.segmentation * classes

    def validate(self, network: Network) -> dict:
        return evaluate_indoor(network, self.validation)


BRIGHTNESS, CONTRAST = 0.1, 0.2


def relit(pictures: Tensor) -> Tensor:
    """c (x − x̄) + x̄ + b: contrast c in 1 ± 0.2 about the mean x̄, brightness b in ± 0.1.

    Each picture of (B, C, H, W) has its own, from the global generator.
    """
    mean = pictures.mean(dim=(1, 2, 3), keepdim=True)
    contrast = _per_picture(pictures, 1 - CONTRAST, 1 + CONTRAST)
    return mean + contrast * (pictures - mean) + _per_picture(pictures, -BRIGHTNESS, BRIGHTNESS)


def blurred(pictures: Tensor, sigma: float) -> Tensor:
    """Every other picture of (B, C, H, W) smoothed by a Gaussian of 0.1 … `sigma` pixels."""
    if sigma == 0:
        return pictures
    from kornia.augmentation import RandomGaussianBlur

    return RandomGaussianBlur((9, 9), (0.1, sigma), p=0.5)(pictures)


def noisy(pictures: Tensor, sigma: float) -> Tensor:
    """Pictures (B, C, H, W) with Gaussian noise of 0 … `sigma` each, clipped to [0, 1]."""
    if sigma > 0:
        pictures = pictures + _per_picture(pictures, 0, sigma) * torch.randn_like(pictures)
    return pictures.clamp(0, 1)


def _per_picture(pictures: Tensor, low: float, high: float) -> Tensor:
    return pictures.new_empty(len(pictures), 1, 1, 1).uniform_(low, high)


def upright(photos: Tensor, depth: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor, float]:
    """A part of lying pictures (B, C, H, W), at one place for all, as upright ones (B, C, W, H).

    Returns:
        Photos, depth, labels, and the factor by which the part was enlarged.
    """
    height, width = photos.shape[-2:]
    across = round(height * height / width)
    left = int(torch.randint(width - across + 1, ()))
    size = (width, height)
    photos, depth, labels = (t[..., left : left + across] for t in (photos, depth, labels))
    photos = F.interpolate(photos, size, mode="bilinear", align_corners=False)
    depth, labels = (F.interpolate(t, size, mode="nearest-exact") for t in (depth, labels))
    return photos, depth, labels, width / height


def log_depth_loss(predicted: Tensor, true: Tensor, scales: int = 1) -> Tensor:
    """mean |e| + ½ Σ_scales Σ_axes mean |∂e|, e = log ŷ − log y where y > 0; (B, 1, H, W) metres.

    The second term asks for edges where the truth has them, whatever the scale of the room. On
    scale s, e is taken at every 2ˢ-th pixel.
    """
    known = true > 0
    e = torch.where(known, predicted.log() - true.clamp(min=1e-3).log(), 0)
    loss = _mean_where(e.abs(), known)
    for _ in range(scales):
        rows, columns = known[..., 1:, :] & known[..., :-1, :], known[..., 1:] & known[..., :-1]
        loss = loss + 0.5 * _mean_where(e.diff(dim=-2).abs(), rows)
        loss = loss + 0.5 * _mean_where(e.diff(dim=-1).abs(), columns)
        e, known = e[..., ::2, ::2], known[..., ::2, ::2]
    return loss


def one_cycle(step: int, total: int, peak: float) -> float:
    """Learning rate: cosine from peak/25 up over the first 30 %, then down to peak/10⁴."""
    rise = max(1, round(0.3 * total))
    if step < rise:
        low, fraction = peak / 25, 1 - step / rise
    else:
        low, fraction = peak / 1e4, (step - rise) / max(1, total - rise)
    return low + (peak - low) * (1 + math.cos(math.pi * fraction)) / 2


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


def recipe(model: str, **changes: int | None) -> TrainConfig:
    """The recipe of a network; changes that are None count as not given.

    Raises:
        ValueError: for an unknown model or a number out of range.
    """
    if model not in MODELS:
        raise ValueError(f"no model {model!r}; there are {', '.join(MODELS)}")
    given = {name: value for name, value in changes.items() if value is not None}
    for name, value in given.items():
        if value < (0 if name == "seed" else 1):
            raise ValueError(f"{name} must be positive, got {value}")
    return replace(RECIPES[_family(model)], model=model, **given)


def _family(model: str) -> str:
    """The longest key of `RECIPES` that the model's name starts with."""
    return max((name for name in RECIPES if model.startswith(f"{name}-")), key=len)


def make_task(
    config: TrainConfig, model: ModelConfig, data: Path | None, rendered: Path | None = None
) -> Task:
    """The data set that a model is trained on."""
    if config.model.startswith("qtips"):
        return QtipsTask(config, data)
    if data is None:
        raise ValueError("the indoor networks need --data, the folder that prepare-nyu writes")
    return IndoorTask(config, model.size, data, rendered)


def _command(
    config: TrainConfig,
    out: Path,
    data: Path | None,
    rendered: Path | None,
    start_from: Path | None,
) -> str:
    words = [train_words(config.model)]
    if data is not None:
        words.append("--data NYU" if config.model.startswith("indoor-") else "--data QTIPS")
    elif config.images != TrainConfig.images:
        words.append(f"--images {config.images}")
    if rendered is not None:
        words.append("--rendered KITCHENS")
    if config.size is not None:
        words.append(f"--size {config.size[1]}x{config.size[0]}")
    if start_from is not None:
        words.append(f"--start-from {start_from.name}")
    return " ".join([*words, f"--seed {config.seed} --epochs {config.epochs} --out {out.name}"])


def begin_with(network: Network, path: Path) -> None:
    """Fills the network, or its encoder, with the weights of a file.

    Raises:
        ValueError: for a file whose tensors do not fit.
    """
    _, tensors = read_tensors(path)
    own = network.state_dict()
    encoder = {
        name
        for name in own
        if name.startswith("layers.")
        and isinstance(network.layers[int(name.split(".")[1])], ConvNorm | InvertedResidual)
    }
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    if not any(shapes == {name: own[name].shape for name in part} for part in (own, encoder)):
        raise ValueError(f"the weights in {path.name} are neither of this network nor its encoder")
    network.load_state_dict(tensors, strict=False)


def parameter_groups(
    module: nn.Module,
    weight_decay: float,
    stencil_decay: float = 0.0,
    encoder_rate: float = 1.0,
) -> list[dict[str, Any]]:
    """All parameters, as torch's optimizers take them, each kind with its decay and its "rate".

    Args:
        module: any that may hold `IMEXStep`.
        weight_decay: of convolution kernels and matrices; norms and biases have none.
        stencil_decay: of the steps' stencils.
        encoder_rate: the "rate" of an encoder's parameters, a factor of the learning rate; that of
            all others is 1.
    """
    stencils = {id(p) for p in _stencils(module)}
    encoder = {
        id(p) for part in module.modules() if isinstance(part, ConvNorm) for p in part.parameters()
    }
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for p in module.parameters():
        decay = stencil_decay if id(p) in stencils else weight_decay if p.dim() > 1 else 0.0
        rate = encoder_rate if id(p) in encoder else 1.0
        groups.setdefault((decay, rate), []).append(p)
    return [
        {"params": parameters, "weight_decay": decay, "rate": rate}
        for (decay, rate), parameters in groups.items()
    ]


def _stencils(module: nn.Module) -> list[nn.Parameter]:
    steps = (m for m in module.modules() if isinstance(m, IMEXStep) and m.operator == "learned")
    return [step.stencil for step in steps]


def _epoch_seed(seed: int, epoch: int) -> int:
    return (seed * 10_007 + epoch + 1) * 1_009  # leaves room for a seed per process


def _has_bfloat16() -> bool:
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # not in every build
    return bool(supported and supported())


def _save_state(
    path: Path,
    identity: dict,
    epoch: int,
    network: Network,
    average: AveragedModel,
    optimizer: torch.optim.Optimizer,
) -> None:
    tensors = {f"network.{name}": t for name, t in network.state_dict().items()}
    tensors |= {f"average.{name}": t for name, t in average.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": t for name, t in moments.items()}
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    write_tensors(path, {**identity, "epoch": epoch}, tensors)


def _load_state(
    path: Path,
    identity: dict,
    network: Network,
    average: AveragedModel,
    optimizer: torch.optim.Optimizer,
) -> int:
    """Fills network, average and optimizer from the state file; the number of epochs done."""
    header, tensors = read_tensors(path)
    for name, value in identity.items():
        if header.get(name) != value:
            raise ValueError(
                f"{path.name} belongs to another recipe: its {name}: {header.get(name)}"
            )
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        parts[part][rest] = tensor
    network.load_state_dict(parts["network"])
    average.load_state_dict(parts["average"])
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in parts["optimizer"].items():
        index, _, moment = name.partition(".")
        moments.setdefault(int(index), {})[moment] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    return int(header["epoch"])


def _photo(photo: np.ndarray, size: tuple[int, int]) -> Tensor:
    return torch.from_numpy(np.array(resize(Image.fromarray(photo), size))).permute(2, 0, 1)


def _nearest(plane: np.ndarray, size: tuple[int, int]) -> Tensor:
    tensor = torch.from_numpy(plane)[None, None]
    return F.interpolate(tensor, size, mode="nearest")[0]


def _mean_where(values: Tensor, where: Tensor) -> Tensor:
    return (values * where).sum() / where.sum().clamp(min=1)
