"""Star removal measured against the truth, beside the percentile method.

    python benchmarks/preprocessing.py                  # 1,000 fields of 256 px, 5 minutes on 2 cores
    python benchmarks/preprocessing.py --fields 100
    python benchmarks/preprocessing.py --output results/preprocessing.json
"""
import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy import ndimage
from skimage.measure import label, perimeter, regionprops

from galaxy_classifier.core import save_json
from galaxy_classifier.preprocessing import preprocess_image, score, summarise
from galaxy_classifier.simulation import simulate_galaxy, simulate_store
from galaxy_classifier.survey import preprocess_store

SEED = 777001 # of the fields; the star classifier was taught on others


def is_star(area, height, width, around, row, column, size):
    """The percentile method's rule: 2 to 100 pixels, aspect below 2, circularity above 0.3, off the middle."""
    return (2 <= area <= 100 and max(height, width)/min(height, width) < 2 and (around == 0 or 4*np.pi*area/around**2 > .3)
            and np.hypot(row - (size - 1)/2, column - (size - 1)/2) > .1*size)


def median_fill(image, mask):
    """Dilate a mask twice and fill it with the median of the rest."""
    mask = ndimage.binary_dilation(mask, iterations=2) if mask.any() else mask
    cleaned = image.copy()
    cleaned[mask] = np.median(image[~mask], axis=0)
    return cleaned


def percentile_method(image):
    """The method as published: the brightest 3 %, a Python loop over its components."""
    light = image.mean(2)
    labels, count = ndimage.label(light > np.percentile(light, 97))
    mask = np.zeros(light.shape, bool)
    for number in range(1, count + 1):
        part = labels == number
        rows, columns = np.nonzero(part)
        if is_star(len(rows), np.ptp(rows) + 1, np.ptp(columns) + 1, perimeter(part), rows.mean(), columns.mean(), len(image)): mask |= part
    return median_fill(image, mask)


def percentile_method_fast(image):
    """The same rule on bounding boxes: what a careful programmer would make of it."""
    light = image.mean(2)
    mask = np.zeros(light.shape, bool)
    for part in regionprops(label(light > np.percentile(light, 97), connectivity=1)):
        top, left, bottom, right = part.bbox
        if 2 <= part.area <= 100 and is_star(part.area, bottom - top, right - left, part.perimeter, *part.centroid, len(image)): mask[tuple(part.coords.T)] = True
    return median_fill(image, mask)


def one_field(index):
    """Scores of both methods on one simulated field."""
    one = simulate_galaxy(index % 10, SEED, index)
    return score(one, preprocess_image(one.image).image), score(one, percentile_method(one.image))


def quality(fields):
    """A column of figures for each method."""
    ours, theirs = zip(*Parallel(2)(delayed(one_field)(index) for index in range(fields)))
    return {name: summarise(pd.DataFrame(rows)) for name, rows in (("ours", ours), ("percentile", theirs))}


def speed(count=400, size=256):
    """Images per second: the whole pass on two cores, and the percentile method on one, in turn on the same images."""
    with tempfile.TemporaryDirectory() as folder:
        store = simulate_store(Path(folder)/"store", count, size, seed=SEED, workers=2)
        images, rates = np.array(store.images), {}
        preprocess_store(store, workers=2) # starts the processes, and warms the disk's cache
        for name, work in dict(pass_on_two_cores=lambda: preprocess_store(store, workers=2, overwrite=True), preprocess_image=lambda: [preprocess_image(image) for image in images],
                               percentile=lambda: [percentile_method(image) for image in images], percentile_fast=lambda: [percentile_method_fast(image) for image in images]).items():
            start = time.perf_counter()
            work()
            rates[name] = count/(time.perf_counter() - start)
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=int, default=1000, help="simulated fields to judge on")
    parser.add_argument("--images", type=int, default=400, help="images of the store whose pass is timed")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    figures = quality(options.fields)
    print(pd.DataFrame(figures).to_string(float_format="{:.4f}".format), flush=True)
    rates = speed(options.images)
    for name, rate in rates.items(): print(f"{name:20s} {rate:7.1f} images/s, {rate/rates['percentile']:.1f}× percentile")
    if options.output: save_json(options.output, dict(seed=SEED, quality=figures, images_per_second=rates))


if __name__ == "__main__":
    main()
