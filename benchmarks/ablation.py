"""Ablation: what is each part of the recipe worth, and each number beside the image? Cross-validated on the sample of
Galaxy10 DECaLS: five folds that keep shared sky together, several seeds, the same folds for all rows.

    python benchmarks/ablation.py --data galaxy10_sample.h5 --folder ablation --output results/ablation.json

A row differs from the first in one thing. Results are written after each training, and the same command resumes: with
--minutes it stops in between, so that it can be done in stages.
"""

import argparse
import os
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed

from galaxy_classifier.core import load_json, save_json
from galaxy_classifier.data.importers import import_hdf5
from galaxy_classifier.data.splits import connected_groups, related_pairs, stratified_folds
from galaxy_classifier.data.store import Store, save_splits
from galaxy_classifier.jobs import content_sample
from galaxy_classifier.model.checkpoints import load_model
from galaxy_classifier.preprocessing.morphology import MEASUREMENTS
from galaxy_classifier.preprocessing.pipeline import preprocess_store
from galaxy_classifier.preprocessing.star_removal import PreprocessingParameters
from galaxy_classifier.training.config import TrainingConfig
from galaxy_classifier.training.evaluate import predict_split
from galaxy_classifier.training.fit import fit
from galaxy_classifier.training.tracking import git_commit, hardware

FOLDS = 5
REFERENCE = TrainingConfig.recipes["reference"]
STORES = {  # what is measured on each image
    "conselice1997": {},
    "none": {},
    "cas": dict(asymmetry="cas"),
    "rms": dict(asymmetry="rms"),
    "all": dict(measurements=MEASUREMENTS),
}
PARTS = dict(
    augmentation=("augmentation",),
    dropout=("dropout",),
    schedule=("schedule", "learning_rate", "factor"),
    optimizer=("optimizer", "weight_decay"),
    loss=("beta", "gamma", "label_smoothing"),
)
ROWS = {  # name → store, settings
    "ours": ("conselice1997", {}),
    "without the asymmetry": ("none", {}),
    "asymmetry: cas": ("cas", {}),
    "asymmetry: rms": ("rms", {}),
    "all measurements": ("all", {}),
    "with stars": ("conselice1997", dict(cleaned=False)),
    **{
        f"{part} of the reference": ("conselice1997", {name: REFERENCE[name] for name in names})
        for part, names in PARTS.items()
    },
    "reference recipe": ("conselice1997", REFERENCE),
}


def measured_store(data, folder, kind):
    """The sample, with these measurements."""
    path = folder / f"sample-{kind}"
    if not path.exists():
        import_hdf5(data, path)
    store = Store(path)
    if not store.is_preprocessed:
        preprocess_store(store, PreprocessingParameters(**STORES[kind]), workers=2)
        if kind == "none":
            np.save(path / "asymmetries.npy", np.zeros(len(store), np.float32))
            notes = Store(path).manifest["preprocessing"]
            notes["samples"]["asymmetries"] = content_sample(path / "asymmetries.npy")
            Store(path).update_manifest(preprocessing=notes)
    return Store(path)


def fold_store(data, folder, kind, fold):
    """One fold is validated on, the others are trained on; images are links."""
    path = folder / f"sample-{kind}-fold{fold}"
    if not (path / "ready").exists():
        whole = measured_store(data, folder, kind)
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(whole.path, path, copy_function=os.link)  # whatever is written later replaces its link
        catalog = pd.read_csv(whole.path / "catalog.csv")
        pairs = related_pairs(*catalog[["ra", "dec"]].to_numpy().T)
        folds = stratified_folds(whole.labels, connected_groups(len(whole), pairs), FOLDS)
        part = np.where(folds == fold, "valid", "train").astype(object)
        part[np.flatnonzero(folds == fold)[0]] = "test"  # a store wants one
        save_splits(Store(path), table=pd.DataFrame(dict(part=part)), radius=0.0)
        (path / "ready").touch()
    return Store(path)


def train(options, name, fold, seed):
    """One training: the share of the fold's images that it gets right."""
    torch.set_num_threads(1)
    kind, settings = ROWS[name]
    store = fold_store(options.data, options.folder, kind, fold)
    config = TrainingConfig(
        group=options.group, size=options.size, epochs=options.epochs, seed=seed, keep="last", **settings
    )
    place = options.folder / f"{name.replace(': ', '-').replace(' ', '-')}-fold{fold}-seed{seed}"
    fit(store, config, place, device="cpu", tracking="none", quiet=True)
    network = load_model(place / "best.pt")
    found = [predict_split(network, store, part, config.cleaned) for part in ("valid", "test")]
    right = np.concatenate([part.probabilities.argmax(1) == part.labels for part in found])
    return dict(row=name, fold=fold, seed=seed, right=int(right.sum()), images=len(right))


def table(runs):
    """Accuracy of each row: mean and standard error over the folds, each averaged over the seeds; and the difference
    from the first row on the same folds and seeds."""
    rows, accuracy = [], runs.assign(accuracy=runs["right"] / runs["images"])
    wide = accuracy.pivot_table(index=["fold", "seed"], columns="row", values="accuracy")
    for name in [name for name in ROWS if name in wide]:
        folds = wide[name].dropna().groupby("fold").mean()
        gains = (wide[name] - wide["ours"]).dropna().groupby("fold").mean()
        rows.append(
            dict(
                row=name,
                accuracy=folds.mean(),
                error=folds.sem(),
                difference=gains.mean(),
                difference_error=gains.sem(),
                trainings=int(wide[name].notna().sum()),
            )
        )
    return pd.DataFrame(rows).set_index("row")


def main():
    """All rows; each training is written as soon as it is done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="galaxy10_sample.h5")
    parser.add_argument("--folder", type=Path, default=Path("ablation"), help="stores and runs")
    parser.add_argument("--rows", nargs="+", choices=tuple(ROWS), default=list(ROWS), metavar="ROW")
    parser.add_argument("--group", default="C4")
    parser.add_argument("--size", type=int, default=65, help="pixels")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folds", type=int, default=FOLDS, help="how many of the five; more can follow")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time, a thread each")
    parser.add_argument("--minutes", type=float, default=1e9, help="no training begins later than this")
    parser.add_argument("--output", type=Path, required=True, help="JSON to write and to resume from")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    runs = load_json(options.output)["runs"] if options.output.exists() else []
    done = {(run["row"], run["fold"], run["seed"]) for run in runs}
    plan = [(row, fold, seed) for seed in range(options.seeds) for row in options.rows for fold in range(options.folds)]
    for kind in sorted({ROWS[row][0] for row, *_ in plan}):
        for fold in range(FOLDS):  # before trainings hold the images, which all folds share
            fold_store(options.data, options.folder, kind, fold)
    began = time.monotonic()
    todo = (turn for turn in plan if turn not in done and time.monotonic() - began < 60 * options.minutes)
    work = Parallel(options.jobs, return_as="generator_unordered", pre_dispatch=options.jobs)
    for run in work(delayed(train)(options, *turn) for turn in todo):
        runs = sorted([*runs, run], key=lambda run: (list(ROWS).index(run["row"]), run["seed"], run["fold"]))
        save(options, plan, runs)
        print(f"{run['row']}, fold {run['fold']}, seed {run['seed']}: {run['right'] / run['images']:.3f}", flush=True)
    print(save(options, plan, runs).round(3).to_string())


def save(options, plan, runs):
    """Write all trainings, and the table of those that were asked for."""
    settings = dict(group=options.group, size=options.size, epochs=options.epochs, folds=FOLDS, data=options.data.name)
    asked = [run for run in runs if (run["row"], run["fold"], run["seed"]) in plan]
    rows = table(pd.DataFrame(asked)) if any(run["row"] == "ours" for run in asked) else pd.DataFrame()
    notes = dict(default=asdict(TrainingConfig()), commit=git_commit(), hardware=hardware())
    save_json(options.output, settings | dict(rows=rows.reset_index().to_dict("records"), runs=runs) | notes)
    return rows


if __name__ == "__main__":
    main()
