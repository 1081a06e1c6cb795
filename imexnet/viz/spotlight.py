"""Stub"""

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter
from imexnet.viz import drawing


def spotlights(photo, views, longest=1024):
    size = drawing.display_size(photo.shape, longest)
    back = (
        np.asarray(photo.picture.resize((size[1], size[0]), Image.Resampling.BICUBIC)) / 255
    )
    maps = {
        k: gaussian_filter(v.sensitivity.astype(float), 1.8) / max(v.sensitivity.sum(), 1e-30)
        for k, v in views.items()
    }
    for k, v in views.items():
        if v.measures.outside_window == 0:
            m = np.zeros_like(maps[k])
            m[v.window] = maps[k][v.window]
            maps[k] = m
    peak = max(m.max() for m in maps.values())
    out = {}
    for k, m in maps.items():
        light = np.clip(1 + np.log10(np.maximum(m / peak, 1e-9)) / 2.5, 0, 1)
        light = np.asarray(
            Image.fromarray(light.astype(np.float32)).resize(
                (size[1], size[0]), Image.Resampling.BICUBIC
            )
        ).clip(0, 1)
        out[k] = (255 * back * (0.06 + 0.94 * light[..., None] ** 0.8)).astype(np.uint8)
    return out


def in_a_sentence(views):
    rows, _ = views["resnet"].window
    return f"The ResNet can see {rows.stop - rows.start} pixels around this point. {100 * views['imexnet'].measures.outside_window:.0f} % of what decided the IMEXNet's answer lies beyond."
