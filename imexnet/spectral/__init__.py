"""Linear operators on the periodic grid: symbols, the implicit solve, the classical recipe.

Pure functions of tensors: nothing here knows modules, devices or files.
"""

from imexnet.spectral.operators import BOUNDARIES, OPERATORS
from imexnet.spectral.solve import green_function, implicit_solve
from imexnet.spectral.stages import implicit_solve_reference
from imexnet.spectral.symbols import gram_eigenvalues, symbol, zero_mean

__all__ = [
    "BOUNDARIES",
    "OPERATORS",
    "gram_eigenvalues",
    "green_function",
    "implicit_solve",
    "implicit_solve_reference",
    "symbol",
    "zero_mean",
]
