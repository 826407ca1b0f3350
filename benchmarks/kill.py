"""Kill: does what was killed end like what was not? SIGKILL at random moments, then the same command again, then a comparison byte for byte.

python benchmarks/kill.py --kills 10 --count 400

Import (galaxy-data --hdf5, in the published layout) and fetch (from a server on this machine that is slow on purpose).
"""
import argparse
import hashlib
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from data import make_file

from galaxy_classifier.fetch import Published

COMMAND = Path(sys.executable).parent/"galaxy-data"


def tree(path):
    """Every file below a path and the hash of its bytes."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {str(file.relative_to(path)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def run(words):
    """Run to the end; returns the seconds it took."""
    start = time.perf_counter()
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    if done.returncode: sys.exit(done.stderr)
    return time.perf_counter() - start


def killed(words, target, moments):
    """Run and kill at each of the moments (seconds after the start), then run to the end; returns how many kills hit a running process."""
    hits = 0
    for moment in moments:
        process = subprocess.Popen(list(map(str, words)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try: process.wait(moment)
        except subprocess.TimeoutExpired: process.kill(); process.wait(); hits += 1
        if target.exists(): break
    if not target.exists(): run(words)
    return hits


def check(name, words, target, kills, whole, generator):
    """Kill once at each of several moments, every time from nothing and every time resumed; returns whether all ended alike."""
    seconds = run(words(whole))
    expected, same, hits = tree(whole), 0, 0
    for number, share in enumerate(np.sort(generator.uniform(.02, .98, kills))):
        place = target.with_name(f"{target.name}{number}")
        hits += killed(words(place), place, [share*seconds])
        same += tree(place) == expected
    place = target.with_name(f"{target.name}_again")
    hits += killed(words(place), place, generator.uniform(.3, .9, kills)*seconds) # killed again and again, resuming each time
    same += tree(place) == expected
    print(f"{name}: {seconds:.1f} s undisturbed; {hits} kills hit, {same} of {kills + 1} results are the same to the last byte", flush=True)
    return same == kills + 1


class Slow(BaseHTTPRequestHandler):
    """Serves one file with ranges, at a few megabytes a second."""
    content = np.random.default_rng(0).bytes(8_000_000)
    def log_message(self, *words): pass
    def do_GET(self):
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        if start: self.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        self.send_header("Content-Length", str(len(self.content) - start)); self.end_headers()
        try:
            for at in range(start, len(self.content), 100_000): self.wfile.write(self.content[at:at + 100_000]); time.sleep(.03)
        except OSError: pass


def main():
    """Kill and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="random moments")
    parser.add_argument("--count", type=int, default=1200, help="images in the file to import")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    words = parser.parse_args()
    generator = np.random.default_rng(words.seed)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    published = Published(f"http://127.0.0.1:{server.server_port}/galaxies.h5", len(Slow.content), hashlib.sha256(Slow.content).hexdigest())
    program = f"import sys; from galaxy_classifier.fetch import *; fetch({published!r}, sys.argv[1])"
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        make_file(folder/"published.h5", words.count)
        fine = check(f"import of {words.count} images", lambda place: [COMMAND, "--hdf5", folder/"published.h5", "--store", place], folder/"store", words.kills, folder/"whole", generator)
        fine &= check("fetch of 8 MB", lambda place: [sys.executable, "-c", program, place], folder/"fetched", words.kills, folder/"fetched_whole", generator)
    sys.exit(not fine)


if __name__ == "__main__":
    main()
