"""Star removal measured against the truth, beside the percentile method.

python benchmarks/preprocessing.py                  # 1,000 fields of 256 px and a pass over 17,736, 6 minutes on 2
cores, 8 GB of disk
python benchmarks/preprocessing.py --fields 100
python benchmarks/preprocessing.py --output results/preprocessing.json
"""

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from joblib import Parallel, delayed
from scipy import ndimage
from skimage.measure import label, perimeter, regionprops

from galaxy_classifier.core import GALAXY10_CLASSES, pick_device, save_json
from galaxy_classifier.data.simulation import simulate_galaxy, simulate_store
from galaxy_classifier.data.store import Store, StoreWriter
from galaxy_classifier.preprocessing.pipeline import preprocess_store
from galaxy_classifier.preprocessing.star_removal import preprocess_image, score_cleaning, summarise_scores
from galaxy_classifier.training.tracking import git_commit, hardware

COMMAND = Path(sys.executable).parent / "galaxy-preprocess"
PASS = "galaxy-preprocess, 2 cores"
SEED = 777001  # of the fields; the star classifier was taught on others


def is_star(area, aspect, circularity, distance, size):
    """The percentile method's rule."""
    return 2 <= area <= 100 and aspect < 2 and circularity > 0.3 and distance > 0.1 * size


def circularity(area, around):
    """4πA/P²; a few pixels without a perimeter count as round."""
    return 4 * np.pi * area / around**2 if around else 1.0


def median_fill(image, mask):
    """Dilate a mask twice and fill it with the median of the rest."""
    mask = ndimage.binary_dilation(mask, iterations=2) if mask.any() else mask
    cleaned = image.copy()
    cleaned[mask] = np.median(image[~mask], axis=0)
    return cleaned


def percentile_method(image, cheap_first=False):
    """The method as published: the brightest 3 %, a Python loop over its components. `cheap_first` is an
    improvement: it leaves a component at once when its area does not fit."""
    light = image.mean(2)
    labels, count = ndimage.label(light > np.percentile(light, 97))
    mask, middle = np.zeros(light.shape, bool), (len(image) - 1) / 2
    for number in range(1, count + 1):
        part = labels == number
        area = part.sum()
        if cheap_first and not 2 <= area <= 100:
            continue
        rows, columns = np.nonzero(part)
        sides = np.ptp(rows) + 1, np.ptp(columns) + 1
        if is_star(
            area,
            max(sides) / min(sides),
            circularity(area, perimeter(part)),
            np.hypot(rows.mean() - middle, columns.mean() - middle),
            len(image),
        ):
            mask |= part
    return median_fill(image, mask)


def percentile_method_by_regions(image):
    """The same rule on bounding boxes, which needs no loop over whole pictures."""
    light = image.mean(2)
    mask, middle = np.zeros(light.shape, bool), (len(image) - 1) / 2
    for part in regionprops(label(light > np.percentile(light, 97), connectivity=1)):
        if not 2 <= part.area <= 100:
            continue
        top, left, bottom, right = part.bbox
        sides = bottom - top, right - left
        if is_star(
            part.area,
            max(sides) / min(sides),
            circularity(part.area, part.perimeter),
            np.hypot(part.centroid[0] - middle, part.centroid[1] - middle),
            len(image),
        ):
            mask[tuple(part.coords.T)] = True
    return median_fill(image, mask)


def one_field(index):
    """Scores of both methods on one simulated field."""
    one = simulate_galaxy(index % 10, SEED, index)
    return score_cleaning(one, preprocess_image(one.image).image), score_cleaning(one, percentile_method(one.image))


def quality(fields):
    """A column of figures for each method."""
    ours, theirs = zip(*Parallel(2)(delayed(one_field)(index) for index in range(fields)), strict=True)
    return {name: summarise_scores(pd.DataFrame(rows)) for name, rows in (("ours", ours), ("percentile", theirs))}


def larger_store(path, count, different=400, size=256):
    """A store of simulated galaxies, each several times and turned, so that it need not be simulated in full."""
    with tempfile.TemporaryDirectory() as folder:
        galaxies = np.array(simulate_store(Path(folder) / "store", different, size, seed=SEED, workers=2).images)
    with StoreWriter(path, count, size, list(GALAXY10_CLASSES), dict(kind="benchmark"), split=dict(seed=0)) as writer:
        for row in range(count):
            writer.write(row, np.rot90(galaxies[row % different], row // different)[None], np.array([row % 10]))
    return Store(path), galaxies


def speed(folder, count):
    """Images per second: the whole pass on two cores, and other methods on one, in the same run; and the pass's
    peak memory."""
    store, images = larger_store(folder / "store", count)
    methods = {
        "preprocess_image, 1 core": preprocess_image,
        "percentile, 1 core": percentile_method,
        "percentile, cheap questions first": partial(percentile_method, cheap_first=True),
        "percentile, by regions": percentile_method_by_regions,
    }
    seconds = dict.fromkeys(methods, 0.0)
    command, peak = subprocess.Popen([COMMAND, "--store", store.path], stderr=subprocess.DEVNULL), 0.0
    while command.poll() is None:
        peak = max(peak, proportional_memory(command.pid))
        time.sleep(0.5)
    for turn in range(2):  # before and after the pass: machines slow down under load
        if turn:
            start = time.perf_counter()
            preprocess_store(Store(store.path), workers=2, overwrite=True)
            rate = count / (time.perf_counter() - start)
        for name, work in methods.items():
            start = time.perf_counter()
            for image in images:
                work(image)
            seconds[name] += time.perf_counter() - start
    return {PASS: rate} | {name: 2 * len(images) / spent for name, spent in seconds.items()}, peak


def proportional_memory(process):
    """Memory in GB of a process and its children; what they share is counted once."""
    total = 0
    for one in [process, *(child.pid for child in psutil.Process(process).children(recursive=True))]:
        with suppress(OSError, IndexError):  # it has ended
            total += int(Path(f"/proc/{one}/smaps_rollup").read_text().split("Pss:")[1].split()[0])
    return total / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fields", type=int, default=1000, help="simulated fields to judge on")
    parser.add_argument(
        "--images",
        type=int,
        default=17736,
        help="images of the store whose pass is timed; as many as Galaxy10 DECaLS has",
    )
    parser.add_argument("--folder", type=Path, help="where to work; a temporary directory if not given")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    figures = quality(options.fields)
    print(pd.DataFrame(figures).to_string(float_format="{:.4f}".format), flush=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        rates, peak = speed(Path(folder), options.images)
    for name, rate in rates.items():
        print(f"{name:34s} {rate:7.1f} images/s; the whole pass is {rates[PASS] / rate:.1f}× as fast")
    print(f"peak memory of the pass over {options.images} images, all processes: {peak:.2f} GB")
    print("statmorph: python benchmarks/morphology.py; kills: python benchmarks/kill.py --only preprocess")
    if options.output:
        save_json(
            options.output,
            dict(
                commit=git_commit(),
                hardware=hardware(pick_device("cpu")),
                seed=SEED,
                quality=figures,
                images_per_second=rates,
                peak_gigabytes=peak,
            ),
        )


if __name__ == "__main__":
    main()
