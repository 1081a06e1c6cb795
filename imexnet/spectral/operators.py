"""The kinds of L and the boundaries that implicit steps offer."""

import math


def check_operator(operator: str, boundary: str, alpha: float) -> None:
    """Refuses an L or a boundary that is not there.

    Raises:
        ValueError: with the choices, or for an α that is infinite, not a number or negative.
    """
    if operator not in OPERATORS:
        raise ValueError(f"operator must be one of {', '.join(OPERATORS)}, got {operator!r}")
    if boundary not in BOUNDARIES:
        raise ValueError(f"boundary must be one of {', '.join(BOUNDARIES)}, got {boundary!r}")
    if not 0 <= alpha < math.inf:
        raise ValueError(f"alpha must be finite and not negative, got {alpha}")


OPERATORS = ("learned", "laplacian", "identity")
BOUNDARIES = ("periodic", "mirrored")
