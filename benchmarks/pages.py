"""The documentation site in a real browser: every page, every link, on a desk, on a telephone, in the dark.

python benchmarks/pages.py                              # builds it first
python benchmarks/pages.py --site _docs/site --pictures .
python benchmarks/pages.py --site _docs/site --axe axe.min.js   # some pages only, with axe-core from npm

Exits with 1 when the console of a page complains, a link, an anchor or a picture leads nowhere, something sticks out
of the screen, code is cut at the right edge, a signature holds a raw link, the search does not find what it should, a
page is too heavy or, with axe-core, cannot be used by everybody.
"""

import argparse
import contextlib
import re
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from app import expect
from browser import browser, complaints, too_wide
from bs4 import BeautifulSoup
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

THEME = "return document.documentElement.dataset.theme"
ROOT = Path(__file__).resolve().parents[1]
PAGE_LIMIT, SITE_LIMIT = 3e6, 40e6  # bytes
SEARCHES = {  # word → a page that must be found
    "asymmetry": "02c_preprocessing.morphology",
    "FieldDropout": "glossary",
    "resume": "05h_training.fit",
    "rotation": "04a_model.groups",
    "embedding": "07f_inference.find",
    "calibration": "04f_model.confidence",
    "novelty": "04f_model.confidence",
}
DESK, TELEPHONE = (1300, 1000), (390, 844)
# Inputs, fenced code and signatures; other outputs may be as wide as they were printed, and scroll.
CUT = """return [...document.querySelectorAll('article div.highlight pre')]
    .filter(code => !code.closest('.cell_output') || code.closest('.highlight-python'))
    .filter(code => code.scrollWidth > code.clientWidth + 1)
    .map(code => code.innerText.slice(0, 80))"""
# Text beyond the right edge of the screen or of its link, in nothing that scrolls.
CLIPPED = """return [...document.querySelectorAll('article :is(h1, h2, h3, p, li, dt, dd, a, code), .prev-next-area a')]
    .filter(text => !text.matches('.headerlink'))  // not to be seen there
    .filter(text => text.getBoundingClientRect().right > innerWidth + 1
        || text.matches('.prev-next-area a') && text.scrollWidth > text.clientWidth + 1)
    .filter(text => !text.closest('table, pre, .cell_output, div.math'))
    .map(text => text.innerText.slice(0, 80))"""
AXE_PAGES = (
    "index.html",
    "00_tour.html",
    "04_model.html",  # with folds
    "04a_model.groups.html",
    "07f_inference.find.html",  # with a frame
    "api_data.html",
    "measurements.html",
)
SHOWN = (
    "index.html",
    "00_tour.html",
    "course.html",
    "04_model.html",
    "04a_model.groups.html",
    "measurements.html",
    "api_data.html",
    "04c_model.networks.html",
    "03_loss.html",
    "api.html",
    "structure.html",
    "glossary.html",
    "tutorials/eda.html",
)  # for screenshots


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *words):
        pass


@contextlib.contextmanager
def served(folder):
    """The address of a folder on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


def read_pages(site):
    """Each page's name, parsed."""
    return {
        path.relative_to(site).as_posix(): BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    }


def broken_links(site, pages):
    """Links, anchors and pictures within the site that lead nowhere."""
    anchors = {name: {tag["id"] for tag in page.find_all(id=True)} for name, page in pages.items()}
    wrong = []
    for name, page in pages.items():
        for tag, attribute in (("a", "href"), ("img", "src"), ("link", "href"), ("script", "src")):
            for link in page.find_all(tag, attrs={attribute: True}):
                if urlsplit(link[attribute]).netloc or urlsplit(link[attribute]).scheme:
                    continue  # elsewhere
                target = urlsplit(urljoin(f"http://site/{name}", link[attribute]))
                path = unquote(target.path).lstrip("/") or name
                if path not in pages and not (site / path).is_file():
                    wrong.append(f"{name}: {link[attribute]}")
                elif target.fragment and path in anchors and unquote(target.fragment) not in anchors[path]:
                    wrong.append(f"{name}: {link[attribute]} (no such place)")
    return wrong


def raw_links(pages):
    """Links that stand as they are written in code, such as in the signature of a function."""
    return [
        f"{name}: {found[0]}"
        for name, page in pages.items()
        for code in page.find_all("pre")
        for found in re.finditer(r"\[[^]\n]+\]\(https?://[^)\n]*\)", code.get_text())
    ]


def lonely(pages):
    """Pages without a way to Colab or to their source."""
    wanted = "https://colab.research.google.com/", "https://github.com/"
    for name, page in pages.items():
        if name in ("search.html", "genindex.html"):
            continue
        ways = [link["href"] for line in page.select("p.page-links") for link in line.find_all("a")]
        if [any(way.startswith(start) for way in ways) for start in wanted] != [True, True]:
            yield name


def weights(site, pages):
    """Bytes of each page with its pictures."""

    def of(name, page):
        pictures = {
            (site / name).parent / unquote(image["src"])
            for image in page.find_all("img", src=True)
            if not urlsplit(image["src"]).scheme
        }
        return (site / name).stat().st_size + sum(picture.stat().st_size for picture in pictures)

    return {name: of(name, page) for name, page in pages.items()}


def wear(driver, width, height, dark):
    """Give the window another size and other colours, without loading the page again."""
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", dict(width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
    )
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        dict(features=[dict(name="prefers-color-scheme", value="dark" if dark else "light")]),
    )


def look(driver, name, pictures):
    """One page that is open, on a desk and on a telephone in the dark; some in other ways, too. Returns what is
    wrong."""
    wrong, ways = [], [(*DESK, False), (*TELEPHONE, True)]
    if name in SHOWN:
        ways += [(*TELEPHONE, False), (*DESK, True)]
    for width, height, dark in ways:
        wear(driver, width, height, dark)
        where = f"{name}, {width} px{', dark' if dark else ''}"
        try:
            WebDriverWait(driver, 10).until(lambda _, dark=dark: (driver.execute_script(THEME) == "dark") == dark)
        except TimeoutException:
            wrong.append(f"{where}: wrong colours")
        if too_wide(driver) > 0:
            wrong.append(f"{where}: {too_wide(driver)} px too wide")
        wrong += [f"{where}: code is cut at the right edge: {code}" for code in driver.execute_script(CUT)]
        wrong += [f"{where}: text is cut at the right edge: {text}" for text in driver.execute_script(CLIPPED)]
        if pictures and name in SHOWN:
            driver.save_screenshot(str(pictures / f"site-{Path(name).stem}-{width}{'-dark' if dark else ''}.png"))
    if driver.execute_script(
        "return [...document.images].some(image => image.loading != 'lazy' && !(image.complete && image.naturalWidth))"
    ):
        wrong.append(f"{name}: a picture is missing")
    return wrong + [f"{name}: {text}" for text in complaints(driver)]


def walk(address, pages, pictures):
    """Open each page, then search; returns what is wrong."""
    driver, wrong = browser(*DESK), []
    try:
        for name in pages:
            driver.get(address + name)
            WebDriverWait(driver, 30).until(lambda _: driver.execute_script("return document.readyState") == "complete")
            wrong += look(driver, name, pictures)
        for word, page in SEARCHES.items():
            driver.get(f"{address}search.html?q={word}")
            found = WebDriverWait(driver, 30).until(
                lambda _: (
                    [
                        link.get_attribute("href")
                        for link in driver.find_elements(By.CSS_SELECTOR, "#search-results li a")
                    ]
                    if "found" in driver.find_element(By.ID, "search-results").text
                    else None
                )
            )
            if not any(page in link for link in found):
                wrong.append(f"a search for {word} finds {found}")
            else:
                print(f"a search for {word} finds {len(found)} pages", flush=True)
    finally:
        driver.quit()
    return wrong


def usable(address, axe, pages=AXE_PAGES):
    """What axe-core finds on pages, light and dark; the file of axe-core is given."""
    driver, wrong = browser(*DESK), []
    try:
        for name in pages:
            for dark in (False, True):
                driver.get(address + name)
                wear(driver, *DESK, dark)
                WebDriverWait(driver, 10).until(lambda _, dark=dark: (driver.execute_script(THEME) == "dark") == dark)
                driver.execute_script(axe.read_text(encoding="utf-8"))
                found = driver.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
                share = len(found["passes"]) / (len(found["passes"]) + len(found["violations"]))
                print(f"{name}{', dark' if dark else ''}: {share:.0%} of axe-core's rules that apply", flush=True)
                wrong += [
                    f"{name}{', dark' if dark else ''}: {rule['id']}, {len(rule['nodes'])} places, {rule['help']}: "
                    f"{rule['nodes'][0]['html'][:160]}"
                    for rule in found["violations"]
                ]
    finally:
        driver.quit()
    return wrong


def main():
    """Build, check, walk."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, help="one that is built")
    parser.add_argument("--pictures", type=Path, help="folder for screenshots")
    parser.add_argument("--axe", type=Path, help="axe.min.js of axe-core: look at some pages with it, and at no more")
    words = parser.parse_args()
    site = words.site or ROOT / "_docs" / "site"
    if not words.site and subprocess.run([sys.executable, ROOT / "docs" / "build.py"]).returncode:
        sys.exit("the site cannot be built")
    if words.axe:
        with served(site) as address:
            wrong = usable(address, words.axe)
        return expect(not wrong, "axe-core finds nothing" + "".join(f"\n  {one}" for one in wrong))
    pages = read_pages(site)
    heavy, size = (
        {name: weight for name, weight in weights(site, pages).items() if weight > PAGE_LIMIT},
        sum(path.stat().st_size for path in site.rglob("*") if path.is_file()),
    )
    expect(
        not heavy,
        f"no page is above {PAGE_LIMIT / 1e6:.0f} MB; "
        f"the heaviest has {max(weights(site, pages).values()) / 1e6:.1f} {heavy or ''}",
    )
    expect(size < SITE_LIMIT, f"the site has {size / 1e6:.0f} MB")
    wrong = broken_links(site, pages)
    expect(not wrong, f"all links of {len(pages)} pages lead somewhere {wrong or ''}")
    wrong = raw_links(pages)
    expect(not wrong, f"no code holds a raw link {wrong or ''}")
    wrong = list(lonely(pages))
    expect(not wrong, f"each page has a way to Colab and to its source {wrong or ''}")
    with served(site) as address:
        wrong = walk(address, pages, words.pictures)
    expect(
        not wrong,
        f"{len(pages)} pages on a desk, on a telephone and in the dark: nothing complains, is missing or sticks out"
        + "".join(f"\n  {one}" for one in wrong),
    )


if __name__ == "__main__":
    main()
