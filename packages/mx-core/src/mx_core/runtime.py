"""``mx.runtime``: what this installation can do, under the names of MXNet's build flags.

>>> features = Features()
>>> features.is_enabled("OPENMP"), features["CUDA"].name
(True, 'CUDA')
"""

from __future__ import annotations

import collections
import importlib.util
from collections.abc import Callable
from functools import cache

from . import plugin
from .errors import ParameterError

__all__ = ["Feature", "Features", "feature_list"]


class Feature:
    """A named ability and whether it is there."""

    def __init__(self, name: str, enabled: bool) -> None:
        self._name = name
        self._enabled = enabled

    @property
    def name(self) -> str:
        """The name of MXNet's build flag."""
        return self._name

    @property
    def enabled(self) -> bool:
        """Whether it is there."""
        return self._enabled

    def __repr__(self) -> str:
        return f"{'✔' if self.enabled else '✖'} {self.name}"


@cache
def _cpu_flags() -> frozenset[str]:
    """What the processor says of itself, lower-case; empty where there is no /proc/cpuinfo."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return frozenset(next((line for line in file if line.startswith("flags")), "").split())
    except OSError:
        return frozenset()


def _served_by(distribution: str) -> bool:
    return any(found.distribution == distribution and found.state == "loaded" for found in plugin.plugins())


def _cpu() -> bool:
    return _served_by("mx-ops-cpu")


def _cuda() -> bool:
    return _served_by("mx-ops-cuda")


def _opencv() -> bool:
    return importlib.util.find_spec("cv2") is not None


def _never() -> bool:
    return False


def _always() -> bool:
    return True


def _processor(*flags: str) -> Callable[[], bool]:
    # pni is what Linux calls SSE3
    return lambda: any(flag in _cpu_flags() for flag in flags)


# In MXNet's order. The kernels choose vector instructions when they run, so those are the processor's.
_FEATURES: dict[str, Callable[[], bool]] = {
    "CUDA": _cuda,
    "CUDNN": _cuda,
    "NCCL": _never,
    "CUDA_RTC": _cuda,
    "TENSORRT": _never,
    "CPU_SSE": _processor("sse"),
    "CPU_SSE2": _processor("sse2"),
    "CPU_SSE3": _processor("pni", "sse3"),
    "CPU_SSE4_1": _processor("sse4_1"),
    "CPU_SSE4_2": _processor("sse4_2"),
    "CPU_SSE4A": _processor("sse4a"),
    "CPU_AVX": _processor("avx"),
    "CPU_AVX2": _processor("avx2"),
    "OPENMP": _cpu,
    "SSE": _never,
    "F16C": _processor("f16c"),
    "JEMALLOC": _never,
    "BLAS_OPEN": _cpu,
    "BLAS_ATLAS": _never,
    "BLAS_MKL": _never,
    "BLAS_APPLE": _never,
    "LAPACK": _cpu,
    "MKLDNN": _cpu,
    "OPENCV": _opencv,
    "CAFFE": _never,
    "PROFILER": _always,
    "DIST_KVSTORE": _never,
    "CXX14": _always,
    "INT64_TENSOR_SIZE": _always,
    "SIGNAL_HANDLER": _never,
    "DEBUG": _never,
    "TVM_OP": _never,
}


def feature_list() -> list[Feature]:
    """Every Feature, in MXNet's order."""
    return [Feature(name, there()) for name, there in _FEATURES.items()]


class Features(collections.OrderedDict[str, Feature]):
    """name -> Feature."""

    instance: Features | None = None

    def __new__(cls) -> Features:
        """The one object of this class."""
        if cls.instance is None:
            cls.instance = super().__new__(cls)
            super(Features, cls.instance).__init__([(feature.name, feature) for feature in feature_list()])
        return cls.instance

    def __init__(self) -> None:
        """Nothing: ``__new__`` has filled it."""

    def __repr__(self) -> str:
        return str(list(self.values()))

    def is_enabled(self, feature_name: str) -> bool:
        """Whether a feature, named in any case, is there. Raises ParameterError (a RuntimeError) for an unknown name."""
        feature = self.get(feature_name.upper())
        if feature is None:
            msg = f"Feature '{feature_name}' is unknown, known features are: {list(self)}"
            raise ParameterError(msg)
        return feature.enabled
