"""Q-tips: the best mean IoU that a strictly local network with a w × w window can reach.

An oracle that finds every rod, and whose answer for a pixel is right if the window holds both
markers; seeing markers of one colour it answers that both are of that colour, seeing none that
both are black.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from imexnet.data.qtips import BLACK, CLASSES, WHITE, qtips
from imexnet.metrics import confusion_matrix, iou
from imexnet.program import run


def seen(marker: np.ndarray, width: int) -> np.ndarray:
    """Whether the window round each pixel of (H, W) holds any of the marker."""
    padded = np.pad(marker, width // 2)
    rows = sliding_window_view(padded, width, axis=0).any(-1)
    return np.asarray(sliding_window_view(rows, width, axis=1).any(-1))


def main(images: int = 1000) -> None:
    pictures, labels = qtips(0, range(images))
    for width in (27, 43, 63, 83, 127):
        confusion = np.zeros((len(CLASSES),) * 2, np.int64)
        for picture, label in zip(pictures, labels, strict=True):
            white, black = seen(picture == WHITE, width), seen(picture == BLACK, width)
            local = np.where(white & black, 2, np.where(white, 1, 3))
            confusion += confusion_matrix(np.where(label > 0, local, 0), label, len(CLASSES))
        print(f"window {width:3}: mIoU {np.mean(iou(confusion)):.3f}")


if __name__ == "__main__":
    run(main, "locality")
