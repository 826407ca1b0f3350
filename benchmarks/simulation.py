"""Simulation: do simulated galaxies measure like real ones? Prints medians by class and writes them down.

python benchmarks/simulation.py galaxy10_sample.h5 --results results/simulated_and_real.json

What a network learns from them is measured with the package's own commands, see the README of results/.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from galaxy_classifier.core import GALAXY10_CLASSES, progress, save_json
from galaxy_classifier.data.importers import check_hdf5, open_hdf5
from galaxy_classifier.data.simulation import simulate_galaxy
from galaxy_classifier.preprocessing.photometry import measure_images
from galaxy_classifier.training.tracking import git_commit

QUANTITIES = "magnitude", "g_r", "r_z", "radius", "axis_ratio"


def medians(images, labels):
    """Median of each quantity in each class, as one column indexed by class and quantity."""
    table = measure_images(progress(images, len(labels), "measure", "images"))
    return table.groupby(np.array(labels)).median()[list(QUANTITIES)].stack()


def main():
    """Measure both and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="real galaxies in the layout of Galaxy10_DECals.h5")
    parser.add_argument("--count", type=int, default=100, help="simulated galaxies a class")
    parser.add_argument("--seed", type=int, default=4, help="of the simulation")
    parser.add_argument("--results", type=Path, help="JSON file to write")
    words = parser.parse_args()
    with open_hdf5(words.file) as file:
        labels = check_hdf5(file, list(GALAXY10_CLASSES))
        real = medians(file["images"][:], labels)
    numbers = range(10 * words.count)
    simulated = medians(
        (simulate_galaxy(number % 10, words.seed, number).image for number in numbers),
        [number % 10 for number in numbers],
    )
    table = pd.DataFrame(dict(simulated=simulated, real=real)).rename_axis(["galaxy_class", "quantity"]).reset_index()
    table["galaxy_class"] = [GALAXY10_CLASSES[label] for label in table["galaxy_class"]]
    print(
        table.pivot(index="galaxy_class", columns="quantity", values=["simulated", "real"])
        .round(2)
        .swaplevel(axis=1)[list(QUANTITIES)]
        .reindex(list(GALAXY10_CLASSES))
        .to_string()
    )
    if words.results:
        save_json(
            words.results,
            dict(
                file=words.file.name,
                images=len(labels),
                simulated=10 * words.count,
                seed=words.seed,
                commit=git_commit(),
                medians=table.round(4).to_dict("records"),
            ),
        )


if __name__ == "__main__":
    main()
