"""Data sets: Q-tips made on the fly, NYU Depth V2 from its folder."""
