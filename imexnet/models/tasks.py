"""The tasks: their networks, and the numbers of their classes."""

FIRST_CLASS = {"segmentation": 1, "qtips": 0}
"""Task → number of the class that its first logit stands for."""


FAMILIES = {"depth": "indoor", "segmentation": "indoor", "qtips": "qtips"}
"""The networks of a task are `{family}-resnet` and `{family}-imexnet`."""

TRUNKS = {"plain": "indoor", "pyramid": "indoor-pyramid"}
"""Trunk → family, for the tasks of rooms."""

KINDS = ("resnet", "imexnet")


def family(task: str, trunk: str = "plain") -> str:
    """The family of a task's networks; only those of rooms come with several trunks."""
    return TRUNKS[trunk] if FAMILIES[task] == "indoor" else FAMILIES[task]
