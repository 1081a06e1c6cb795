"""Scores by hand, by torchmetrics, and their invariances."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import (
    multiclass_confusion_matrix,
    multiclass_jaccard_index,
)

from imexnet.metrics import (
    boundary_f1,
    confusion_matrix,
    depth_scores,
    eigen_crop,
    iou,
    mean_depth_scores,
    mean_iou,
    pixel_accuracy,
)

PERFECT = {"abs_rel": 0, "rmse": 0, "log10": 0, "delta1": 1, "delta2": 1, "delta3": 1}


def test_depth_scores_by_hand():
    """Ratios 1, 1.25, 1.6, 2: δ counts what is strictly below 1.25, 1.5625, 1.953."""
    true = np.array([[2.0, 4.0], [5.0, 2.0]])
    predicted = np.array([[2.0, 5.0], [8.0, 1.0]])
    assert depth_scores(predicted, true) == pytest.approx(
        {
            "abs_rel": (0 + 1 / 4 + 3 / 5 + 1 / 2) / 4,
            "rmse": math.sqrt((0 + 1 + 9 + 1) / 4),
            "log10": (0 + math.log10(1.25) + math.log10(1.6) + math.log10(2)) / 4,
            "delta1": 1 / 4,
            "delta2": 2 / 4,
            "delta3": 3 / 4,
        }
    )


def test_errors_are_relative_to_the_truth_and_the_mean_is_over_pictures():
    near, far = np.full((2, 2), 1.0), np.full((2, 2), 4.0)
    first, second = depth_scores(far, near), depth_scores(near, far)
    assert first["abs_rel"] == pytest.approx(3)
    assert second["abs_rel"] == pytest.approx(3 / 4)
    assert mean_depth_scores([first, second, second])["abs_rel"] == pytest.approx((3 + 1.5) / 3)


def test_perfect_depth_and_unknown_pixels():
    true = np.array([[0.1, 10.0, 3.3], [0.0, 10.1, np.nan]], np.float32)
    predicted = np.where(true[:1].repeat(2, 0) == true, true, 7.0).astype(np.float32)
    assert depth_scores(predicted, true) == pytest.approx(PERFECT)


def test_predictions_are_clamped():
    true = np.array([[0.1, 10.0]])
    assert depth_scores(np.array([[0.0, 500.0]]), true) == pytest.approx(PERFECT)
    assert depth_scores(np.array([[-3.0, math.inf]]), true) == pytest.approx(PERFECT)
    assert depth_scores(np.array([[0.2, 500.0]]), true)["abs_rel"] == pytest.approx(0.5)


def test_depth_errors():
    with pytest.raises(ValueError, match=r"\(2, 3\) and true \(3, 2\) differ"):
        depth_scores(np.ones((2, 3)), np.ones((3, 2)))
    with pytest.raises(ValueError, match="no pixel with a known depth"):
        depth_scores(np.ones((2, 2)), np.array([[0.0, 0.05], [11.0, 0.0]]))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_depth_scores_do_not_know_where_pixels_are(seed):
    random = np.random.default_rng(seed)
    predicted, true = random.uniform(0, 12, (2, 4, 5))
    true[0, 0] = 1  # one at least is known
    order = random.permutation(20)
    shuffled = depth_scores(*(a.ravel()[order].reshape(5, 4) for a in (predicted, true)))
    assert depth_scores(predicted, true) == pytest.approx(shuffled, rel=1e-12)
    assert shuffled["delta1"] <= shuffled["delta2"] <= shuffled["delta3"]


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [((480, 640), (45, 471), (41, 601)), ((240, 320), (22, 236), (20, 301))],
)
def test_eigen_crop(size, rows, columns):
    assert eigen_crop(size) == (slice(*rows), slice(*columns))


@given(st.integers(1, 14), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_confusion_and_iou_equal_torchmetrics(classes, seed):
    random = np.random.default_rng(seed)
    predicted, true = random.integers(0, classes, (2, 6, 7)).astype(np.uint8)
    confusion = confusion_matrix(predicted, true, classes)
    if classes == 1:  # torchmetrics asks for two or more
        assert confusion.tolist() == [[42]]
        return
    tensors = torch.from_numpy(predicted).long(), torch.from_numpy(true).long()
    expected = multiclass_confusion_matrix(*tensors, num_classes=classes)
    assert np.array_equal(confusion, expected.numpy())
    present = np.union1d(predicted, true)
    reference = multiclass_jaccard_index(*tensors, num_classes=classes, average="none").numpy()
    assert iou(confusion)[present] == pytest.approx(reference[present], abs=1e-6)
    assert pixel_accuracy(confusion) == pytest.approx(float(np.mean(predicted == true)))


def test_rows_are_true_classes_and_splits_add_up():
    predicted, true = np.array([[1, 1, 0]]), np.array([[0, 1, 0]])
    one = confusion_matrix(predicted, true, 2)
    assert one.tolist() == [[1, 1], [0, 1]]
    two = confusion_matrix(predicted.repeat(2, 0), true.repeat(2, 0), 2)
    assert np.array_equal(one + one, two)


def test_iou_of_a_class_that_never_occurs_is_nan():
    """But of one that is only predicted, or only missed, it is 0."""
    confusion = confusion_matrix(np.array([0, 0, 1, 0]), np.array([0, 0, 0, 3]), 5)
    assert iou(confusion).tolist()[:2] == [0.5, 0]
    assert iou(confusion)[3] == 0
    assert np.isnan(iou(confusion)[[2, 4]]).all()


def test_scores_of_no_pixel_are_nan_and_give_no_warning():
    assert math.isnan(mean_iou(np.zeros((3, 3), int)))
    assert math.isnan(pixel_accuracy(np.zeros((3, 3), int)))
    assert mean_iou(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])) == pytest.approx(
        (1 / 2 + 2 / 3) / 2
    )


def edge(height: float, column: int = 4, size: tuple[int, int] = (6, 8)) -> np.ndarray:
    """A wall at 2 m, from a column on `height` times as far."""
    depth = np.full(size, 2.0)
    depth[:, column:] *= height
    return depth


def test_boundary_f1_counts_the_thresholds_that_both_edges_pass():
    thresholds = np.linspace(1.05, 1.25, 10)
    truth = edge(1.5)
    assert boundary_f1(3 * truth, truth) == boundary_f1(truth, truth) == 1
    assert boundary_f1(edge(1.5, column=5), truth) == 0
    assert boundary_f1(1 / truth, truth) == 0  # the other side is farther
    assert boundary_f1(np.ones((6, 8)), np.ones((6, 8))) == 0  # there is no edge to find
    passed = thresholds < 1.13
    assert boundary_f1(edge(1.13), truth) == pytest.approx(
        thresholds[passed].sum() / thresholds.sum()
    )
    two = np.where(np.arange(8) >= 6, edge(1.5) * 1.5, edge(1.5))  # one right, one too many
    assert boundary_f1(two, truth) == pytest.approx(2 / 3)
    np.testing.assert_allclose(boundary_f1(two.T, truth.T), boundary_f1(two, truth))


def test_boundary_f1_leaves_out_pairs_of_unknown_depth():
    truth = edge(1.5)
    truth[2:, 3] = 0
    assert boundary_f1(edge(1.5), truth) == 1
    truth[:, 3] = 0  # no edge of known depth is left
    assert boundary_f1(edge(1.5), truth) == 0
    assert boundary_f1(edge(1.5, column=6), truth) == 0
    with pytest.raises(ValueError, match="no pixel with a known depth"):
        boundary_f1(truth, 0 * truth)
