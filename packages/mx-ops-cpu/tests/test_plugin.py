"""What mx-ops-cpu hands to mx-core, and what it says when a library lacks."""

from __future__ import annotations

import ctypes
import importlib.metadata

import pytest

from mx_ops_cpu import _native, plugin


def capsule_name(capsule: object) -> str:
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return name(capsule).decode()


def test_hooks_answer_with_capsules():
    assert [capsule_name(c) for c in plugin.mx_devices()] == ["mx.device.v1"]
    assert [capsule_name(c) for c in plugin.mx_kernels("cpu")] == ["mx.kernel_table.v1"]
    assert plugin.mx_kernels("gpu") is None


def test_every_family_is_in_the_table():
    names = _native.kernels().kernel_names()
    assert {"_pointwise", "_reduce", "_arg_reduce", "_random", "_shuffle", "_copy", "_matmul", "softmax"} <= set(names)


def test_unknown_kernels_are_refused():
    with pytest.raises(KeyError, match="no kernel named _nothing"):
        _native.kernels().prepare_and_run("_nothing", [], [])


def test_missing_distribution(monkeypatch):
    def not_found(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", not_found)
    with pytest.raises(ImportError, match="needs onednn-cpu-gomp, which is not installed: pip install onednn-cpu-gomp"):
        _native._load_library("onednn-cpu-gomp", "libdnnl.so.3")


def test_damaged_distribution():
    with pytest.raises(ImportError, match="lacks libnothing.so: pip install --force-reinstall scipy-openblas32"):
        _native._load_library("scipy-openblas32", "libnothing.so")


def test_missing_openmp_runtime(monkeypatch):
    def fail(path):
        message = "libgomp.so.1: cannot open shared object file: No such file or directory"
        raise OSError(message)

    monkeypatch.setattr(ctypes, "CDLL", fail)
    with pytest.raises(ImportError, match="apt-get install libgomp1"):
        _native._load_library("onednn-cpu-gomp", "libdnnl.so.3")
