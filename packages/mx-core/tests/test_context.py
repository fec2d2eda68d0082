"""Contexts: naming devices, the current context of a thread, and arrays on contexts."""

from __future__ import annotations

import pickle
import threading

import numpy as np
import pytest

import mxnet as mx

OURS = hasattr(mx.nd.NDArray, "_reshape_view")
ours = pytest.mark.skipif(not OURS, reason="1.9.1 raises, dies or errs here")


def test_text_and_equality():
    assert str(mx.cpu()) == repr(mx.cpu(0)) == "cpu(0)"
    assert str(mx.gpu(1)) == "gpu(1)"
    assert str(mx.cpu_pinned()) == "cpu_pinned(0)"
    assert str(mx.Context("cpu_shared", 0)) == "cpu_shared(0)"
    assert mx.cpu() == mx.cpu(0)
    assert mx.cpu(0) != mx.cpu(1)
    assert mx.cpu(0) != mx.gpu(0)
    assert mx.cpu() != "cpu(0)"
    assert mx.cpu() is not None and mx.cpu() != None  # noqa: E711 - what programs write
    assert len({mx.cpu(), mx.cpu(0), mx.cpu(1), mx.gpu(0)}) == 3


def test_fields():
    ctx = mx.gpu(3)
    assert (ctx.device_type, ctx.device_typeid, ctx.device_id) == ("gpu", 2, 3)
    assert mx.Context(ctx) == ctx
    assert mx.Context("gpu").device_id == 0
    assert mx.Context.devtype2str == {1: "cpu", 2: "gpu", 3: "cpu_pinned", 5: "cpu_shared"}
    assert mx.Context.devstr2type["cpu_pinned"] == 3
    assert pickle.loads(pickle.dumps(mx.cpu(2))) == mx.cpu(2)


def test_wrong_device_type():
    with pytest.raises((KeyError, ValueError)):
        mx.Context("tpu")


@ours
def test_wrong_device_type_text():
    with pytest.raises(
        mx.MXNetError, match=r"device_type must be one of 'cpu', 'gpu', 'cpu_pinned', 'cpu_shared', got 'tpu'"
    ):
        mx.Context("tpu")


def test_with_context():
    assert mx.current_context() == mx.cpu(0)
    with mx.cpu(1) as ctx:
        assert ctx == mx.cpu(1)
        assert mx.current_context() == mx.cpu(1)
        assert mx.nd.zeros((2,)).context == mx.cpu(1)
        assert mx.nd.array([1]).ctx == mx.cpu(1)
        assert mx.nd.empty((1,)).context == mx.cpu(1)
        with mx.Context("cpu", 2):
            assert mx.nd.ones((1,)).context == mx.cpu(2)
            assert mx.nd.ones((1,), ctx=mx.cpu(3)).context == mx.cpu(3)
        assert mx.nd.ones((1,)).context == mx.cpu(1)
    assert mx.nd.ones((1,)).context == mx.cpu(0)


@ours
def test_one_context_object_entered_twice():
    ctx = mx.nd.ones((1,), ctx=mx.cpu(1)).context
    with ctx, ctx:
        assert mx.current_context() == ctx
    assert mx.current_context() == mx.cpu(0)


def test_context_is_restored_after_an_exception():
    with pytest.raises(ZeroDivisionError), mx.cpu(1):
        raise ZeroDivisionError
    assert mx.current_context() == mx.cpu(0)
    assert mx.nd.ones((1,)).context == mx.cpu(0)


def test_context_is_of_the_thread():
    seen = []

    def look():
        seen.append((mx.current_context(), mx.nd.ones((1,)).context))

    with mx.cpu(1):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    assert seen == [(mx.cpu(0), mx.cpu(0))]


def test_default_ctx():
    assert mx.Context.default_ctx == mx.cpu(0)
    with mx.cpu(2):
        assert mx.Context.default_ctx == mx.cpu(2)


def test_gpus():
    count = mx.context.num_gpus()
    assert count >= 0
    with pytest.raises(mx.MXNetError):
        mx.nd.ones((1,), ctx=mx.gpu(count)).asnumpy()
    with pytest.raises(mx.MXNetError):
        mx.context.gpu_memory_info(count)


@ours
def test_missing_gpu_text():
    if mx.context.num_gpus():
        pytest.skip("a package serves gpu devices here")
    with pytest.raises(mx.MXNetError, match=r"gpu\(0\) does not exist.*mx.cpu\(\)"):
        mx.nd.ones((1,), ctx=mx.gpu())


def test_copies_between_contexts():
    x = mx.nd.array([1, 2, 3], ctx=mx.cpu(1))
    y = x.as_in_context(mx.cpu(2))
    assert (x.context, y.context) == (mx.cpu(1), mx.cpu(2))
    assert y.asnumpy().tolist() == [1, 2, 3]
    assert x.as_in_context(mx.cpu(1)) is x
    assert x.copyto(mx.cpu(1)) is not x
    y[:] = 0
    assert x.asnumpy().tolist() == [1, 2, 3]


def test_pinned_and_shared_memory():
    for ctx in (mx.cpu_pinned(), mx.Context("cpu_shared")):
        x = mx.nd.ones((2,), ctx=ctx)
        assert x.context == ctx
        assert (x + 1).asnumpy().tolist() == [2, 2]


def test_empty_cache():
    mx.cpu().empty_cache()


# ---- on a GPU, real or simulated -----------------------------------------------------------------------------------

needs_gpu = pytest.mark.skipif(not mx.context.num_gpus(), reason="needs a gpu; mx-device-sim and MX_SIM_GPUS=2 will do")


@needs_gpu
def test_gpu_arrays():
    with mx.gpu(0):
        x = mx.nd.arange(12).reshape((3, 4))
        assert x.context == mx.gpu(0)
    assert x.copyto(mx.cpu()).context == mx.cpu(0)
    assert x[1].context == x[:, 1].context == x[[0, 2]].context == (x + 1).context == mx.gpu(0)
    np.testing.assert_array_equal(x.asnumpy(), np.arange(12).reshape(3, 4))
    np.testing.assert_array_equal((np.ones((3, 4)) + x).asnumpy(), np.arange(1, 13).reshape(3, 4))
    np.testing.assert_array_equal(np.array(x), np.arange(12).reshape(3, 4))
    assert x.sum().asscalar() == 66


@needs_gpu
@pytest.mark.parametrize("key", [0, (slice(None), 1), [0, 2], slice(None), (1, 2), ([0, 1], [1, 3])], ids=repr)
@pytest.mark.parametrize("kind", ["number", "numpy", "here", "elsewhere"])
def test_gpu_assignment(key, kind):
    values = np.arange(12, dtype="float32").reshape(3, 4)
    x = mx.nd.array(values, ctx=mx.gpu(0))
    new = -np.ones_like(values[key])
    value = {"number": -1, "numpy": new, "here": mx.nd.array(new, ctx=mx.gpu(0)), "elsewhere": mx.nd.array(new)}[kind]
    x[key] = value
    values[key] = -1
    np.testing.assert_array_equal(x.asnumpy(), values)


@needs_gpu
def test_gpu_contexts_do_not_mix():
    x = mx.nd.ones((2,), ctx=mx.gpu(0))
    with pytest.raises(mx.MXNetError, match=r"gpu\(0\).*cpu\(0\)"):
        x + mx.nd.ones((2,))
    with pytest.raises(mx.MXNetError, match="cannot be shared"):
        x.to_dlpack_for_read()


@needs_gpu
def test_gpu_gradients_across_contexts():
    x = mx.nd.array([1, 2], ctx=mx.gpu(0))
    x.attach_grad()
    with mx.autograd.record():
        y = (x * x).as_in_context(mx.cpu()) * 3
    y.backward()
    assert x.grad.context == mx.gpu(0)
    assert x.grad.asnumpy().tolist() == [6, 12]


@needs_gpu
def test_gpu_files_and_seeds(tmp_path):
    path = str(tmp_path / "f")
    mx.nd.save(path, {"x": mx.nd.ones((2,), ctx=mx.gpu(0))})
    assert mx.nd.load(path)["x"].context == mx.gpu(0)
    mx.random.seed(3, ctx=mx.gpu(0))
    first = mx.nd.random.uniform(shape=(4,), ctx=mx.gpu(0)).asnumpy()
    mx.random.seed(3, ctx=mx.gpu(0))
    np.testing.assert_array_equal(mx.nd.random.uniform(shape=(4,), ctx=mx.gpu(0)).asnumpy(), first)
    free, total = mx.context.gpu_memory_info(0)
    assert 0 < free <= total
