"""Shape measured by this package and by statmorph, on the same light and the same segmentation.

python benchmarks/morphology.py                # 60 galaxies, 2 minutes on one core
python benchmarks/morphology.py --count 200 --output results/morphology.json
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from statmorph import SourceMorphology

from galaxy_classifier.core import pick_device, save_json
from galaxy_classifier.data.flux import unstretch
from galaxy_classifier.data.simulation import simulate_galaxy
from galaxy_classifier.preprocessing.morphology import (
    asymmetry_centre,
    cas_asymmetry,
    concentration,
    conselice1997,
    cut_out_galaxy,
    gini_and_m20,
    rms_asymmetry,
    smoothness,
)
from galaxy_classifier.preprocessing.photometry import border_sky, find_galaxy, luminance
from galaxy_classifier.training.tracking import git_commit, hardware

SEED = 777002


def ours(light, owners):
    """All that statmorph is asked for, and the seconds that asymmetry alone takes."""
    start = time.perf_counter()
    target = cut_out_galaxy(light, owners)
    centre = asymmetry_centre(target)
    values = dict(asymmetry=cas_asymmetry(target, centre))
    alone = time.perf_counter() - start
    gini, m20 = gini_and_m20(target)
    values |= dict(
        rms=rms_asymmetry(target, centre),
        concentration=concentration(target, centre),
        smoothness=smoothness(target, centre),
        gini=gini,
        m20=m20,
    )
    return values, alone, time.perf_counter() - start


def theirs(light, owners):
    """The same by statmorph, whose properties are computed when first asked for."""
    start = time.perf_counter()
    found = SourceMorphology(light, (owners == 1).astype(int), 1, mask=owners > 1, gain=1.0, n_sigma_outlier=0)
    square = found.rms_asymmetry2
    values = dict(
        asymmetry=found.asymmetry,
        rms=np.sign(square) * np.sqrt(abs(square)),
        concentration=found.concentration,
        smoothness=found.smoothness,
        gini=found.gini,
        m20=found.m20,
    )
    return values, time.perf_counter() - start


def asymmetry_alone(light, owners):
    """Seconds that statmorph takes for its asymmetry. Its constructor computes everything, so the parts that
    asymmetry needs are asked for again, one by one."""
    found = SourceMorphology(light, (owners == 1).astype(int), 1, mask=owners > 1, gain=1.0, n_sigma_outlier=0)
    for name in ("asymmetry", "_asymmetry_center", "_sky_asymmetry", "_slice_skybox", "_rpetro_circ_centroid"):
        found.__dict__.pop(name, None)
    start = time.perf_counter()
    found.asymmetry  # noqa: B018 - computed when it is asked for
    return time.perf_counter() - start


def formula(image):
    """Conselice (1997) written out pixel by pixel in float64."""
    light = luminance(image).astype(np.float64)
    light -= border_sky(light)[0]
    size = len(light)
    difference = sum(
        (light[row, column] - light[size - 1 - row, size - 1 - column]) ** 2
        for row in range(size)
        for column in range(size)
    )
    return (0.5 * difference / sum(value**2 for value in light.ravel())) ** 0.5


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=60, help="galaxies, of the ten classes in turn")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows, seconds, formula_error = [], [], 0.0
    for index in range(options.count):
        image = simulate_galaxy(index % 10, SEED, index).star_free
        if index < 10:
            formula_error = max(formula_error, abs(formula(image) - conselice1997(image)))
        light = unstretch(image).mean(0, dtype=np.float64)
        light = np.ascontiguousarray(light - border_sky(light)[0])
        found = find_galaxy(light)
        if found is None:
            continue
        mine, alone, whole = ours(light, found[1])
        other, slow = theirs(light, found[1])
        seconds.append((alone, whole, asymmetry_alone(light, found[1]), slow))
        rows.append({**mine, **{f"{name}_statmorph": value for name, value in other.items()}})
    table, (alone, whole, slow_alone, slow) = pd.DataFrame(rows), np.mean(seconds, 0)
    figures = {}
    for name in ("asymmetry", "rms", "concentration", "smoothness", "gini", "m20"):
        pair = table[[name, f"{name}_statmorph"]]
        pair = pair[pair.iloc[:, 1] > -99]
        difference = (pair.iloc[:, 0] - pair.iloc[:, 1]).abs()
        figures[name] = dict(
            galaxies=len(pair),
            spearman=float(spearmanr(*pair.to_numpy().T)[0]),
            median_difference=float(difference.median()),
            largest_difference=float(difference.max()),
        )
    print(pd.DataFrame(figures).T.to_string(float_format="{:.4f}".format))
    speed = dict(
        asymmetry_ms=alone * 1e3,
        all_ms=whole * 1e3,
        statmorph_asymmetry_ms=slow_alone * 1e3,
        statmorph_all_ms=slow * 1e3,
        asymmetry_against_asymmetry=slow_alone / alone,
        asymmetry_against_all=slow / alone,
        all_against_all=slow / whole,
    )
    for name, value in speed.items():
        print(f"{name:30s} {value:9.1f}")
    print(f"conselice1997 against its formula: {formula_error:.1e}")
    if options.output:
        save_json(
            options.output,
            dict(
                commit=git_commit(),
                hardware=hardware(pick_device("cpu")),
                seed=SEED,
                agreement=figures,
                speed=speed,
                formula_error=formula_error,
            ),
        )


if __name__ == "__main__":
    main()
