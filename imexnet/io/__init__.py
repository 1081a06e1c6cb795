"""Files in and out: photos, tables, results that are complete or not there, point clouds."""

from imexnet.io.camera import Camera, camera_of
from imexnet.io.photos import Photo, read_photo

__all__ = [
    "Camera",
    "Photo",
    "camera_of",
    "read_photo",
]
