"""Robustness: which network keeps its answers when pictures get worse? The reference network (C4), the same with D4,
and the plain CNN.

galaxy-data --hdf5 galaxy10_sample.h5 --store real && galaxy-preprocess --store real
python benchmarks/robustness.py --store real --folder robustness --output results/robustness.json

All three are trained on the same images, by the same recipe (that of benchmarks/recipe.py), for as many epochs;
augmentation gives each the turns and
mirror images that its group lacks. Trainings and changes that are done are not done again: give the same command
again to go on.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from joblib import Parallel, delayed
from recipe import OURS
from torch import cuda, set_num_threads

from galaxy_classifier.analysis.robustness import RobustnessPlan, measure_robustness, robustness_table
from galaxy_classifier.core import load_json, save_json
from galaxy_classifier.data.store import Store
from galaxy_classifier.model.checkpoints import load_model
from galaxy_classifier.model.networks import count_parameters
from galaxy_classifier.training.config import TrainingConfig
from galaxy_classifier.training.fit import fit
from galaxy_classifier.training.tracking import git_commit, hardware, start_tracking

NETWORKS = {"reference C4": {}, "reference D4": dict(group="D4"), "CNN": dict(model="cnn")}


def train(path, config, folder):
    """One training, or the rest of one, in a process of its own."""
    set_num_threads(1)
    start_tracking(folder.parent)
    fit(Store(path), config, folder, device="cpu" if not cuda.is_available() else "auto", quiet=True)
    return folder


def main():
    """Train, change, attack, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, help="preprocessed and split")
    parser.add_argument("--folder", type=Path, default=Path("runs/robustness"), help="for the runs")
    parser.add_argument("--epochs", type=int, default=60, help="of each training")
    parser.add_argument("--size", type=int, default=65, help="side of the network's input, pixels")
    parser.add_argument(
        "--attacked",
        type=int,
        default=20,
        help="images for the one-pixel attack, among those that all networks get right",
    )
    parser.add_argument("--processes", type=int, default=2, help="trainings at a time, a thread each")
    parser.add_argument("--output", type=Path, required=True, help="JSON to write")
    words = parser.parse_args()
    start_tracking(words.folder)
    base = TrainingConfig(epochs=words.epochs, size=words.size, early_stopping=words.epochs, **OURS)
    folders = Parallel(words.processes, pre_dispatch=words.processes)(
        delayed(train)(words.store, replace(base, **how), words.folder / name.replace(" ", "-"))
        for name, how in NETWORKS.items()
    )
    networks = {name: load_model(folder) for name, folder in zip(NETWORKS, folders, strict=True)}
    store = Store(words.store)
    plan = RobustnessPlan(attacked=words.attacked)
    found = measure_robustness(networks, store, words.folder / "robustness.jsonl", plan)
    print(robustness_table(found).round(1).to_string())
    rows = [{key: value for key, value in row.items() if key != "predictions"} for row in found["rows"]]
    save_json(
        words.output,
        dict(
            found,
            rows=rows,
            size=words.size,
            epochs=words.epochs,
            parameters={name: count_parameters(network) for name, network in networks.items()},
            valid_accuracy={
                name: load_json(words.folder / name.replace(" ", "-") / "summary.json")["valid_accuracy"]
                for name in networks
            },
            images={part: len(store.split(part)) for part in ("train", "valid", "test")},
            source=store.manifest["source"],
            commit=git_commit(),
            hardware=hardware(),
        ),
    )


if __name__ == "__main__":
    main()
