"""The page of galaxy-app in a real browser: a picture in, classes and pictures out; then a non-image, 50 MB, and ten
uploads at once.

python benchmarks/app.py
python benchmarks/app.py --picture nbs/images/app.png

Trains for some seconds on simulated galaxies, starts galaxy-app, drives headless Chromium. Exits with 1 when
something is not as it should be.
"""

import argparse
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests
from browser import browser, complaints, too_wide
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from server import BIN, SMALL, free_port, serving

from galaxy_classifier.data.simulation import simulate_galaxy, simulate_store
from galaxy_classifier.preprocessing.pipeline import preprocess_store


def expect(truth, what):
    """Say what was seen, or end."""
    if not truth:
        raise SystemExit(f"NOT SO: {what}")
    print(what, flush=True)


def drive(driver, address, folder, picture):
    """As a person would."""
    text, until = (
        lambda name: driver.find_element(By.ID, name).text,
        lambda condition: WebDriverWait(driver, 60).until(condition),
    )

    def give(file):
        driver.find_element(By.ID, "file").send_keys(str(file))

    driver.get(address)
    expect("Drop an image here" in driver.find_element(By.TAG_NAME, "body").text, "the page opens")
    give(folder / "galaxy.png")
    until(lambda _: driver.find_element(By.ID, "result").is_displayed())
    bars = driver.find_elements(By.CSS_SELECTOR, ".bar")
    shares = [float(bar.text.splitlines()[-1].rstrip(" %")) for bar in bars]
    expect(
        len(bars) == 10 and shares == sorted(shares, reverse=True) and abs(sum(shares) - 100) < 1,
        f"ten classes, likeliest first: {bars[0].text.replace(chr(10), ' ')}",
    )
    until(
        lambda _: driver.execute_script(
            "return [...document.images].every(image => image.complete && image.naturalWidth > 0)"
        )
    )
    expect("Asymmetry" in text("notes"), f"three pictures, and: {text('notes')}")
    if picture:
        driver.save_screenshot(str(picture))
    for name, message in (
        ("notes.txt", "is no image"),
        ("broken.png", "cannot be read"),
        ("large.png", "50 MB. Give at most 20"),
    ):
        give(folder / name)
        until(lambda _, message=message: message in text("message"))
        expect(not driver.find_element(By.ID, "result").is_displayed(), f"{name}: {text('message')}")
    quiet = [line for line in complaints(driver) if "400 (BAD REQUEST)" not in line]
    expect(not quiet, f"the console is quiet {quiet or ''}")
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", dict(width=390, height=844, deviceScaleFactor=1, mobile=True)
    )
    give(folder / "galaxy.png")
    until(lambda _: driver.find_element(By.ID, "result").is_displayed())
    expect(too_wide(driver) <= 0, "nothing sticks out on a screen of 390 px")


def press(address, folder):
    """What a page does not send: too much, and ten at once."""
    content = (folder / "galaxy.png").read_bytes()

    def send(content):
        return requests.post(f"{address}/classify", files=dict(image=("galaxy.png", content)), timeout=120)

    with ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(lambda _: send(content), range(10)))
    expect(
        all(reply.ok for reply in replies) and len({reply.text for reply in replies}) == 1,
        "ten uploads at once: ten answers, all the same",
    )
    try:
        code = send(bytes(50 * 2**20)).status_code
    except requests.ConnectionError:
        code = "connection closed"
    expect(code in (413, "connection closed"), f"50 MB sent all the same: refused ({code})")
    expect(send(content).ok, "and it still answers")
    expect(
        requests.get(address, headers=dict(Host="evil.example"), timeout=10).status_code == 403,
        "a page from elsewhere is refused",
    )


def main():
    """Train, serve, drive."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3, help="of training")
    parser.add_argument("--count", type=int, default=60, help="simulated galaxies")
    parser.add_argument("--picture", type=Path, help="where to keep a screenshot")
    words = parser.parse_args()
    driver = browser(900, 1150)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            preprocess_store(simulate_store(folder / "data", words.count, 128, magnification=2.5), workers=2)
            subprocess.run(
                list(
                    map(
                        str,
                        [
                            BIN / "galaxy-train",
                            *SMALL,
                            "--output",
                            "run",
                            "--epochs",
                            words.epochs,
                            "--schedule",
                            "one-cycle",
                            "--learning-rate",
                            0.02,
                            "--dropout",
                            0,
                        ],
                    )
                ),
                cwd=folder,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            Image.fromarray(simulate_galaxy(5, 3, 0, 256, magnification=2.5).image).save(folder / "galaxy.png")
            (folder / "notes.txt").write_text("no picture")
            (folder / "broken.png").write_bytes((folder / "galaxy.png").read_bytes()[:999])
            (folder / "large.png").write_bytes(bytes(50 * 2**20))
            port = free_port()
            with serving([BIN / "galaxy-app", "--port", port, "--model", folder / "run"], port):
                drive(driver, f"http://127.0.0.1:{port}", folder, words.picture)
                press(f"http://127.0.0.1:{port}", folder)
        finally:
            driver.quit()


if __name__ == "__main__":
    main()
