"""Inference: how fast is galaxy-predict from a folder of JPEG files to a table, where does the time go, and does its memory stay flat?

python benchmarks/inference.py --output results/inference.json

Against a plain loop: each picture opened with Pillow, the same preprocessing, escnn's own modules on one picture after the other, as tutorials do it, in
small memory pages as escnn runs by itself and in large ones. The network is the reference one at 129 px, untrained: speed does not depend on what it
knows. Memory is the sum over all processes of their own and their share of common pages (PSS), at its highest, for 1,000 and for 20,000 files.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from server import BIN


def make_model(path):
    """An exported network, and its weights for the plain loop."""
    import torch

    from galaxy_classifier.checkpoints import save_checkpoint
    from galaxy_classifier.core import GALAXY10_CLASSES
    from galaxy_classifier.export import export_onnx
    from galaxy_classifier.model import build_model
    torch.manual_seed(0)
    network = build_model().eval()
    save_checkpoint(path/"best.pt", network, list(GALAXY10_CLASSES))
    export_onnx(network, path/"model.onnx", list(GALAXY10_CLASSES), dict(image_size=256, cleaned=True, preprocessing={}, temperature=1.), 256)


def make_pictures(folder, count, source=None):
    """JPEG files of simulated galaxies; twenty thousand are a thousand, linked."""
    from PIL import Image

    from galaxy_classifier.simulation import simulate_galaxy
    folder.mkdir()
    for number in range(count):
        file = folder/f"{number:06d}.jpg"
        if source: os.link(source/f"{number % len(os.listdir(source)):06d}.jpg", file)
        else: Image.fromarray(simulate_galaxy(number % 10, 1, number, 256).image).save(file, quality=92)


def plain_loop(folder, files, output):
    """As tutorials do it."""
    import torch
    from PIL import Image

    from galaxy_classifier.checkpoints import load_model
    from galaxy_classifier.model import prepare_images
    from galaxy_classifier.preprocessing import preprocess_image
    network = load_model(folder/"best.pt")
    network.features.forward = network.features.definition # escnn's own layers
    rows, began = [], time.perf_counter()
    for file in files:
        done = preprocess_image(np.asarray(Image.open(file).convert("RGB")))
        with torch.no_grad(): scores = network(prepare_images(torch.from_numpy(done.image)[None]), torch.from_numpy(done.measures)[None])
        rows.append((file, *scores.softmax(1)[0].tolist()))
    pd.DataFrame(rows).to_csv(output, index=False)
    return len(files)/(time.perf_counter() - began)


def stages(folder, files):
    """Share of each stage of one picture, on one core."""
    from galaxy_classifier.bulk import BATCH
    from galaxy_classifier.inference import look, open_predictor
    from galaxy_classifier.pictures import read_image, resize_picture
    predictor, clock = open_predictor(str(folder/"model.onnx")), time.perf_counter
    spent, ready = dict.fromkeys(("read", "clean and measure", "look for faults", "network"), 0.), []
    for file in files:
        times = [clock()]
        picture = resize_picture(read_image(file, None), 256); times.append(clock())
        image, measures = predictor.prepare(picture); times.append(clock())
        look(image); times.append(clock())
        ready.append((image, measures))
        for name, seconds in zip(spent, np.diff(times)): spent[name] += seconds
    began = clock()
    for start in range(0, len(ready), BATCH): predictor(*map(np.stack, zip(*ready[start:start + BATCH])))
    spent["network"] = clock() - began
    return {name: seconds/sum(spent.values()) for name, seconds in spent.items()} | dict(milliseconds=1e3*sum(spent.values())/len(files))


def memory_of(process):
    """PSS of a process and all its children, bytes."""
    import psutil
    total = 0
    try: family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.Error: return 0
    for one in family:
        try: total += one.memory_full_info().pss
        except psutil.Error: pass # ended in between
    return total


def ours(folder, pictures, output, workers):
    """The command; images a second with start and all, highest memory."""
    began, most = time.perf_counter(), 0
    process = subprocess.Popen(list(map(str, [BIN/"galaxy-predict", pictures, "--model", folder/"model.onnx", "--output", output, "--workers", workers])), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None: most = max(most, memory_of(process)); time.sleep(.1)
    if process.returncode: sys.exit("galaxy-predict failed")
    return time.perf_counter() - began, most


def main():
    """All of it, one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="files")
    parser.add_argument("--many", type=int, default=20_000, help="files for the second measurement of memory; 0 leaves it out")
    parser.add_argument("--plain", type=int, default=150, help="files for the plain loop")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--output", type=Path, help="JSON to write")
    parser.add_argument("--loop", type=Path, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.loop: return print(plain_loop(words.loop, sorted((words.loop/"pictures").iterdir())[:words.plain], words.loop/"plain.csv"))
    from galaxy_classifier.core import save_json
    from galaxy_classifier.tracking import git_commit, hardware
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model(folder); make_pictures(folder/"pictures", words.count)
        loop = lambda pages: float(subprocess.run([sys.executable, __file__, "--loop", folder, "--plain", str(words.plain)], capture_output=True, text=True, check=True, env=dict(os.environ, THP_MEM_ALLOC_ENABLE=pages)).stdout)
        rates = {pages: loop(pages) for pages in "01"}
        seconds, memory = ours(folder, folder/"pictures", folder/"few.csv", words.workers)
        plain, table = pd.read_csv(folder/"plain.csv"), pd.read_csv(folder/"few.csv")
        worst = float(np.abs(plain.iloc[:, 1:].to_numpy() - table.filter(like="p_").to_numpy()[:len(plain)]).max())
        found = dict(images_per_second=words.count/seconds, plain_small_pages=rates["0"], plain_large_pages=rates["1"], ratio=words.count/seconds/rates["0"], ratio_large_pages=words.count/seconds/rates["1"], largest_difference=worst,
                     stages=stages(folder, sorted((folder/"pictures").iterdir())[:200]), memory={str(words.count): memory}, workers=words.workers, commit=git_commit(), hardware=hardware())
        print(f"{found['images_per_second']:.1f} images/s with start and all; plain loop {rates['0']:.1f} ({found['ratio']:.1f}×), in large pages {rates['1']:.1f} ({found['ratio_large_pages']:.1f}×); largest difference of a probability {worst:.1e}")
        print(", ".join(f"{name} {100*share:.0f} %" if name != "milliseconds" else f"{share:.1f} ms a picture on one core" for name, share in found["stages"].items()))
        print(f"{words.count} files: {memory/1e6:.0f} MB", flush=True)
        if words.many:
            make_pictures(folder/"many", words.many, folder/"pictures")
            seconds, memory = ours(folder, folder/"many", folder/"many.csv", words.workers)
            found["memory"][str(words.many)], found["images_per_second_many"] = memory, words.many/seconds
            print(f"{words.many} files: {memory/1e6:.0f} MB, {words.many/seconds:.1f} images/s")
        if words.output: save_json(words.output, found)


if __name__ == "__main__":
    main()
