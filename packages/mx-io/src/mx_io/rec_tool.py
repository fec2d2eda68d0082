"""``mx-rec``: looks into record files, checks them, draws their images, and rebuilds their index."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mx_core.errors import MXNetError, RecordFileError

from ._opencv import cv2
from .record_format import Damage, RecordReader, Span, scan
from .recordio import unpack

__all__ = ["inspect", "main", "rebuild_index", "sheet", "verify"]


def _records(path: str) -> Iterator[tuple[int, Span, bytes]]:
    """(number, span, payload) of every sound record."""
    reader = RecordReader(path)
    try:
        for number, span in enumerate(item for item in scan(path) if isinstance(item, Span)):
            found = reader.read(span.start, number)
            if found is not None:
                yield number, span, found[0]
    finally:
        reader.close()


def _labels(header: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in np.atleast_1d(header.label))


def inspect(path: str, most: int = 20) -> dict[str, Any]:
    """What a record file holds: its number of records, their lengths in bytes, and how many images have which labels.

    most: how many kinds of labels are listed.  Returns a dict: records, damaged (stretches of bytes), bytes, lengths
    (least, mean, largest), labels (a list of (labels, count)), other_labels, without_header.
    """
    items = list(scan(path))
    lengths = [item.length for item in items if isinstance(item, Span)]
    counts: Counter[tuple[float, ...]] = Counter()
    without_header = 0
    for _, _, payload in _records(path):
        try:
            counts[_labels(unpack(payload)[0])] += 1
        except RecordFileError:
            without_header += 1
    common = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return {
        "records": len(lengths),
        "damaged": len(items) - len(lengths),
        "bytes": os.path.getsize(path),
        "lengths": (min(lengths), sum(lengths) / len(lengths), max(lengths)) if lengths else (0, 0.0, 0),
        "labels": sorted(common[:most]),
        "other_labels": len(common[most:]),
        "without_header": without_header,
    }


def verify(path: str, images: bool = False) -> list[str]:
    """What is wrong with a record file, a line each; nothing for a sound one.

    images: decode every image too.
    """
    found = [str(item.error) for item in scan(path) if isinstance(item, Damage)]
    if not images:
        return found
    for number, span, payload in _records(path):
        place = f"{path}: record {number} at byte {span.start}"
        try:
            body = unpack(payload)[1]
        except RecordFileError as error:
            found.append(f"{place}: {error}")
            continue
        try:
            decoded = cv2().imdecode(np.frombuffer(body, np.uint8), cv2().IMREAD_UNCHANGED) if body else None
        except cv2().error:
            decoded = None
        if decoded is None:
            found.append(f"{place} holds no image that can be decoded; leave it out of the list and run im2rec again")
    return found


def rebuild_index(path: str, index: str | None = None, numbered: bool = False) -> tuple[int, int]:
    """(records listed, stretches of damage left out): writes the index of the sound records of a file.

    index: where to; by default the file's name with the ending .idx.  numbered: keys are the records' numbers, not
    their images'; also done where an image's number stands twice or a record has no header.
    """
    items = list(scan(path))
    spans = [item for item in items if isinstance(item, Span)]
    if not spans:
        msg = f"{path}: there is no sound record; make the file again with im2rec"
        raise RecordFileError(msg)
    keys = list(range(len(spans)))
    if not numbered:
        try:
            own = [unpack(payload)[0].id for _, _, payload in _records(path)]
        except RecordFileError:
            own = keys
        if len(set(own)) == len(own):
            keys = own
    index = index or os.path.splitext(path)[0] + ".idx"
    temporary = f"{index}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.writelines(f"{key}\t{span.start}\n" for key, span in zip(keys, spans, strict=True))
        os.replace(temporary, index)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)
    return len(spans), len(items) - len(spans)


def sheet(path: str, picture: str, count: int = 48, columns: int = 8, size: int = 96) -> int:
    """Draws the first images of a record file, with their labels, into one PNG; how many there are on it.

    count: of images.  columns: images in a row.  size: of an image, pixels.
    """
    module = cv2()
    tiles = []
    for _, _, payload in _records(path):
        if len(tiles) == count:
            break
        try:
            header, body = unpack(payload)
        except RecordFileError:
            continue
        image = module.imdecode(np.frombuffer(body, np.uint8), module.IMREAD_COLOR) if body else None
        tiles.append(_tile(image, " ".join(f"{label:g}" for label in _labels(header))[:16], size))
    if not tiles:
        msg = f"{path}: there is no image to draw; see mx-rec verify --images"
        raise RecordFileError(msg)
    n_drawn = len(tiles)
    columns = min(columns, n_drawn)
    tiles += [np.full_like(tiles[0], 255)] * (-n_drawn % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    done, encoded = module.imencode(".png", np.vstack(rows))
    if not done:
        msg = f"{picture}: OpenCV could not encode the sheet"
        raise MXNetError(msg)
    with open(picture, "wb") as file:
        file.write(encoded.tobytes())
    return n_drawn


def _tile(image: Any, text: str, size: int) -> np.ndarray[Any, Any]:
    """The image in a square of ``size`` pixels with its labels below; a gray square where there is none."""
    module = cv2()
    tile = np.full((size + 14, size, 3), 255, np.uint8)
    if image is None:
        tile[1 : size - 1, 1 : size - 1] = 160
    else:
        height, width = image.shape[:2]
        scale = (size - 2) / max(height, width)
        small = module.resize(image, (max(1, int(width * scale)), max(1, int(height * scale))), interpolation=3)
        y, x = (size - small.shape[0]) // 2, (size - small.shape[1]) // 2
        tile[y : y + small.shape[0], x : x + small.shape[1]] = small
    module.putText(tile, text, (2, size + 10), module.FONT_HERSHEY_SIMPLEX, 0.35, (0, 0, 0), 1, module.LINE_AA)
    return tile


def _print_inspection(path: str, most: int) -> int:
    found = inspect(path, most)
    least, mean, largest = found["lengths"]
    print(
        f"{path}: {found['records']} records in {found['bytes']} bytes, of {least} to {largest} bytes, {mean:.0f} on average"
    )
    for labels, count in found["labels"]:
        print(f"  label {' '.join(f'{label:g}' for label in labels)}: {count}")
    if found["other_labels"]:
        print(f"  and {found['other_labels']} more kinds of labels")
    if found["without_header"]:
        print(f"  {found['without_header']} records have no image header")
    if found["damaged"]:
        print(f"  {found['damaged']} stretches of damage; see mx-rec verify")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mx-rec", description="Looks into record files, checks and indexes them.")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, what: str) -> Any:
        made = commands.add_parser(name, help=what, description=what)
        made.add_argument("file", help="the .rec file")
        return made.add_argument

    command("inspect", "prints how many records there are, their sizes and labels")("--labels", type=int, default=20)
    add = command("sheet", "draws the first images into one PNG")
    add("picture", help="the PNG to write")
    for name, default in (("--count", 48), ("--columns", 8), ("--size", 96)):
        add(name, type=int, default=default)
    command("verify", "checks every record; exit status 1 if one is damaged")(
        "--images", action="store_true", help="decode every image too"
    )
    add = command("index", "writes the .idx of the sound records")
    add("index", nargs="?", help="the .idx to write, by default beside the file")
    add("--numbered", action="store_true", help="keys are the records' numbers, not their images'")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; ``arguments`` by default those of the command line. Returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "inspect":
            return _print_inspection(options.file, options.labels)
        if options.command == "sheet":
            n = sheet(
                options.file, options.picture, max(1, options.count), max(1, options.columns), max(8, options.size)
            )
            print(f"{options.picture}: {n} images")
            return 0
        if options.command == "index":
            n_listed, n_damaged = rebuild_index(options.file, options.index, options.numbered)
            print(f"{n_listed} records listed, {n_damaged} stretches of damage left out")
            return 0
        damage = verify(options.file, options.images)
        for line in damage:
            print(line)
        print(f"{options.file}: {len(damage) or 'nothing'} damaged")
        return 1 if damage else 0
    except (MXNetError, OSError) as error:
        print(f"mx-rec: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
