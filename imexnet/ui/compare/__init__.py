"""The chapter "Your photo": answers, the field of view of a pixel, 3-D, several photos."""
