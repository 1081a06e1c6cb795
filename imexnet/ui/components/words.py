"""The field's terms, each explained on hover and on focus."""

import re
from html import escape

GLOSSARY = {
    "AbsRel": "Mean of |answer − truth| / truth over the pixels. 0.2: a fifth off on average.",
    "RMSE": "Root of the mean squared error, in metres. Large errors weigh most.",
    "δ1": "Share of the pixels whose depth is within a factor of 1.25 of the truth.",
    "mIoU": "For each class, the overlap of answer and truth over their union; then the mean.",
    "IoU": "Overlap of answer and truth over their union: 1 is perfect, 0 is nothing in common.",
    "PGD": "An attack: changes each colour value by at most ε, in small steps, "
    "so that the network leaves the answer that it gave.",
    "Accuracy": "Share of the pixels with the right class.",
    "RMS radius": "Root of the mean squared distance from the pixel, weighted by sensitivity.",
    "ResNet": "Residual network: Y⁺ = Y + h f(Y) in each layer, forward Euler for Ẏ = f(Y). "
    "Each layer sees a few pixels further, so the answer depends on a window around the pixel.",
    "IMEXNet": "Implicit-explicit network: Y⁺ = Y + h (I + hBᵀB)⁻¹ f(Y) in each layer. The "
    "inverse is one solve by FFT, which connects every pixel of a channel with every other.",
    "Q-tips": "A made-up test: a grey rod with a white or black marker at either end. "
    "Only a network that sees both ends can name it.",
}
_TERM = re.compile("|".join(sorted(map(re.escape, GLOSSARY), key=len, reverse=True)))


def term(word: str, before: str = "", after: str = "") -> str:
    """The word between its neighbours as HTML, its meaning shown on hover and on focus."""
    tip = f'<span class="tip" role="tooltip">{escape(GLOSSARY[word])}</span>'
    words = f"{escape(before)}<u>{escape(word)}</u>{escape(after)}"
    return f'<span class="term" tabindex="0">{words}{tip}</span>'


def explain(text: str) -> str:
    """The text as HTML; the first term in it is explained."""
    found = _TERM.search(text)
    if found is None:
        return escape(text)
    return term(found[0], text[: found.start()], text[found.end() :])
