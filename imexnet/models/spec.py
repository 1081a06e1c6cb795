"""The names of the networks: made and read here alone."""

from dataclasses import dataclass

from imexnet.models.config import MODELS
from imexnet.models.tasks import KINDS, TASKS, task_named

TRUNKS = ("plain", "backbone")
"""Of the networks for rooms; the first is not named."""

BOUNDED = "-bounded"
"""At the end of the name of a network whose steps cannot amplify."""

VARIANTS = (*KINDS, "resnet-deep")


@dataclass(frozen=True)
class ModelSpec:
    """What a network's name says: "indoor-backbone-imexnet", "qtips-resnet-bounded".

    Attributes:
        family: the tasks that it answers, see `Task.family`.
        trunk: one of `TRUNKS`; networks of other families than "indoor" have the plain one alone.
        kind: one of `VARIANTS`.
        bounded: whether its steps cannot amplify, see `ModelConfig.bound`.

    Raises:
        ValueError: for a family, a trunk or a kind that is not there.
    """

    family: str
    trunk: str
    kind: str
    bounded: bool = False

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
    def for_task(cls, task: str, trunk: str, kind: str, bounded: bool = False) -> "ModelSpec":
        """The network of a kind that answers a task; the trunk counts for rooms alone.

        Raises:
            ValueError: for a task, a trunk or a kind that is not there.
        """
        family = task_named(task).family
        return cls(family, trunk if family == "indoor" else TRUNKS[0], kind, bounded)

    @classmethod
    def from_name(cls, name: str) -> "ModelSpec":
        """The inverse of `name`.

        Raises:
            ValueError: for a name that is no key of `MODELS`.
        """
        if name not in MODELS:
            raise ValueError(f"no model {name!r}; there are {', '.join(MODELS)}")
        unbounded = name.removesuffix(BOUNDED)
        family, _, rest = unbounded.partition("-")
        trunk, _, kind = rest.partition("-")
        found = (trunk, kind) if trunk in TRUNKS else (TRUNKS[0], rest)
        return cls(family, *found, bounded=name != unbounded)

    @property
    def name(self) -> str:
        """As in `MODELS`, and of the file with its weights."""
        return f"{self.base}-{self.kind}{BOUNDED if self.bounded else ''}"

    @property
    def base(self) -> str:
        """The name without the kind, which a ResNet and its IMEXNet share."""
        return self.family if self.trunk == TRUNKS[0] else f"{self.family}-{self.trunk}"

    @property
    def train_command(self) -> str:
        """How the command begins that trains it."""
        trunk = "" if self.trunk == TRUNKS[0] else f" --trunk {self.trunk}"
        bounded = " --bounded" if self.bounded else ""
        return f"python -m imexnet train {self.family} --model {self.kind}{trunk}{bounded}"


BOUNDED_TWINS = ("indoor", "qtips")
"""`ModelSpec.base` of the networks whose bounded twins are shipped, too."""


def shipped_names() -> list[str]:
    """The pairs of networks that the page shows, whose weights come with the package."""
    chosen = ((task, trunk) for task in TASKS for trunk in TRUNKS)
    bases = sorted({ModelSpec.for_task(*asked, KINDS[0]).base for asked in chosen})
    return [
        *(f"{base}-{kind}" for base in bases for kind in KINDS),
        *(f"{base}-{kind}{BOUNDED}" for base in BOUNDED_TWINS for kind in KINDS),
    ]
