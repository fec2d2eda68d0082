"""NDArray: making arrays, their methods, arithmetic with every kind of operand, and life beside NumPy.

The tests run on the real 1.9.1 too, but for those marked `ours`, which hold what differs on purpose.
"""

from __future__ import annotations

import copy
import gc
import pickle
import warnings
import weakref

import numpy as np
import pytest

import mxnet as mx

OURS = hasattr(mx.nd.NDArray, "_reshape_view")
ours = pytest.mark.skipif(not OURS, reason="1.9.1 raises, dies or errs here")
nd = mx.nd


def equal(array, values):
    np.testing.assert_array_equal(array.asnumpy(), values)


@ours
@pytest.mark.parametrize("module", ["autograd", "base", "context", "ndarray.creation"])
def test_examples_in_docstrings(module):
    import doctest
    import importlib

    result = doctest.testmod(importlib.import_module(f"mx_core.{module}"), extraglobs={"mx": mx, "np": np})
    assert result.attempted
    assert not result.failed


# ---- text ----------------------------------------------------------------------------------------------------------


def test_repr():
    assert repr(nd.ones((1, 2))) == "\n[[1. 1.]]\n<NDArray 1x2 @cpu(0)>"
    assert str(nd.array([1, 2], dtype="int32", ctx=mx.cpu(1))) == "\n[1 2]\n<NDArray 2 @cpu(1)>"
    assert repr(nd.array(5)) == "\n5.0\n<NDArray  @cpu(0)>"
    assert "..." in repr(nd.arange(2000))


@ours
def test_repr_html():
    html = nd.ones((1, 2))._repr_html_()
    assert "[[1. 1.]]" in html
    assert "1 &times; 2, float32, cpu(0)" in html


# ---- creation ------------------------------------------------------------------------------------------------------


def test_array():
    equal(nd.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]])
    assert nd.array([1, 2]).dtype == np.float32
    assert nd.array(np.arange(3)).dtype == np.float32  # NumPy's type is not taken over
    assert nd.array(np.arange(3), dtype="int64").dtype == np.int64
    assert nd.array(np.arange(3), dtype=np.uint8).dtype == np.uint8
    assert nd.array(nd.ones((2,), dtype="int32")).dtype == np.int32  # an NDArray's is
    assert nd.array(nd.ones((2,), dtype="int32"), dtype="float16").dtype == np.float16
    assert nd.array(7).shape == ()
    equal(nd.array(np.arange(6).reshape(2, 3).T), np.arange(6).reshape(2, 3).T)
    equal(nd.array(np.arange(6)[::-2]), [5, 3, 1])
    with pytest.raises(TypeError):
        nd.array([[1, 2], [3]])
    with pytest.raises(TypeError):
        nd.array(["a"])


def test_array_copies():
    values = np.ones((3,), dtype="float32")
    array = nd.array(values)
    values[:] = 0
    equal(array, [1, 1, 1])
    other = nd.array(array)
    other[:] = 5
    equal(array, [1, 1, 1])


@ours
def test_array_of_arrays():
    equal(nd.array([nd.array([1, 2]), nd.array([3, 4])]), [[1, 2], [3, 4]])


def test_zeros_ones_full_empty():
    equal(nd.zeros((2, 3)), np.zeros((2, 3)))
    equal(nd.zeros(3), np.zeros(3))
    equal(nd.ones([2, 1], dtype="int8"), np.ones((2, 1)))
    equal(nd.full((2, 2), 7), np.full((2, 2), 7))
    assert nd.full((2,), 7, dtype="int32").dtype == np.int32
    assert nd.empty((2, 3), dtype="float64").shape == (2, 3)
    assert nd.zeros((2,), dtype=None).dtype == np.float32
    assert nd.zeros((2,), ctx=mx.cpu(1)).context == mx.cpu(1)
    out = nd.ones((2,))
    assert nd.zeros((2,), out=out) is out
    equal(out, [0, 0])
    equal(nd.zeros_like(nd.ones((2, 2))), np.zeros((2, 2)))
    equal(nd.ones_like(nd.zeros((2, 2))), np.ones((2, 2)))


@ours
def test_empty_arrays():
    for shape in ((0,), (0, 3), (2, 0)):
        array = nd.zeros(shape)
        assert (array.shape, array.size) == (shape, 0)
        assert (array + 1).shape == shape
        assert array.asnumpy().shape == shape
        assert repr(array).endswith("@cpu(0)>")
    assert nd.array([]).shape == (0,)
    assert nd.zeros(()).asscalar() == 0


def test_arange():
    equal(nd.arange(5), [0, 1, 2, 3, 4])
    equal(nd.arange(2, 6), [2, 3, 4, 5])
    equal(nd.arange(2, 6, step=2, repeat=3), [2, 2, 2, 4, 4, 4])
    equal(nd.arange(5, 0, -2), [5, 3, 1])
    assert nd.arange(3).dtype == np.float32
    assert nd.arange(3, dtype="int32").dtype == np.int32
    assert nd.arange(3, dtype=None).dtype == np.float64


def test_linspace_and_eye():
    np.testing.assert_allclose(nd.linspace(0, 1, 5).asnumpy(), np.linspace(0, 1, 5))
    np.testing.assert_allclose(nd.linspace(0, 1, 5, endpoint=False).asnumpy(), np.linspace(0, 1, 5, endpoint=False))
    equal(nd.eye(3), np.eye(3))
    equal(nd.eye(2, 4, 1), np.eye(2, 4, 1))
    assert nd.eye(2, dtype="int32").dtype == np.int32


def test_concatenate_moveaxis_split():
    a, b = nd.ones((2, 3)), nd.zeros((1, 3))
    equal(nd.concatenate([a, b]), np.concatenate([np.ones((2, 3)), np.zeros((1, 3))]))
    assert nd.concatenate([a, a], axis=1).shape == (2, 6)
    assert nd.concatenate([a], always_copy=False) is a
    x = nd.arange(24).reshape((2, 3, 4))
    for source, destination in ((0, 2), (2, 0), (-1, 1), ((0, 1), (-1, 0))):
        equal(nd.moveaxis(x, source, destination), np.moveaxis(x.asnumpy(), source, destination))
    with pytest.raises(ValueError):  # noqa: PT011 - the texts differ
        nd.moveaxis(x, (0, 1), 2)
    for pieces, axis in ((2, 2), ((1, 3), 2), ((2,), 1)):
        for got, wanted in zip(nd.split_v2(x, pieces, axis=axis), np.split(x.asnumpy(), pieces, axis), strict=True):
            equal(got, wanted)
    assert nd.split_v2(x, 3, axis=1, squeeze_axis=True)[0].shape == (2, 4)


def test_histogram():
    values = np.array([0.5, 1.5, 1.5, 3.0], dtype="float32")
    counts, edges = nd.histogram(nd.array(values), bins=3, range=(0.0, 3.0))
    wanted = np.histogram(values, 3, (0, 3))
    equal(counts, wanted[0])
    np.testing.assert_allclose(edges.asnumpy(), wanted[1])


# ---- properties and conversions ------------------------------------------------------------------------------------


def test_properties():
    x = nd.zeros((2, 3), dtype="float16", ctx=mx.cpu(1))
    assert (x.shape, x.size, x.ndim, x.dtype, x.stype) == ((2, 3), 6, 2, np.float16, "default")
    assert x.context == x.ctx == mx.cpu(1)
    assert len(x) == 2
    assert x.grad is None
    with pytest.raises(AttributeError):
        x.no_such_thing  # noqa: B018


def test_scalars():
    assert nd.array([2.5]).asscalar() == 2.5
    assert nd.array([[3]], dtype="int32").asscalar() == 3
    assert bool(nd.array([1.0])) is True
    assert not nd.array([0.0])
    for convert in (bool, lambda x: x.asscalar()):
        with pytest.raises(ValueError):  # noqa: PT011
            convert(nd.zeros((2,)))


@ours
def test_scalars_as_python_numbers():
    assert float(nd.array([2.5])) == 2.5
    assert int(nd.array([2.5])) == 2
    assert [10, 20, 30][nd.array([1], dtype="int32")] == 20
    assert not nd.zeros((0,))
    with pytest.raises(TypeError):
        [10, 20][nd.array([1.0])]


def test_hash_and_identity():
    x = nd.ones((2,))
    assert x in {x}
    assert hash(x) != hash(nd.ones((2,)))


@ours
def test_weak_references():
    x = nd.ones((2,))
    reference = weakref.ref(x)
    del x
    gc.collect()
    assert reference() is None


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "uint8", "int8", "int32", "int64"])
def test_astype(dtype):
    x = nd.array([0, 1, 100])
    y = x.astype(dtype)
    assert y.dtype == np.dtype(dtype).type
    equal(y, [0, 1, 100])
    assert y.astype(dtype, copy=False) is y
    assert y.astype(dtype) is not y


def test_astype_of_unknown_type():
    with pytest.raises(TypeError):
        nd.ones((1,)).astype("float31")


@ours
def test_bfloat16():
    x = nd.array([1.0, 2.5, 3.140625], dtype="bfloat16")
    equal(x.astype("float32"), [1.0, 2.5, 3.140625])
    equal((x + x).astype("float32"), [2.0, 5.0, 6.28125])
    assert nd.array([1.00390625], dtype="bfloat16").asscalar() in (1.0, 1.0078125)


def test_copies():
    x = nd.array([1, 2])
    y = x.copy()
    y[:] = 0
    equal(x, [1, 2])
    target = nd.zeros((2,), dtype="int32")
    assert x.copyto(target) is target
    equal(target, [1, 2])
    with pytest.raises(TypeError):
        x.copyto(3)
    with pytest.raises(mx.MXNetError):
        x.copyto(nd.zeros((3,)))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        x.copyto(x)
    assert "copy an array to itself" in str(caught[-1].message)
    equal(copy.copy(x), [1, 2])
    clone = copy.deepcopy({"x": x})["x"]
    clone[:] = 0
    equal(x, [1, 2])


def test_pickle():
    for x in (nd.arange(6).reshape((2, 3)), nd.array([1], dtype="int8")):
        y = pickle.loads(pickle.dumps(x))
        assert (y.shape, y.dtype) == (x.shape, x.dtype)
        equal(y, x.asnumpy())


def test_wait():
    x = nd.ones((2,))
    x.wait_to_read()
    nd.waitall()


# ---- shapes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "wanted", "reverse", "result"),
    [((3, 4), (-1,), False, (12,)), ((3, 4), (2, 6), False, (2, 6)), ((3, 4), (0, -1), False, (3, 4)),
     ((3, 4), (-2,), False, (3, 4)), ((3, 4), (-3,), False, (12,)), ((3, 4), (-4, 1, 3, 0), False, (1, 3, 4)),
     ((3, 4), (-4, -1, 3, -2), False, (1, 3, 4)), ((3, 4), (0, -4, 2, -1), False, (3, 2, 2)),
     ((2, 3, 4), (-1, 0), True, (6, 4)), ((8, 3, 4), (-4, 2, -1, -2), False, (2, 4, 3, 4)),
     ((2, 3, 4), (-3, 0), False, (6, 4)), ((2, 3, 4), (0, -3), False, (2, 12)),
     ((2, 3, 4), (0, 0, -4, -1, 2), False, (2, 3, 2, 2)), ((2, 3, 4), (-3, 4), True, (6, 4)),
     ((10, 5, 4), (-1, 0), False, (40, 5)), ((10, 5, 4), (-1, 0), True, (50, 4)), ((2, 3), (3, -1), False, (3, 2))],
)  # fmt: skip
def test_reshape(shape, wanted, reverse, result):
    x = nd.arange(np.prod(shape)).reshape(shape)
    for y in (
        x.reshape(wanted, reverse=reverse),
        x.reshape(shape=wanted, reverse=reverse),
        nd.reshape(x, wanted, reverse),
    ):
        assert y.shape == result
        equal(y.reshape((-1,)), np.arange(np.prod(shape)))


def test_reshape_calls():
    x = nd.arange(12).reshape((3, 4))
    assert x.reshape(2, 6).shape == x.reshape([2, 6]).shape == x.reshape(2, -1).shape == (2, 6)
    y = x.reshape((4, 3))
    y[:] = -1
    equal(x, np.full((3, 4), -1))
    for wrong in ((5, 5), (-1, -1), (0, 0, 0), (4, -3), (-5,), ()):
        with pytest.raises((mx.MXNetError, ValueError)):
            x.reshape(wrong)
    with pytest.raises(TypeError):
        x.reshape((4, 3), order="C")
    with pytest.raises((AssertionError, ValueError)):
        x.reshape()


def test_shape_methods():
    x = nd.arange(6).reshape((1, 3, 1, 2))
    assert x.squeeze().shape == (3, 2)
    assert x.squeeze(axis=0).shape == x.squeeze(axis=0, inplace=True).shape == (3, 1, 2)
    assert x.expand_dims(0).shape == x.expand_dims(axis=0, inplace=True).shape == (1, 1, 3, 1, 2)
    assert x.expand_dims(-1).shape == x.expand_dims(-1, inplace=True).shape == (1, 3, 1, 2, 1)
    assert x.flatten().shape == x.flatten(inplace=True).shape == (1, 6)
    assert x.T.shape == (2, 1, 3, 1)
    equal(x.T, x.asnumpy().T)
    assert x.transpose((1, 0, 2, 3)).shape == x.transpose(axes=(1, 0, 2, 3)).shape == (3, 1, 1, 2)
    assert x.swapaxes(1, 3).shape == (1, 2, 1, 3)
    line = nd.arange(3)
    assert line.T is line
    y = x.expand_dims(0, inplace=True)
    y[:] = 9
    assert (x.asnumpy() == 9).all()


def test_broadcast():
    x = nd.arange(3).reshape((1, 3))
    equal(x.broadcast_to((2, 3)), np.broadcast_to(np.arange(3), (2, 3)))
    assert x.broadcast_to((2, 2, 3)).shape == (2, 2, 3)
    assert x.broadcast_like(nd.zeros((4, 3))).shape == (4, 3)
    for wrong in ((2, 4), (3,), (2, -1)):
        with pytest.raises(ValueError):  # noqa: PT011
            x.broadcast_to(wrong)


def test_slice_assign():
    x = nd.zeros((3, 4))
    equal(x.slice_assign(nd.ones((2, 1)), (0, 1), (2, 2), (1, 1)), np.pad(np.ones((2, 1)), ((0, 1), (1, 2))))


def test_fluent_methods():
    values = np.array([[1.0, -2.0, 0.5], [4.0, 0.25, -1.5]], dtype="float32")
    x = nd.array(values)
    for method, function in [
        ("abs", np.abs), ("exp", np.exp), ("square", np.square), ("sign", np.sign), ("floor", np.floor),
        ("ceil", np.ceil), ("tanh", np.tanh), ("sin", np.sin), ("expm1", np.expm1), ("cbrt", np.cbrt),
        ("relu", lambda v: np.maximum(v, 0)), ("sum", lambda v: v.sum().reshape(1)),
        ("mean", lambda v: v.mean().reshape(1)), ("max", lambda v: v.max().reshape(1)),
    ]:  # fmt: skip
        np.testing.assert_allclose(getattr(x, method)().asnumpy(), function(values), rtol=2e-6, err_msg=method)
    equal(x.sum(axis=0), values.sum(0))
    equal(x.sum(1, keepdims=True), values.sum(1, keepdims=True))
    equal(x.clip(-1, 1), values.clip(-1, 1))
    equal(x.argmax(axis=1), values.argmax(1))
    equal(x.slice_axis(axis=1, begin=0, end=2), values[:, :2])
    equal(x.take(nd.array([1, 0])), values[[1, 0]])
    equal(x.split(3, axis=1)[1], values[:, 1:2])
    equal(x.zeros_like(), np.zeros((2, 3)))
    assert x.softmax().shape == (2, 3)
    assert x.abs.__name__ == "abs"


# ---- arithmetic ----------------------------------------------------------------------------------------------------

OPERATIONS = ["+", "-", "*", "/", "%", "**", "==", "!=", ">", ">=", "<", "<="]


@pytest.mark.parametrize("sign", OPERATIONS)
def test_operators(sign):
    a = np.array([[1, 2, 3], [4, 5, 6]], dtype="float32")
    b = np.array([[2, 2, 1]], dtype="float32")
    x, y = nd.array(a), nd.array(b)
    names = {"a": a, "b": b, "x": x, "y": y, "s": 2, "n": np.float32(2), "f": 2.0, "i": np.int64(2)}

    def check(ours_text, numpy_text):
        result = eval(ours_text, names)
        assert isinstance(result, nd.NDArray)
        assert result.dtype == np.float32  # comparisons too: the classic interface has no bool results
        np.testing.assert_allclose(result.asnumpy(), eval(numpy_text, names).astype("float32"), rtol=1e-6)

    check(f"x {sign} y", f"a {sign} b")
    check(f"x {sign} x", f"a {sign} a")
    for number in "snfi":
        check(f"x {sign} {number}", f"a {sign} 2")
        check(f"{number} {sign} x", f"2 {sign} a")


@pytest.mark.parametrize("sign", ["+", "-", "*", "/", "%"])
def test_in_place_operators(sign):
    a = np.array([[7, 8, 9], [4, 5, 6]], dtype="float32")
    b = np.array([2, 3, 4], dtype="float32")
    for operand, value in ((nd.array(b), b), (2, 2), (nd.array(a), a)):
        x = nd.array(a)
        alias = x
        names = {"x": x, "operand": operand, "a": a.copy(), "value": value}
        exec(f"x {sign}= operand; a {sign}= value", names)
        assert names["x"] is alias
        equal(alias, names["a"])


def test_in_place_cannot_grow():
    x = nd.ones((2, 3))
    with pytest.raises(mx.MXNetError):
        x += nd.ones((4, 2, 3))
    equal(x, np.ones((2, 3)))


def test_unary_operators():
    x = nd.array([1, -2])
    equal(-x, [-1, 2])
    equal(abs(x), [1, 2])


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "int8"])
def test_integers(dtype):
    x = nd.array([7, 8], dtype=dtype)
    for result, wanted in ((x + 1, [8, 9]), (x * x, [49, 64]), (x - 0.5, [7, 8]), (x / 2, [3, 4]), (x > 7, [0, 1])):
        assert result.dtype == np.dtype(dtype).type
        equal(result, wanted)


@ours
def test_large_integers_are_exact():
    big = 2**53 + 1
    x = nd.full((1,), big, dtype="int64")
    assert x.asscalar() == big
    assert (x + 1).asscalar() == big + 1
    x[:] = -big
    assert x.asscalar() == -big


def test_wrong_operands():
    x = nd.ones((2,))
    for wrong in ("a", [1, 2], None, 1j):
        for sign in "+-*/":
            with pytest.raises(TypeError):
                eval(f"x {sign} wrong", {"x": x, "wrong": wrong})
    with pytest.raises(mx.MXNetError):
        x + nd.ones((3,))
    with pytest.raises(mx.MXNetError):
        (x + nd.ones((2,), dtype="int32")).asnumpy()


@ours
def test_equality_with_none_and_text():
    x = nd.ones((2,))
    assert (x == None) is False  # noqa: E711 - what programs write
    assert (x != None) is True  # noqa: E711
    assert (x == "a") is False


FUNCTIONS = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide, "true_divide": np.divide,
    "modulo": np.mod, "power": np.power, "maximum": np.maximum, "minimum": np.minimum, "equal": np.equal,
    "not_equal": np.not_equal, "greater": np.greater, "greater_equal": np.greater_equal, "lesser": np.less,
    "lesser_equal": np.less_equal, "logical_and": np.logical_and, "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_take_arrays_and_numbers(name):
    function, oracle = getattr(nd, name), FUNCTIONS[name]
    a, b = np.array([[1, 2, 0], [3, 4, 2]], dtype="float32"), np.array([2, 1, 3], dtype="float32")
    x, y = nd.array(a), nd.array(b)
    for result, wanted in (
        (function(x, y), oracle(a, b)), (function(x, 2), oracle(a, 2)), (function(2, y), oracle(2, b)),
        (function(x, x + 1), oracle(a, a + 1)),
    ):  # fmt: skip
        np.testing.assert_allclose(result.asnumpy(), wanted.astype("float32"), rtol=1e-6)
    assert function(3, 2) == oracle(3, 2)
    with pytest.raises((TypeError, AssertionError)):
        function(x, "a")


# ---- beside NumPy --------------------------------------------------------------------------------------------------


@ours
def test_numpy_reads_arrays():
    values = np.arange(6, dtype="float32").reshape(2, 3)
    x = nd.array(values)
    for result in (np.array(x), np.asarray(x, dtype="float64"), np.array([x, x])[1], np.stack([x, x])[0]):
        np.testing.assert_array_equal(result, values)
    made = np.array(x)
    made[:] = 0
    equal(x, values)
    assert np.asarray(x, dtype="float64").dtype == np.float64
    np.testing.assert_array_equal(memoryview(x), values)


@ours
def test_numpy_operands():
    a = np.arange(3)
    x = nd.array([1, 2, 3])
    for result, wanted in (
        (x + a, [1, 3, 5]),
        (a + x, [1, 3, 5]),
        (a - x, [-1, -1, -1]),
        (x > a, [1, 1, 1]),
        (a * x, [0, 2, 6]),
    ):
        assert isinstance(result, nd.NDArray)
        assert result.dtype == np.float32
        equal(result, wanted)
    x += a
    equal(x, [1, 3, 5])
    a = a.astype("float64")
    a += x
    np.testing.assert_array_equal(a, [1, 4, 7])
    assert isinstance(a, np.ndarray)
    with pytest.raises(TypeError):
        x + np.array(["a", "b", "c"])


@ours
def test_ufuncs():
    x = nd.array([1.0, 4.0])
    x.attach_grad()
    with mx.autograd.record():
        y = np.sqrt(x) + np.multiply(x, np.array([1.0, 2.0]))
    assert isinstance(y, nd.NDArray)
    y.backward()
    np.testing.assert_allclose(x.grad.asnumpy(), [1.5, 2.25])
    np.testing.assert_allclose(np.logaddexp(x, 0.0), np.logaddexp(x.asnumpy(), 0.0))
    assert np.add.reduce(x) == 5
    np.testing.assert_array_equal(np.add.outer(x, x), [[2, 5], [5, 8]])
    out = nd.zeros((2,))
    assert np.exp(x, out=out) is out
    np.testing.assert_allclose(out.asnumpy(), np.exp([1.0, 4.0]), rtol=1e-6)


@ours
def test_numpy_functions():
    x = nd.array([[1.0, 4.0], [2.0, 2.0]])
    assert np.mean(x) == 2.25
    np.testing.assert_array_equal(np.concatenate([x, x]).shape, (4, 2))
    np.testing.assert_array_equal(np.where(x > 1, x, 0), [[0, 4], [2, 2]])
    assert np.allclose(x, x.asnumpy())
    assert np.shape(x) == (2, 2)


def test_from_numpy():
    values = np.ones((2, 3), dtype="float64")
    x = nd.from_numpy(values)
    assert x.dtype == np.float64
    assert not values.flags.writeable
    x[:] = 5
    x.wait_to_read()
    assert (values == 5).all()
    copied = nd.from_numpy(np.ones((2, 3), dtype="float32").T, zero_copy=False)
    equal(copied, np.ones((3, 2)))
    with pytest.raises(ValueError, match="c-contiguous"):
        nd.from_numpy(np.ones((2, 3), dtype="float32").T)
    del values
    gc.collect()
    equal(x, np.full((2, 3), 5))


def test_dlpack():
    x = nd.arange(6).reshape((2, 3))
    for pack in (nd.to_dlpack_for_read, nd.to_dlpack_for_write):
        y = nd.from_dlpack(pack(x))
        equal(y, x.asnumpy())
    y[:] = 1
    equal(x, np.ones((2, 3)))
    z = nd.from_dlpack(x.to_dlpack_for_read())
    del x, y
    gc.collect()
    equal(z, np.ones((2, 3)))


@ours
def test_dlpack_protocol():
    x = nd.arange(6).reshape((2, 3))
    assert x.__dlpack_device__() == (1, 0)
    values = np.from_dlpack(x)
    x[0] = 9
    np.testing.assert_array_equal(values, [[9, 9, 9], [3, 4, 5]])
    source = np.arange(4, dtype="int64")
    y = nd.from_dlpack(source)
    y[0] = 7
    assert source[0] == 7
    equal(nd.from_dlpack(np.arange(6).reshape(2, 3).T), np.arange(6).reshape(2, 3).T)
    with pytest.raises(mx.MXNetError, match="from_dlpack"):
        nd.from_dlpack(3)


# ---- names ---------------------------------------------------------------------------------------------------------


def test_namespaces():
    assert nd.ndarray.NDArray is nd.NDArray
    assert nd.op.relu is nd.relu or not OURS
    assert callable(nd._internal._plus_scalar)
    assert callable(nd.random.uniform)
    assert callable(nd.utils.load)
    assert nd.array is nd.utils.array
    assert "relu" in dir(nd)
    with pytest.raises(AttributeError, match="no_such_operator"):
        nd.no_such_operator  # noqa: B018
    with pytest.raises(AttributeError):
        nd._internal._no_such_operator  # noqa: B018


@ours
def test_misspelt_operators_are_named():
    with pytest.raises(AttributeError, match="Did you mean softmax"):
        nd.sofmax  # noqa: B018
