"""The small modules of the toolkit: log, libinfo, runtime, util, base."""

from __future__ import annotations

import ctypes
import logging
import os
import re

import pytest

import mxnet as mx


def test_a_logger_writes_lines_of_mxnets_form_into_a_file(tmp_path):
    path = tmp_path / "train.log"
    logger = mx.log.get_logger("toolkit-file", str(path), "w", mx.log.DEBUG)
    logger.debug("first %d", 1)
    logger.error("second")
    assert mx.log.get_logger("toolkit-file", level=mx.log.ERROR) is logger
    assert logger.level == logging.DEBUG and len(logger.handlers) == 1  # set up once
    logger.handlers[0].close()
    lines = path.read_text().splitlines()
    assert re.fullmatch(r"D\d{4} \d\d:\d\d:\d\d \d+ .*test_toolkit_small\.py:test_\w+:\d+\] first 1", lines[0])
    assert lines[1].startswith("E") and lines[1].endswith("] second")


def test_lines_of_a_terminal_are_coloured_up_to_the_message():
    record = logging.LogRecord("x", logging.WARNING, "/a/b.py", 3, "text %d", (7,), None, "train")
    line = mx.log._Formatter().format(record)
    assert line.startswith("\x1b[31mW") and line.endswith("/a/b.py:train:3]\x1b[0m text 7")


def test_the_root_logger_is_left_alone_and_the_old_name_warns():
    assert mx.log.get_logger() is logging.getLogger()
    with pytest.warns(DeprecationWarning, match="get_logger"):
        assert mx.log.getLogger() is logging.getLogger()


def test_features_know_their_names():
    features = mx.runtime.Features()
    assert features is mx.runtime.Features()
    assert features.is_enabled("openmp") and features["LAPACK"].enabled
    assert not features.is_enabled("NCCL")
    assert repr(features).startswith("[") and "✖ NCCL" in repr(features)
    assert [f.name for f in mx.runtime.feature_list()] == list(features)
    with pytest.raises(RuntimeError, match="Feature 'FLUX' is unknown, known features are: .*'CUDA'"):
        features.is_enabled("FLUX")


def test_libinfo_finds_the_runtime_and_its_headers():
    assert mx.libinfo.__version__ == mx.__version__
    assert all(os.path.isfile(path) for path in mx.libinfo.find_lib_path())
    assert os.path.isfile(os.path.join(mx.libinfo.find_include_path(), "mx", "abi.h"))


def test_numpy_shapes_are_a_switch_of_this_thread():
    assert mx.set_np_shape(True) is False
    assert mx.is_np_shape() and mx.util.set_np_shape(False) is True
    with mx.np_shape():
        assert mx.is_np_shape()
        with mx.np_shape(False):
            assert not mx.is_np_shape()
    assert not mx.is_np_shape()

    @mx.use_np_shape
    class Asker:
        def method(self):
            return mx.is_np_shape()

        @property
        def value(self):
            return mx.is_np_shape()

    assert Asker().method() and Asker().value and not mx.is_np_shape()


def test_numpy_arrays_are_refused_with_the_reason():
    with pytest.raises(mx.MXNetError, match=r"mx\.np\) are not installed"):
        mx.util.set_np()
    mx.util.set_np(shape=True, array=False)
    assert mx.is_np_shape()
    mx.util.reset_np()

    @mx.use_np
    def compute():
        return 1

    with pytest.raises(mx.MXNetError, match="Leave the switch off"):
        compute()
    assert not mx.is_np_shape() and not mx.is_np_array()
    with mx.np_array(False):
        pass


def test_wrapped_numpy_functions_take_default_keywords_only():
    double = mx.util.wrap_np_unary_func(lambda x, out=None: x * 2)
    assert double(3, where=True, order="K") == 6
    with pytest.raises(TypeError, match="where=False is not supported"):
        double(3, where=False)
    with pytest.raises(TypeError, match="no keyword 'axis'"):
        double(3, axis=0)
    with pytest.raises(TypeError, match="takes 2 arrays"):
        mx.util.wrap_np_binary_func(lambda a, b, out=None: a + b)(1)
    assert mx.util.np_ufunc_legal_option("dtype", "float32")
    assert not mx.util.np_ufunc_legal_option("dtype", "no such type")


def test_folders_and_environment(tmp_path, monkeypatch):
    mx.util.makedirs(str(tmp_path / "a" / "b"))
    mx.util.makedirs(str(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b").is_dir()
    monkeypatch.setenv("MXNET_HOME", str(tmp_path))
    assert mx.base.data_dir() == str(tmp_path)
    with pytest.raises(ValueError, match="gpu context"):
        mx.util.get_cuda_compute_capability(mx.cpu())


def test_values_of_c():
    assert mx.base.c_str("name").value == b"name"
    assert list(mx.base.c_str_array(["a", "b"])) == [b"a", b"b"]
    assert list(mx.base.c_array(mx.base.mx_float, [1.5])) == [1.5]
    text = ctypes.create_string_buffer(b"abc")
    assert mx.base.ctypes2buffer(ctypes.cast(text, ctypes.POINTER(ctypes.c_char)), 3) == bytearray(b"abc")
    with pytest.raises(TypeError, match="pointer to char"):
        mx.base.ctypes2buffer(text, 3)
    mx.base.check_call(0)
    with pytest.raises(mx.MXNetError, match="status -1"):
        mx.base.check_call(-1)


def test_base_names_and_what_is_not_there():
    assert isinstance("a", mx.base.string_types) and isinstance(2.5, mx.base.numeric_types)
    assert mx.base._as_list(3) == [3] and mx.base._as_list((1, 2)) == [1, 2]
    with pytest.raises(AttributeError, match=r"libmxnet\.so"):
        _ = mx.base._LIB

    class Holder:
        @mx.base.classproperty
        def kind(cls):  # noqa: N805
            return cls.__name__

    assert Holder.kind == "Holder"
    error = mx.base.NotImplementedForSymbol(mx.base.py_str, "py", 1)
    assert isinstance(error, mx.MXNetError) and "py_str" in str(error)
