"""Several galaxy-search on one study: is each trial run once, and are all finished? Then the model is loaded by its
name in a fresh process.

python benchmarks/workers.py
python benchmarks/workers.py --workers 3 --trials 9

Exits with 1 when numbers are not unique, a trial is missing or unfinished, or the alias does not lead to the best
model.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import mlflow
import optuna
from mlflow.tracking import MlflowClient
from server import BIN, SMALL

from galaxy_classifier.data.simulation import simulate_store
from galaxy_classifier.preprocessing.pipeline import preprocess_store

FRESH = """
from galaxy_classifier.model.checkpoints import load_model
from galaxy_classifier.training.registry import find_model_file
print(load_model(find_model_file("models:/galaxy-classifier@production")).config["size"])
"""


def main():
    """Start them together, wait, look."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--trials", type=int, default=5, help="of the study")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        preprocess_store(simulate_store(Path(folder) / "data", 60, 64), workers=1)
        command = [str(BIN / "galaxy-search"), "--trials", str(words.trials), "--epochs", "2", *SMALL]
        workers = [
            subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for _ in range(words.workers)
        ]
        said = [worker.communicate()[0] for worker in workers]
        print(*said, sep="\n")
        trials = optuna.load_study(study_name="galaxy-classifier", storage=f"sqlite:///{folder}/optuna.db").trials
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        runs = Counter(
            run.info.run_name for run in MlflowClient().search_runs(["1"]) if "mlflow.parentRunId" in run.data.tags
        )
        fresh = subprocess.run([sys.executable, "-c", FRESH], cwd=folder, capture_output=True, text=True)
        wrong = [
            name
            for name, fine in {
                f"exit codes {[worker.returncode for worker in workers]}": not any(
                    worker.returncode for worker in workers
                ),
                f"numbers {[trial.number for trial in trials]}": [trial.number for trial in trials]
                == list(range(words.trials)),
                f"states {[trial.state.name for trial in trials]}": all(
                    trial.state.name in ("COMPLETE", "PRUNED") for trial in trials
                ),
                f"runs {dict(runs)}": runs == {f"trial-{number:04d}": 1 for number in range(words.trials)},
                f"every worker had a trial: {[text.count('trial ') for text in said]}": all(
                    "trial " in text for text in said
                ),
                f"a fresh process says {fresh.stdout} {fresh.stderr[-500:]}": fresh.stdout == "33\n",
            }.items()
            if not fine
        ]
    print(
        "WRONG: " + "; ".join(wrong)
        if wrong
        else f"{words.trials} trials by {words.workers} workers, each once, all finished"
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
