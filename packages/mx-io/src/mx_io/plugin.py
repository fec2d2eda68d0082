"""mx-io as a plug-in: the names ``mxnet.io``, ``mxnet.recordio``, ``mxnet.image``, and its readers of files."""

from __future__ import annotations

from mx_core.plugin import hookimpl

__all__ = ["mx_data_readers", "mx_namespaces"]


@hookimpl
def mx_namespaces() -> dict[str, str]:
    """What mx-io serves of `mxnet`."""
    return {
        "contrib.io": "mx_io.contrib_io",
        "image": "mx_io.image",
        "img": "mx_io.image",
        "io": "mx_io",
        "io.io": "mx_io",
        "recordio": "mx_io.recordio",
    }


@hookimpl
def mx_data_readers() -> dict[str, str]:
    """What mx-io reads files with for other packages."""
    return {
        "array_iter": "mx_io.iterators:NDArrayIter",
        "image": "mx_io.image",
        "image_lists": "mx_io.image.lists",
        "record_file": "mx_io.recordio:MXIndexedRecordIO",
        "recordio": "mx_io.recordio",
    }
