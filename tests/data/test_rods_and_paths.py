"""Rods and paths: each picture anew from its own pixels, by flood fill and by counting."""

from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from imexnet.data import paths, rods
from imexnet.data.drawn import (
    BACKGROUND,
    BLACK,
    BODY,
    WHITE,
    from_folder,
    read_folder,
    write_folder,
)
from imexnet.data.qtips import draw as draw_qtip
from imexnet.data.qtips import qtip
from imexnet.data.sequences import DRAW

label: Any = ndimage.label  # scipy's types allow for outputs that are given
distance_transform_edt: Any = ndimage.distance_transform_edt
EIGHT = np.ones((3, 3))
COUNT = 60


@pytest.fixture(scope="module")
def many():
    """Family → pictures of side 64."""
    return {name: [DRAW[name](7, i, 64) for i in range(COUNT)] for name in ("rods", "paths")}


@pytest.mark.parametrize("family", ["rods", "paths"])
def test_a_picture_depends_on_seed_index_and_size_alone(family, many):
    for index in (3, 0, COUNT - 1):
        again = DRAW[family](7, index, 64)
        for plane in ("picture", "label", "objects", "ends"):
            assert np.array_equal(getattr(again, plane), getattr(many[family][index], plane))
        assert again.lengths == many[family][index].lengths
    assert not np.array_equal(DRAW[family](8, 3, 64).picture, many[family][3].picture)
    distinct = np.unique([drawn.picture.ravel() for drawn in many[family]], axis=0)
    assert len(distinct) == COUNT


def test_rods_are_components_whose_markers_are_their_class(many):
    """8-connected components of what is not background, each with its own markers."""
    found = []
    for drawn in many["rods"]:
        parts, count = label(drawn.picture != BACKGROUND, EIGHT)
        assert count == len(drawn.lengths) and 3 <= count <= 5
        found.append(count)
        for part in range(1, count + 1):
            inside = parts == part
            (kind,), (number,) = np.unique(drawn.label[inside]), np.unique(drawn.objects[inside])
            markers, seen = label(inside & (drawn.picture != BODY), EIGHT)
            assert seen == 2
            greys = [np.unique(drawn.picture[markers == m]).tolist() for m in (1, 2)]
            expected = {1: [[WHITE], [WHITE]], 2: [[BLACK], [WHITE]], 3: [[BLACK], [BLACK]]}
            assert sorted(greys) == expected[kind]
            assert set(np.unique(drawn.ends[markers > 0])) == {2 * number - 1, 2 * number}
            assert not drawn.ends[inside & (markers == 0)].any()
        assert not drawn.label[parts == 0].any() and not drawn.ends[parts == 0].any()
    assert set(found) == {3, 4, 5}


def test_lengths_and_widths_of_rods_are_what_was_drawn(many):
    """From the second moments of each rod, those of a filled rectangle."""
    lengths, widths = [], []
    for drawn in many["rods"]:
        for number, length in enumerate(drawn.lengths, start=1):
            pixels = np.argwhere(drawn.objects == number)
            across, along = np.sqrt(12 * np.linalg.eigvalsh(np.cov(pixels.T, bias=True)))
            assert along == pytest.approx(length, abs=1.5)
            lengths.append(length)
            widths.append(across)
    assert min(lengths) == 20 and max(lengths) == 37
    assert np.mean(lengths) == pytest.approx(28.5, abs=1.5)
    assert min(widths) > 2.4 and max(widths) < 5.6 and np.mean(widths) == pytest.approx(4, abs=0.3)


def test_rods_keep_their_distance_and_lie_whole_in_the_picture(many):
    for drawn in many["rods"]:
        for number in range(1, len(drawn.lengths) + 1):
            others = (drawn.objects != number) & (drawn.objects > 0)
            assert distance_transform_edt(~others)[drawn.objects == number].min() >= 3
        # An end that lay outside would lack its marker.
        for end in range(1, 2 * len(drawn.lengths) + 1):
            assert (drawn.ends == end).sum() >= 4


BETWEEN = 4.2  # pixels: farther than across any gap of a curve, nearer than any two curves


def bridged(drawn):
    """Components of what is not background, by links of pixels at most `BETWEEN` apart."""
    pixels = np.argwhere(drawn.picture != BACKGROUND)
    links = KDTree(pixels).query_pairs(BETWEEN, output_type="ndarray")
    graph = coo_array((np.ones(len(links)), links.T), (len(pixels),) * 2)
    count, parts = connected_components(graph, directed=False)
    plane = np.zeros(drawn.picture.shape, int)
    plane[tuple(pixels.T)] = parts + 1
    return plane, count


def test_paths_are_components_across_their_gaps_and_marked_at_one_end(many):
    """A flood fill that crosses the gaps, and nothing wider, finds the curves."""
    marked_share, gaps = [], 0
    for drawn in many["paths"]:
        parts, count = bridged(drawn)
        assert count == len(drawn.lengths) and 2 <= count <= 3
        kinds = []
        for part in range(1, count + 1):
            inside = parts == part
            (kind,), (number,) = np.unique(drawn.label[inside]), np.unique(drawn.objects[inside])
            markers, seen = label(inside & (drawn.picture == WHITE), EIGHT)
            assert seen == (kind == 2)
            if seen:
                (end,) = np.unique(drawn.ends[markers > 0])
                assert end in (2 * number - 1, 2 * number)
            gaps += label(inside, EIGHT)[1] - 1
            kinds.append(int(kind))
        assert set(kinds) == {1, 2}  # never all, and never none
        marked_share += kinds
        assert set(np.unique(drawn.picture)) == {BACKGROUND, BODY, WHITE}
    assert gaps > 2 * COUNT
    assert np.mean(np.array(marked_share) == 2) == pytest.approx(0.5, abs=0.1)


def test_curves_keep_their_distance_and_have_one_width(many):
    for drawn in many["paths"]:
        for number in range(1, len(drawn.lengths) + 1):
            inside = drawn.objects == number
            others = (drawn.objects > 0) & ~inside
            assert distance_transform_edt(~others)[inside].min() > BETWEEN
            assert distance_transform_edt(np.pad(inside, 1)).max() < 2.3  # 3 wide, also in bends
    lengths = np.concatenate([drawn.lengths for drawn in many["paths"]])
    assert lengths.min() >= 30 and lengths.max() <= 60
    assert lengths.mean() == pytest.approx(45, abs=3)


def test_the_length_of_a_curve_is_that_of_its_middle_line(many):
    """Pixels of it and of its gaps, over its width."""
    for drawn in many["paths"][:20]:
        for number, length in enumerate(drawn.lengths, start=1):
            inside = drawn.objects == number
            dashes = label(inside, EIGHT)[1]
            covered = inside.sum() / paths.WIDTH + (dashes - 1) * (paths.GAP - paths.WIDTH)
            assert covered == pytest.approx(length + paths.WIDTH, rel=0.15)


SHARES = {
    "rods": (0.888, [1 / 3] * 3),
    "paths": (0.922, [0.5, 0.5]),
}


@pytest.mark.parametrize("family", SHARES)
def test_shares_of_the_classes(family, many):
    background, others = SHARES[family]
    counts = np.bincount(np.concatenate([d.label.ravel() for d in many[family]]))
    assert counts[0] / counts.sum() == pytest.approx(background, abs=0.01)
    assert counts[1:] / counts[1:].sum() == pytest.approx(others, abs=0.07)


@pytest.mark.parametrize(("family", "low", "high"), [("rods", 20, 37), ("paths", 30, 60)])
@pytest.mark.parametrize("size", [96, 128, 256])
def test_lengths_grow_with_the_picture_and_widths_do_not(family, low, high, size):
    drawn = DRAW[family](3, 0, size)
    scale = size / 64
    assert drawn.picture.shape == drawn.label.shape == (size, size)
    assert all(round(low * scale) <= n <= round(high * scale) for n in drawn.lengths)
    thickest = distance_transform_edt(np.pad(drawn.objects > 0, 1)).max()
    assert thickest <= 3
    _, count = bridged(drawn) if family == "paths" else label(drawn.objects > 0, EIGHT)
    assert count == len(drawn.lengths)


@pytest.mark.parametrize("size", [64, 96, 128, 256])
def test_the_truth_of_paths_is_read_from_the_picture_alone(size):
    for index in range(40):
        drawn = paths.draw(5, index, size)
        truth = paths.true_label(drawn.picture)
        assert truth is not None and np.array_equal(truth, drawn.label)
        assert rods.true_label(drawn.picture) is None
        assert paths.true_label(rods.draw(5, index, size).picture) is None


def test_pictures_that_are_no_paths_have_no_truth_of_paths():
    drawn = paths.draw(5, 0, 128)
    for kind in (1, 2):  # the other kind alone is left
        alone = np.where(drawn.label == kind, BACKGROUND, drawn.picture)
        assert paths.true_label(alone) is None
    other = drawn.picture.copy()
    other[0, 0] = BLACK
    assert paths.true_label(other) is None
    crowded = np.tile(drawn.picture, (2, 1))  # twice as many curves
    assert paths.true_label(crowded) is None


@pytest.mark.parametrize("family", ["rods", "paths"])
@pytest.mark.parametrize("size", [0, 63, 257, -64])
def test_sizes_that_there_are_not(family, size):
    with pytest.raises(ValueError, match=rf"of {family} have 64 … 256 pixels a side, got {size}"):
        DRAW[family](0, 0, size)
    with pytest.raises(ValueError, match="Q-tips have 64 pixels a side, got 96"):
        draw_qtip(0, 0, 96)


def test_a_qtip_with_its_length_and_its_ends():
    for index in range(40):
        drawn = draw_qtip(5, index)
        picture, kinds = qtip(5, index)
        assert np.array_equal(drawn.picture, picture) and np.array_equal(drawn.label, kinds)
        marker = (picture == WHITE) | (picture == BLACK)
        assert np.array_equal(drawn.ends > 0, marker) and np.array_equal(drawn.objects, kinds > 0)
        pixels = np.argwhere(drawn.objects)
        along = np.sqrt(12 * np.linalg.eigvalsh(np.cov(pixels.T, bias=True))[1])
        assert along == pytest.approx(drawn.lengths[0], abs=1.5)


@pytest.mark.parametrize("family", DRAW)
def test_a_folder_reads_back(family, tmp_path, many):
    drawn = [DRAW[family](1, index, 64) for index in range(3)]
    assert write_folder(tmp_path, iter(drawn)) == 3
    pictures, labels = read_folder(tmp_path, 4)
    for picture, kinds, given, found in zip(
        pictures, labels, drawn, from_folder(tmp_path, 4), strict=True
    ):
        assert np.array_equal(picture, given.picture) and np.array_equal(kinds, given.label)
        assert np.array_equal(found.picture, picture) and found.lengths == ()
    with pytest.raises(ValueError, match="must be 0…0"):
        read_folder(tmp_path, 1)
    with pytest.raises(ValueError, match=f"{tmp_path.name} already holds images; choose another"):
        write_folder(tmp_path, iter(drawn[:1]))
    assert np.array_equal(read_folder(tmp_path, 4)[0], pictures)


def test_most_middles_lie_outside_a_window_of_27(many):
    """Lengths of 20 … 37: from the middle of most rods neither a window of 27 holds both ends."""
    lengths = np.concatenate([drawn.lengths for drawn in many["rods"]])
    assert (lengths > 27).mean() > 0.5
    for drawn in many["rods"][:10]:
        for number, length in enumerate(drawn.lengths, start=1):
            inside = drawn.objects == number
            seen = [
                ndimage.binary_dilation(drawn.ends == 2 * number - 1 + end, np.ones((27, 27)))
                & inside
                for end in (0, 1)
            ]
            if length > 36:
                assert not (seen[0] & seen[1]).all()
    assert rods.GAP == 3
