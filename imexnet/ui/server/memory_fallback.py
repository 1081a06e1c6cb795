"""When the GPU is out of memory: a smaller picture, then the processor, and a message."""

import inspect
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import lru_cache, partial, wraps
from typing import Any

import gradio as gr
import torch

from imexnet.models.checkpoints import load_pretrained
from imexnet.models.config import ModelConfig
from imexnet.models.networks import Network
from imexnet.ui.components.parts import user_error

OUT_OF_MEMORY, END = object(), object()
NO_MEMORY = "There is not enough memory for this; try a smaller picture, or try again later."


@dataclass(frozen=True)
class Effort:
    """One attempt to answer.

    Attributes:
        words: for the visitor, when it was the one that worked.
        shrink: sides of the networks' input become so many times shorter.
        on_cpu: whether the processor answers.
    """

    words: str = ""
    shrink: int = 1
    on_cpu: bool = False

    def config(self, config: ModelConfig) -> ModelConfig:
        """The configuration for a smaller photo; a Q-tip is never made smaller."""
        if self.shrink == 1 or config.channels == 1:
            return config
        height, width = config.size
        return replace(config, size=(height // self.shrink, width // self.shrink))

    def network(self, name: str, usual: Network) -> Network:
        """The usual network, or its copy on the processor."""
        return _on_cpu(name) if self.on_cpu else usual


EFFORTS = (
    Effort(),
    Effort("The GPU has no memory left: this is the answer for a picture of half the size.", 2),
    Effort("The GPU has no memory left: this answer was computed on the CPU.", on_cpu=True),
)
_effort: ContextVar[Effort] = ContextVar("effort", default=EFFORTS[0])


def effort() -> Effort:
    """The effort of the current request."""
    return _effort.get()


def with_memory_fallback(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler of an event, asked again with less effort when the GPU has no memory left."""
    if inspect.isgeneratorfunction(handler):

        @wraps(handler)
        def yielded(*given: Any, **named: Any) -> Iterator[Any]:
            for each in EFFORTS:
                answers = handler(*given, **named)
                while (answer := _ask(each, partial(next, answers, END))) is not OUT_OF_MEMORY:
                    if answer is END:
                        return _tell(each)
                    yield answer

        return yielded

    @wraps(handler)
    def returned(*given: Any, **named: Any) -> Any:
        for each in EFFORTS:
            answer = _ask(each, partial(handler, *given, **named))
            if answer is not OUT_OF_MEMORY:
                _tell(each)
                return answer

    return returned


def _ask(each: Effort, question: Callable[[], Any]) -> Any:
    """The answer with this effort; `OUT_OF_MEMORY` if the GPU has no memory for it."""
    token = _effort.set(each)
    try:
        return question()
    except torch.OutOfMemoryError:
        if each is EFFORTS[-1]:
            raise user_error(NO_MEMORY) from None
    finally:
        _effort.reset(token)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # now that no frame of the error holds a tensor
    return OUT_OF_MEMORY


def _tell(each: Effort) -> None:
    if each.words:
        gr.Warning(each.words)


@lru_cache
def _on_cpu(name: str) -> Network:
    return load_pretrained(name, "cpu")
