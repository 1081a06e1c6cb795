"""Rendered kitchens: rooms with exact depth and classes; only `render` uses them."""
