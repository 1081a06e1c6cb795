"""What the implicit solve, the networks and the page cost, measured side by side in one run."""

from imexnet.benchmark.sections import SECTIONS, Timing, run

__all__ = ["SECTIONS", "Timing", "run"]
