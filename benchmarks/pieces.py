"""Ratios behind remarks in the notebooks: small steps of preprocessing beside the library's own.

python benchmarks/pieces.py          # half a minute
"""

import tempfile
import timeit
from pathlib import Path

import numpy as np
from scipy import ndimage

from galaxy_classifier.core import preallocate
from galaxy_classifier.data.flux import SUMMED_FLUX, channel_sum
from galaxy_classifier.data.simulation import simulate_galaxy
from galaxy_classifier.preprocessing.filters import mean_filter, opening_filter, pad_edge
from galaxy_classifier.preprocessing.photometry import border_sky, border_sky_uint8, upper_median
from galaxy_classifier.preprocessing.star_removal import RowWriter, label_holes


def seconds(work, number=200):
    """The best of three rounds."""
    work()
    return min(timeit.repeat(work, number=number, repeat=3)) / number


def mapped_and_written(folder, image, count=2000):
    """Seconds for rows of an array on disk, through a map and by `RowWriter`."""
    path, spent = folder / "rows.npy", []
    for way in ("map", "write"):
        array = np.lib.format.open_memmap(path, "w+", np.uint8, (count, *image.shape))
        preallocate(path)
        with RowWriter(path) as writer:
            rows = iter(range(count))
            work = (
                (lambda array=array, rows=rows: array.__setitem__(next(rows), image))
                if way == "map"
                else (lambda writer=writer, rows=rows: writer.write(next(rows), image))
            )
            spent.append(timeit.timeit(work, number=count) / count)
    return spent


def main():
    image = simulate_galaxy(5, seed=1, index=0).image
    half, total, numbers = (
        np.random.default_rng(0).random((128, 128), np.float32),
        channel_sum(image),
        np.random.default_rng(1).random(15_000, np.float32),
    )
    light, rows, columns = SUMMED_FLUX[total], *np.indices((256, 256))
    mask = np.any(
        [
            np.hypot(rows - y, columns - x) < radius
            for x, y, radius in ((60, 70, 6), (200, 200, 4), (30, 220, 8), (150, 50, 3), (128, 240, 5))
        ],
        0,
    )
    pairs = {
        "np.pad, pad_edge": (lambda: np.pad(half, 2, mode="edge"), lambda: pad_edge(half, 2)),
        "ndimage.uniform_filter, window_mean": (lambda: ndimage.uniform_filter(half, 3), lambda: mean_filter(half, 3)),
        "ndimage.grey_opening, window_opening": (
            lambda: ndimage.grey_opening(half, (9, 9)),
            lambda: opening_filter(half, 9),
        ),
        "np.median, upper_median": (lambda: np.median(numbers), lambda: upper_median(numbers)),
        "border_sky, counted_sky": (lambda: border_sky(light), lambda: border_sky_uint8(total, SUMMED_FLUX)),
        "ndimage.label and find_objects, label_holes": (
            lambda: ndimage.find_objects(ndimage.label(mask)[0]),
            lambda: label_holes(mask),
        ),
    }
    found = {name: tuple(map(seconds, pair)) for name, pair in pairs.items()}
    with tempfile.TemporaryDirectory() as folder:
        found["a row through a map, RowWriter"] = mapped_and_written(Path(folder), image)
    for name, (theirs, ours) in found.items():
        print(f"{name:40s} {1e6 * theirs:7.1f} µs {1e6 * ours:7.1f} µs {theirs / ours:6.1f}×")


if __name__ == "__main__":
    main()
