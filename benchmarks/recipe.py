"""Recipe: does the way of training matter, and what in it? The reference recipe against ours, the same network, split
and number of epochs.

galaxy-data --hdf5 galaxy10_sample.h5 --store real && galaxy-preprocess --store real
python benchmarks/recipe.py --store real --folder recipe --output results/recipe.json

Each recipe is trained once a seed; accuracy on the test split of the best epoch by validation, mean and standard
error over the seeds. Then ours with one
of its parts as in the reference: what that costs is what the part is worth. Runs that were stopped are gone on with:
give the same command again.
"""

import argparse
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from torch import cuda, set_num_threads

from galaxy_classifier.analysis.metrics import evaluate
from galaxy_classifier.core import save_json
from galaxy_classifier.data.store import Store
from galaxy_classifier.model.checkpoints import load_model
from galaxy_classifier.training.config import TrainingConfig
from galaxy_classifier.training.evaluate import predict_split
from galaxy_classifier.training.fit import fit
from galaxy_classifier.training.tracking import git_commit, hardware, start_tracking

REFERENCE = dict(
    optimizer="adamw",
    learning_rate=4e-3,
    weight_decay=8.9e-3,
    beta=0.9309,
    gamma=1.007,
    label_smoothing=0.0,
    augmentation="colour",
    schedule="plateau",
    factor=0.3,
    patience=7,
    dropout=1.0,
)
OURS = dict(
    optimizer="radam",
    learning_rate=2e-2,
    weight_decay=1e-4,
    beta=0.999,
    gamma=1.0,
    label_smoothing=0.1,
    augmentation="sky",
    schedule="one-cycle",
    dropout=0.0,
)
PARTS = dict(
    augmentation=("augmentation",),
    dropout=("dropout",),
    schedule=("schedule", "learning_rate", "factor", "patience"),
    optimizer=("optimizer", "weight_decay"),
    loss=("beta", "gamma", "label_smoothing"),
)


def recipes(base, seeds, few):
    """Name to configuration and number of seeds: both recipes, then ours with one part of the reference."""
    yield "reference", replace(base, **REFERENCE), seeds
    yield "ours", replace(base, **OURS), seeds
    for part, names in PARTS.items():
        yield (
            f"ours, {part} of the reference",
            replace(base, **{**OURS, **{name: REFERENCE[name] for name in names if name in REFERENCE}}),
            few,
        )


def train(path, config, folder):
    """One training, or the rest of one, in a process of its own; figures on the test split."""
    set_num_threads(1)  # the sums of one thread are the same on every machine with this processor
    start_tracking(folder.parent)
    store = Store(path)
    summary = fit(store, config, folder, device="cpu" if not cuda.is_available() else "auto", quiet=True)
    found = predict_split(load_model(folder), store, "test", config.cleaned)
    merit = evaluate(found.labels, found.probabilities, store.classes)
    return dict(
        seed=config.seed,
        test_accuracy=merit["accuracy"],
        test_macro_f1=merit["macro_f1"],
        valid_accuracy=summary["valid_accuracy"],
        best_epoch=summary["best_epoch"],
    )


def spread(runs):
    """Mean and standard error of the test accuracy."""
    values = np.array([run["test_accuracy"] for run in runs])
    return dict(
        mean=values.mean(),
        standard_error=values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else None,
        runs=runs,
    )


def main():
    """Train all of them, write after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, help="preprocessed and split")
    parser.add_argument("--folder", type=Path, default=Path("runs/recipe"), help="for the runs")
    parser.add_argument("--epochs", type=int, default=30, help="of each training")
    parser.add_argument("--size", type=int, default=129, help="side of the network's input, pixels")
    parser.add_argument("--seeds", type=int, default=5, help="of both recipes")
    parser.add_argument(
        "--few", type=int, default=3, help="seeds of each recipe with one part exchanged; 0 leaves these out"
    )
    parser.add_argument("--processes", type=int, default=2, help="trainings at a time, a thread each")
    parser.add_argument("--output", type=Path, help="JSON to write")
    words = parser.parse_args()
    start_tracking(words.folder)
    store, found, commit = Store(words.store), {}, git_commit()
    base = TrainingConfig(epochs=words.epochs, size=words.size, early_stopping=words.epochs)
    plan = [
        (name, replace(config, seed=seed))
        for name, config, seeds in recipes(base, words.seeds, words.few)
        for seed in range(seeds)
    ]
    runs = Parallel(words.processes, return_as="generator", pre_dispatch=words.processes)(
        delayed(train)(words.store, config, words.folder / f"{name.replace(', ', '-').replace(' ', '-')}-{config.seed}")
        for name, config in plan
    )
    for (name, config), run in zip(plan, runs, strict=True):
        found.setdefault(
            name, dict(config={key: value for key, value in asdict(config).items() if key != "seed"}, runs=[])
        )["runs"].append(run)
        found[name].update(spread(found[name]["runs"]))
        print(
            f"{name}, seed {run['seed']}: {run['test_accuracy']:.3f} on the test split, "
            f"{run['valid_accuracy']:.3f} in validation",
            flush=True,
        )
        if words.output:
            save_json(
                words.output,
                dict(
                    recipes=found,
                    epochs=words.epochs,
                    size=words.size,
                    images={part: len(store.split(part)) for part in ("train", "valid", "test")},
                    data=store.manifest["source"],
                    split=store.manifest["split"],
                    commit=commit,
                    hardware=hardware(),
                ),
            )
    for name, row in found.items():
        print(f"{name:40s} {100 * row['mean']:.1f} % ± {100 * (row['standard_error'] or np.nan):.1f}")
    if {"reference", "ours"} <= set(found) and words.seeds > 1:
        gain, error = (
            found["ours"]["mean"] - found["reference"]["mean"],
            np.hypot(found["ours"]["standard_error"], found["reference"]["standard_error"]),
        )
        print(f"ours is {100 * gain:+.1f} points from the reference, {gain / error:.1f} standard errors")


if __name__ == "__main__":
    main()
