"""Files in and out: photos, tables, results that are complete or not there, point clouds."""

from imexnet.io.photos import Photo, read_photo

__all__ = [
    "Photo",
    "read_photo",
]
