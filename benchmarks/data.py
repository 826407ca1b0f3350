"""Data: how fast and how large are import, shuffled reading and simulation? Prints one table of ratios measured in
this run.

python benchmarks/data.py --count 2000 --folder /scratch/somewhere
python benchmarks/data.py --full --folder /scratch/somewhere   # only the peak memory of the command on a file as
large as the published one; needs 8 GB of disk
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from galaxy_classifier.data.importers import import_hdf5
from galaxy_classifier.data.simulation import simulate_galaxy
from galaxy_classifier.data.store import Store
from galaxy_classifier.training.batches import make_loader

CHUNKS = (555, 16, 16, 1)  # of the published file
COMMAND = Path(sys.executable).parent / "galaxy-data"
# A process inherits the peak of the one that starts it, so a small one stands between.
MEASURE = """
import os, subprocess, sys
_, status, usage = os.wait4(subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL).pid, 0)
print(usage.ru_maxrss*1024/1e9)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def make_file(path, count, size=256, different=60, positions=True, chunk=CHUNKS[0]):
    """A file in the published layout: simulated galaxies, turned and with noise of their own, classes in order."""
    generator = np.random.default_rng(0)
    galaxies = np.stack([simulate_galaxy(number % 10, 0, number, size).image for number in range(different)])
    labels = np.sort(np.arange(count) % 10).astype(np.uint8)
    with h5py.File(path, "w") as file:
        images = file.create_dataset(
            "images", (count, size, size, 3), np.uint8, chunks=(min(chunk, count), *CHUNKS[1:]), compression="gzip"
        )
        for start in range(0, count, CHUNKS[0]):
            rows = np.arange(start, min(start + CHUNKS[0], count))
            slab = np.stack([np.rot90(galaxies[row % different], row // different) for row in rows]).astype(np.int16)
            slab += generator.integers(-2, 3, slab.shape, dtype=np.int16)
            images[rows[0] : rows[-1] + 1] = np.clip(slab, 0, 255)
        file["ans"] = labels
        if positions:
            file["ra"], file["dec"] = np.linspace(0, 359, count), np.linspace(-20, 20, count)


def peak_memory():
    """Peak memory of this process in GB (getrusage would count what the parent held when it forked)."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e6


def timed(work):
    """Seconds that a function takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_process(name, *words):
    """Seconds and peak memory (GB above an interpreter with the same imports) of one of this file's functions in a
    process of its own."""

    def run(*words):
        command = [sys.executable, __file__, "--only", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-2:]

    seconds, peak = map(float, run(name, *words))
    return seconds, peak - float(run("nothing")[1])


def peak_of(words):
    """Seconds and peak resident memory (GB) of a command, as the system counts it for `time -v`."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", MEASURE, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - start, float(done.stdout)


def full_size(folder):
    """Import and split a file of the published size with the command that users run, and print its peak memory,
    with positions and without."""
    _, interpreter = peak_of([sys.executable, "-c", "import galaxy_classifier.data.importers"])
    for positions in (True, False):
        file = folder / "published.h5"
        print("making a file of 17736 images …", file=sys.stderr, flush=True)
        make_file(file, 17736, positions=positions)
        seconds, peak = peak_of([COMMAND, "--hdf5", file, "--store", folder / "store", "--overwrite"])
        print(
            f"galaxy-data --hdf5, 17736 images of 256 px, {file.stat().st_size / 1e9:.1f} GB, "
            f"split by {'position' if positions else 'pixels'}: "
            f"{seconds:.0f} s, peak {peak:.2f} GB, {peak - interpreter:.2f} GB above the interpreter",
            flush=True,
        )


def whole_array(file, target):
    """Read everything at once and save it: the simplest fast import."""
    with h5py.File(file) as opened:
        np.save(target, opened["images"][:])


def image_by_image(file, count):
    """Read single images, as a loader on the HDF5 file would."""
    with h5py.File(file) as opened:
        for row in range(0, count):
            opened["images"][row]


def shuffled_hdf5(file, count):
    """Read single images in random order."""
    with h5py.File(file) as opened:
        for row in np.random.default_rng(0).permutation(len(opened["images"]))[:count]:
            opened["images"][row]


def shuffled_store(store, workers):
    """Seconds an image of a shuffled epoch over the training split; the second one, when processes have started and
    the system has cached what it can."""
    loader = make_loader(Store(store), "train", 16, shuffle=True, workers=workers, cleaned=False)

    def epoch():
        return sum(len(labels) for *_, labels in loader)

    return epoch() and timed(epoch) / len(loader.dataset)


FUNCTIONS = dict(
    nothing=lambda: None,
    import_hdf5=lambda file, store: import_hdf5(file, store, overwrite=True),
    whole_array=whole_array,
)


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="images in the file")
    parser.add_argument("--single", type=int, default=30, help="images read one at a time")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary directory if not given")
    parser.add_argument("--full", action="store_true", help="measure the import of 17736 images instead")
    parser.add_argument("--only", nargs="+", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.only:
        seconds = timed(lambda: FUNCTIONS[words.only[0]](*words.only[1:]))
        print(seconds, peak_memory())
        return
    with tempfile.TemporaryDirectory(dir=words.folder) as folder:
        if words.full:
            return full_size(Path(folder))
        file, store = Path(folder) / "published.h5", Path(folder) / "store"
        print(f"making a file of {words.count} images …", file=sys.stderr, flush=True)
        make_file(file, words.count)
        aligned, memory = in_process("import_hdf5", file, store)
        whole, whole_memory = in_process("whole_array", file, Path(folder) / "whole.npy")
        single = timed(lambda: image_by_image(file, words.single)) / words.single
        epoch, helped = shuffled_store(store, 0), shuffled_store(store, 2)
        random = timed(lambda: shuffled_hdf5(file, words.single)) / words.single
        drawn = timed(lambda: [simulate_galaxy(number % 10, 1, number) for number in range(20)]) / 20
    rows = [
        (
            "import, aligned slices into the store",
            f"{words.count / aligned:.0f} images/s, peak +{memory:.2f} GB",
            f"peak is {memory / whole_memory:.2f}× that of the whole array",
        ),
        (
            "import, whole array at once",
            f"{words.count / whole:.0f} images/s, peak +{whole_memory:.2f} GB",
            f"aligned takes {aligned / whole:.2f}× the time",
        ),
        (
            "import, one image at a time",
            f"{1 / single:.1f} images/s",
            f"aligned is {single * words.count / aligned:.0f}× as fast",
        ),
        (
            "shuffled epoch from the store",
            f"{1 / epoch:.0f} images/s",
            f"{aligned / words.count / epoch:.0f}× as fast as importing",
        ),
        ("shuffled epoch, two processes", f"{1 / helped:.0f} images/s", f"{epoch / helped:.2f}× as fast as none"),
        ("shuffled reads from HDF5", f"{1 / random:.1f} images/s", f"the store is {random / epoch:.0f}× as fast"),
        (
            "simulation at 256 px, one core",
            f"{1 / drawn:.1f} images/s",
            f"importing is {drawn * words.count / aligned:.0f}× as fast",
        ),
    ]
    width = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        print("  ".join(cell.ljust(wide) for cell, wide in zip(row, width, strict=True)).rstrip())


if __name__ == "__main__":
    main()
