"""The simulated gpus behave as gpus do: memory of their own, errors where contexts mix, work that is behind."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import mxnet as mx

pytestmark = pytest.mark.skipif(mx.context.num_gpus() < 2, reason="MX_SIM_GPUS is not 2, or a real gpu serves mx.gpu")

BIAS = 1 << 62


@pytest.fixture
def x():
    return mx.nd.array(np.arange(12.0).reshape(3, 4), ctx=mx.gpu(0))


def test_round_trip(x):
    assert x.context == mx.gpu(0)
    np.testing.assert_array_equal(x.asnumpy(), np.arange(12.0).reshape(3, 4))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "uint8", "int8", "int32", "int64", "bool"])
def test_all_types_and_empty_arrays(dtype):
    for shape in ((3, 5), (0, 4), (1,)):
        given = np.ones(shape, dtype)
        there = mx.nd.array(given, ctx=mx.gpu(1), dtype=dtype)
        np.testing.assert_array_equal(there.asnumpy(), given)


def test_copies_between_all_devices(x):
    for target in (mx.gpu(1), mx.gpu(0), mx.cpu(), mx.cpu(1)):
        y = x.copyto(target)
        assert y.context == target
        np.testing.assert_array_equal(y.as_in_context(mx.cpu()).asnumpy(), x.asnumpy())


def test_pointers_are_not_the_hosts(x):
    x.wait_to_read()
    assert x._data_ptr() >= BIAS
    with pytest.raises((mx.MXNetError, BufferError, TypeError)):
        memoryview(x)


def test_contexts_do_not_mix(x):
    with pytest.raises(mx.MXNetError, match=r"gpu\(0\).*cpu\(0\)|cpu\(0\).*gpu\(0\)"):
        (x + mx.nd.ones((3, 4))).wait_to_read()
    with pytest.raises(mx.MXNetError, match=r"gpu\(0\).*gpu\(1\)|gpu\(1\).*gpu\(0\)"):
        (x + mx.nd.ones((3, 4), ctx=mx.gpu(1))).wait_to_read()


def test_a_gpu_that_is_not_there():
    with pytest.raises(mx.MXNetError, match=r"gpu\(7\)"):
        mx.nd.zeros((2,), ctx=mx.gpu(7)).wait_to_read()


def test_operators_run_and_record(x):
    x.attach_grad()
    with mx.autograd.record():
        loss = (mx.nd.relu(x - 5) * 2).sum()
    loss.backward()
    assert loss.context == x.grad.context == mx.gpu(0)
    assert loss.asscalar() == 2 * sum(range(7))
    np.testing.assert_array_equal(x.grad.asnumpy(), 2.0 * (np.arange(12).reshape(3, 4) > 5))


def test_an_operator_without_kernel_runs_by_its_composition(x):
    here = mx.nd.softmax(x.as_in_context(mx.cpu())).asnumpy()
    np.testing.assert_allclose(mx.nd.softmax(x).asnumpy(), here, rtol=1e-5)


def test_an_operator_without_kernel_and_composition_is_refused(x):
    with pytest.raises(mx.MXNetError, match=r"shuffle.*gpu\(0\)"):
        mx.nd.shuffle(x).wait_to_read()
    np.testing.assert_array_equal((x + 1).asnumpy(), np.arange(12.0).reshape(3, 4) + 1)


def test_a_failure_on_the_device_is_told_at_the_first_wait(x):
    bad = mx.nd.take(x, mx.nd.array([7], ctx=mx.gpu(0)), mode="raise")
    with pytest.raises(mx.MXNetError, match=r"take.*out of bounds"):
        bad.asnumpy()
    assert x.sum().asscalar() == 66


def test_long_chains_keep_their_order():
    y = mx.nd.zeros((100,), ctx=mx.gpu(0))
    for i in range(200):
        y = y * 0.5 + i
        if i % 50 == 0:
            y = y.copyto(mx.gpu(1)).copyto(mx.gpu(0))
    expected = 0.0
    for i in range(200):
        expected = expected * 0.5 + i
    np.testing.assert_allclose(y.asnumpy(), expected, rtol=1e-6)


def test_random_numbers_are_the_devices_own():
    mx.random.seed(3)
    a, b = (mx.nd.random.uniform(shape=(50,), ctx=mx.gpu(i)).asnumpy() for i in range(2))
    mx.random.seed(3)
    again = mx.nd.random.uniform(shape=(50,), ctx=mx.gpu(0)).asnumpy()
    np.testing.assert_array_equal(a, again)
    assert not np.array_equal(a, b)


def test_memory_is_counted():
    free, total = mx.context.gpu_memory_info(0)
    kept = mx.nd.zeros((1 << 20,), ctx=mx.gpu(0))
    kept.wait_to_read()
    assert total == 4 << 30
    assert mx.context.gpu_memory_info(0)[0] <= free


def test_memory_runs_out():
    with pytest.raises((mx.MXNetError, MemoryError), match=r"gpu\(1\)"):
        mx.nd.zeros((1 << 31,), ctx=mx.gpu(1)).wait_to_read()
    assert mx.nd.ones((2,), ctx=mx.gpu(1)).sum().asscalar() == 2


def test_fork_after_use(x):
    assert x.sum().asscalar() == 66
    child = os.fork()
    if child == 0:  # pytest must not see this process: leave without clean-up
        ok = (x + 1).sum().asscalar() == 78
        os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_off_unless_asked_for():
    environment = {name: value for name, value in os.environ.items() if name != "MX_SIM_GPUS"}
    program = "import mxnet as mx; print(mx.context.num_gpus())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "0"
