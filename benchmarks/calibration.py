"""Calibration: can the probabilities on the real sample's test split be taken at their word, before and after
temperature scaling?

galaxy-data --hdf5 galaxy10_sample.h5 --store real && galaxy-preprocess --store real
python benchmarks/calibration.py --store real --runs recipe/ours-* --output results/calibration.json

The runs are those of benchmarks/recipe.py. Temperature is fitted on the validation split. The floor is the expected
calibration error that true probabilities would have on so few images.
"""

import argparse
from pathlib import Path

import numpy as np

from galaxy_classifier.core import save_json
from galaxy_classifier.data.store import Store
from galaxy_classifier.model.checkpoints import load_model
from galaxy_classifier.model.confidence import (
    apply_temperature,
    brier_score,
    calibration_floor,
    expected_calibration_error,
    fit_temperature,
)
from galaxy_classifier.training.evaluate import predict_split
from galaxy_classifier.training.tracking import git_commit, hardware


def measure(folder, store):
    """One run; and its answers on the test split."""
    network = load_model(folder)
    valid, test = (predict_split(network, store, part) for part in ("valid", "test"))
    temperature = fit_temperature(valid.labels, valid.probabilities)
    scaled = apply_temperature(test.probabilities, temperature)
    figures = {
        f"{name}_{when}": function(test.labels, probabilities)
        for name, function in (("ece", expected_calibration_error), ("brier", brier_score))
        for when, probabilities in (("before", test.probabilities), ("after", scaled))
    }
    return dict(
        run=folder.name,
        temperature=temperature,
        ece_floor=calibration_floor(scaled),
        accuracy=float((test.probabilities.argmax(1) == test.labels).mean()),
        **figures,
    ), test


def main():
    """All runs by themselves, and pooled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, help="preprocessed and split")
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="directories of galaxy-train")
    parser.add_argument("--output", type=Path, help="JSON to write")
    words = parser.parse_args()
    store = Store(words.store)
    rows, tests = zip(*(measure(folder, store) for folder in words.runs), strict=True)
    for row in rows:
        print(
            ", ".join(f"{name} {value:.3f}" if isinstance(value, float) else str(value) for name, value in row.items())
        )
    labels, raw = (
        np.concatenate([test.labels for test in tests]),
        np.concatenate([test.probabilities for test in tests]),
    )
    scaled = np.concatenate(
        [apply_temperature(test.probabilities, row["temperature"]) for row, test in zip(rows, tests, strict=True)]
    )
    pooled = dict(
        images=len(labels),
        ece_before=expected_calibration_error(labels, raw),
        ece_after=expected_calibration_error(labels, scaled),
        ece_floor=calibration_floor(scaled, seed=1),
        brier_before=brier_score(labels, raw),
        brier_after=brier_score(labels, scaled),
    )
    print(
        "all runs together:",
        ", ".join(
            f"{name} {value:.3f}" if isinstance(value, float) else f"{value} {name}" for name, value in pooled.items()
        ),
    )
    if words.output:
        save_json(
            words.output,
            dict(
                runs=list(rows),
                pooled=pooled,
                data=store.manifest["source"],
                split=store.manifest["split"],
                commit=git_commit(),
                hardware=hardware(),
            ),
        )


if __name__ == "__main__":
    main()
