"""``mx-im2rec`` and ``python -m mx_io.im2rec``: lists of images, and record files made from them.

The options and the files are those of MXNet's im2rec.py: ``--list`` writes ``<prefix>.lst`` (number, label, path);
without it, every ``<prefix>*.lst`` becomes a ``.rec`` and an ``.idx``. Images that cannot be read are reported, counted
and left out. Files appear under their names when they are complete. The order is the list's, with any number of threads.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from mx_core.errors import MXNetError, RecordFileError

from ._opencv import cv2
from .recordio import IRHeader, MXIndexedRecordIO, pack, pack_img

__all__ = ["ListedImage", "list_images", "main", "make_lists", "make_record_file", "read_list"]


@dataclass(frozen=True)
class ListedImage:
    """A line of a list: the image's number, its path below the root, and its labels."""

    number: int
    path: str
    labels: tuple[float, ...]


def list_images(root: str, recursive: bool, extensions: Sequence[str]) -> tuple[list[ListedImage], dict[str, int]]:
    """(images, label of each folder): the images below ``root``, in the order of their paths.

    recursive: folders below the root too, each with a label of its own; else label 0.
    """
    known = {extension.lower() for extension in extensions}
    folders: dict[str, int] = {}
    found: list[ListedImage] = []
    for folder, below, files in os.walk(root, followlinks=True):
        below.sort()
        for name in sorted(files):
            path = os.path.join(folder, name)
            if os.path.splitext(name)[1].lower() in known and os.path.isfile(path):
                relative = os.path.relpath(folder, root)
                label = folders.setdefault(relative, len(folders)) if recursive else 0
                found.append(ListedImage(len(found), os.path.relpath(path, root), (float(label),)))
        if not recursive:
            break
    return found, folders


@contextmanager
def _complete(path: str) -> Iterator[str]:
    """A name to write to; afterwards the file has the name ``path``, or, after a failure, is gone."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


def _write_list(path: str, images: Iterable[ListedImage]) -> None:
    with _complete(path) as temporary, open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
        for image in images:
            labels = "".join(f"{label:f}\t" for label in image.labels)
            file.write(f"{image.number}\t{labels}{image.path}\n")
    print(f"wrote {path}")


def make_lists(options: argparse.Namespace) -> int:
    """Writes the lists that the options describe; the exit status."""
    if not os.path.isdir(options.root):
        print(f"mx-im2rec: {options.root}: no such folder; give the folder of images", file=sys.stderr)
        return 1
    images, folders = list_images(options.root, options.recursive, options.exts)
    for folder, label in folders.items():
        print(folder, label)
    if not images:
        exts = " ".join(options.exts)
        hint = "" if options.recursive else "; --recursive looks into its folders"
        print(f"mx-im2rec: {options.root}: no file ends with {exts}{hint}", file=sys.stderr)
        return 1
    if options.shuffle:
        random.Random(100).shuffle(images)
    size = -(-len(images) // options.chunks)
    for number in range(options.chunks):
        chunk = images[number * size : (number + 1) * size]
        name = f"{options.prefix}_{number}" if options.chunks > 1 else options.prefix
        n_train, n_test = int(size * options.train_ratio), int(size * options.test_ratio)
        if options.train_ratio == 1:
            _write_list(f"{name}.lst", chunk)
            continue
        if options.test_ratio:
            _write_list(f"{name}_test.lst", chunk[:n_test])
        if options.train_ratio + options.test_ratio < 1:
            _write_list(f"{name}_val.lst", chunk[n_test + n_train :])
        _write_list(f"{name}_train.lst", chunk[n_test : n_test + n_train])
    return 0


def read_list(path: str, report: Callable[[str], None]) -> list[ListedImage]:
    """The images of a list. Lines that are no ``number <tab> labels <tab> path`` are reported and left out."""
    images = []
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        for number, line in enumerate(file, 1):
            columns = [column.strip() for column in line.strip().split("\t")]
            if columns == [""]:
                continue
            try:
                if len(columns) < 3:
                    raise ValueError
                images.append(ListedImage(int(columns[0]), columns[-1], tuple(map(float, columns[1:-1]))))
            except ValueError:
                got = line.rstrip() if len(line) < 80 else line[:80] + "..."
                report(f"{path}: line {number} must be number <tab> labels <tab> path, got {got!r}")
    return images


def _payload(image: ListedImage, options: argparse.Namespace) -> bytes | str:
    """The record of an image, or why there is none."""
    path = os.path.join(options.root, image.path)
    label: Any = image.labels if len(image.labels) > 1 and options.pack_label else image.labels[0]
    header = IRHeader(0, label, image.number, 0)
    try:
        with open(path, "rb") as file:
            body = file.read()
        if options.pass_through:
            return pack(header, body)
        pixels = cv2().imdecode(np.frombuffer(body, np.uint8), options.color) if body else None
        if pixels is None:
            return f"{path}: is no image that OpenCV can decode"
        quality = min(options.quality, 9) if options.encoding == ".png" else options.quality
        return pack_img(header, _sized(pixels, options), quality, options.encoding)
    except OSError as error:
        return f"{path}: {error.strerror}"
    except (MXNetError, cv2().error) as error:
        return f"{path}: {error}"


def _sized(pixels: Any, options: argparse.Namespace) -> Any:
    if options.center_crop:
        height, width = pixels.shape[:2]
        margin = abs(height - width) // 2
        pixels = pixels[margin : margin + width] if height > width else pixels[:, margin : margin + height]
    if options.resize:
        height, width = pixels.shape[:2]
        edge = options.resize
        size = (edge, height * edge // width) if height > width else (width * edge // height, edge)
        pixels = cv2().resize(pixels, size)
    return pixels


def _in_order(images: list[ListedImage], options: argparse.Namespace) -> Iterator[bytes | str]:
    """The payloads in the list's order, made by threads that run a little ahead."""
    if options.num_thread <= 1:
        for image in images:
            yield _payload(image, options)
        return
    pending: deque[Future[bytes | str]] = deque()
    with ThreadPoolExecutor(options.num_thread, thread_name_prefix="mx-im2rec") as pool:
        try:
            for image in images:
                pending.append(pool.submit(_payload, image, options))
                if len(pending) > 4 * options.num_thread:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _progress(items: Iterator[Any], total: int) -> Iterator[Any]:
    """The items, with tqdm's bar where tqdm is installed and a terminal looks on; else with a line now and then."""
    try:
        from tqdm import tqdm
    except ImportError:
        tqdm = None
    if tqdm is not None and sys.stderr.isatty():
        yield from tqdm(items, total=total, unit="image")
        return
    for count, item in enumerate(items, 1):
        yield item
        if count % 1000 == 0 or count == total:
            print(f"{count} of {total} images", flush=True)


def make_record_file(path: str, options: argparse.Namespace) -> tuple[int, int]:
    """(images written, images and lines left out): makes the .rec and the .idx of the list at ``path``.

    Raises RecordFileError for a list without a single image.
    """
    skipped = []

    def report(what: str) -> None:
        skipped.append(what)
        print(f"mx-im2rec: {what}; left out", file=sys.stderr, flush=True)

    images = read_list(path, report)
    if not images:
        msg = f"{path}: the list names no image; make one with: mx-im2rec --list"
        raise RecordFileError(msg)
    name = os.path.splitext(path)[0]
    n_written = 0
    with (
        _complete(name + ".idx") as index,
        _complete(name + ".rec") as records,
        MXIndexedRecordIO(index, records, "w") as file,
    ):
        for image, payload in zip(images, _progress(_in_order(images, options), len(images)), strict=True):
            if isinstance(payload, str):
                report(payload)
            else:
                file.write_idx(image.number, payload)
                n_written += 1
        if not n_written:
            msg = f"{path}: none of its {len(images)} images could be read below {options.root}; check the folder"
            raise RecordFileError(msg)
    return n_written, len(skipped)


def _lists(prefix: str) -> list[str]:
    """The lists whose path begins with ``prefix``; those in it, where it is a folder."""
    folder = prefix if os.path.isdir(prefix) else os.path.dirname(prefix)
    if not os.path.isdir(folder):
        return []
    paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".lst")]
    return [path for path in paths if path.startswith(prefix) and os.path.isfile(path)]


def make_record_files(options: argparse.Namespace) -> int:
    """Makes the record files of all lists that the prefix names; the exit status."""
    lists = _lists(options.prefix)
    if not lists:
        print(f"mx-im2rec: found no list {options.prefix}*.lst; make one with --list", file=sys.stderr)
        return 1
    status = 0
    for path in lists:
        print(f"making {os.path.splitext(path)[0]}.rec from {path}")
        try:
            n_written, n_skipped = make_record_file(path, options)
        except (MXNetError, OSError) as error:
            print(f"mx-im2rec: {error}", file=sys.stderr)
            status = 1
        else:
            print(f"{n_written} images written, {n_skipped} left out")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mx-im2rec",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        description="Lists the images in a folder, or packs the images of lists into record files.",
    )
    add = parser.add_argument
    add("prefix", help="beginning of the path of the lists and record files, or a folder of lists")
    add("root", help="folder of the images")
    add = parser.add_argument_group("lists").add_argument
    add("--list", action="store_true", help="make lists; else make record files of lists")
    add("--exts", nargs="+", default=[".jpeg", ".jpg", ".png"], help="endings of image files")
    add("--chunks", type=_at_least(1), default=1, help="how many lists the images are spread over")
    add("--train-ratio", type=_share, default=1.0, help="share of the images in <prefix>_train.lst")
    add("--test-ratio", type=_share, default=0.0, help="share of the images in <prefix>_test.lst")
    add("--recursive", action="store_true", help="take folders below the root too, each with its own label")
    add("--shuffle", action="store_true", default=True, help="put the images in random order, always the same")
    add("--no-shuffle", dest="shuffle", action="store_false", help="keep the order of the paths")
    add = parser.add_argument_group("record files").add_argument
    add("--pass-through", action="store_true", help="pack the files as they are")
    add("--resize", type=_at_least(0), default=0, help="scale the shorter edge to this many pixels; 0: not")
    add("--center-crop", action="store_true", help="crop the largest square in the middle")
    add("--quality", type=_at_least(1), default=95, help="of JPEG, 1 to 100; of PNG, the compression, 1 to 9")
    add("--num-thread", type=_at_least(1), default=1, help="threads that read and encode")
    add("--color", type=int, default=1, choices=[-1, 0, 1], help="1 color, 0 gray, -1 as the file, with alpha")
    add("--encoding", default=".jpg", choices=[".jpg", ".png"], help="format in the record file")
    add("--pack-label", action="store_true", help="pack all labels of the list; else the first one")
    return parser


def _at_least(low: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if int(text) < low:
            msg = f"must be at least {low}"
            raise argparse.ArgumentTypeError(msg)
        return int(text)

    number.__name__ = "whole number"
    return number


def _share(text: str) -> float:
    if not 0 <= float(text) <= 1:
        msg = "must be from 0 to 1"
        raise argparse.ArgumentTypeError(msg)
    return float(text)


_SWITCHES = {"--shuffle": "--no-shuffle", "--recursive": None, "--pass-through": None, "--center-crop": None}


def _without_values(arguments: Sequence[str]) -> list[str]:
    """The arguments with ``--shuffle True`` and the like, as im2rec.py once took them, made switches."""
    found: list[str] = []
    for argument in arguments:
        if found and found[-1] in _SWITCHES and argument.lower() in ("true", "false", "0", "1"):
            if argument.lower() in ("false", "0"):
                found[-1:] = [no for no in [_SWITCHES[found[-1]]] if no]
        else:
            found.append(argument)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; ``arguments`` by default those of the command line. Returns the exit status."""
    parser = _parser()
    options = parser.parse_args(_without_values(sys.argv[1:] if arguments is None else arguments))
    if options.train_ratio + options.test_ratio > 1 and options.train_ratio != 1:
        parser.error("--train-ratio and --test-ratio must not exceed 1 together")
    options.prefix = os.path.abspath(options.prefix)
    options.root = os.path.abspath(options.root)
    try:
        return make_lists(options) if options.list else make_record_files(options)
    except OSError as error:
        print(f"mx-im2rec: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
