"""The tab "Receptive field": whole networks, step by step, and Green's functions."""
