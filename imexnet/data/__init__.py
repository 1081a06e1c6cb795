"""Data sets: Q-tips, rods and paths, drawn or from a folder, and NYU Depth V2 from its folder."""
