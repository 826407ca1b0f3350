"""Inference: how fast is galaxy-predict from a folder of JPEG files to a table, where does the time go, and does its
memory stay flat?

    python benchmarks/inference.py --data galaxy10_sample.h5 --output results/inference.json

Compared with a plain loop, as tutorials write it: Pillow opens an image, stars are removed, and escnn's own layers
classify it, one image after the other. The loop runs as escnn runs by itself: with memory that is handed back to the
system, and with escnn's mask, whose tiny numbers a CPU multiplies slowly. It runs again with memory that is kept, and
then with our mask, too; each on one thread and on all, of which the faster counts. It removes stars with
our function, which is a part of its speed; so a last loop uses the percentile method of benchmarks/preprocessing.py.

The network is the reference network at 129 px, untrained, since speed does not depend on its weights. It is also run by
onnxruntime alone, with ncnn for its convolutions, and with convolutions of eight bits (galaxy-quantize). How far eight
bits change predictions is measured with the classifier in the package on the images of --data, without those that the
ranges were measured on.

Memory is the sum over all processes of their own memory and their share of common pages (PSS), at its highest, for
1,000 and for 20,000 files. It is read once a second, since reading takes the kernel some hundredths of a second.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from preprocessing import percentile_method
from server import BIN


def make_model(path, size):
    """An exported network, and its weights for the plain loop."""
    import torch

    from galaxy_classifier.core import GALAXY10_CLASSES
    from galaxy_classifier.model.checkpoints import save_checkpoint
    from galaxy_classifier.model.export import export_onnx
    from galaxy_classifier.model.networks import build_model

    torch.manual_seed(0)
    network = build_model(size=size).eval()
    save_checkpoint(path / "best.pt", network, list(GALAXY10_CLASSES))
    export_onnx(
        network,
        path / "model.onnx",
        list(GALAXY10_CLASSES),
        dict(image_size=256, cleaned=True, preprocessing={}, temperature=1.0),
        256,
    )


def make_int8(folder, files):
    """The same network with eight bits."""
    from galaxy_classifier.data.images import read_image
    from galaxy_classifier.inference.classifier import Classifier
    from galaxy_classifier.inference.quantization import quantize

    classifier = Classifier(folder / "model.onnx")
    ready = [classifier.prepare(read_image(file, None)) for file in files]
    quantize(classifier.path, *map(np.stack, zip(*ready, strict=True)), folder / "int8.onnx")


def changes(data, calibration=64):
    """How far the classifier in the package differs with eight bits, on real images."""
    import h5py

    from galaxy_classifier.inference.classifier import Classifier, load
    from galaxy_classifier.inference.quantization import compare_predictions, quantize

    classifier = load()
    with h5py.File(data) as file:
        images = file["images"][:]
    order = np.random.default_rng(0).permutation(len(images))
    prepared, measured = map(np.stack, zip(*(classifier.prepare(images[row]) for row in order), strict=True))
    with tempfile.TemporaryDirectory() as folder:
        path = quantize(classifier.path, prepared[:calibration], measured[:calibration], Path(folder) / "int8.onnx")
        other = Classifier(path)
    found = compare_predictions(classifier, other, prepared[calibration:], measured[calibration:])
    return found | dict(data=data.name)


def make_pictures(folder, count, source=None):
    """JPEG files of simulated galaxies; of a source, so many links to its files."""
    from PIL import Image

    from galaxy_classifier.data.simulation import simulate_galaxy

    folder.mkdir()
    for number in range(count):
        file = folder / f"{number:06d}.jpg"
        if source:
            os.link(source / f"{number % len(os.listdir(source)):06d}.jpg", file)
        else:
            Image.fromarray(simulate_galaxy(number % 10, 1, number, 256).image).save(file, quality=92)


def plain_loop(folder, files, output, clean, flush):
    """As tutorials do it; with `flush`, with our mask."""
    import torch
    from PIL import Image

    from galaxy_classifier.model.checkpoints import load_model
    from galaxy_classifier.model.groups import enn
    from galaxy_classifier.model.networks import prepare_images
    from galaxy_classifier.preprocessing.morphology import conselice1997
    from galaxy_classifier.preprocessing.star_removal import preprocess_image

    network = load_model(folder / "best.pt")
    network.features.forward = network.features.forward_escnn  # escnn's own layers
    if not flush:
        network.features.mask = enn.MaskModule(network.features.input_type, network.config["size"], margin=1)
    rows, began = [], time.perf_counter()
    for file in files:
        image = np.asarray(Image.open(file).convert("RGB"))
        if clean == "ours":
            done = preprocess_image(image)
            image, measurements = done.image, done.measurements
        else:
            image = percentile_method(image)
            measurements = np.float32([conselice1997(image)])
        with torch.no_grad():
            scores = network(
                prepare_images(torch.from_numpy(image)[None], network.config["size"]),
                torch.from_numpy(measurements)[None],
            )
        rows.append((file, *scores.softmax(1)[0].tolist()))
    pd.DataFrame(rows).to_csv(output, index=False)
    return len(files) / (time.perf_counter() - began)


def stages(folder, files, model="model.onnx"):
    """Share of each stage of one picture, on one core."""
    from galaxy_classifier.data.images import read_image, resize_image
    from galaxy_classifier.inference.classifier import BATCH, cached_classifier, image_flags

    predictor, clock = cached_classifier(str(folder / model)), time.perf_counter
    spent, ready = dict.fromkeys(("read", "clean and measure", "look for faults", "network"), 0.0), []
    for file in files:
        times = [clock()]
        picture = resize_image(read_image(file, None), 256)
        times.append(clock())
        image, measurements = predictor.prepare(picture)
        times.append(clock())
        image_flags(image)
        times.append(clock())
        ready.append((image, measurements))
        for name, seconds in zip(("read", "clean and measure", "look for faults"), np.diff(times), strict=True):
            spent[name] += seconds
    began = clock()
    for start in range(0, len(ready), BATCH):
        predictor(*map(np.stack, zip(*ready[start : start + BATCH], strict=True)))
    spent["network"] = clock() - began
    return {name: seconds / sum(spent.values()) for name, seconds in spent.items()} | dict(
        milliseconds=1e3 * sum(spent.values()) / len(files)
    )


def engines(folder, files):
    """Milliseconds a picture of the network on one core: onnxruntime alone, and with ncnn."""
    from galaxy_classifier.data.images import read_image
    from galaxy_classifier.inference.classifier import BATCH
    from galaxy_classifier.inference.ncnn_backend import SplitSession, open_network
    from galaxy_classifier.model.onnx_file import read_onnx, start_session

    model, _ = read_onnx(folder / "model.onnx")
    sessions, spent = (
        dict(
            onnxruntime=start_session(model, 1),
            ncnn=open_network(model, 1),
            int8=open_network(read_onnx(folder / "int8.onnx")[0], 1),
        ),
        dict(onnxruntime=0.0, ncnn=0.0, int8=0.0),
    )
    if not isinstance(sessions["ncnn"], SplitSession):
        sys.exit("ncnn is not installed, or cannot run this network; there is nothing to compare")
    for start in range(0, len(files) - BATCH + 1, BATCH):
        feeds = dict(
            images=np.stack([read_image(file, None) for file in files[start : start + BATCH]]),
            asymmetry=np.zeros((BATCH, 1), np.float32),
        )
        for name, session in sessions.items():
            began = time.perf_counter()
            session.run(None, feeds)
            if start:
                spent[name] += 1e3 * (time.perf_counter() - began) / BATCH  # the first time, memory is fetched
    return {name: total / (len(files) // BATCH - 1) for name, total in spent.items()}


def memory_of(process):
    """PSS of a process and all its children, bytes."""
    import psutil

    total = 0
    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.Error:
        return 0
    for one in family:
        with contextlib.suppress(psutil.Error):  # ended in between
            total += one.memory_full_info().pss
    return total


def ours(folder, pictures, output, workers, model="model.onnx"):
    """The command; images a second with start and all, highest memory."""
    began, most = time.perf_counter(), 0
    process = subprocess.Popen(
        list(
            map(
                str,
                [
                    BIN / "galaxy-predict",
                    pictures,
                    "--model",
                    folder / model,
                    "--output",
                    output,
                    "--workers",
                    workers,
                ],
            )
        ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None:
        most = max(most, memory_of(process))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
    if process.returncode:
        sys.exit("galaxy-predict failed")
    return time.perf_counter() - began, most


def main():
    """All of it, one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="files")
    parser.add_argument("--size", type=int, default=129, help="side of the network's input, pixels")
    parser.add_argument("--different", type=int, default=500, help="files that are not links to others")
    parser.add_argument(
        "--many", type=int, default=20_000, help="files for the second measurement of memory; 0 leaves it out"
    )
    parser.add_argument("--data", type=Path, help="galaxy10_sample.h5, real images to compare eight bits on")
    parser.add_argument("--plain", type=int, default=150, help="files for the plain loop")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--output", type=Path, help="JSON to write")
    parser.add_argument("--loop", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--clean", choices=("ours", "percentile"), help=argparse.SUPPRESS)
    parser.add_argument("--flush", action="store_true", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.loop:
        return print(
            plain_loop(
                words.loop,
                sorted((words.loop / "pictures").iterdir())[: words.plain],
                words.loop / f"{words.clean}.csv",
                words.clean,
                words.flush,
            )
        )
    from galaxy_classifier.core import save_json
    from galaxy_classifier.training.tracking import git_commit, hardware

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder, words.size)
        make_pictures(folder / "some", words.different)
        make_pictures(folder / "pictures", words.count, folder / "some")
        make_int8(folder, sorted((folder / "some").iterdir())[:64])

        def loop(kept, clean, flush, threads):
            by_itself = {} if kept else {"MALLOC_PERTURB_": "0"}  # changes nothing but that somebody chose
            options = ["--plain", str(words.plain), "--clean", clean, *(["--flush"] if flush else [])]
            return float(
                subprocess.run(
                    [sys.executable, __file__, "--loop", folder, *options],
                    capture_output=True,
                    text=True,
                    check=True,
                    env=os.environ | by_itself | {"OMP_NUM_THREADS": str(threads)},
                ).stdout
            )

        plain = {
            name: max(loop(*how, threads) for threads in (1, words.workers))
            for name, how in dict(
                percentile=(False, "percentile", False),
                kept_and_flushed=(True, "ours", True),
                memory_kept=(True, "ours", False),
                handed_back=(False, "ours", False),
            ).items()
        }
        seconds, memory = ours(folder, folder / "pictures", folder / "few.csv", words.workers)
        theirs, table = pd.read_csv(folder / "ours.csv"), pd.read_csv(folder / "few.csv")
        worst = float(np.abs(theirs.iloc[:, 1:].to_numpy() - table.filter(like="p_").to_numpy()[: len(theirs)]).max())
        found = dict(
            size=words.size,
            images_per_second=words.count / seconds,
            plain=plain,
            largest_difference=worst,
            stages=stages(folder, sorted((folder / "pictures").iterdir())[:200]),
            stages_int8=stages(folder, sorted((folder / "pictures").iterdir())[:200], "int8.onnx"),
            network_milliseconds=engines(folder, sorted((folder / "pictures").iterdir())[:200]),
            memory={str(words.count): memory},
            workers=words.workers,
            commit=git_commit(),
            hardware=hardware(),
        )
        print(
            f"{found['images_per_second']:.1f} images/s with start and all; plain loops: "
            + ", ".join(f"{name} {rate:.1f}" for name, rate in plain.items())
            + f"; largest difference of a probability {worst:.1e}"
        )
        for key in ("stages", "stages_int8"):
            each = found[key]["milliseconds"]
            shares = ", ".join(f"{n} {s * each:.1f} ms" for n, s in found[key].items() if n != "milliseconds")
            print(f"{key}, one picture on one core: {shares}; in all {each:.1f} ms")
        print("network: " + ", ".join(f"{name} {each:.1f} ms" for name, each in found["network_milliseconds"].items()))
        print(f"{words.count} files: {memory / 1e6:.0f} MB", flush=True)
        if words.many:
            make_pictures(folder / "many", words.many, folder / "pictures")
            seconds, memory = ours(folder, folder / "many", folder / "many.csv", words.workers)
            found["memory"][str(words.many)], found["images_per_second_many"] = memory, words.many / seconds
            print(f"{words.many} files: {memory / 1e6:.0f} MB, {words.many / seconds:.1f} images/s")
            seconds, _ = ours(folder, folder / "many", folder / "many8.csv", words.workers, "int8.onnx")
            found["images_per_second_int8"] = words.many / seconds
            print(f"{words.many} files, eight bits: {words.many / seconds:.1f} images/s")
            found["times_as_fast_int8"] = {name: found["images_per_second_int8"] / rate for name, rate in plain.items()}
        if words.data:
            found["int8"] = changes(words.data)
            print(found["int8"])
        found["times_as_fast"] = {
            name: found.get("images_per_second_many", found["images_per_second"]) / rate for name, rate in plain.items()
        }
        print(
            "times as fast as a plain loop: "
            + ", ".join(f"{name} {ratio:.1f}" for name, ratio in found["times_as_fast"].items())
        )
        if words.output:
            save_json(words.output, found)


if __name__ == "__main__":
    main()
