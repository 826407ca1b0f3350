"""What a group buys: networks with equally many parameters, few pictures to learn from, no augmentation.

    python benchmarks/groups.py --output results/groups.json     # 36 trainings, 15 minutes on 2 cores

Simulated galaxies (`--nearer`, as in the demo), stars removed. All networks learn from the same pictures, for the
same number of steps, and are asked about the same thousand others.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from torch import nn

from galaxy_classifier.cli import MAGNIFICATION
from galaxy_classifier.core import pick_device, save_json
from galaxy_classifier.data.simulation import simulate_store
from galaxy_classifier.loss import ClassBalancedFocalLoss
from galaxy_classifier.model.networks import build_model, count_parameters, matched_widths, prepare_images
from galaxy_classifier.preprocessing.star_removal import preprocess_image
from galaxy_classifier.training.tracking import git_commit, hardware

SEED, BATCH = 4004, 16


def pictures(count, folder):
    """Simulated, cleaned pictures with their asymmetries and classes; classes take turns."""
    store = simulate_store(folder / "store", count, size=128, seed=SEED, workers=2, magnification=MAGNIFICATION)
    done = Parallel(2)(delayed(preprocess_image)(np.array(image)) for image in store.images)
    return np.stack([one.image for one in done]), np.stack([one.measurements for one in done]), np.array(store.labels)


def train(group, number, seed, data, tests, size, steps):
    """Train a network on the first pictures; its accuracy on the others."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    images, measurements, labels = (torch.tensor(each) for each in data)
    model = build_model(group=group, size=size, widths=matched_widths(group))
    loss, optimizer = (
        ClassBalancedFocalLoss(np.bincount(labels[:number], minlength=10)),
        torch.optim.RAdam(model.parameters(), 4e-3, weight_decay=1e-4, decoupled_weight_decay=True),
    )
    schedule, order, start = (
        torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps),
        torch.empty(0, dtype=int),
        time.perf_counter(),
    )
    prepared = prepare_images(images, size)
    for _ in range(steps):
        if len(order) < BATCH:
            order = torch.cat([order, torch.randperm(number)])
        rows, order = order[:BATCH], order[BATCH:]
        loss(model(prepared[rows], measurements[rows]), labels[rows]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    seconds, tested = time.perf_counter() - start, range(len(labels) - tests, len(labels))
    with torch.no_grad():
        right = torch.cat(
            [
                model.eval()(prepared[rows], measurements[rows]).argmax(1) == labels[rows]
                for rows in torch.tensor(tested).split(50)
            ]
        )
    return dict(
        group=group,
        images=number,
        seed=seed,
        parameters=count_parameters(model, learned=True),
        accuracy=float(right.float().mean()),
        seconds=seconds,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", nargs="+", default=["C1", "C4", "D4"], help="which to compare")
    parser.add_argument("--images", type=int, nargs="+", default=[64, 128, 256, 512], help="how many to learn from")
    parser.add_argument("--seeds", type=int, default=3, help="networks of each kind")
    parser.add_argument("--tests", type=int, default=1000, help="pictures to ask about")
    parser.add_argument("--size", type=int, default=49, help="side of the input, pixels")
    parser.add_argument("--steps", type=int, default=600, help="batches of 16 that each network sees")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = pictures(max(options.images) + options.tests, Path(folder))
    runs = [
        (group, number, seed) for seed in range(options.seeds) for number in options.images for group in options.groups
    ]
    found = Parallel(2, verbose=5)(
        delayed(train)(*run, data, options.tests, options.size, options.steps) for run in runs
    )
    table = pd.DataFrame(found)
    print(
        table.groupby(["images", "group"])[["parameters", "accuracy", "seconds"]]
        .mean()
        .unstack()
        .to_string(float_format="{:.3g}".format)
    )
    if options.output:
        save_json(
            options.output,
            dict(
                commit=git_commit(),
                hardware=hardware(pick_device("cpu")),
                data=f"simulated, seed {SEED}, nearer {MAGNIFICATION}, 128 px",
                size=options.size,
                steps=options.steps,
                tests=options.tests,
                runs=found,
            ),
        )


if __name__ == "__main__":
    main()
