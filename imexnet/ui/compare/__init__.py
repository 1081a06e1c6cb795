"""The tab "Compare": answers, the field of view of a pixel, 3-D, several photos."""
