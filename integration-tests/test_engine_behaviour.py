"""The engine as programs meet it: failures that surface later, signals, forks, exits, memory, threads.

Programs that could take the test process down with them run in a process of their own.
"""

from __future__ import annotations

import importlib.util
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from plugin_maker import expect, run_program

import mxnet as mx
from mxnet import autograd, gluon, nd

HERE = re.escape(os.path.basename(__file__))
FAILED_TAKE = (
    r"\[take\] index 9 is out of bounds for axis 0 with size 4\. "
    rf"It was given float32 \(4, 4\), int32 \(100000,\) on cpu\(0\), called at \S*{HERE}:\d+"
)


def fail_later():
    """An array whose computation fails on a worker: too many indices to be looked at by the calling thread."""
    return nd.take(nd.ones((4, 4)), nd.full((100_000,), 9, dtype="int32"), mode="raise")


# ---- failures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wait", ["asnumpy", "wait_to_read", "copy"])
def test_a_failure_surfaces_at_the_first_wait_for_its_array(wait):
    lost = fail_later()
    with pytest.raises(mx.MXNetError, match=FAILED_TAKE):
        lost.copy().asnumpy() if wait == "copy" else getattr(lost, wait)()
    with pytest.raises(mx.MXNetError, match=FAILED_TAKE):  # and at every other one
        lost.asnumpy()
    nd.waitall()  # which it has been reported to


def test_a_failure_surfaces_at_waitall_once():
    lost = fail_later()
    with pytest.raises(mx.MXNetError, match=FAILED_TAKE):
        nd.waitall()
    nd.waitall()
    with pytest.raises(mx.MXNetError, match=FAILED_TAKE):
        lost.asnumpy()


def test_the_line_that_is_named_is_the_users():
    lost = fail_later()
    line = fail_later.__code__.co_firstlineno + 2
    with pytest.raises(mx.MXNetError, match=rf"called at \S*{HERE}:{line}"):
        lost.asnumpy()


def test_what_was_computed_from_the_lost_is_lost_and_the_rest_is_not():
    sound = nd.ones((3,))
    derived = (fail_later() * 2 + 1).sum(axis=0)
    assert (sound + 1).asnumpy().tolist() == [2, 2, 2]
    with pytest.raises(mx.MXNetError, match=FAILED_TAKE):
        derived.asnumpy()
    assert nd.dot(nd.ones((500, 500)), nd.ones((500, 500))).sum().asscalar() == 500.0**3


def test_a_lost_array_is_whole_again_when_it_is_overwritten():
    lost = fail_later()
    with pytest.raises(mx.MXNetError, match=FAILED_TAKE):
        lost.wait_to_read()
    lost[:] = 3
    assert lost.sum().asscalar() == 3 * 4 * 100_000


def test_training_goes_on_after_a_failed_step():
    net = gluon.nn.Dense(1, in_units=4)
    net.initialize(mx.init.One())
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    with autograd.record():
        loss = net(fail_later()).sum()
    with pytest.raises(mx.MXNetError, match=FAILED_TAKE):
        loss.asscalar()
    with autograd.record():
        loss = net(nd.ones((1, 4))).sum()
    loss.backward()
    trainer.step(1)
    np.testing.assert_allclose(net.weight.data().asnumpy(), np.full((1, 4), 0.9), rtol=1e-6)


def test_what_can_be_known_at_the_call_fails_at_the_call():
    with pytest.raises(ValueError, match=r"\[dot\] lhs \(300, 200\) and rhs \(300, 200\) do not fit"):
        nd.dot(nd.ones((300, 200)), nd.ones((300, 200)))
    with pytest.raises(mx.MXNetError, match=r"gpu\(77\) does not exist"):
        nd.ones((2, 2), ctx=mx.gpu(77))


# ---- recording -----------------------------------------------------------------------------------------------------


@pytest.fixture
def x():
    x = nd.array([[1.0, 2.0], [3.0, 4.0]])
    x.attach_grad()
    return x


def test_in_place_on_a_recorded_array(x):
    def add(y):
        y += 1

    def assign(y):
        y[0] = 1

    cure = "compute a new array instead"
    for change, message in (
        (add, cure),
        (assign, r"\[setitem\] x\[\.\.\.\] = value would overwrite an array that autograd has recorded"),
        (lambda y: nd.relu(y, out=y), rf"\[relu\] would overwrite an array that autograd has recorded.*{cure}"),
    ):
        with autograd.record():
            y = x * x
            with pytest.raises(mx.MXNetError, match=message):
                change(y)
        y.backward()  # which the refusal has not spoilt
        np.testing.assert_array_equal(x.grad.asnumpy(), 2 * x.asnumpy())


def test_an_input_that_is_overwritten_before_backward(x):
    with autograd.record():
        y = x * x
    x[:] = 5
    with pytest.raises(
        mx.MXNetError, match=r"an array of type float32 \(2, 2\) that its gradient needs was overwritten"
    ):
        y.backward()


def test_backward_twice(x):
    with autograd.record():
        y = (x * x).sum()
    y.backward()
    with pytest.raises(mx.MXNetError, match=r"already used by a backward pass.*Pass retain_graph=True to the first"):
        y.backward()
    with autograd.record():
        y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    np.testing.assert_array_equal(x.grad.asnumpy(), 2 * x.asnumpy())


def test_backward_of_what_was_not_recorded(x):
    with pytest.raises(mx.MXNetError, match=r"not the result of a recorded computation.*autograd\.record\(\)"):
        (x * 2).backward()


@pytest.mark.skipif(importlib.util.find_spec("mx_device_sim") is None, reason="pip install ./examples/mx-device-sim")
def test_mixed_contexts_say_which():
    program = """
    import mxnet as mx
    here, there, elsewhere = (mx.nd.ones((3, 4), ctx=ctx) for ctx in (mx.cpu(), mx.gpu(0), mx.gpu(1)))
    net = mx.gluon.nn.Dense(3)
    net.initialize(ctx=mx.gpu(0))
    for call in (lambda: here + there, lambda: mx.nd.concat(there, elsewhere, dim=0), lambda: net(here)):
        try:
            call()
        except mx.MXNetError as error:
            print(error)
    print((there + elsewhere.as_in_context(mx.gpu(0))).sum().asscalar())
    """
    add, concat, net, total = expect(run_program(program, MX_SIM_GPUS="2")).splitlines()
    cure = "Copy one of them with x.as_in_context(...)"
    assert add == f"[broadcast_add] needs all inputs on one context, but lhs is on cpu(0) and rhs is on gpu(0). {cure}"
    assert (
        concat == f"[Concat] needs all inputs on one context, but input 0 is on gpu(0) and input 1 is on gpu(1). {cure}"
    )
    assert re.search(r"was not initialized on context cpu\(0\). It was only initialized on \[gpu\(0\)\]", net)
    assert total == "24.0"


# ---- signals, forks, exits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wait", ["nd.waitall()", "products[-1].asnumpy()", "products[-1].wait_to_read()"])
def test_an_interrupt_is_answered_within_a_second_with_much_work_queued(wait):
    program = f"""
    import os, signal, threading, time
    from mxnet import nd
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests run in the background have it ignored
    x = nd.ones((2048, 2048))
    nd.dot(x, x).wait_to_read()
    sent = []
    def interrupt():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
    products = [nd.dot(x, x) for _ in range(40)]
    threading.Timer(0.05, interrupt).start()
    try:
        {wait}
    except KeyboardInterrupt:
        print(time.monotonic() - sent[0])
    assert (nd.ones((3,)) * 2).sum().asscalar() == 6  # the rest is usable
    """
    assert float(expect(run_program(program))) < 1


def test_fork_after_use_200_of_200():
    program = """
    import os
    import numpy as np
    from mxnet import autograd, nd
    x = nd.array(np.eye(150))
    x.attach_grad()
    def work():
        with autograd.record():
            y = nd.dot(nd.dot(x, x), x)
        y.backward()
        return y.sum().asscalar() == 150 and x.grad.sum().asscalar() == 3 * 150 * 150
    assert work()
    good = 0
    for number in range(200):
        pending = nd.dot(x, x)  # perhaps not done yet when the process forks
        child = os.fork()
        if child == 0:
            os._exit(0 if work() and work() else 1)
        good += os.waitpid(child, 0)[1] == 0
        pending.wait_to_read()
    assert work()
    print(good)
    """
    assert expect(run_program(program)) == "200\n"


QUEUE_WORK = """
    import os, sys
    from mxnet import autograd, nd
    x = nd.ones((250, 250))
    x.attach_grad()
    def queue_work():
        with autograd.record():
            y = x
            for _ in range(6):
                y = nd.dot(y, x) / 250
        y.backward()
        return y
    queue_work().wait_to_read()
"""


def test_exit_with_pending_work_200_of_200():
    program = (
        QUEUE_WORK
        + """
    good = 0
    for number in range(200):
        child = os.fork()
        if child == 0:
            kept = queue_work()
            sys.exit(0)  # the whole end of an interpreter, with work pending
        good += os.waitpid(child, 0)[1] == 0
    print(good)
    """
    )
    done = run_program(program)
    assert expect(done) == "200\n"
    assert done.stderr == ""


@pytest.mark.parametrize("end", ["", "sys.exit(0)", "sys.exit(3)", "raise ValueError('on purpose')", "x.no_such_name"])
def test_a_program_that_ends_with_pending_work(end):
    done = run_program(QUEUE_WORK + f"\n    kept = queue_work()\n    {end}\n")
    expected = {"": 0, "sys.exit(0)": 0, "sys.exit(3)": 3}.get(end, 1)
    assert done.returncode == expected, done.stderr
    assert "terminate" not in done.stderr
    assert "Fatal" not in done.stderr


def test_exit_with_a_failure_that_nobody_asked_for():
    program = """
    from mxnet import nd
    lost = nd.take(nd.ones((4, 4)), nd.full((100_000,), 9, dtype="int32"), mode="raise")
    """
    expect(run_program(program))


# ---- memory --------------------------------------------------------------------------------------------------------


def test_ten_thousand_steps_keep_memory_flat():
    program = """
    import os
    import mxnet as mx
    from mxnet import autograd, gluon, nd
    from mx_core import _core

    net = gluon.nn.HybridSequential()
    net.add(gluon.nn.Dense(16, activation="relu"), gluon.nn.Dense(4))
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 1e-3})
    loss_function = gluon.loss.SoftmaxCrossEntropyLoss()
    data, label = nd.random.uniform(shape=(8, 10)), nd.array([0, 1, 2, 3] * 2)

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def steps(number):
        for _ in range(number):
            with autograd.record():
                loss = loss_function(net(data), label)
            loss.backward()
            trainer.step(8)
        nd.waitall()
        return resident(), _core.pool_statistics(1, 0)["in_use_bytes"]

    steps(1000)
    rss, used = steps(1000)
    rss_after, used_after = steps(8000)
    print(rss_after - rss, used_after - used)
    """
    resident, used = map(int, expect(run_program(program)).split())
    assert used == 0
    assert resident < 2 << 20


def test_arrays_that_are_dropped_return_their_memory():
    from mx_core import _core

    def used():
        nd.waitall()
        return _core.pool_statistics(1, 0)["in_use_bytes"]

    before = used()
    x = nd.ones((1000, 1000))
    x.attach_grad()
    with autograd.record():
        y = nd.dot(x, x).sum()
    y.backward()
    del x, y
    assert used() == before


# ---- threads -------------------------------------------------------------------------------------------------------

TRAINING = """
    import hashlib
    import numpy as np
    import mxnet as mx
    from mxnet import autograd, gluon, nd

    mx.random.seed(4)
    net = gluon.nn.HybridSequential()
    net.add(
        gluon.nn.Conv2D(8, 3, activation="relu"), gluon.nn.MaxPool2D(), gluon.nn.BatchNorm(),
        gluon.nn.Dense(32, activation="tanh"), gluon.nn.Dropout(0.3), gluon.nn.Dense(4),
    )
    net.initialize(mx.init.Xavier())
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1, "momentum": 0.9})
    loss_function = gluon.loss.SoftmaxCrossEntropyLoss()
    rng = np.random.RandomState(0)
    for step in range(30):
        data = nd.array(rng.normal(0, 1, (16, 1, 20, 20)))
        with autograd.record():
            loss = loss_function(net(data), nd.array(rng.randint(0, 4, 16)))
        loss.backward()
        trainer.step(16)
    for name, parameter in net.collect_params().items():
        print(name.split("_", 1)[1], hashlib.sha1(parameter.data().asnumpy().tobytes()).hexdigest())
    print(loss.mean().asscalar())
"""


def test_the_naive_engine_computes_the_same_bits():
    assert expect(run_program(TRAINING, MXNET_ENGINE_TYPE="NaiveEngine")) == expect(run_program(TRAINING))


def test_threads_compute_at_the_same_time():
    shared = nd.array(np.random.RandomState(1).normal(0, 1, (60, 60)))

    def work(seed):
        """Records, differentiates and steps; recording belongs to the thread."""
        x = nd.array(np.random.RandomState(seed).normal(0, 1, (60, 60)))
        x.attach_grad()
        for _ in range(40):
            assert not autograd.is_recording()
            with autograd.record(train_mode=bool(seed % 2)):
                assert autograd.is_training() == bool(seed % 2)
                y = (nd.tanh(nd.dot(x, shared)) * (x + 1)).sum()
            y.backward()
            x -= 0.01 * x.grad
        return x.asnumpy()

    alone = [work(seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(work, range(6)))
    for expected, got in zip(alone, together, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_threads_fail_on_their_own():
    failures = []

    def work(number):
        if number % 2:
            try:
                fail_later().asnumpy()
            except mx.MXNetError as error:
                failures.append(str(error))
        else:
            assert nd.ones((100, 100)).sum().asscalar() == 10_000

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 4
    assert all(re.search(FAILED_TAKE, failure) for failure in failures)
