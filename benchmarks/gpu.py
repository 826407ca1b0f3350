"""Training on a GPU: escnn's own layers, the plain step, and the step recorded as a CUDA graph.

python benchmarks/gpu.py --output results/gpu.json                    # below 8 minutes; needs no MLflow
python benchmarks/gpu.py --device cpu --sizes 33 --batches 8 --steps 3 --curve 6 --images 48   # the same code on a CPU

Times are of whole steps (augmentation, forward, backward, clipping, optimizer, counts) with the images on the device;
a plain step is the same as a recorded one, started operation by operation. A full epoch is that of Galaxy10's training
split, from a store of 256 px, validation apart: with images read from the store and plain steps, and with images on the
device and recorded steps. The loss curves of plain and recorded steps begin from one seed.
"""

import argparse
import gc
import itertools
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from galaxy_classifier.core import GALAXY10_CLASSES, GalaxyError, save_json
from galaxy_classifier.data.store import Store, StoreWriter
from galaxy_classifier.training.config import TrainingConfig
from galaxy_classifier.training.loop import Trainer, make_fabric

EPOCH = 10_638  # images of Galaxy10's training split
MOST_SECONDS = 3.0  # for the steps of one row


class TrainingStore(Store):
    """A store all of whose images are trained on; a few of them validate."""

    def split(self, name):
        return np.arange(len(self) if name in ("train", "all") else min(64, len(self)))


def make_store(folder, count):
    """Random pixels with ten classes, 256 px: the network does not care."""
    generator = np.random.default_rng(0)
    some = generator.integers(0, 256, (64, 256, 256, 3), dtype=np.uint8)
    with StoreWriter(folder, count, 256, list(GALAXY10_CLASSES), {}) as writer:
        for start in range(0, count, 64):
            part = some[: min(64, count - start)]
            writer.write(start, part, np.arange(start, start + len(part)) % 10)
    return TrainingStore(folder)


def make_trainer(store, folder, way, precision, device, cache="device", **settings):
    """A trainer whose steps go one of the three ways; with cache "host" images come from the store."""
    fabric = make_fabric(device, precision=precision)
    workers = None if cache == "host" else 0
    trainer = Trainer(store, TrainingConfig(cleaned=False, **settings), fabric, folder, workers, cache=cache)
    if way == "escnn":
        trainer.network.features.forward = trainer.network.features.forward_escnn
    if way != "recorded":
        trainer.captured = False
    trainer._load_images(quiet=True)
    return trainer


def wait(device):
    """Until the device has done all that it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def seconds_of_steps(trainer, device, steps):
    """Seconds of a step, on the same batch again and again."""
    batch = next(iter(trainer.train))
    trainer.network.train()
    for _ in range(3):
        trainer.step(batch)
    taken, began = 0, time.perf_counter()
    while taken < steps and time.perf_counter() - began < MOST_SECONDS:
        for _ in range(5):
            trainer.step(batch)
            trainer.batch = 0  # the same place in the epoch
        wait(device)
        taken += 5
    return (time.perf_counter() - began) / taken


def gigaflop(trainer, batch):
    """Of a training step: a forward pass, and twice that backward."""
    size = trainer.config.size
    images = torch.zeros(1, 3, size, size, device=trainer.fabric.device)
    measurements = torch.zeros(1, 1, device=trainer.fabric.device)
    trainer.network.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        trainer.network(images, measurements)
    trainer.network.train()
    return 3 * batch * counter.get_total_flops() / 1e9


def peak_teraflop(device):
    """What a product of large matrices reaches, in bfloat16 on a GPU."""
    size, kind = (8192, torch.bfloat16) if device == "cuda" else (512, torch.float32)
    matrix = torch.randn(size, size, device=device, dtype=kind)
    best = np.inf
    for _ in range(10):
        wait(device)
        began = time.perf_counter()
        matrix @ matrix
        wait(device)
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best / 1e12


def time_ways(store, folder, words, peak):
    """A row for each way, size, batch and precision."""
    rows = []
    for size, batch, precision in itertools.product(words.sizes, words.batches, words.precisions):
        for way in words.ways:
            trainer = make_trainer(store, folder, way, precision, words.device, size=size, batch_size=batch)
            row = dict(way=way, size=size, batch=batch, precision=precision)
            try:
                seconds = seconds_of_steps(trainer, words.device, words.steps)
            except GalaxyError:  # it does not fit
                row |= dict(milliseconds=None, images_per_second=None, share_of_floor=None)
            else:
                floor = gigaflop(trainer, batch) / 1e3 / peak
                row |= dict(milliseconds=1e3 * seconds, images_per_second=batch / seconds)
                row |= dict(share_of_floor=floor / seconds)
            rows.append(row | dict(recorded=bool(trainer.captured)))
            print(json.dumps(rows[-1]), flush=True)
            del trainer
            gc.collect()
            if words.device == "cuda":
                torch.cuda.empty_cache()
    return rows


def time_epoch(store, folder, words, cache, precision):
    """Seconds of the second epoch, and of what comes before the first."""
    settings = dict(size=words.sizes[0], batch_size=words.batches[0], epochs=9, cache=cache)
    began = time.perf_counter()
    way = words.ways[-1] if cache == "device" else "plain"
    trainer = make_trainer(store, folder, way, precision, words.device, **settings)
    loading, seconds = time.perf_counter() - began, []
    for _ in range(2):
        began = time.perf_counter()
        trainer.train_epoch(quiet=True)
        seconds.append(time.perf_counter() - began)
        trainer.epoch, trainer.batch = trainer.epoch + 1, 0
        trainer.metrics.counts.zero_()
    row = dict(way=way, images_on=cache, images=len(trainer.train.dataset), size=words.sizes[0], batch=words.batches[0])
    return row | dict(precision=precision, loading=loading, seconds=seconds[-1])


def loss_curve(store, folder, way, words):
    """The loss of each step, read at the end."""
    settings = dict(size=words.sizes[0], batch_size=words.batches[0], epochs=99, schedule="one-cycle")
    trainer = make_trainer(store, folder, way, "float32", words.device, **settings)
    sums = []
    while len(sums) < words.curve:
        for batch, _ in zip(trainer.train, range(words.curve - len(sums)), strict=False):
            trainer.step(batch)
            sums.append(trainer.metrics.counts[0].clone())
        trainer.epoch, trainer.batch = trainer.epoch + 1, 0
    return torch.stack(sums).diff().cpu().numpy() / words.batches[0]


def compare_curves(store, folder, words):
    """How far the loss curves of plain and recorded steps are apart."""
    plain, recorded = (loss_curve(store, folder, way, words) for way in ("plain", words.ways[-1]))
    differences = np.abs(recorded - plain) / np.abs(plain)
    return dict(steps=len(plain) + 1, first_tenth=float(differences[: len(plain) // 10 + 1].max()),
                largest=float(differences.max()), last_loss=float(plain[-1]))


def main():
    """All ways, an epoch, the curves."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="where to train")
    parser.add_argument("--sizes", type=int, nargs="+", default=[129, 257], help="of the network's input, pixels")
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 16, 256], help="images a step")
    parser.add_argument("--steps", type=int, default=30, help="that are timed")
    parser.add_argument("--curve", type=int, default=200, help="steps whose losses are compared")
    parser.add_argument("--images", type=int, default=EPOCH, help="in the store")
    parser.add_argument("--output", type=Path, help="JSON to write")
    words = parser.parse_args()
    on_cuda = words.device == "cuda"
    words.precisions = ["float32", "bfloat16"] if on_cuda else ["float32"]
    words.ways = ["escnn", "plain", "recorded"] if on_cuda else ["escnn", "plain"]  # a CPU records nothing
    name = torch.cuda.get_device_name() if on_cuda else "CPU"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        few = make_store(folder / "few", min(512, words.images))
        all_images = make_store(folder / "all", words.images)
        peak = peak_teraflop(words.device)
        print(f"{name}, torch {torch.__version__}; a product of matrices reaches {peak:.1f} TFLOP/s", flush=True)
        curves = compare_curves(few, folder, words)
        print(json.dumps(curves), flush=True)
        epochs = [time_epoch(all_images, folder, words, cache, precision)
                  for precision in words.precisions for cache in ("host", "device")]
        print(json.dumps(epochs), flush=True)
        rows = time_ways(few, folder, words, peak)
    print(pd.DataFrame(rows).to_string(index=False, float_format=lambda number: f"{number:.3g}"))
    if words.output:
        from galaxy_classifier.training.tracking import git_commit

        save_json(words.output, dict(device=name, torch=torch.__version__, commit=git_commit(), peak_teraflop=peak,
                                     rows=rows, epochs=epochs, curves=curves))
    if curves["first_tenth"] > 1e-3:
        raise SystemExit(f"the loss curves are apart by {curves['first_tenth']:.2g} within a tenth of the steps")


if __name__ == "__main__":
    main()
