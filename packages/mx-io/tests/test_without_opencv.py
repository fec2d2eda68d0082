"""Without OpenCV: record files and arrays work, and the first picture says what to install."""

from __future__ import annotations

import subprocess
import sys

from record_makers import gradient, make_file

PROGRAM = """
import sys
sys.modules["cv2"] = None  # importing it fails, as where it is missing or libGL is
import numpy as np
import mxnet as mx

path = sys.argv[1]
with mx.recordio.MXRecordIO(path, "r") as file:
    header, body = mx.recordio.unpack(file.read())
assert body[:4] == b"\\x89PNG"
assert len(list(mx.io.NDArrayIter(np.zeros((6, 2)), batch_size=3))) == 2
for call in (
    lambda: mx.io.ImageRecordIter(path_imgrec=path, data_shape=(3, 8, 8), batch_size=1),
    lambda: mx.recordio.unpack_img(mx.recordio.pack(header, body)),
    lambda: mx.recordio.pack_img(header, np.zeros((8, 8, 3), np.uint8)),
):
    try:
        call()
    except ImportError as error:
        assert isinstance(error, mx.MXNetError)
        assert "pip install opencv-python-headless" in str(error)
    else:
        raise SystemExit("no error")
"""


def test_record_files_and_arrays_work(tmp_path):
    path = make_file(tmp_path / "a.rec", [gradient(8, 8)])
    done = subprocess.run([sys.executable, "-c", PROGRAM, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
