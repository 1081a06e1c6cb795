"""Q-tips: the generator against the statistics of the released set, and folders of pictures."""

import numpy as np
import pytest
from conftest import png_of
from PIL import Image

from imexnet.data.drawn import read_folder
from imexnet.data.qtips import BACKGROUND, BLACK, BODY, WHITE, qtip, qtips

COUNT = 600


@pytest.fixture(scope="module")
def sample():
    """Pictures, labels and the class of each."""
    pictures, labels = qtips(7, range(COUNT))
    return pictures, labels, labels.max((1, 2))


def shape_of_rod(label):
    """Length and width of a filled rectangle at any angle, from its second moments."""
    axes = np.linalg.eigvalsh(np.cov(np.argwhere(label).T, bias=True))
    return np.sqrt(12 * axes[::-1] + 1)  # n pixels in a row have the variance (n² − 1) / 12


def test_an_image_depends_on_seed_and_index_alone(sample):
    pictures, labels, _ = sample
    for index in (5, 0, 599):
        picture, label = qtip(7, index)
        assert np.array_equal(picture, pictures[index])
        assert np.array_equal(label, labels[index])
    assert not np.array_equal(qtip(8, 5)[0], pictures[5])
    assert len(np.unique(pictures.reshape(COUNT, -1), axis=0)) > 0.98 * COUNT


def test_four_grey_values_and_one_class_on_the_whole_rod(sample):
    pictures, labels, classes = sample
    assert pictures.shape == labels.shape == (COUNT, 64, 64)
    assert pictures.dtype == labels.dtype == np.uint8
    for picture, label, kind in zip(pictures, labels, classes, strict=True):
        assert set(np.unique(picture)) <= {BACKGROUND, BODY, WHITE, BLACK}
        assert np.array_equal(label, np.where(picture == BACKGROUND, 0, kind))


def test_statistics_of_the_released_set(sample):
    pictures, labels, classes = sample
    assert np.bincount(classes, minlength=4) / COUNT == pytest.approx([0, *[1 / 3] * 3], abs=0.06)
    shares = np.bincount(labels.ravel(), minlength=4) / labels.size
    assert shares[0] == pytest.approx(0.9385, abs=0.003)
    assert shares[1:] == pytest.approx([0.0205] * 3, abs=0.004)
    pixels = (labels > 0).sum((1, 2))
    assert pixels.min() >= 112 and pixels.max() <= 414
    centroids = np.array([np.argwhere(label).mean(0) for label in labels])
    assert centroids.min() >= 30.45 and centroids.max() <= 32.7
    length, width = np.array([shape_of_rod(label) for label in labels]).T
    assert length.min() > 31 and length.max() < 61  # nearest neighbour moves an end by up to 1
    assert length.mean() == pytest.approx(45.8, abs=1)
    widths = np.bincount(np.rint(width).astype(int), minlength=8)
    assert widths[4:] / COUNT == pytest.approx([0.25] * 4, abs=0.06) and widths[4:].sum() == COUNT
    assert pictures.mean() / 255 == pytest.approx(0.266, abs=0.003)
    assert (pictures / 255).std((1, 2)).mean() == pytest.approx(0.082, abs=0.003)


def test_every_angle_occurs_equally_often(sample):
    _, labels, _ = sample
    angles = []
    for label in labels:
        _, vectors = np.linalg.eigh(np.cov(np.argwhere(label).T))
        angles.append(np.degrees(np.arctan2(*vectors[:, 1])) % 180)
    counts, _ = np.histogram(angles, bins=6, range=(0, 180))
    assert counts / COUNT == pytest.approx([1 / 6] * 6, abs=0.06)


def test_the_ends_bear_the_markers_of_the_class(sample):
    """Projected on the rod's axis, either end is one square of the class's colour."""
    ends = {1: {WHITE}, 2: {WHITE, BLACK}, 3: {BLACK}}
    for picture, label, kind in zip(*sample, strict=True):
        _, width = shape_of_rod(label)
        square = np.rint(width) ** 2
        white, black = (picture == WHITE).sum(), (picture == BLACK).sum()
        expected = {1: (2, 0), 2: (1, 1), 3: (0, 2)}[kind]
        assert (white / square, black / square) == pytest.approx(expected, abs=0.45)
        points = np.argwhere(label)
        _, vectors = np.linalg.eigh(np.cov(points.T))
        along = (points - points.mean(0)) @ vectors[:, 1]
        greys = [int(picture[tuple(points[i])]) for i in (along.argmin(), along.argmax())]
        assert set(greys) == ends[kind]


@pytest.fixture
def folder(tmp_path):
    """Three Q-tips as files."""
    for part, arrays in zip(("images", "labels"), qtips(1, range(3)), strict=True):
        (tmp_path / part).mkdir()
        for i, array in enumerate(arrays):
            Image.fromarray(array).save(tmp_path / part / f"{i:02d}.png")
    return tmp_path


def test_a_folder_reads_back_in_the_order_of_its_names(folder):
    for read, drawn in zip(read_folder(folder, 4), qtips(1, range(3)), strict=True):
        assert read.dtype == np.uint8
        assert np.array_equal(read, drawn)


def test_palettes_are_colours_in_pictures_and_classes_in_labels(folder):
    """A PNG with a palette stores indices: in a picture they stand for greys, in a label not."""
    drawn = qtips(1, range(3))
    greys = np.array([BODY, BLACK, WHITE, BACKGROUND], np.uint8)
    picture = Image.fromarray((drawn[0][1][..., None] == greys).argmax(-1).astype(np.uint8))
    picture.putpalette(greys.repeat(3).tolist())
    assert np.array_equal(np.asarray(picture.convert("L")), drawn[0][1])
    picture.save(folder / "images" / "01.png")
    label = Image.fromarray(drawn[1][1])
    label.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0, 0, 0, 200])
    label.save(folder / "labels" / "01.png")
    assert picture.mode == label.mode == "P"
    pictures, labels = read_folder(folder, 4)
    assert np.array_equal(labels, drawn[1])
    assert np.array_equal(pictures, drawn[0])


def test_what_is_wrong_with_a_folder_is_named(folder, tmp_path_factory):
    with pytest.raises(ValueError, match=r"holds no images/\*\.png"):
        read_folder(tmp_path_factory.mktemp("empty"), 4)

    label = folder / "labels" / "01.png"
    original = label.read_bytes()
    label.unlink()
    with pytest.raises(ValueError, match=r"lacks labels/01\.png \(1 missing\)"):
        read_folder(folder, 4)

    label.write_bytes(png_of(20_000, 20_000))
    with pytest.raises(ValueError, match=r"01\.png cannot be read"):
        read_folder(folder, 4)

    Image.fromarray(np.zeros((64, 63), np.uint8)).save(label)
    with pytest.raises(ValueError, match="differ in size"):
        read_folder(folder, 4)

    label.write_bytes(original)
    wrong = qtip(1, 2)[1]
    wrong[3, 4] = 4
    Image.fromarray(wrong).save(folder / "labels" / "02.png")
    with pytest.raises(ValueError, match=r"must be 0…3"):
        read_folder(folder, 4)
