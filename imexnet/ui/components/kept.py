"""What the server keeps in memory for the questions that follow: bounded in bytes, oldest out."""

import math
import time
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
        seconds: that a value stays.
    """

    def __init__(self, most: int, size: Callable[[Value], int], seconds: float = math.inf) -> None:
        self.most, self.seconds, self._size = most, seconds, size
        self._values: dict[Key, Value] = {}
        self._put: dict[Key, float] = {}  # when
        self._total = 0  # bytes
        self._lock = Lock()

    def get(self, key: Key) -> Value | None:
        """The value, if it is still there."""
        self.forget_old()
        with self._lock:
            value = self._values.pop(key, None)
            if value is not None:
                self._values[key] = value
            return value

    def put(self, key: Key, value: Value) -> None:
        """Keeps the value, and drops others for it."""
        with self._lock:
            if key in self._values:
                self._drop(key)
            self._values[key], self._put[key] = value, time.monotonic()
            self._total += self._size(value)
            while self._total > self.most:
                self._drop(next(iter(self._values)))

    def forget_old(self) -> None:
        """Drops the values that have stayed long enough."""
        with self._lock:
            for key, since in list(self._put.items()):
                if time.monotonic() - since >= self.seconds:
                    self._drop(key)

    def clear(self) -> None:
        """Drops all values."""
        with self._lock:
            self._values.clear()
            self._put.clear()
            self._total = 0

    def items(self) -> list[tuple[Key, Value]]:
        """All of them, the oldest first."""
        self.forget_old()
        return list(self._values.items())

    def values(self) -> list[Value]:
        """The same without their keys."""
        return [value for _, value in self.items()]

    def _drop(self, key: Key) -> None:
        self._total -= self._size(self._values.pop(key))
        del self._put[key]


def forward(network: Network, x: Tensor) -> tuple[dict[str, Tensor], Callable[[], float]]:
    """As `inference.forward`, whose outputs for an input that was there before are still known."""
    key = network, x.shape, sha256(x.cpu().numpy().tobytes()).digest()
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
