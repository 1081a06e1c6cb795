"""Networks as differential equations: the model problem, integrators, layers, patterns, cost."""
