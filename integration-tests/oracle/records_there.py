"""Runs in MXNet 1.9.1: writes record files, or reads images and labels of some into an .npz, as its arguments say."""

import json
import random
import sys

import numpy as np

import mxnet as mx

MAGIC = b"\x0a\x23\xd7\xce"


def payloads():
    """Payloads that hold the magic number, at multiples of 4 and elsewhere."""
    rng = random.Random(5)
    pieces = [MAGIC, MAGIC[:2], b"a", b"zz12", b"\0\0\0"]
    return [b"".join(rng.choice(pieces) for _ in range(rng.randrange(12))) for _ in range(300)]


def write(prefix):
    file = mx.recordio.MXIndexedRecordIO(prefix + ".idx", prefix + ".rec", "w")
    for key, payload in enumerate(payloads()):
        file.write_idx(key, payload)
    file.close()


def read(prefix):
    """Whether every record is as it should be, in order and by key."""
    file = mx.recordio.MXIndexedRecordIO(prefix + ".idx", prefix + ".rec", "r")
    right = all((file.read() or b"") == payload for payload in payloads())
    right = right and all((file.read_idx(key) or b"") == payloads()[key] for key in (250, 3, 299, 0))
    file.close()
    print(json.dumps(right))


def iterate(output, cases):
    """The batches of two epochs for each case: {name: [iterator's name, parameters]}."""
    found = {}
    for name, (kind, parameters) in json.loads(cases).items():
        iterator = getattr(mx.io, kind)(verbose=False, **parameters)
        for epoch in range(2):
            for number, batch in enumerate(iterator):
                found[f"{name}/{epoch}/{number}/data"] = batch.data[0].asnumpy()
                found[f"{name}/{epoch}/{number}/label"] = batch.label[0].asnumpy()
                found[f"{name}/{epoch}/{number}/pad"] = np.array(batch.pad)
            iterator.reset()
    np.savez(output, **found)


if __name__ == "__main__":
    {"write": write, "read": read, "iterate": iterate}[sys.argv[1]](*sys.argv[2:])
