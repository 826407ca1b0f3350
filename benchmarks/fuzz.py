"""Fuzz: does hostile input end in a clear error or a right result, at every door?

python benchmarks/fuzz.py                               # 2,000 inputs: under ten minutes on two cores
python benchmarks/fuzz.py --output results/fuzz.json    # what is committed
python benchmarks/fuzz.py --count 100 --seed 3 --output fuzz.json
python benchmarks/fuzz.py --only onnx --show 5          # what was said
python benchmarks/fuzz.py --only onnx --kind lying --door load --number 17    # one of them, in this process

An input is a sound file that was cut, flipped, made to lie, made a bomb, or given a strange name (`fuzz_inputs.py`);
the same seed makes the same. Each goes through one door in a process that is ended after 20 s of a core. A clear
error is a `GalaxyError` of at most two short sentences. Counted beside errors and results: tracebacks, hangs, memory
above 2 GB, results that are wrong, code that ran, and what is half-written. Exits with 1 when there is any of these.
"""

import argparse
import contextlib
import io
import multiprocessing
import os
import random
import re
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np
import pandas as pd
from fuzz_inputs import KINDS, LEAST, NAMES, galaxies, make_input, sound_files, write_input
from PIL import Image

from galaxy_classifier.cli import parse_arguments, run_command
from galaxy_classifier.core import GalaxyError, save_json
from galaxy_classifier.training.tracking import git_commit, hardware

SECONDS, MEMORY, MOST_MEMORY = 20, 2e9, 6 * 2**30  # of one input; bytes that count as too many; that end it
LONGEST = 600  # characters of a message without its paths
IMAGES = "jpeg", "png", "tiff", "fits"
BAD = "traceback", "hang", "memory", "died", "wrong", "half-written", "long message", "ran code"


def make_base(folder):
    """Sound files of each format, a store, a run and a network: what inputs are put beside."""
    from galaxy_classifier.data.importers import import_arrays
    from galaxy_classifier.model.checkpoints import read_checkpoint, save_checkpoint
    from galaxy_classifier.model.export import export_onnx
    from galaxy_classifier.model.networks import build_model

    rng, folder = np.random.default_rng(0), Path(folder)
    images, run = galaxies(rng), folder / "run"
    run.mkdir()
    np.save(folder / "images.npy", images)
    np.save(folder / "labels.npy", np.arange(LEAST) // 5)
    (folder / "pixels").mkdir()
    for row, image in enumerate(images):
        Image.fromarray(image).save(folder / "pixels" / f"{row}.png")
    import_arrays(folder / "images.npy", folder / "store", folder / "labels.npy", ["a", "b"])
    network = build_model(**NETWORK)
    save_checkpoint(run / "best.pt", network, ["a", "b"], data="x", training=dict(cleaned=False))
    notes = dict(image_size=SIZE, cleaned=True, preprocessing={}, temperature=1.0)
    export_onnx(network, run / "model.onnx", ["a", "b"], notes, SIZE)
    model = (run / "model.onnx").read_bytes()
    sound = sound_files(rng, read_checkpoint(run), model, folder / "store")
    for name in ("history.csv", "summary.json", "config.json"):
        (run / name).write_bytes(sound[name.partition(".")[0]][0])
    return sound


SIZE = 36  # of the images that the network knows, pixels
NETWORK = dict(classes=2, size=17, widths=(1, 1, 2, 2, 2))
_held = {}  # by a worker: what is opened once


def classifier(base):
    """The sound network, opened once."""
    from galaxy_classifier.inference.classifier import Classifier

    if "classifier" not in _held:
        _held["classifier"] = Classifier(base / "run" / "model.onnx", 1)
    return _held["classifier"]


def in_folder(base, path, out):
    """Beside sound images of two classes; the class has a strange name, too, if the file has."""
    folder = out.parent / "folders"
    strange = path.stem if path.stem in NAMES else "a"
    for row, name in enumerate("ab" * 5):
        place = folder / (strange if name == "a" else name)
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(base / "pixels" / f"{row}.png", place / f"{row}.png")
    shutil.copy(path, folder / strange / path.name)
    return folder


def beside(base, path):
    """Beside the images that a table names."""
    for image in (base / "pixels").iterdir():
        shutil.copy(image, path.parent)
    return path


def copied(base, path, out, part, name):
    """A store or a run with one file of it replaced."""
    shutil.copytree(base / part, out.parent / "copy")
    shutil.copyfile(path, out.parent / "copy" / name)
    return out.parent / "copy"


def check_store(store, most=LEAST + 1):
    """A store that was made is whole."""
    from galaxy_classifier.data.importers import describe_store
    from galaxy_classifier.data.store import Store

    store = Store(store.path)
    describe_store(store), repr(store), store._repr_html_(), store.manifest_hash(), store.measurements
    rows = np.concatenate([store.split(part) for part in ("train", "valid", "test")])
    assert 0 < len(rows) <= len(store) and len(set(rows)) == len(rows), len(rows)


def check_table(path, rows=None):
    """A table of predictions is whole."""
    table = pd.read_csv(path, keep_default_na=False)
    shares = table[[name for name in table if name.startswith("p_")]].sum(1)
    assert len(table) and rows in (None, len(table)) and np.allclose(shares, 1, atol=1e-4), table


def read(base, path, out):
    from galaxy_classifier.data.images import read_image

    image = read_image(path)
    assert image.shape == (256, 256, 3) and image.dtype == np.uint8, image.shape


def predict(base, path, out, rows=None):
    words = [str(path), "--model", base / "run" / "model.onnx", "--output", out / "classes.csv", "--workers", 1]
    run_command("galaxy-predict", words)
    check_table(out / "classes.csv", rows)


def predict_table(base, path, out):
    predict(base, beside(base, path), out)


def page(base, path, out):
    from galaxy_classifier.inference.app import make_app

    if "app" not in _held:
        _held["app"] = make_app(classifier(base)).test_client()
    name = path.name.encode("utf-8", "replace").decode()
    reply = _held["app"].post("/classify", data=dict(image=(io.BytesIO(path.read_bytes()), name)))
    if reply.status_code in (400, 413):
        raise GalaxyError(reply.json["error"])
    assert reply.status_code == 200 and abs(sum(row["probability"] for row in reply.json["classes"]) - 1) < 1e-4, reply


def imported(base, path, out, *words):
    run_command("galaxy-data", ["--store", out / "store", *words])
    from galaxy_classifier.data.store import Store

    check_store(Store(out / "store"))


def import_folder(base, path, out):
    imported(base, path, out, "--folder", in_folder(base, path, out), "--size", 16)


def import_table(base, path, out):
    imported(base, path, out, "--table", beside(base, path), "--size", 16)


def import_hdf5(base, path, out):
    imported(base, path, out, "--hdf5", path)


def import_npy(base, path, out):
    imported(base, path, out, "--arrays", path, "--labels", base / "labels.npy", "--classes", "a,b")


def import_labels(base, path, out):
    imported(base, path, out, "--arrays", base / "images.npy", "--labels", path, "--classes", "a,b")


def import_npz(base, path, out):
    imported(base, path, out, "--arrays", path, "--classes", "a,b")


def overlap(base, path, out):
    run_command("galaxy-data", ["--overlap", beside(base, path), base / "store"])


def find(base, path, out):
    run_command("galaxy-find", [path, "--unusual", "--output", out / "found.html"])
    assert len(pd.read_csv(out / "found.csv")) and (out / "found.html").stat().st_size > 1000


def prior(base, path, out):
    found = classifier(base).prior(path)
    assert np.isfinite(found.weights).all() and found.weights.max() == 1, found


def store_part(base, path, out, name):
    from galaxy_classifier.data.store import Store

    check_store(Store(copied(base, path, out, "store", name)))


def opened_run(base, path, out, name):
    from galaxy_classifier.api import Run

    run = Run(copied(base, path, out, "run", name))
    repr(run), run.metrics, run.plot()


def report(base, path, out, name):
    from galaxy_classifier.analysis.report import open_run, run_temperature
    from galaxy_classifier.data.store import Store

    store = Store(base / "store")
    run = open_run(copied(base, path, out, "run", name), store)
    repr(run), run.training, run.cleaned
    assert 0 < run_temperature(run, store, "cpu") < 1e9


def train_settings(base, path, out):
    from galaxy_classifier.training.fit import galaxy_train

    _, given = parse_arguments(galaxy_train, "galaxy-train", ["--config", path])
    repr(given["settings"])


def load(base, path, out):
    from galaxy_classifier.inference.classifier import load as load_classifier

    model = load_classifier(path)
    model._repr_html_(), repr(model)
    found = model.predict_one(np.array(Image.open(base / "pixels" / "0.png")))
    assert abs(found.probabilities.sum() - 1) < 1e-4 and np.isfinite(found.probabilities).all(), found


def load_weights(base, path, out):
    import torch

    from galaxy_classifier.model.checkpoints import load_model

    network = load_model(path)
    size, count = network.config["size"], network.config["measurements"]
    assert network(torch.zeros(1, 3, size, size), torch.zeros(1, count)).shape == (1, network.config["classes"])


def start_training(base, path, out):
    from galaxy_classifier.model.checkpoints import start_from
    from galaxy_classifier.model.networks import build_model

    start_from(build_model(**NETWORK | dict(classes=3)), path, ["a", "b", "c"])


DOORS = {  # format → name of a door, and what it does
    **{
        form: dict(read=read, predict=partial(predict, rows=1), galaxy_data=import_folder, page=page) for form in IMAGES
    },
    "hdf5": dict(galaxy_data=import_hdf5, predict=predict, overlap=overlap),
    "npy": dict(galaxy_data=import_npy, store=partial(store_part, name="images.npy")),
    "labels": dict(
        galaxy_data=import_labels,
        store=partial(store_part, name="labels.npy"),
        rows=partial(store_part, name="train_indices.npy"),
    ),
    "npz": dict(galaxy_data=import_npz),
    **{
        form: dict(galaxy_data=import_table, predict=predict_table, find=find, overlap=overlap)
        for form in ("csv", "parquet")
    },
    "prior": dict(prior=prior),
    "history": dict(run=partial(opened_run, name="history.csv"), report=partial(report, name="history.csv")),
    "onnx": dict(load=load),
    "manifest": dict(store=partial(store_part, name="manifest.json")),
    "summary": dict(run=partial(opened_run, name="summary.json"), report=partial(report, name="summary.json")),
    "config": dict(run=partial(opened_run, name="config.json"), train=train_settings),
    "pt": dict(load_model=load_weights, start=start_training, report=partial(report, name="best.pt")),
    "safetensors": dict(load_model=load_weights, start=start_training),
}


def jobs(count, seed, only=(), kind=None, door=None):
    """Format, door, kind and number of each input: formats, kinds and doors in turn."""
    forms = [form for form in DOORS if form in only or not only]
    plan = [
        (form, name, each)
        for form in forms
        for name in DOORS[form]
        for each in KINDS
        if door in (None, name) and kind in (None, each)
    ]
    order = random.Random(seed)
    whole = [
        (*job, seed * 10**6 + number)
        for number in range(-(-count // len(plan)))
        for job in order.sample(plan, len(plan))
    ]
    return whole[:count]


def sentences(text):
    """How many sentences a message has."""
    return (
        1 + len(re.findall(r"[.!?:]\s+(?=[A-Z][a-z]+ )", text.strip().rstrip("."))) - len(re.findall(r"error: ", text))
    )


def left_behind(out, failed):
    """What a door must not leave: an output after an error, anything unfinished after a result."""
    names = [path.name for path in out.iterdir()]
    if not failed:
        return [name for name in names if name.startswith(".")]
    resumes = {path.name for path in out.glob(".*.part") if (path / "ledger.jsonl").is_file()}
    return [name for name in names if name not in resumes]


def outcome(call):
    """How a call ended, and what was said."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call()
        return "right", ""
    except GalaxyError as error:
        return "error", str(error)
    except SystemExit as error:
        if isinstance(error.code, str):
            return "error", error.code
        return ("error" if error.code == 2 else "traceback"), said.getvalue()[-LONGEST:].rpartition("error: ")[2]
    except AssertionError:
        return "wrong", traceback.format_exc()[-1500:]
    except BaseException:
        return "traceback", traceback.format_exc()[-2500:]


def peak():
    """Bytes that this process held at most since it was asked to count anew."""
    text = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", text)[1])


def do_job(sound, base, form, door, kind, number):
    """Give one input to a door; what came of it."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        folder = Path(folder)
        (folder / "out").mkdir()
        (folder / "in").mkdir()
        try:
            path = write_input(folder / "in", *make_input(sound, form, kind, number))
        except OSError as error:
            return dict(end="error", said=f"the system takes no such name ({error})", seconds=0, cpu=0, memory=0)
        Path("/proc/self/clear_refs").write_text("5")
        start, cpu = time.monotonic(), time.process_time()
        end, said = outcome(lambda: DOORS[form][door](base, path, folder / "out"))
        said, memory = said.replace(str(folder), ""), peak()
        left = left_behind(folder / "out", end != "right")
        if end == "error" and (sentences(said) > 2 or len(said) > LONGEST):
            end = "long message"
        if left and end in ("right", "error"):
            end, said = "half-written", f"{said} {left}"
        if memory > MEMORY:
            end, said = "memory", f"{memory / 1e9:.1f} GB: {said}"
        if any(folder.rglob("RAN")):
            end = "ran code"
        seconds, cpu = time.monotonic() - start, time.process_time() - cpu
        return dict(end=end, said=said, seconds=seconds, cpu=cpu, memory=memory)


def serve(connection, sound, base):
    """A worker: does jobs until it is told to end."""
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what C libraries print
    import torch

    torch.set_num_threads(1)
    while (job := connection.recv()) is not None:
        connection.send(do_job(sound, base, *job))


def core_seconds(pid):
    """How long a process, and those that it waited for, have used a core."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, words[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0


class Worker:
    """A process that does jobs, and is replaced when it hangs or dies."""

    def __init__(self, context, sound, base):
        self.context, self.words, self.process = context, (sound, base), None

    def __call__(self, job):
        if self.process is None:
            self.connection, theirs = self.context.Pipe()
            self.process = self.context.Process(target=serve, args=(theirs, *self.words), daemon=True)
            self.process.start()
            theirs.close()
        self.connection.send(job)
        start, found = time.monotonic(), dict(end="hang", said=f"more than {SECONDS} s")
        begun = core_seconds(self.process.pid)
        try:
            # A machine that others use is no fault: 20 s of a core count, or eight times as many on the clock.
            while time.monotonic() - start < 8 * SECONDS and core_seconds(self.process.pid) - begun < SECONDS:
                if self.connection.poll(0.5):
                    return self.connection.recv()
        except EOFError:
            self.process.join()
            found = dict(end="died", said=f"exit code {self.process.exitcode}")
        self.close()
        return found | dict(seconds=time.monotonic() - start, cpu=0, memory=0)

    def close(self):
        if self.process is not None:
            self.process.kill()
        self.process = None


def run_all(work, count, context, sound, base, seconds):
    """Do all jobs on some workers, as many as can be begun in so many seconds."""
    queue, results, end = SimpleQueue(), [], time.monotonic() + seconds
    for job in work:
        queue.put(job)

    def take(_):
        worker = Worker(context, sound, base)
        with contextlib.closing(worker), contextlib.suppress(Empty):
            while time.monotonic() < end:
                form, door, kind, number = job = queue.get_nowait()
                results.append(dict(format=form, door=door, kind=kind, number=number) | worker(job))

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(take, range(count)))
    return results


def fuzz(count=2000, seed=0, workers=2, seconds=np.inf, **chosen):
    """Throw inputs at every door; a row for each."""
    os.environ["MALLOC_PERTURB_"] = "0"  # so that memory is given back, and each input is measured alone
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fuzz", "galaxy_classifier.api", "galaxy_classifier.inference.app"])
    with tempfile.TemporaryDirectory() as base:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            sound = make_base(base)
        return pd.DataFrame(run_all(jobs(count, seed, **chosen), workers, context, sound, Path(base), seconds))


def summary(table):
    """How many inputs of each format and door ended how."""
    counts = pd.crosstab([table["format"], table["door"]], table["end"])
    ends = ["right", "error", *BAD]
    return counts.reindex(columns=ends, fill_value=0).assign(
        seconds=table.groupby(["format", "door"])["seconds"].max().round(1),
        GB=(table.groupby(["format", "door"])["memory"].max() / 1e9).round(2),
    )


def main():
    """Fuzz, and say what came of it; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="of inputs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--seconds", type=float, default=np.inf, help="after which no input is begun")
    parser.add_argument("--only", nargs="*", choices=list(DOORS), default=[], help="formats")
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--door")
    parser.add_argument("--show", type=int, default=0, help="messages of each door")
    parser.add_argument("--number", type=int, help="of one input, which is given to its door in this process")
    parser.add_argument("--output", type=Path, help="JSON file")
    words = parser.parse_args()
    if words.number is not None:
        with tempfile.TemporaryDirectory() as base:
            sound = make_base(base)
            return print(do_job(sound, Path(base), words.only[0], words.door, words.kind, words.number))
    start = time.monotonic()
    table = fuzz(
        words.count, words.seed, words.workers, words.seconds, only=words.only, kind=words.kind, door=words.door
    )
    for _, rows in table[table["end"] == "error"].groupby(["format", "door"]):
        for row in rows.head(words.show).itertuples():
            print(f"{row.format} {row.door} {row.kind}: {row.said}")
    bad = table[~table["end"].isin(["right", "error"])]
    for row in bad.itertuples():
        print(f"\n{row.end}: --only {row.format} --door {row.door} --kind {row.kind} --number {row.number}\n{row.said}")
    print(summary(table).to_string())
    ends, worst = Counter(table["end"]), table[["seconds", "memory"]].max()
    print(
        f"{len(table)} inputs in {time.monotonic() - start:.0f} s ({table['cpu'].sum():.0f} s of CPU): {dict(ends)}, "
        f"at most {worst['seconds']:.1f} s and {worst['memory'] / 1e9:.2f} GB for one"
    )
    if words.output:
        save_json(
            words.output,
            dict(
                count=len(table),
                seed=words.seed,
                workers=words.workers,
                ends=dict(ends),
                seconds=time.monotonic() - start,
                core_seconds=float(table["cpu"].sum()),
                slowest=float(worst["seconds"]),
                memory=int(worst["memory"]),
                kinds=pd.crosstab(table["kind"], table["end"]).reset_index().to_dict("records"),
                doors=summary(table).reset_index().to_dict("records"),
                commit=git_commit(),
                hardware=hardware(),
            ),
        )
    return int(len(bad) > 0)


if __name__ == "__main__":
    sys.exit(main())
