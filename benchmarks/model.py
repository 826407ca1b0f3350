"""Speed and memory of the network: escnn, the fast path, compiled, exported, beside a plain CNN and a ResNet-18.

    python benchmarks/model.py                          # 257 px, batches of 16, 10 minutes on 2 cores
    python benchmarks/model.py --rows escnn "fast path" --size 129
    python benchmarks/model.py --device cuda            # bfloat16, channels last
    python benchmarks/model.py --output results/model.json

Each way runs in a process of its own, so that its peak memory is its own. All take turns with the wide convolution that
tells how fast arithmetic is here, so that a machine that slows down slows all of them. On a CPU each way runs twice:
with freed memory kept for the next array, as this package tells glibc to, and with memory handed back, as glibc does by
itself. All are compared with escnn as it runs by itself, with its own mask.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from galaxy_classifier.core import GALAXY10_CLASSES, save_json
from galaxy_classifier.loss import ClassBalancedFocalLoss
from galaxy_classifier.model.export import export_onnx, to_plain
from galaxy_classifier.model.groups import enn
from galaxy_classifier.model.networks import FullyNet, GalaxyNetwork, SymmetryMLP, build_model, compile_network
from galaxy_classifier.model.onnx_file import open_onnx
from galaxy_classifier.training.tracking import git_commit, hardware

TRAINING = "escnn", "fast path", "fast path, compiled", "plain CNN", "ResNet-18"
INFERENCE = "escnn, evaluated", "fast path, evaluated", "plain twin", "ONNX"
HANDED_BACK = ", memory handed back"  # behind the name of a row
TARGETS = (  # row, figure, limit, is it the least that is wanted?
    ("fast path", "faster", 3.0, True),
    ("fast path, compiled", "faster", 3.6, True),
    ("fast path, compiled", "floors", 1.8, False),
    ("fast path", "memory", 0.85, False),
    ("fast path" + HANDED_BACK, "memory", 0.65, False),
)


class Block(nn.Module):
    """A basic block of a ResNet (He et al. 2016)."""

    def __init__(self, inner, outer, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inner, outer, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outer),
            nn.ReLU(inplace=True),
            nn.Conv2d(outer, outer, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outer),
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1 and inner == outer
            else nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))
        )

    def forward(self, maps):
        return F.relu(self.body(maps) + self.shortcut(maps), inplace=True)


def resnet18(size, width=64):
    """ResNet-18 with the head of this project; at the usual width of 64 its cost at 257 px is near the reference
    network's."""
    stem = [
        nn.Conv2d(3, width, 7, 2, 3, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    ]
    stages = [
        Block(max(width, outer // 2) if first else outer, outer, 2 if first and outer > width else 1)
        for outer in (width, 2 * width, 4 * width, 8 * width)
        for first in (True, False)
    ]
    return GalaxyNetwork(
        nn.Sequential(*stem, *stages),
        SymmetryMLP(16, 8),
        FullyNet((8 * width + 8, 128, 64, 10), 0.3),
        dict(name="resnet18", group="C1", classes=10, size=size, measurements=1),
    )


def network_of(name, size):
    """The network of a row of the table."""
    torch.manual_seed(0)
    if name.startswith("ResNet"):
        return resnet18(size)
    model = build_model("cnn" if "CNN" in name else "reference", size=size)
    if name.startswith("escnn"):
        model.features.forward = model.features.forward_escnn
        model.features.mask = enn.MaskModule(model.features.input_type, size, margin=1)  # with tiny numbers
    return compile_network(model) if "compiled" in name else model


def gigaflop(model, size):
    """Arithmetic of one picture forwards, multiplications and additions counted apart, in 10⁹."""
    plain = to_plain(model.eval())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        plain(torch.zeros(1, 3, size, size), torch.zeros(1, 1))
    return counter.get_total_flops() / 1e9


def peak_arithmetic(device, seconds=1.0):
    """What a wide convolution reaches here, in 10⁹ operations a second, over a second."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    maps, filters = (
        torch.randn(16, 256, 64, 64, device=device, dtype=dtype).contiguous(memory_format=torch.channels_last),
        torch.randn(256, 256, 3, 3, device=device, dtype=dtype),
    )
    F.conv2d(maps, filters, padding=1)
    wait(device)
    done, start, spent = 0, time.perf_counter(), 0.0
    while spent < seconds:
        F.conv2d(maps, filters, padding=1)
        wait(device)
        done, spent = done + 1, time.perf_counter() - start
    return done * 2 * maps.numel() * filters[:, 0].numel() / spent / 1e9


def wait(device):
    """Until a GPU has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def memory(device):
    """Peak so far, in GB."""
    return (
        torch.cuda.max_memory_allocated(device) / 1e9
        if device.type == "cuda"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    )


def measure(name, device, size, batch, repeats):
    """Seconds of a step (the best of several), and the memory that steps take beyond network and data."""
    model, training = network_of(name, size).to(device), name in TRAINING
    images, measurements, labels = (
        torch.randn(batch, 3, size, size, device=device),
        torch.rand(batch, 1, device=device),
        torch.arange(batch, device=device) % 10,
    )
    half = torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
    if device.type == "cuda":
        images = images.contiguous(memory_format=torch.channels_last)
    if name == "ONNX":
        with tempfile.TemporaryDirectory() as folder:
            session, _ = open_onnx(export_onnx(model, Path(folder) / "model.onnx", GALAXY10_CLASSES, image_size=size))
        stored = dict(images=np.zeros((batch, size, size, 3), np.uint8), asymmetry=np.zeros((batch, 1), np.float32))

        def step():
            session.run(None, stored)
    elif training:
        loss, optimizer = (
            ClassBalancedFocalLoss(np.full(10, 100)).to(device),
            torch.optim.RAdam(model.train().parameters(), 1e-3),
        )

        def step():
            optimizer.zero_grad()
            with half:
                scores = model(images, measurements)
            loss(scores, labels).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    else:
        model = to_plain(model) if name == "plain twin" else model.eval()

        def step():
            with torch.no_grad(), half:
                model(images, measurements)

    before, seconds = memory(device), []
    for turn in range(repeats + 1):  # the first one warms up
        wait(device)
        start = time.perf_counter()
        step()
        wait(device)
        if turn:
            seconds.append(time.perf_counter() - start)
    return dict(seconds=min(seconds), gigabytes=memory(device) - before)


def ask(name, options):
    """Measure a row in a process of its own."""
    row, command = name.removesuffix(HANDED_BACK), [sys.executable, __file__]
    for key in ("device", "size", "batch", "repeats"):
        command += [f"--{key}", str(getattr(options, key))]
    chosen = {key: value for key, value in os.environ.items() if not key.startswith(("MALLOC_", "THP_"))}
    if name.endswith(HANDED_BACK):
        chosen["MALLOC_PERTURB_"] = "0"  # changes nothing but that somebody chose
    done = subprocess.run([*command, "--one", row], env=chosen, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def measure_rows(names, options):
    """The best of several turns for each row, and for a wide convolution."""
    rows, peak = {}, 0.0
    for turn in range(options.turns):
        peak = max(peak, *(peak_arithmetic(torch.device(options.device)) for _ in range(options.repeats + 1)))
        for name in names:
            found = ask(name, options)
            known = rows.setdefault(name, found)
            rows[name] = {key: min(known[key], found[key]) for key in found}
            print(f"turn {turn + 1}/{options.turns}: {name} {found['seconds']:.3f} s", file=sys.stderr, flush=True)
    return rows, peak


def compare(rows, peak, options):
    """Add arithmetic, its share of the time, and how each row compares with escnn as it runs by itself."""
    for name, row in rows.items():
        kind = name.removesuffix(HANDED_BACK)
        training = kind in TRAINING
        model = network_of("fast path" if kind in INFERENCE or "compiled" in kind else kind, options.size)
        row["gigaflop"] = gigaflop(model, options.size) * options.batch * (3 if training else 1)
        row["floors"] = row["seconds"] * peak / row["gigaflop"]  # times of the arithmetic alone
        base = ("escnn" if training else "escnn, evaluated") + ("" if options.device == "cuda" else HANDED_BACK)
        if base in rows:
            row["faster"] = rows[base]["seconds"] / row["seconds"]
            row["memory"] = row["gigabytes"] / rows[base]["gigabytes"]
    return rows


def print_targets(rows):
    """Which of the wanted figures are met."""
    for name, key, limit, least in TARGETS:
        if key in rows.get(name, {}):
            value = rows[name][key]
            met = value >= limit if least else value <= limit
            print(
                f"{name}: {key} {value:.2f}, wanted at {'least' if least else 'most'} {limit}: {'yes' if met else 'no'}"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--size", type=int, default=257, help="side of the input, pixels")
    parser.add_argument("--batch", type=int, default=16, help="pictures in a step")
    parser.add_argument("--repeats", type=int, default=3, help="steps in each turn; the best counts")
    parser.add_argument("--turns", type=int, default=2, help="how often all take turns")
    parser.add_argument("--rows", nargs="+", default=TRAINING + INFERENCE, choices=TRAINING + INFERENCE, help="which")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    device = torch.device(options.device)
    if options.one:
        print(json.dumps(measure(options.one, device, options.size, options.batch, options.repeats)))
        return
    settings = [""] if device.type == "cuda" else [HANDED_BACK, ""]
    rows, peak = measure_rows([name + setting for name in options.rows for setting in settings], options)
    compare(rows, peak, options)
    shown = ["seconds", "faster", "gigabytes", "memory", "gigaflop", "floors"]
    table = pd.DataFrame(rows).T.reindex(columns=shown)
    print(
        f"{options.size} px, batches of {options.batch}, {hardware(device)}; "
        f"a wide convolution reaches {peak:.0f} GFLOP/s",
        table.to_string(float_format="{:.3g}".format),
        sep="\n",
    )
    print_targets(rows)
    if options.output:
        found = dict(commit=git_commit(), hardware=hardware(device), size=options.size)
        save_json(options.output, found | dict(batch=options.batch, gigaflop_per_second=peak, rows=rows))


if __name__ == "__main__":
    main()
