"""The names of the networks: made and read here alone."""

from dataclasses import dataclass

from imexnet.models.config import MODELS
from imexnet.models.tasks import KINDS, TASKS, task_named

TRUNKS = ("plain", "pyramid", "backbone")
"""Of the networks for rooms; the first is not named."""

SHIPPED_TRUNKS = ("plain", "pyramid")
"""Those that the page offers: their weights come with the package."""

VARIANTS = (*KINDS, "resnet-deep")


@dataclass(frozen=True)
class ModelSpec:
    """What a network's name says: "indoor-pyramid-imexnet", "qtips-resnet-deep".

    Attributes:
        family: the tasks that it answers, see `Task.family`.
        trunk: one of `TRUNKS`; networks of other families than "indoor" have the plain one alone.
        kind: one of `VARIANTS`.

    Raises:
        ValueError: for a family, a trunk or a kind that is not there.
    """

    family: str
    trunk: str
    kind: str

    def __post_init__(self) -> None:
        families = dict.fromkeys(task.family for task in TASKS.values())
        for what, value, choices in (
            ("family", self.family, families),
            ("trunk", self.trunk, TRUNKS if self.family == "indoor" else TRUNKS[:1]),
            ("model", self.kind, VARIANTS),
        ):
            if value not in choices:
                raise ValueError(f"the {what} must be one of {', '.join(choices)}, got {value!r}")

    @classmethod
    def for_task(cls, task: str, trunk: str, kind: str) -> "ModelSpec":
        """The network of a kind that answers a task; the trunk counts for rooms alone.

        Raises:
            ValueError: for a task, a trunk or a kind that is not there.
        """
        family = task_named(task).family
        return cls(family, trunk if family == "indoor" else TRUNKS[0], kind)

    @classmethod
    def from_name(cls, name: str) -> "ModelSpec":
        """The inverse of `name`.

        Raises:
            ValueError: for a name that is no key of `MODELS`.
        """
        if name not in MODELS:
            raise ValueError(f"no model {name!r}; there are {', '.join(MODELS)}")
        family, _, rest = name.partition("-")
        trunk, _, kind = rest.partition("-")
        return cls(family, trunk, kind) if trunk in TRUNKS else cls(family, TRUNKS[0], rest)

    @property
    def name(self) -> str:
        """As in `MODELS`, and of the file with its weights."""
        return f"{self.base}-{self.kind}"

    @property
    def base(self) -> str:
        """The name without the kind, which a ResNet and its IMEXNet share."""
        return self.family if self.trunk == TRUNKS[0] else f"{self.family}-{self.trunk}"

    @property
    def train_command(self) -> str:
        """How the command begins that trains it."""
        trunk = "" if self.trunk == TRUNKS[0] else f" --trunk {self.trunk}"
        return f"python -m imexnet train {self.family} --model {self.kind}{trunk}"


def shipped_names() -> list[str]:
    """The pairs of networks that the page shows, whose weights come with the package."""
    tasks = [name for name, task in TASKS.items() if task.shipped]
    chosen = ((task, trunk) for task in tasks for trunk in SHIPPED_TRUNKS)
    bases = sorted({ModelSpec.for_task(*asked, KINDS[0]).base for asked in chosen})
    return [f"{base}-{kind}" for base in bases for kind in KINDS]
