"""Kill: does what was killed end like what was not? SIGKILL at random moments, then the same command again, then a
comparison.

python benchmarks/kill.py --kills 10 --count 600
python benchmarks/kill.py --only preprocess
python benchmarks/kill.py --only train votes search --kills 20
python benchmarks/kill.py --only predict --kills 20 --count 4000

Training and search are compared by what they found, to the last digit: history, weights, each point in MLflow (once),
trials, the model behind the
alias. The others byte for byte.

Preprocessing (galaxy-preprocess, of simulated galaxies of 128 px). Import (galaxy-data --hdf5, in the published
layout with smaller chunks, so that there is something to go on from, and without positions, so that the
split reads all pixels) and fetch (from a server on this machine that is slow on purpose). The moments are spread over
all of the work, from the first
file on, and those of the import also over its split. Exits with 1 when anything differs.
"""

import argparse
import contextlib
import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from data import COMMAND, make_file
from PIL import Image
from server import SMALL

from galaxy_classifier.core import GALAXY10_CLASSES
from galaxy_classifier.data.download import PublishedFile
from galaxy_classifier.data.importers import import_images
from galaxy_classifier.data.simulation import simulate_galaxy, simulate_store
from galaxy_classifier.jobs import Ledger
from galaxy_classifier.model.checkpoints import read_checkpoint
from galaxy_classifier.model.export import export_onnx
from galaxy_classifier.model.networks import build_model
from galaxy_classifier.preprocessing.pipeline import preprocess_store


def tree(folder):
    """Every file below a folder, hidden ones too, and the hash of its bytes; a stamp of verification holds a time,
    so only that it is there."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {
        str(file.relative_to(folder)): ""
        if file.name.endswith(".verified.json")
        else hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


class Job:
    """Something that is killed; by default it is compared file by file."""

    rare = None  # a phase so short that it needs kills of its own

    def prepare(self, folder):
        pass

    def outcome(self, folder):
        return tree(folder)


class Import(Job):
    """galaxy-data --hdf5."""

    phases = ("starting", "copying", "splitting", "published")
    rare = 2

    def __init__(self, file):
        self.name, self.file = "import", file

    def words(self, folder):
        return [COMMAND, "--hdf5", self.file, "--store", folder / "store"]

    def done(self, folder):
        return (folder / "store").exists()

    def kept(self, folder):
        """What a killed run has left to resume from."""
        rows = Ledger(folder / ".store.part" / "ledger.jsonl", {}).results
        return f"{sum(stop - start for start, stop in rows)} images" if rows else "nothing"

    def phase(self, folder):
        """How far a first run has come: an index into `phases`."""
        part = folder / ".store.part"
        return (
            3
            if self.done(folder)
            else 2
            if (part / "manifest.json").exists()
            else 1
            if (part / "ledger.jsonl").exists()
            else 0
        )


class Fetch(Job):
    """`fetch` from the slow server."""

    phases = ("starting", "fetching", "fetched")

    def __init__(self, published):
        self.name, self.program = (
            "fetch",
            "import sys; from galaxy_classifier.data.download import PublishedFile, download_file; "
            f"download_file({published!r}, sys.argv[1])",
        )

    def words(self, folder):
        return [sys.executable, "-c", self.program, folder / "fetched"]

    def done(self, folder):
        return (folder / "fetched").exists()

    def kept(self, folder):
        return f"{(folder / 'fetched.part').stat().st_size / 1e6:.1f} MB"

    def phase(self, folder):
        """How far a first run has come: an index into `phases`."""
        return 2 if self.done(folder) else 1 if (folder / "fetched.part").exists() else 0


class Preprocess(Job):
    """galaxy-preprocess, in two processes."""

    phases = ("starting", "working", "published")

    def __init__(self, store):
        self.name, self.store = "preprocess", store

    def prepare(self, folder):
        shutil.copytree(self.store, folder / "store")

    def words(self, folder):
        return [COMMAND.with_name("galaxy-preprocess"), "--store", folder / "store", "--chunk", "8"]

    def done(self, folder):
        return "preprocessing" in json.loads((folder / "store" / "manifest.json").read_text())

    def kept(self, folder):
        """What a killed run has left to resume from."""
        ledger = folder / "store" / ".preprocessing.part" / "ledger.jsonl"
        return f"{8 * (ledger.read_text().count(chr(10)) - 1)} images" if ledger.exists() else "nothing"

    def phase(self, folder):
        """How far a first run has come: an index into `phases`."""
        return (
            2 if self.done(folder) else 1 if (folder / "store" / ".preprocessing.part" / "ledger.jsonl").exists() else 0
        )


def ask(database, question):
    """Rows of an SQLite database, sorted; none where it is not there yet."""
    if not database.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        try:
            return sorted(connection.execute(question).fetchall())
        except sqlite3.OperationalError:
            return []  # being made


def told(folder):
    """What MLflow was told: runs with the name of the one above them, and each point as often as it is there."""
    name = (
        "select r.name, {} from runs r left join tags t on t.run_uuid = r.run_uuid and t.key = 'mlflow.parentRunId' "
        "left join runs p on p.run_uuid = t.value {}"
    )
    runs = ask(folder / "mlflow.db", name.format("r.status, coalesce(p.name, '')", ""))
    points = ask(
        folder / "mlflow.db",
        "select r.name, m.key, m.step, m.value from metrics m join runs r on r.run_uuid = m.run_uuid "
        "where m.key not in ('images_per_second')",
    )
    return {"runs": runs, "points": [point for point in points if point[2] or point[0].startswith(("run", "trial"))]}


class Train(Job):
    """galaxy-train, with a checkpoint each second."""

    phases = ("starting", "training", "concluding", "finished")
    target = "classes"

    def __init__(self, store):
        self.name, self.store = "train", store

    def words(self, folder):
        return [
            COMMAND.with_name("galaxy-train"),
            "--store",
            self.store,
            "--output",
            "run",
            "--epochs",
            "6",
            "--minutes",
            ".01",
            "--ema",
            ".9",
            "--mixup",
            ".2",
            "--target",
            self.target,
            *SMALL,
        ]

    def done(self, folder):
        return (folder / "run" / "summary.json").exists() and json.loads(
            (folder / "run" / "summary.json").read_text()
        ).get("delivered", False)

    def kept(self, folder):
        return (
            f"{len((folder / 'run' / 'history.csv').read_text().splitlines()) - 1} epochs"
            if (folder / "run" / "history.csv").exists()
            else "nothing"
        )

    def phase(self, folder):
        """How far a first run has come: an index into `phases`."""
        run = folder / "run"
        return (
            3 if self.done(folder) else 2 if (run / "model.onnx").exists() else 1 if (run / "last.pt").exists() else 0
        )

    def outcome(self, folder):
        """History, weights, and what MLflow was told."""
        history = pd.read_csv(folder / "run" / "history.csv").drop(columns=["time", "images_per_second"])
        weights = {
            name: hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
            for name, tensor in read_checkpoint(folder / "run" / "best.pt")["state"].items()
        }
        return {"history": history.to_dict("list"), "weights": weights, **told(folder)}


class TrainVotes(Train):
    """galaxy-train --target votes."""

    target = "votes"

    def __init__(self, store):
        self.name, self.store = "votes", store


class Search(Job):
    """galaxy-search with six trials, some of them pruned."""

    phases = ("starting", "searching", "finished")

    def __init__(self, store):
        self.name, self.store = "search", store

    def words(self, folder):
        return [
            COMMAND.with_name("galaxy-search"),
            "--store",
            self.store,
            "--trials",
            "6",
            "--epochs",
            "4",
            "--output",
            "trials",
            *SMALL,
        ]

    def done(self, folder):
        return bool(ask(folder / "mlflow.db", "select alias from registered_model_aliases"))

    def kept(self, folder):
        return (
            ", ".join(
                f"{count} {state.lower()}"
                for state, count in Counter(
                    state for (state,) in ask(folder / "optuna.db", "select state from trials")
                ).items()
            )
            or "nothing"
        )

    def phase(self, folder):
        return 2 if self.done(folder) else 1 if ask(folder / "optuna.db", "select state from trials") else 0

    def outcome(self, folder):
        """Trials, what MLflow was told, and whose model has the alias."""
        trials = optuna.load_study(study_name="galaxy-classifier", storage=f"sqlite:///{folder}/optuna.db").trials
        alias = ask(
            folder / "mlflow.db",
            "select r.name from registered_model_aliases a "
            "join model_versions v on v.name = a.name and v.version = a.version join runs r on r.run_uuid = v.run_id",
        )
        return {
            "trials": [
                (trial.number, trial.state.name, trial.params, trial.value, trial.intermediate_values)
                for trial in trials
            ],
            "alias": alias,
            **told(folder),
        }


class Predict(Job):
    """galaxy-predict, in two processes."""

    phases = ("starting", "working", "finished")

    def __init__(self, pictures):
        self.name, self.pictures = "predict", pictures

    def words(self, folder):
        return [
            COMMAND.with_name("galaxy-predict"),
            self.pictures / "pictures",
            "--model",
            self.pictures / "model.onnx",
            "--output",
            "classes.csv",
            "--workers",
            "2",
        ]

    def done(self, folder):
        return (folder / "classes.csv").exists()

    def kept(self, folder):
        return f"{len(list((folder / '.classes.csv.part').glob('0*.npz')))} chunks"

    def phase(self, folder):
        return 2 if self.done(folder) else 1 if list((folder / ".classes.csv.part").glob("0*.npz")) else 0


def make_pictures(folder, count):
    """JPEG files, ten galaxies in four turns, and an untrained model."""
    (folder / "pictures").mkdir(parents=True)
    some = [simulate_galaxy(number, 1, number, 64).image for number in range(10)]
    for number in range(count):
        Image.fromarray(np.rot90(some[number % 10], number // 10 % 4)).save(folder / "pictures" / f"{number:05d}.jpg")
    export_onnx(
        build_model(size=33),
        folder / "model.onnx",
        list(GALAXY10_CLASSES),
        dict(image_size=64, cleaned=True, preprocessing={}, temperature=1.0),
        64,
    )


def make_votes(folder, count=60):
    """A store of galaxies with fractions of votes, one question not asked about every third galaxy."""
    folder.mkdir()
    for number in range(count):
        Image.fromarray(simulate_galaxy(number % 10, 2, number, 64).image).save(folder / f"{number:02d}.png")
    smooth = np.random.default_rng(0).uniform(size=count)
    table = pd.DataFrame(dict(path=[f"{number:02d}.png" for number in range(count)], smooth=smooth, bar=1 - smooth))
    table.loc[::3, "bar"] = np.nan
    table.to_csv(folder / "votes.csv", index=False)
    preprocess_store(import_images(folder / "votes.csv", folder / "store", 64, votes=["smooth", "bar"]), workers=1)


def start(job, folder):
    """Start a job without its output."""
    return subprocess.Popen(
        list(map(str, job.words(folder))), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def finish(job, folder):
    """Run a job to its end; returns how long it took."""
    began = time.perf_counter()
    done = subprocess.run(list(map(str, job.words(folder))), cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{job.name}: the same command again failed: {done.stderr}")
    return time.perf_counter() - began


def undisturbed(job, folder):
    """Run a job to its end; returns when each phase began, in seconds."""
    began, process, times = time.perf_counter(), start(job, folder), []
    while process.poll() is None:
        times += [time.perf_counter() - began] * (job.phase(folder) + 1 - len(times))
        time.sleep(0.02)  # asking takes time from the job
    if process.returncode:
        sys.exit(f"{job.name} fails even when it is not killed")
    return np.array(times + [time.perf_counter() - began] * (len(job.phases) - len(times)))


def killed(job, folder, phase, delay):
    """Kill a fresh run some seconds after a phase has begun; returns the phase that it hit, or None where the run
    was faster."""
    process = start(job, folder)
    while process.poll() is None and job.phase(folder) < phase:
        time.sleep(0.005)
    time.sleep(delay)
    hit = None if process.poll() is not None or job.done(folder) else job.phase(folder)
    process.kill()
    process.wait()
    return hit


def moments(job, times, kills, generator):
    """Phase and delay of each kill: spread evenly over the work, and a third of them over its rare phase."""
    extra = kills // 3 if job.rare else 0
    shares = (np.arange(kills - extra) + generator.uniform(size=kills - extra)) / max(1, kills - extra)
    for moment in times[1] + shares * (times[-1] - times[1]):
        phase = int(np.searchsorted(times[:-1], moment, "right")) - 1
        yield phase, moment - times[phase]
    for share in (np.arange(extra) + generator.uniform(size=extra)) / max(1, extra):
        yield job.rare, share * (times[job.rare + 1] - times[job.rare])


def kill_in_a_row(job, workplace, times, count, generator):
    """Kill one run again and again, each time a while after it has begun to work; returns its folder, and the phase
    of each kill. Where a run ends before its last kill, another one begins, and its kills come earlier."""
    share = (times[-1] - times[1]) / (count + 1)  # of the work, for each kill
    for _ in range(12):
        folder = Path(tempfile.mkdtemp(dir=workplace))
        job.prepare(folder)
        delays = share * generator.uniform(size=count)
        hits = [killed(job, folder, 1, delays[0])] if count else []
        for delay in delays[1:]:  # a run that resumes is in its old phase at once, and has to start, too
            if None not in hits:
                hits.append(killed(job, folder, 0, times[1] + delay))
        if None not in hits:
            return folder, hits
        print(f"{job.name}: ended before kill {len(hits)} of {count}; again, with earlier kills", flush=True)
        shutil.rmtree(folder)
        share, times = 0.7 * share, 0.7 * times
    sys.exit(f"{job.name}: every run ended before its last kill")


def check(job, workplace, kills, row, generator):
    """Kill at each moment, every time from nothing, run again and compare; then kill one run again and again.
    Returns whether all ended alike."""
    whole = workplace / f"{job.name}_whole"
    whole.mkdir()
    job.prepare(whole)
    times, same = undisturbed(job, whole), 0
    expected = job.outcome(whole)
    print(
        f"{job.name} undisturbed: "
        + ", ".join(f"{name} after {moment:.2f} s" for name, moment in zip(job.phases, times, strict=False)),
        flush=True,
    )

    def compare(what, folder):
        found = job.outcome(folder)
        differ = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        print(f"{job.name} {what}: {'DIFFERENT: ' + ', '.join(differ) if differ else 'the same'}", flush=True)
        shutil.rmtree(folder)
        return not differ

    for phase, delay in moments(job, times, kills, generator):
        hit = None
        while hit is None:  # a run that was faster than the one watched is tried again with an earlier kill
            folder = Path(tempfile.mkdtemp(dir=workplace))
            job.prepare(folder)
            hit = killed(job, folder, phase, delay)
            if hit is None:
                shutil.rmtree(folder)
                delay *= 0.8
        kept, seconds = job.kept(folder), finish(job, folder)
        same += compare(
            f"killed while {job.phases[hit]}, {delay:.2f} s after {job.phases[phase]} began, {kept} kept, "
            f"ended in {seconds:.1f} s more",
            folder,
        )
    folder, hits = kill_in_a_row(job, workplace, times, row, generator)
    finish(job, folder)
    same += compare(f"killed {len(hits)} times in a row, while {', '.join(job.phases[hit] for hit in hits)}", folder)
    print(f"{job.name}: {same} of {kills + 1} ended like the undisturbed run", flush=True)
    return same == kills + 1


class Slow(BaseHTTPRequestHandler):
    """Serves one file with ranges, at a few megabytes a second."""

    content = np.random.default_rng(0).bytes(8_000_000)

    def log_message(self, *words):
        pass

    def do_GET(self):
        begin = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(self.content) - 1}/{len(self.content)}")
        self.send_header("Content-Length", str(len(self.content) - begin))
        self.end_headers()
        try:
            for at in range(begin, len(self.content), 100_000):
                self.wfile.write(self.content[at : at + 100_000])
                time.sleep(0.03)
        except OSError:
            pass  # the other side was killed


def main():
    """Kill and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="random moments, each of a run of its own")
    parser.add_argument(
        "--row", type=int, help="moments at which one run is killed again and again; as many as --kills if not given"
    )
    parser.add_argument(
        "--count",
        type=int,
        default=600,
        help="images in the file to import, in the store to preprocess, and to classify",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=("import", "fetch", "preprocess", "train", "votes", "search", "predict"),
        help="some jobs; all if not given",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--folder", type=Path, help="where to work; a temporary directory if not given")
    words = parser.parse_args()
    generator = np.random.default_rng(words.seed)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    published = PublishedFile(
        f"http://127.0.0.1:{server.server_port}/galaxies.h5",
        len(Slow.content),
        hashlib.sha256(Slow.content).hexdigest(),
    )
    with tempfile.TemporaryDirectory(dir=words.folder) as folder:
        workplace = Path(folder)
        jobs = [
            Import(workplace / "published.h5"),
            Fetch(published),
            Preprocess(workplace / "simulated"),
            Train(workplace / "small"),
            TrainVotes(workplace / "voted" / "store"),
            Search(workplace / "small"),
            Predict(workplace / "pictured"),
        ]
        jobs = [job for job in jobs if words.only is None or job.name in words.only]
        if any(job.name == "import" for job in jobs):
            make_file(workplace / "published.h5", words.count, positions=False, chunk=64)
        if any(job.name == "preprocess" for job in jobs):
            simulate_store(workplace / "simulated", words.count, 128, workers=2)
        if {"train", "search"} & {job.name for job in jobs}:
            preprocess_store(simulate_store(workplace / "small", 60, 64), workers=1)
        if any(job.name == "votes" for job in jobs):
            make_votes(workplace / "voted")
        if any(job.name == "predict" for job in jobs):
            make_pictures(workplace / "pictured", words.count)
        fine = [
            check(job, workplace, words.kills, words.kills if words.row is None else words.row, generator)
            for job in jobs
        ]
    print("nothing differs" if all(fine) else "SOMETHING DIFFERS")
    sys.exit(not all(fine))


if __name__ == "__main__":
    main()
