"""The tab "Inside the solve": the recipe, layers as differential equations, what steps cost."""
