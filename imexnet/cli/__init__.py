"""The command line: `python -m imexnet …`."""
