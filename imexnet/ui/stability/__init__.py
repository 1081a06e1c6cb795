"""The tab "Stability": noise and attacks, other step sizes, scores against severity."""
