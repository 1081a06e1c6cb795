"""Losses of dense predictions."""

import torch
from torch import Tensor

LARGEST_STEP = 0.25
"""Of log-depth from pixel to pixel, beyond which an edge weighs no more."""


def log_depth_loss(
    predicted: Tensor, true: Tensor, scales: int = 1, edge_weight: float = 0.0
) -> Tensor:
    """mean |e| + ½ Σ_scales Σ_axes mean w |∂e|, e = log ŷ − log y where y > 0; (B, 1, H, W) metres.

    The second term asks for edges where the truth has them, whatever the scale of the room. On
    scale s, e is taken at every 2ˢ-th pixel. With w = 1, an edge that the network places a pixel
    wrong with a chance of one half or more is cheapest left out: w = 1 + `edge_weight` ·
    min(|∂ log y|, ¼) makes it worth drawing.
    """
    known = true > 0
    log_true = true.clamp(min=1e-3).log()
    e = torch.where(known, predicted.log() - log_true, 0)
    loss = _mean_where(e.abs(), known)
    for _ in range(scales):
        rows, columns = known[..., 1:, :] & known[..., :-1, :], known[..., 1:] & known[..., :-1]
        for dim, pairs in ((-2, rows), (-1, columns)):
            weight = 1 + edge_weight * log_true.diff(dim=dim).abs().clamp(max=LARGEST_STEP)
            loss = loss + 0.5 * _mean_where(weight * e.diff(dim=dim).abs(), pairs)
        e, known, log_true = (plane[..., ::2, ::2] for plane in (e, known, log_true))
    return loss


def _mean_where(values: Tensor, where: Tensor) -> Tensor:
    return (values * where).sum() / where.sum().clamp(min=1)
