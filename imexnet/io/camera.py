"""z = z₀ s f / f₀: depths for a camera of focal length f, from those for the networks' own of f₀.

The networks know one camera only, the Kinect's, whose photos they were trained on: through a lens
twice as long everything looks twice as near. A photo shown smaller by s would look farther by 1 / s
to a network that reads distance off sizes alone; then s = f₀ / f would do, and to one that reads it
off all else s = 1. Ours do both: s = √(f₀ / f) through longer lenses, with which the networks with
a backbone do best on NYU's validation photos cut to twice the focal length, and s = 1 through
shorter ones. Yin et al., "Metric3D" (2023, arXiv 2307.10984), have the two ends.

Focal lengths are 35 mm equivalents by the diagonal, as EXIF has them, so that a photo and its
upright twin have the same.
"""

import math
from dataclasses import dataclass
from typing import Literal

from imexnet.io.photos import FOCAL_LENGTHS, Photo, PhotoLike

KINECT_PIXELS = 518.85790117450188
"""Focal length in pixels: `fx_rgb` in camera_params.m of the toolbox of NYU Depth V2."""

KINECT_SIZE = 640, 480  # pixels of those photos: width and height
FRAME = 36, 24  # mm: what a 35 mm equivalent is for
KINECT_ANGLE = math.degrees(2 * math.atan(KINECT_SIZE[0] / 2 / KINECT_PIXELS))
"""Degrees across: 63.3."""

KINECT_FOCAL_LENGTH = KINECT_PIXELS / math.hypot(*KINECT_SIZE) * math.hypot(*FRAME)
"""35 mm equivalent in mm: 28.06."""

WORDS = {
    "photo": "Focal length from the photo: {length:g} mm (35 mm equivalent), {used}.",
    "given": "Focal length as given: {length:g} mm (35 mm equivalent), {used}.",
    "set": "Field of view as set: {angle:.0f}° {along}, {used}.",
    "assumed": "The photo has no focal length; a view of {angle:.0f}° {along} is assumed.",
}
"""Source → a sentence for people."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera with square pixels, and where its focal length was taken from.

    Attributes:
        focal_length: 35 mm equivalent in mm, by the diagonal.
        size: (width, height) of its photo, in any unit.
        source: the photo's EXIF; a focal length that was given; a field of view that was set; or
            assumed, the Kinect's.
    """

    focal_length: float
    size: tuple[int, int]
    source: Literal["photo", "given", "set", "assumed"]

    @property
    def shown(self) -> float:
        """s ≤ 1: by which the networks are shown its photos smaller along either side."""
        return min(1.0, math.sqrt(KINECT_FOCAL_LENGTH / self.focal_length))

    @property
    def depth_scale(self) -> float:
        """s f / f₀: by which the networks' depths are then multiplied."""
        return self.shown * self.focal_length / KINECT_FOCAL_LENGTH

    @property
    def angle(self) -> float:
        """Of view along the photo's longer side, in degrees."""
        reach = max(self.size) / math.hypot(*self.size) * math.hypot(*FRAME)  # mm
        return math.degrees(2 * math.atan(reach / 2 / self.focal_length))

    @property
    def words(self) -> str:
        """Which focal length is used, in a sentence."""
        along = "across" if self.size[0] >= self.size[1] else "along the longer side"
        used, per_cent = f"depths × {self.depth_scale:.2f}", round(100 * self.shown)
        if per_cent < 100:
            used = f"shown at {per_cent} % of the usual size, {used}"
        length = round(self.focal_length, 1)
        return WORDS[self.source].format(length=length, angle=self.angle, along=along, used=used)

    def to_dict(self) -> dict[str, float]:
        """The numbers by name."""
        return {
            "focal_length_35mm": self.focal_length,
            "shown": self.shown,
            "depth_scale": self.depth_scale,
        }


def camera_of(
    photo: PhotoLike, focal_length: float | None = None, angle: float | None = None
) -> Camera:
    """The camera of a photo: as a person says, else as EXIF says, else the Kinect.

    Args:
        photo: any that `Photo.of` takes.
        focal_length: 35 mm equivalent in mm, by the diagonal; None if nobody says.
        angle: of view along the longer side, in degrees; None or 0 if nobody says.

    Raises:
        ValueError: for a focal length or an angle that no camera has.
    """
    photo = Photo.of(photo)
    size = photo.full_size
    if focal_length is not None:
        return Camera(_checked(focal_length), size, "given")
    if angle:
        check_angle(angle)
        share = max(size) / math.hypot(*size)  # of the diagonal
        length = math.hypot(*FRAME) * share / 2 / math.tan(math.radians(angle) / 2)
        return Camera(_checked(length), size, "set")
    if photo.focal_length_35mm is not None:
        return Camera(photo.focal_length_35mm, size, "photo")
    return Camera(KINECT_FOCAL_LENGTH, size, "assumed")


def check_angle(angle: float) -> None:
    """That a pinhole camera can have this angle of view, in degrees.

    Raises:
        ValueError: if it cannot.
    """
    if not 0 < angle < 180:
        raise ValueError(f"the camera's angle lies between 0 and 180 degrees, got {angle:g}")


def _checked(length: float) -> float:
    low, high = FOCAL_LENGTHS
    if not low <= length <= high:  # nor where it is not a number
        raise ValueError(f"the focal length lies between {low} and {high} mm, got {length:g}")
    return float(length)
