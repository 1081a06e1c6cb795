"""NYU Depth V2: the official MATLAB files into a folder of half-size images, depths and labels.

Silberman et al., ECCV 2012, publish 1449 photos of 640 x 480 with depth in metres and labels of
894 classes; Gupta et al., CVPR 2013, group these into the 40 classes used since ("NYU40").

`nyu40.csv` lists the 187 names whose class is below 40; every other name is 40, *otherprop*. The
facts come from two published copies of Gupta's mapping by index, which are equal in all 894
entries, and one published list of the names. Each of the 37 named classes came out as the one name
it should have, so the table is exact for the official file. It was not compared with
`classMapping40.mat` itself. A name that the official file does not have becomes *otherprop* too.
"""

import re
from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from imexnet.data import room_folder
from imexnet.io.tables import read_table
from imexnet.places import install_command

VALIDATION_RANGES = (
    (19, 20), (80, 83), (156, 166), (170, 170), (203, 206), (313, 314), (552, 554), (572, 578),
    (691, 692), (815, 820), (863, 868), (920, 925), (1005, 1009), (1085, 1087), (1168, 1169),
    (1236, 1246), (1333, 1334), (1350, 1352), (1434, 1440),
)  # fmt: skip
VALIDATION_IDS = frozenset(i for first, last in VALIDATION_RANGES for i in range(first, last + 1))
OTHERPROP = 40


def prepare_nyu(mat: Path, splits: Path, out: Path) -> int:
    """Convert the official files into `rgb/`, `depth/`, `label40/` and `index.csv` under `out`.

    Images are JPEG, depths 16-bit PNG in millimetres, labels 8-bit PNG (1...40, 0 = unlabelled).
    The split is `val` for the training images of `VALIDATION_IDS`, the official one for the rest.
    `index.csv` is written last: a folder without it is incomplete and may be converted again.

    Args:
        mat: `nyu_depth_v2_labeled.mat`.
        splits: `splits.mat`, the official `trainNdxs` and `testNdxs`.
        out: the folder to write; made where it does not exist.

    Returns:
        The number of images written.

    Raises:
        FileNotFoundError: `mat` or `splits` does not exist.
        ValueError: a file is not what it should be, `out` holds a data set already, or the
            training extra is not installed.
    """
    try:
        import h5py  # noqa: F401
        from tqdm import tqdm
    except ImportError as error:
        raise ValueError(f"This needs h5py and tqdm: {install_command('train')}") from error
    room_folder.check_free(out)
    with _open_mat(mat) as file:
        kinds = {"images": "u1", "depths": "f", "labels": "u"}
        images, depths, labels = (_variable(file, name, kind) for name, kind in kinds.items())
        scene_types = _strings(file, "sceneTypes")
        count, *size = depths.shape or (0,)
        shapes = (images.shape, labels.shape, len(scene_types))
        if len(size) != 2 or shapes != ((count, 3, *size), (count, *size), count):
            raise ValueError(f"The images, depths, labels and sceneTypes of {mat.name} do not fit.")
        official = _official_split(splits, count)
        lookup = _class_lookup(_strings(file, "names"))
        room_folder.make_folders(out)
        for i in tqdm(range(count), desc="Converting", unit="image"):
            # One at a time: the file is 2.8 GB. MATLAB's (rows, columns) arrive transposed.
            name = f"{i + 1:04d}"
            label = labels[i].T
            if label.max() >= len(lookup):
                raise ValueError(f"{mat.name} has a label in image {name} that has no name.")
            photo = Image.fromarray(np.ascontiguousarray(images[i].transpose(2, 1, 0))).reduce(2)
            # Nearest: an average across an edge is the depth, or the class, of nothing.
            metres, label40 = depths[i].T[::2, ::2], lookup[label][::2, ::2]
            room_folder.write_room(out, name, photo, metres, label40)
    _write_index(out, official, scene_types)
    return count


def _open_mat(path: Path) -> Any:
    import h5py

    if not path.is_file():
        raise FileNotFoundError(f"{path.name} was not found.")
    if not h5py.is_hdf5(path):
        raise ValueError(f"{path.name} is not an HDF5 file, as nyu_depth_v2_labeled.mat is.")
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path.name} cannot be opened; is the download complete?") from error


def _variable(file: Any, name: str, kind: str) -> Any:
    """A variable of a type: u1 bytes, u unsigned integers, f floats, O references."""
    mat = Path(file.filename).name
    if name not in file:
        raise ValueError(f"{mat} has no variable '{name}'.")
    dtype = getattr(file[name], "dtype", np.dtype("V"))  # a group has none
    if not dtype.str[1:].startswith(kind):
        raise ValueError(f"The variable '{name}' of {mat} is not what it is in NYU Depth V2.")
    return file[name]


def _strings(file: Any, name: str) -> list[str]:
    """Read a MATLAB cell array of strings: object references to arrays of character codes."""
    references = _variable(file, name, "O")[()].ravel()
    try:
        return ["".join(map(chr, file[reference][()].ravel())) for reference in references]
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        mat = Path(file.filename).name
        raise ValueError(f"The strings of '{name}' in {mat} cannot be read.") from error


def _official_split(path: Path, count: int) -> list[str]:
    from scipy.io import loadmat

    if not path.is_file():
        raise FileNotFoundError(f"{path.name} was not found.")
    try:
        content = loadmat(path, variable_names=["trainNdxs", "testNdxs"])
    except Exception as error:  # loadmat raises some six unrelated types for a broken file
        raise ValueError(f"{path.name} is not a MATLAB file, as splits.mat is.") from error
    for name in ("trainNdxs", "testNdxs"):
        if name not in content:
            raise ValueError(f"{path.name} has no variable '{name}'.")
    train, test = (content[name].ravel().tolist() for name in ("trainNdxs", "testNdxs"))
    numbers = all(isinstance(i, int | float) for i in train + test)
    if not numbers or sorted(train + test) != list(range(1, count + 1)):
        raise ValueError(f"{path.name} does not put each of the {count} images in one split.")
    trained = set(train)
    return ["train" if i in trained else "test" for i in range(1, count + 1)]


def _class_lookup(names: Sequence[str]) -> np.ndarray:
    """Map label k, the k-th name (1-based), to its NYU40 class; 0 stays 0."""
    rows = read_table(Path(__file__).with_name("nyu40.csv"), ("name", "class"))
    classes = {_letters(row["name"]): int(row["class"]) for row in rows}
    return np.array([0, *(classes.get(_letters(n), OTHERPROP) for n in names)], np.uint8)


def _letters(name: str) -> str:
    # Copies of the name list differ in punctuation ("shelvesbooks", "shelves/books").
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _write_index(out: Path, official: Sequence[str], scene_types: Sequence[str]) -> None:
    """Write a row per image; `run_id` numbers the runs of one scene type in one official split."""
    changes = (a != b for a, b in pairwise(zip(scene_types, official, strict=True)))
    runs = accumulate(changes, initial=0)
    rows = []
    for i, (split, scene, run) in enumerate(zip(official, scene_types, runs, strict=True), start=1):
        ours = "val" if split == "train" and i in VALIDATION_IDS else split
        rows.append((f"{i:04d}", split, ours, scene, run))
    room_folder.write_index(out, rows)
