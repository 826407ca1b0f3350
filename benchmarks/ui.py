"""MLflow's pages in a real browser: does a finished search show the study, its trials, their curves, and the
registered model with its alias?

python benchmarks/ui.py
python benchmarks/ui.py --trials 10 --epochs 12 --picture nbs/images/study.png

Searches on small simulated galaxies, starts `make ui`, and drives headless Chromium through it (Debian's chromium and
chromium-driver). Exits with 1
when something that a person would look for is not there.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

from browser import browser
from selenium import webdriver
from selenium.webdriver.common.by import By
from server import BIN, SMALL, free_port, serving

from galaxy_classifier.data.simulation import simulate_store
from galaxy_classifier.preprocessing.pipeline import preprocess_store

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 90  # seconds without any change
CURVE = ".js-plotly-plot .scatterlayer .trace path.js-line"
EXPANDER, CLOSE = "[data-component-id*=runnamecellrenderer]", "[data-component-id='mlflow.assistant.chat_panel.close']"


def look(driver, address, trials, picture):
    """Look for what a person would; raises when it does not come."""

    def found(selector):
        return driver.find_elements(By.CSS_SELECTOR, selector)

    def text():
        return driver.execute_script("return document.body.innerText")

    def until(condition):
        """Wait as long as the page still changes, and 90 seconds more."""
        shown, since = None, time.monotonic()
        while not condition(driver):
            seen = text(), len(found(CURVE))
            if seen != shown:
                shown, since = seen, time.monotonic()
            if time.monotonic() - since > PATIENCE:
                words, curves = shown
                raise SystemExit(f"the page stood still for {PATIENCE} s with {curves} curves:\n{words[-2000:]}")
            time.sleep(0.5)

    driver.get(f"{address}/#/experiments/1/runs?workflowType=machine_learning&compareRunsMode=CHART")
    until(lambda _: found(EXPANDER))
    for button in found(CLOSE):
        button.click()
    found(EXPANDER)[0].click()
    names = [f"trial-{number:04d}" for number in range(trials)]
    until(lambda _: all(name in text() for name in names))
    print(f"the study and its {trials} trials are there", flush=True)
    metrics = "valid_accuracy", "train_loss", "learning_rate", "gradient_norm"
    until(
        lambda _: all(f"{name} ({metric})" in text() for name in names for metric in metrics)
    )  # the legends of the charts
    until(lambda _: len(found(CURVE)) >= trials * len(metrics))  # drawn some time after their legends
    print(f"{len(found(CURVE))} curves are drawn", flush=True)
    if picture:
        webdriver.ActionChains(driver).move_to_element(found("body")[0]).perform()  # or a tip would cover the names
        driver.save_screenshot(str(picture))
    driver.get(f"{address}/#/models/galaxy-classifier")
    until(lambda _: "Version 1" in text() and "production" in text() and "valid_accuracy" in text())
    print("the model is there with its alias", flush=True)


def main():
    """Search, serve, look."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2, help="of the study")
    parser.add_argument("--epochs", type=int, default=3, help="of a trial")
    parser.add_argument("--count", type=int, default=60, help="simulated galaxies")
    parser.add_argument("--picture", type=Path, help="where to keep a screenshot of the study")
    words = parser.parse_args()
    driver = browser()
    with tempfile.TemporaryDirectory() as folder:
        try:
            preprocess_store(simulate_store(Path(folder) / "data", words.count, 64, magnification=4.0), workers=1)
            search = [
                BIN / "galaxy-search",
                "--trials",
                words.trials,
                "--epochs",
                words.epochs,
                "--study",
                "galaxies",
                *SMALL,
            ]
            subprocess.run(list(map(str, search)), cwd=folder, check=True, stdout=subprocess.DEVNULL)
            port = free_port()
            with serving(
                ["make", "-C", ROOT, "ui", f"PORT={port}"],
                port,
                dict(os.environ, MLFLOW_TRACKING_URI=f"sqlite:///{folder}/mlflow.db"),
            ):
                look(driver, f"http://127.0.0.1:{port}", words.trials, words.picture)
        finally:
            driver.quit()


if __name__ == "__main__":
    main()
