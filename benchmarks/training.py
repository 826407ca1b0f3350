"""Training: what does everything around the step cost, and how fast is it beside a plain loop?

python benchmarks/training.py --output results/training.json

At 129 px: images a second of an epoch with augmentation, metrics, checkpoint and MLflow, against the bare step of the
same network on a batch that lies ready. At 257 px (and at 129): against the reference recipe's loop written plainly,
with each picture augmented by Pillow, escnn's own modules and `loss.item()` each batch, with memory handed back to the
system as escnn runs by itself, and kept as this package asks for. Each way runs in a process of its own, in turns; the
best turn counts.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CROP, JITTER, HUE = (0.8, 1.0), 0.2, 0.1  # of the reference recipe


def store_of(folder, count):
    """Simulated pictures of 256 px, as large as those of Galaxy10; the network does not care whether it learns."""
    from galaxy_classifier.data.simulation import simulate_store
    from galaxy_classifier.data.store import Store
    from galaxy_classifier.preprocessing.pipeline import preprocess_store

    if not (folder / "store").exists():
        preprocess_store(simulate_store(folder / "store", count, 256, workers=2), workers=2)
    return Store(folder / "store")


def augment_plainly(image, size, generator):
    """One picture, by Pillow, as usual: random crop, brightness, contrast, saturation, hue, to floats."""
    from PIL import Image, ImageEnhance

    side = image.width * generator.uniform(*CROP) ** 0.5
    left, top = generator.uniform(0, image.width - side, 2)
    image = image.resize((size, size), Image.BILINEAR, box=(left, top, left + side, top + side))
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(generator.uniform(1 - JITTER, 1 + JITTER))
    hue, saturation, value = image.convert("HSV").split()
    hue = Image.fromarray((np.asarray(hue, np.int16) + int(255 * generator.uniform(-HUE, HUE)) & 255).astype(np.uint8))
    return (np.asarray(Image.merge("HSV", (hue, saturation, value)).convert("RGB"), np.float32) / 255 - 0.5) / 0.5


def plain_loop(store, size, steps):
    """Seconds of each step of the reference recipe's loop."""
    import torch
    from PIL import Image

    from galaxy_classifier.loss import ClassBalancedFocalLoss
    from galaxy_classifier.model.networks import build_model

    network, rows, generator = build_model(size=size).train(), store.split("train"), np.random.default_rng(0)
    network.features.forward = network.features.forward_escnn  # escnn's own layers
    optimizer, loss_of = (
        torch.optim.AdamW(network.parameters(), 4e-3, weight_decay=8.9e-3),
        ClassBalancedFocalLoss(store.counts("train"), 0.9309, 1.007),
    )
    total, seconds = 0.0, []
    for _ in range(steps + 1):
        began, chosen = time.perf_counter(), generator.choice(rows, 16, replace=False)
        pixels = torch.from_numpy(
            np.stack([augment_plainly(Image.fromarray(store.images_cleaned[row]), size, generator) for row in chosen])
        ).permute(0, 3, 1, 2)
        loss = loss_of(
            network(pixels.contiguous(), torch.from_numpy(store.measurements[chosen])),
            torch.from_numpy(store.labels[chosen]),
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
        seconds.append(time.perf_counter() - began)
    return seconds[1:]


def our_epoch(store, size, compiled, folder):
    """Seconds for 16 images of an epoch with everything on, validation apart."""
    from galaxy_classifier.training.config import TrainingConfig
    from galaxy_classifier.training.fit import RunOptions, open_checkpointer
    from galaxy_classifier.training.loop import Trainer, make_fabric
    from galaxy_classifier.training.tracking import start_tracking

    start_tracking(folder)
    place = Path(tempfile.mkdtemp(dir=folder))
    run = Trainer(
        store, TrainingConfig(size=size, schedule="one-cycle", epochs=9, compile=compiled), make_fabric("cpu"), place, 0
    )
    checkpointer, seconds = open_checkpointer(run, None, RunOptions(quiet=True), "benchmark"), []
    for _ in range(2):
        began = time.perf_counter()
        run.train_epoch(quiet=True)
        trained = time.perf_counter() - began
        judged = run.validate()
        began = time.perf_counter()
        run.close_epoch(*judged)
        checkpointer.after_epoch()
        seconds.append(
            16 * (trained + time.perf_counter() - began) / len(run.train.dataset)
        )  # the last batch may be smaller
    return seconds[1:]  # the first is the warming up


def bare_step(store, size, compiled):
    """Seconds of forwards, backwards and step on a batch that lies ready."""
    import torch

    from galaxy_classifier.model.networks import build_model, compile_network, prepare_images
    from galaxy_classifier.training.config import TrainingConfig, make_optimizer
    from galaxy_classifier.training.loop import describe_target, make_loss

    config, rows = TrainingConfig(size=size), store.split("train")[:16]
    network = build_model(size=size).train()
    if compiled:
        compile_network(network)
    optimizer, loss_of = make_optimizer(config, network), make_loss(describe_target(store, config), config)
    pixels, measurements, labels = (
        prepare_images(torch.from_numpy(np.array(store.images_cleaned[rows])), size),
        torch.from_numpy(store.measurements[rows]),
        torch.from_numpy(store.labels[rows]),
    )
    seconds = []
    for _ in range(9):
        began = time.perf_counter()
        optimizer.zero_grad()
        loss_of(network(pixels, measurements), labels).mean().backward()
        optimizer.step()
        seconds.append(time.perf_counter() - began)
    return seconds[2:]


def measure(way, folder, count, size, compiled, steps):
    """In this process; prints seconds a batch of 16."""
    store = store_of(folder, count)
    if way == "plain":
        seconds = plain_loop(store, size, steps)
    elif way == "ours":
        seconds = our_epoch(store, size, compiled, folder)
    else:
        seconds = bare_step(store, size, compiled)
    print(json.dumps(dict(seconds=float(np.median(seconds)))))


def ask(words, way, size, folder, kept=True):
    """One way in a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--way",
        way,
        "--size",
        size,
        "--folder",
        folder,
        "--count",
        words.count,
        "--steps",
        words.steps,
        *(["--compile"] if words.compile else []),
    ]
    by_itself = {} if kept else {"MALLOC_PERTURB_": "0"}  # changes nothing but that somebody chose
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=os.environ | by_itself)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])["seconds"]


def main():
    """All ways in turns, one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--count",
        type=int,
        default=480,
        help="simulated pictures; six tenths are trained on, about as many as of the real sample by default",
    )
    parser.add_argument("--turns", type=int, default=2, help="of all ways")
    parser.add_argument("--steps", type=int, default=4, help="of the plain loop")
    parser.add_argument("--compile", action="store_true", help="with torch.compile, bare and whole")
    parser.add_argument("--output", type=Path, help="JSON to write")
    parser.add_argument("--way", choices=("plain", "ours", "bare"), help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.way:
        return measure(words.way, words.folder, words.count, words.size, words.compile, words.steps)
    from galaxy_classifier.core import save_json
    from galaxy_classifier.training.tracking import git_commit, hardware

    ways, best = (
        [("bare", size, True) for size in (129, 257)]
        + [("ours", size, True) for size in (129, 257)]
        + [("plain", size, kept) for size in (129, 257) for kept in (False, True)],
        {},
    )
    with tempfile.TemporaryDirectory() as folder:
        store_of(Path(folder), words.count)
        for turn in range(words.turns):
            for way, size, kept in ways:
                seconds = ask(words, way, size, folder, kept)
                best[way, size, kept] = min(best.get((way, size, kept), np.inf), seconds)
                print(
                    f"turn {turn + 1}, {way}, {size} px{'' if kept else ', memory handed back'}: "
                    f"{seconds:.2f} s for 16 images",
                    file=sys.stderr,
                    flush=True,
                )
    rows = []
    for way, size, kept in ways:
        row = dict(
            way=way,
            size=size,
            memory_kept=kept,
            images_per_second=16 / best[way, size, kept],
            against_ours=best[way, size, kept] / best["ours", size, True],
        )
        rows.append(row)
        print(
            f"{way:6s} {size} px{'' if kept else ', memory handed back':21s} {row['images_per_second']:7.1f} "
            f"images/s; ours is {row['against_ours']:.2f} times as fast"
        )
    for size in (129, 257):
        print(
            f"overhead of everything around the step at {size} px: "
            f"{100 * (best['ours', size, True] / best['bare', size, True] - 1):.1f} %"
        )
    if words.output:
        save_json(
            words.output,
            dict(
                rows=rows,
                overhead={str(size): best["ours", size, True] / best["bare", size, True] - 1 for size in (129, 257)},
                compiled=words.compile,
                batch=16,
                commit=git_commit(),
                hardware=hardware(),
            ),
        )


if __name__ == "__main__":
    main()
