"""A real browser for the checks that need one: Debian's chromium and chromium-driver, nothing downloaded."""

import shutil
import sys

from selenium import webdriver


def browser(width=1500, height=2250, dark=False):
    """Headless Chromium that keeps what its console says."""
    programs = shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver")
    if not all(programs):
        sys.exit("no browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for word in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        f"--window-size={width},{height}",
    ):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(programs[1]))
    # Windows are at least 500 px wide; the page is told that its screen is a telephone's.
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", dict(width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
    )
    if dark:
        driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", dict(features=[dict(name="prefers-color-scheme", value="dark")])
        )
    return driver


def complaints(driver):
    """What the console says since the last look, warnings and errors."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]


def too_wide(driver):
    """By how many pixels the page is wider than its window."""
    return driver.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
