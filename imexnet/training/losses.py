"""Losses of dense predictions."""

import torch
from torch import Tensor


def log_depth_loss(predicted: Tensor, true: Tensor, scales: int = 1) -> Tensor:
    """mean |e| + ½ Σ_scales Σ_axes mean |∂e|, e = log ŷ − log y where y > 0; (B, 1, H, W) metres.

    The second term asks for edges where the truth has them, whatever the scale of the room. On
    scale s, e is taken at every 2ˢ-th pixel.
    """
    known = true > 0
    e = torch.where(known, predicted.log() - true.clamp(min=1e-3).log(), 0)
    loss = _mean_where(e.abs(), known)
    for _ in range(scales):
        rows, columns = known[..., 1:, :] & known[..., :-1, :], known[..., 1:] & known[..., :-1]
        loss = loss + 0.5 * _mean_where(e.diff(dim=-2).abs(), rows)
        loss = loss + 0.5 * _mean_where(e.diff(dim=-1).abs(), columns)
        e, known = e[..., ::2, ::2], known[..., ::2, ::2]
    return loss


def _mean_where(values: Tensor, where: Tensor) -> Tensor:
    return (values * where).sum() / where.sum().clamp(min=1)
