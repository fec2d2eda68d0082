"""Splitting batches over devices, clipping gradients, and checked downloads."""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from collections.abc import Sequence
from typing import Any

from mx_core import ndarray as nd
from mx_core.errors import MXNetError, ParameterError, ShapeError

from .block import HookHandle

__all__ = ["HookHandle", "check_sha1", "clip_global_norm", "download", "replace_file", "split_and_load", "split_data"]


def split_data(data: Any, num_slice: int, batch_axis: int = 0, even_split: bool = True) -> list[Any]:
    """``data`` cut into ``num_slice`` parts along ``batch_axis``.

    even_split: all parts must be of one size; otherwise the first ones may be larger by one, and where there are more
    parts than entries the last ones are empty.

    >>> [part.shape for part in split_data(nd.zeros((5, 2)), 2, even_split=False)]
    [(3, 2), (2, 2)]
    """
    size = data.shape[batch_axis]
    if even_split and size % num_slice != 0:
        msg = (
            f"data with shape {data.shape} cannot be evenly split into {num_slice} slices along axis {batch_axis}. "
            "Use a batch size that's multiple of %d or set even_split=False to allow uneven partitioning of data."
            % num_slice
        )
        raise ShapeError(msg)
    each, larger = divmod(size, num_slice)
    ends = [(i + 1) * each + min(i + 1, larger) for i in range(num_slice)]
    begins = [0, *ends[:-1]]
    if batch_axis == 0:
        return [data[begin:end] for begin, end in zip(begins, ends, strict=True)]
    return [nd.slice_axis(data, axis=batch_axis, begin=b, end=e) for b, e in zip(begins, ends, strict=True)]


def split_and_load(data: Any, ctx_list: Sequence[Any], batch_axis: int = 0, even_split: bool = True) -> list[Any]:
    """``split_data`` with part i on context i; ``data`` may be a NumPy array."""
    if not isinstance(data, nd.NDArray):
        data = nd.array(data, ctx=ctx_list[0])
    if len(ctx_list) == 1:
        return [data.as_in_context(ctx_list[0])]
    slices = split_data(data, len(ctx_list), batch_axis, even_split)
    return [part.as_in_context(ctx) for part, ctx in zip(slices, ctx_list, strict=True)]


def clip_global_norm(arrays: Sequence[Any], max_norm: float, check_isfinite: bool = True) -> Any:
    """Scales ``arrays`` in place so that the norm of all of them together is at most ``max_norm``.

    Returns the norm before: a float; with ``check_isfinite=False`` an NDArray of shape (1,), without waiting for it.
    A norm that is not finite is a warning.
    """
    if not arrays:
        msg = "clip_global_norm needs at least one array"
        raise ParameterError(msg)
    ctx = arrays[0].context
    squares = [nd.sum(nd.square(array.astype("float32"))).as_in_context(ctx) for array in arrays]
    norm = nd.sqrt(nd.add_n(*squares))
    if check_isfinite:
        value = float(norm.asscalar())
        if not math.isfinite(value):
            warnings.warn("nan or inf is detected. Clipping results will be undefined.", UserWarning, stacklevel=2)
        scale = max_norm / (value + 1e-8)
        if scale < 1.0:
            for array in arrays:
                array *= scale
        return value
    scale = nd.minimum(max_norm / (norm + 1e-8), 1.0)
    for array in arrays:
        array[:] = nd.broadcast_mul(
            array, scale.as_in_context(array.context).astype(array.dtype).reshape((1,) * len(array.shape))
        )
    return norm


def check_sha1(filename: str, sha1_hash: str) -> bool:
    """True if the SHA-1 of the file starts with ``sha1_hash``, or the other way round."""
    digest = hashlib.sha1()  # noqa: S324 - the published checksums are SHA-1
    with open(filename, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    found = digest.hexdigest()
    length = min(len(found), len(sha1_hash))
    return found[:length] == sha1_hash[:length]


def replace_file(src: str, dst: str) -> None:
    """Renames ``src`` to ``dst``, replacing it at once."""
    os.replace(src, dst)


def download(
    url: str | Sequence[str],
    path: str | None = None,
    overwrite: bool = False,
    sha1_hash: str | None = None,
    retries: int = 5,
    verify_ssl: bool = True,
) -> str:
    """Downloads a file and returns its path; an existing file of the right checksum is kept.

    url: one address, or mirrors to try in this order.  path: a file, or a folder to put it in; default the current
    one.  overwrite: download in any case.  sha1_hash: checksum the file must have.  retries: attempts per address.
    verify_ssl: check certificates. Proxies are taken from the environment. The file appears only when it is complete
    and right. Raises MXNetError with every address's error.
    """
    mirrors = [url] if isinstance(url, str) else list(url)
    name = mirrors[0].split("?")[0].rsplit("/", 1)[-1]
    if not name:
        msg = f"Can't construct file-name from this URL: {mirrors[0]}. Please set the `path` option manually."
        raise ParameterError(msg)
    if path is None:
        target = name
    else:
        path = os.path.expanduser(path)
        target = os.path.join(path, name) if os.path.isdir(path) else path
    if retries < 0:
        msg = f"Number of retries should be at least 0, currently it's {retries}"
        raise ParameterError(msg)
    if not overwrite and os.path.exists(target) and (not sha1_hash or check_sha1(target, sha1_hash)):
        return target
    if not verify_ssl:
        warnings.warn("Unverified HTTPS request is being made (verify_ssl=False).", stacklevel=2)
    os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
    errors = []
    for mirror in mirrors:
        for _ in range(retries + 1):
            try:
                _fetch(mirror, target, sha1_hash, verify_ssl)
                return target
            except (OSError, MXNetError) as error:  # URLError is an OSError
                errors.append(f"{mirror}: {error}")
    shown = "; ".join(dict.fromkeys(errors))
    msg = f"{name} cannot be downloaded: {shown}. Check the network or put the file at {target}."
    raise MXNetError(msg)


def _fetch(url: str, target: str, sha1_hash: str | None, verify_ssl: bool) -> None:
    import ssl
    import tempfile
    import urllib.request

    context = None
    if url.startswith("https") and not verify_ssl:
        context = ssl._create_unverified_context()  # noqa: S323 - asked for by the caller
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(os.path.abspath(target)), prefix=".download-")
    try:
        with (
            os.fdopen(handle, "wb") as file,
            urllib.request.urlopen(url, timeout=60, context=context) as response,  # noqa: S310
        ):
            while block := response.read(1 << 20):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        if sha1_hash and not check_sha1(temporary, sha1_hash):
            msg = f"the downloaded file has not the SHA-1 {sha1_hash}; it is cut or another one"
            raise MXNetError(msg)
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def data_dir() -> str:
    """The folder of data sets and models: $MXNET_HOME, default ~/.mxnet."""
    return os.path.expanduser(os.environ.get("MXNET_HOME", os.path.join("~", ".mxnet")))


def _get_repo_url() -> str:
    """The address that data sets and models are downloaded from: $MXNET_GLUON_REPO, default MXNet's."""
    url = os.environ.get("MXNET_GLUON_REPO", "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/")
    return url if url.endswith("/") else url + "/"


def _get_repo_file_url(namespace: str, filename: str) -> str:
    """The address of one file there."""
    return f"{_get_repo_url()}{namespace}/{filename}"
