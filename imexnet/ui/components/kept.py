"""What the server keeps in memory for the questions that follow: bounded in bytes, oldest out."""

from collections.abc import Callable
from hashlib import sha256
from threading import Lock
from typing import Any, Generic, TypeVar

from torch import Tensor

from imexnet import inference
from imexnet.models.networks import Network

ANSWERS = 16 * 2**20  # bytes of networks' outputs: some 60 of rooms, more of Q-tips

Key = TypeVar("Key")
Value = TypeVar("Value")


class Kept(Generic[Key, Value]):
    """Values by key, of which those that were asked for longest ago go first.

    Args:
        most: bytes that all values may take together; a larger one is not kept at all.
        size: bytes of a value.
    """

    def __init__(self, most: int, size: Callable[[Value], int]) -> None:
        self.most, self._size = most, size
        self._values: dict[Key, Value] = {}
        self._lock = Lock()

    def get(self, key: Key) -> Value | None:
        """The value, if it is still there."""
        with self._lock:
            value = self._values.pop(key, None)
            if value is not None:
                self._values[key] = value
            return value

    def put(self, key: Key, value: Value) -> None:
        """Keeps the value, and drops others for it."""
        with self._lock:
            self._values.pop(key, None)
            self._values[key] = value
            while sum(map(self._size, self._values.values())) > self.most:
                del self._values[next(iter(self._values))]

    def clear(self) -> None:
        """Drops all values."""
        with self._lock:
            self._values.clear()

    def values(self) -> list[Value]:
        """All of them, the oldest first."""
        return list(self._values.values())


def forward(network: Network, x: Tensor) -> tuple[dict[str, Tensor], Callable[[], float]]:
    """As `inference.forward`, whose outputs for an input that was there before are still known."""
    key = network, sha256(x.cpu().numpy().tobytes()).digest()
    known = _answers.get(key)
    if known is not None:
        return known, lambda: 0.0
    outputs, seconds = inference.forward(network, x)
    _answers.put(key, outputs)
    return outputs, seconds


def forget_answers() -> None:
    """Drops what networks said; those that are still asked for it say it again."""
    _answers.clear()


def _bytes(outputs: dict[str, Tensor]) -> int:
    return sum(y.nbytes for y in outputs.values())


_answers: Kept[Any, dict[str, Tensor]] = Kept(ANSWERS, _bytes)
