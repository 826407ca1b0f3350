"""The report of galaxy-analyse in a real browser, offline: does it read well on a desk, on a telephone, in the dark
and on paper?

python benchmarks/report.py
python benchmarks/report.py --report report.html --pictures .

Without --report, trains for some seconds on simulated galaxies and analyses that. Exits with 1 when the console
complains, something is fetched from
outside, a picture is missing, or anything sticks out of the screen.
"""

import argparse
import base64
import json
import subprocess
import tempfile
from pathlib import Path

from app import expect
from browser import browser, complaints, too_wide
from selenium.webdriver.common.by import By
from server import BIN, SMALL

from galaxy_classifier.data.simulation import simulate_store
from galaxy_classifier.preprocessing.pipeline import preprocess_store


def fetched(driver):
    """Addresses beyond this machine that the page asked for."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    addresses = [
        event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"
    ]
    return [address for address in addresses if not address.startswith(("file:", "data:", "blob:"))]


def read(report, width, height, dark, picture):
    """Open it once."""
    where = f"{width} px{', dark' if dark else ''}"
    driver = browser(width, height, dark)
    try:
        driver.execute_cdp_cmd("Network.enable", {})
        driver.get(report.absolute().as_uri())
        expect(
            driver.execute_script(
                "return document.images.length > 5"
                " && [...document.images].every(image => image.complete && image.naturalWidth > 0)"
            ),
            f"{where}: all {len(driver.find_elements(By.TAG_NAME, 'img'))} pictures are there",
        )
        points = driver.execute_script("return document.querySelectorAll('.scatterlayer .point').length")
        expect(points > 5, f"{where}: {points} galaxies to explore")
        expect(too_wide(driver) <= 0, f"{where}: nothing sticks out")
        expect(not fetched(driver), f"{where}: nothing is fetched from outside {fetched(driver) or ''}")
        shade = driver.execute_script(
            "return getComputedStyle(document.documentElement).colorScheme + getComputedStyle(document.body).color"
        )
        expect(("255, 255, 255" in shade) == dark, f"{where}: letters are {'light' if dark else 'dark'}")
        first = driver.find_element(By.CSS_SELECTOR, ".scatterlayer .point")
        driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", first)
        place = driver.execute_script(
            "const box = arguments[0].getBoundingClientRect(); return [box.x + box.width/2, box.y + box.height/2]",
            first,
        )
        driver.execute_cdp_cmd("Input.dispatchMouseEvent", dict(type="mouseMoved", x=place[0], y=place[1]))
        driver.execute_cdp_cmd("Input.dispatchMouseEvent", dict(type="mouseMoved", x=place[0] + 0.5, y=place[1]))
        lens = driver.execute_async_script(
            "const done = arguments[0];"
            "const shown = one => one.style.position == 'fixed' && one.style.display == 'block';"
            "setTimeout(() => done([...document.body.children].some(shown)), 400)"
        )
        expect(lens, f"{where}: the picture shows under the pointer")
        expect(not complaints(driver), f"{where}: the console is quiet")
        if picture:
            picture.write_bytes(
                base64.b64decode(
                    driver.execute_cdp_cmd("Page.captureScreenshot", dict(captureBeyondViewport=True))["data"]
                )
            )
        pages = driver.execute_cdp_cmd("Page.printToPDF", dict(preferCSSPageSize=True))["data"]
        expect(len(pages) > 50_000, f"{where}: prints ({len(pages) * 3 // 4 // 1000} kB)")
    finally:
        driver.quit()


def main():
    """Make a report, or take one, and open it in all ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=Path, help="one that is there")
    parser.add_argument("--pictures", type=Path, help="folder for screenshots")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        report, folder = words.report or Path(name) / "report.html", Path(name)
        if not words.report:
            preprocess_store(simulate_store(folder / "data", 100, 64, magnification=2.5), workers=2)
            for command in (
                [BIN / "galaxy-train", *SMALL, "--epochs", 2],
                [BIN / "galaxy-analyse", "--output", report],
            ):
                subprocess.run(list(map(str, command)), cwd=folder, check=True, stdout=subprocess.DEVNULL)
        for width, height, dark in ((1200, 900, False), (390, 844, False), (1200, 900, True)):
            read(
                report,
                width,
                height,
                dark,
                words.pictures and words.pictures / f"report-{width}{'-dark' if dark else ''}.png",
            )
        print(f"{report.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
