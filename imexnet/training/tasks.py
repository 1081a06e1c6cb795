"""The data sets that networks are trained on: drawn pictures and rooms."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.optim.swa_utils import update_bn

from imexnet.data import nyu
from imexnet.data.drawn import Drawn, read_folder
from imexnet.data.sequences import DRAW
from imexnet.evaluation import evaluate_drawn, evaluate_indoor
from imexnet.inference import resize
from imexnet.models.config import ModelConfig
from imexnet.models.networks import Network
from imexnet.models.spec import ModelSpec
from imexnet.models.tasks import TASKS
from imexnet.training.augmentation import blurred, noisy, relit
from imexnet.training.losses import log_depth_loss
from imexnet.training.recipes import TrainConfig

TRAINING_STREAM = 2**32  # added to the seed: from picture 1 on, none that an evaluation asks for
VALIDATION_STREAM = 2**33  # its picture 0 is that of seed 0 with number 2; all others are new
VALIDATED = 256  # drawn pictures
PLANES = ("picture", "label")


class TrainingSet(Protocol):
    """What `fit` needs to know of a data set."""

    images: int

    def batch(self, epoch: int, indices: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Pictures (B, C, H, W) on [0, 1] and targets; randomness from the global generator."""
        ...

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        """A scalar."""
        ...

    def calibrate(self, network: Network) -> None:
        """After training: takes anew from unaugmented pictures what the augmentation shifts."""
        ...

    def validate(self, network: Network) -> dict:
        """Scores on the validation split."""
        ...


class DrawnTask:
    """Fresh drawn pictures every epoch, or those of a folder over and over; cross-entropy."""

    def __init__(self, config: TrainConfig, size: tuple[int, int], folder: Path | None = None):
        self.family = ModelSpec.from_name(config.model).family
        self.classes = len(TASKS[self.family].classes)
        self.given = None if folder is None else read_folder(folder, self.classes)
        self.images = config.images if self.given is None else len(self.given[0])
        self.config = config
        if size[0] != size[1]:
            raise ValueError(f"pictures of {self.family} are square, got {size[1]}x{size[0]}")
        if self.given is not None and self.given[0].shape[1:] != size:
            height, width = self.given[0].shape[1:]
            raise ValueError(
                f"the pictures in {folder} have {width}x{height} pixels, not {size[1]}x{size[0]}"
            )
        self.size = size[0]
        self.drawn(0, 0)  # a size that is none is told now

    def drawn(self, seed: int, index: int) -> Drawn:
        """One picture of a sequence."""
        return DRAW[self.family](seed, index, self.size)

    def batch(self, epoch: int, indices: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        if self.given is not None:
            pictures, labels = (array[indices.numpy()] for array in self.given)
        else:
            first, seed = 1 + epoch * self.images, TRAINING_STREAM + self.config.seed
            drawn = [self.drawn(seed, first + i) for i in indices.tolist()]
            pictures, labels = (np.stack([getattr(d, p) for d in drawn]) for p in PLANES)
        scaled = torch.from_numpy(pictures).unsqueeze(1) / 255
        if self.config.noise > 0 or self.config.blur > 0:
            scaled = noisy(relit(blurred(scaled, self.config.blur)), self.config.noise)
        return scaled, {self.family: torch.from_numpy(labels).long()}

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        logits = outputs[self.family]
        weights = logits.new_tensor([self.config.background, *[1] * (self.classes - 1)])
        return F.cross_entropy(logits, targets[self.family], weight=weights)

    def calibrate(self, network: Network) -> None:
        pass  # the averages over all noises serve them all

    def validate(self, network: Network) -> dict:
        drawn = (self.drawn(VALIDATION_STREAM, index) for index in range(VALIDATED))
        return evaluate_drawn(network, self.family, drawn)


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

        if config.portrait > 0 and not size[0] <= size[1] < 2 * size[0] ** 2:  # for `upright`
            raise ValueError(
                "training pictures of rooms are at least as wide as high, and no strips, "
                f"got {size[1]}x{size[0]}"
            )
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

    def calibrate(self, network: Network) -> None:
        """The norms' statistics, and then the mean of log-depth, which becomes that of the truth.

        Without that it was up to 5 % off, either way, on the very photos of the training.
        """
        update_bn((photos for photos, _ in self._unaugmented(network.mean.device)), network)
        network.eval()
        error, pixels = 0.0, 0
        with torch.no_grad():
            for photos, true in self._unaugmented(network.mean.device):
                known = true > 0
                error += float((network(photos)["depth"] / true)[known].log().double().sum())
                pixels += int(known.sum())
            network.heads["depth"].get_parameter("bias").sub_(error / max(1, pixels))

    def _unaugmented(self, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of photos and depths, as they are."""
        size = self.config.batch
        for photos, depth in zip(self.photos.split(size), self.depth.split(size), strict=True):
            yield photos.to(device).float() / 255, depth.to(device)

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> Tensor:
        config = self.config
        depth = log_depth_loss(
            outputs["depth"], targets["depth"], config.scales, config.edge_weight
        )
        logits = outputs["segmentation"]
        classes = F.cross_entropy(
            logits,
            targets["segmentation"] - 1,  # 0 = unlabelled becomes -1
            weight=self.weights.to(logits.device),
            ignore_index=-1,
            label_smoothing=config.smoothing,
        )
        return depth + config.segmentation * classes

    def validate(self, network: Network) -> dict:
        return evaluate_indoor(network, self.validation)


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


def make_task(
    config: TrainConfig, model: ModelConfig, data: Path | None, rendered: Path | None = None
) -> TrainingSet:
    """The data set that a model is trained on."""
    if ModelSpec.from_name(config.model).family in DRAW:
        return DrawnTask(config, model.size, data)
    if data is None:
        raise ValueError("the indoor networks need --data, the folder that prepare-nyu writes")
    return IndoorTask(config, model.size, data, rendered)


def _photo(photo: np.ndarray, size: tuple[int, int]) -> Tensor:
    return torch.from_numpy(np.array(resize(Image.fromarray(photo), size))).permute(2, 0, 1)


def _nearest(plane: np.ndarray, size: tuple[int, int]) -> Tensor:
    tensor = torch.from_numpy(plane)[None, None]
    return F.interpolate(tensor, size, mode="nearest")[0]
