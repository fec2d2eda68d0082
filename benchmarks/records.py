"""ImageRecordIter beside MXNet 1.9.1's and beside the bare decoding of the same images, in one run.

    python benchmarks/records.py [--mxnet PYTHON] [--images 512] [--rounds 3] [--turns 3]

The images are JPEGs of 500 x 375, quality 90, about 77 kB; they are resized to 256, cropped at random to 224, mirrored
at random, in batches of 64. Figures: images a second of processor time (all threads together) and on the wall, the best
of the rounds; an epoch before them fills the memory pools. The share is of the bare loop's processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

SIZE, BATCH = (3, 224, 224), 64


def best(work: Callable[[], int], rounds: int) -> tuple[float, float]:
    """Images a second of processor time and on the wall, the best of the rounds after a first one."""
    found = [(0.0, 0.0)]
    for number in range(rounds + 1):
        cpu, wall = time.process_time(), time.perf_counter()
        n = work()
        if number:
            found.append((n / (time.process_time() - cpu), n / (time.perf_counter() - wall)))
    return max(cpu for cpu, _ in found), max(wall for _, wall in found)


def iterate(path: str, threads: int, rounds: int) -> tuple[float, float]:
    """What an ImageRecordIter with so many threads reads."""
    import mxnet as mx

    iterator = mx.io.ImageRecordIter(
        path_imgrec=path + ".rec", path_imgidx=path + ".idx", data_shape=SIZE, batch_size=BATCH, resize=256,
        rand_crop=True, rand_mirror=True, shuffle=True, preprocess_threads=threads, verbose=False,
    )  # fmt: skip

    def epoch() -> int:
        iterator.reset()
        return sum(batch.data[0].shape[0] - batch.pad for batch in iterator)

    return best(epoch, rounds)


def decode(path: str, threads: int, rounds: int) -> tuple[float, float]:
    """What OpenCV decodes from memory with so many threads, doing nothing else."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    import mxnet as mx
    from mx_io._opencv import cv2 as opencv  # set up as the iterator's, memory included

    cv2 = opencv()
    with mx.recordio.MXIndexedRecordIO(path + ".idx", path + ".rec", "r") as file:
        bodies = [np.frombuffer(mx.recordio.unpack(file.read_idx(key))[1], np.uint8) for key in file.keys]

    def some(first: int) -> None:
        for body in bodies[first : first + 8]:
            cv2.imdecode(body, 1)

    with ThreadPoolExecutor(threads) as pool:
        return best(lambda: len(list(pool.map(some, range(0, len(bodies), 8)))) * 8, rounds)


def make_file(path: str, n_images: int) -> float:
    """Writes the record file and its index; the mean size of an image in bytes."""
    import cv2
    import numpy as np

    import mxnet as mx

    rng = np.random.default_rng(0)
    with mx.recordio.MXIndexedRecordIO(path + ".idx", path + ".rec", "w") as file:
        for number in range(n_images):
            image = cv2.resize(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8), (500, 375), interpolation=cv2.INTER_CUBIC)
            noise = rng.normal(0, 9, image.shape[:2])[..., None]
            image = np.clip(image + noise, 0, 255).astype(np.uint8)
            file.write_idx(number, mx.recordio.pack_img(mx.recordio.IRHeader(0, float(number), number, 0), image, 90))
    return os.path.getsize(path + ".rec") / n_images


def figures(python: str, what: str, path: str, threads: int, rounds: int) -> tuple[float, float]:
    """One of the functions above in a process of its own."""
    command = [python, "-W", "ignore", __file__, "--only", what, path, str(threads), "--rounds", str(rounds)]
    settings = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=settings)
    if done.returncode:
        sys.exit(done.stderr)
    cpu, wall = json.loads(done.stdout.splitlines()[-1])
    return cpu, wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mxnet", metavar="PYTHON", help="interpreter with mxnet==1.9.1")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", nargs=3, metavar=("WHAT", "PATH", "THREADS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        what, path, threads = given.only
        print(json.dumps({"iterate": iterate, "decode": decode}[what](path, int(threads), given.rounds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "images")
        print(f"images of {make_file(path, given.images) / 1000:.0f} kB")
        print("| threads | what | images/s of CPU | images/s | share of the bare loop |")
        print("| --- | --- | --- | --- | --- |")
        for threads in given.threads:
            programs = {"bare decoding": (sys.executable, "decode"), "ours": (sys.executable, "iterate")}
            if given.mxnet:
                programs["mxnet 1.9.1"] = (given.mxnet, "iterate")
            rows = dict.fromkeys(programs, (0.0, 0.0))
            for _ in range(given.turns):  # in turns, so that a busy machine treats all alike
                for who, (python, what) in programs.items():
                    found = figures(python, what, path, threads, given.rounds)
                    rows[who] = (max(rows[who][0], found[0]), max(rows[who][1], found[1]))
            bare = rows["bare decoding"]
            for who, (cpu, wall) in rows.items():
                print(f"| {threads} | {who} | {cpu:.0f} | {wall:.0f} | {cpu / bare[0]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
