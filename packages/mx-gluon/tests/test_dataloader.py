"""The DataLoader with worker processes: batches, order, seeds, errors, lost workers, and where an epoch is taken up."""

from __future__ import annotations

import contextlib
import gc
import json
import multiprocessing
import os
import pickle
import random
import signal
import threading
import time

import numpy as np
import pytest

import mxnet as mx
from mxnet import gluon, nd
from mxnet.gluon import data as gdata
from mxnet.gluon.data import dataloader as module

FULL = os.environ.get("MX_TEST_FULL") == "1"  # the counts of the specification instead of those of CI


class Squares(gdata.Dataset):
    """Items (array of i, i squared, a number as text never batched)."""

    def __init__(self, n=50, shape=(3, 20, 20), sleep=0.0):
        self.n, self.shape, self.sleep = n, shape, sleep

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        time.sleep(self.sleep)
        return nd.full(self.shape, i), i * i


class Draws(gdata.Dataset):
    """Items that draw from every generator."""

    def __len__(self):
        return 30

    def __getitem__(self, i):
        return i, random.random(), np.random.rand(3), nd.random.uniform(shape=(2,)), np.random.randn()


def children():
    """The processes whose parent is this one."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as file:
            if int(file.read().rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(name))
    return found


def pids(loader):
    return [worker.process.pid for worker in loader._pool._workers]


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture(autouse=True)
def _no_worker_remains():
    yield
    gc.collect()  # a caught exception and the frames it was raised in hold each other
    assert not children()


# -- batches -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("prefetch", [None, 0, 1, 20])
def test_order_and_values(workers, prefetch):
    loader = gdata.DataLoader(Squares(), 8, num_workers=workers, prefetch=prefetch)
    for _ in range(2):
        seen = 0
        for images, squares in loader:
            n = len(squares)
            expected = np.arange(seen, seen + n)
            np.testing.assert_array_equal(squares.asnumpy(), expected**2)
            np.testing.assert_array_equal(
                images.asnumpy(), np.broadcast_to(expected[:, None, None, None], (n, 3, 20, 20))
            )
            assert images.context == mx.Context("cpu_shared", 0)
            assert squares.context == mx.Context("cpu_shared", 0)
            assert squares.dtype == np.int64
            seen += n
        assert seen == 50


def test_batches_stay_while_they_are_used():
    loader = gdata.DataLoader(Squares(200), 4, num_workers=2)
    kept = [images for images, _ in loader]
    views = [images[1:3] for images in kept]
    again = [images for images, _ in loader]
    del loader
    for number, (images, view) in enumerate(zip(kept, views, strict=True)):
        assert images.asnumpy()[:, 0, 0, 0].tolist() == [4 * number + i for i in range(4)]
        assert view.asnumpy()[:, 2, 3, 4].tolist() == [4 * number + i for i in (1, 2)]
    assert (again[-1] + 1).sum().asscalar() == (4 * 199 - 6 + 4) * 1200


def test_blocks_are_used_again():
    loader = gdata.DataLoader(Squares(400), 4, num_workers=1)
    for images, _ in loader:
        assert images.size
    assert len(loader._pool._workers[0].blocks._blocks) <= 6
    del images


def test_batch_computes_and_trains():
    loader = gdata.DataLoader(Squares(), 10, num_workers=2)
    net = gluon.nn.Dense(1)
    net.initialize()
    trainer = gluon.Trainer(net.collect_params(), "sgd")
    for images, squares in loader:
        with mx.autograd.record():
            loss = gluon.loss.L2Loss()(net(images / 50), squares.reshape((-1, 1)).astype("float32"))
        loss.backward()
        trainer.step(10)
    assert np.isfinite(loss.mean().asscalar())


def own_batch(items):
    images = module.default_mp_batchify_fn([image for image, _ in items])
    return {
        "images": images, "halves": images[:2], "copy": images + 1, "small": nd.array([1.0]), "empty": nd.zeros((0, 3)),
        "numpy": np.arange(3000.0).reshape(3, 1000)[:, ::-1], "text": ["a"] * len(items), "long": b"x" * 100_000,
        "flag": True, "half": nd.ones((50, 50), dtype="float16"), "list": [nd.full((30, 30), k) for k in range(300)],
    }  # fmt: skip


def test_own_batchify_fn():
    loader = gdata.DataLoader(Squares(8), 4, num_workers=2, batchify_fn=own_batch)
    for number, batch in enumerate(loader):
        first = 4 * number
        assert batch["images"].asnumpy()[:, 0, 0, 0].tolist() == [first + i for i in range(4)]
        assert batch["halves"].asnumpy()[:, 0, 0, 0].tolist() == [first, first + 1]
        assert batch["copy"].asnumpy()[3, 0, 0, 0] == first + 4
        assert batch["small"].asnumpy().tolist() == [1.0]
        assert batch["empty"].shape == (0, 3)
        np.testing.assert_array_equal(batch["numpy"], np.arange(3000.0).reshape(3, 1000)[:, ::-1])
        assert batch["text"] == ["a"] * 4
        assert batch["long"] == b"x" * 100_000
        assert batch["flag"] is True
        assert batch["half"].dtype == np.float16
        assert [a.asnumpy()[7, 7] for a in batch["list"]] == list(range(300))


def test_batches_of_changing_size():
    def ragged(items):
        return nd.array(np.full((items[0][1] % 97 + 1, 1000), items[0][1]))

    loader = gdata.DataLoader(Squares(300, (1,)), 1, num_workers=2, batchify_fn=ragged)
    for number, batch in enumerate(loader):
        assert batch.shape == (number**2 % 97 + 1, 1000)
        assert batch.asnumpy().min() == batch.asnumpy().max() == number**2
    assert all(len(worker.blocks._blocks) <= 20 for worker in loader._pool._workers)


def test_many_batches_ahead_and_long_tasks():
    loader = gdata.DataLoader(Squares(600, (1,)), 1, num_workers=2, prefetch=500)
    assert [squares.asnumpy()[0] for _, squares in loader] == [i * i for i in range(600)]
    data = gdata.SimpleDataset(list(range(50_000)))
    loader = gdata.DataLoader(data, 20_000, shuffle=True, num_workers=2)
    assert sorted(np.concatenate([batch.asnumpy() for batch in loader]).tolist()) == data._data


def test_default_batchify():
    shared = mx.Context("cpu_shared", 0)
    for function, context in ((module.default_batchify_fn, mx.cpu()), (module.default_mp_batchify_fn, shared)):
        for items, dtype, shape in (
            ([1, 2, 3], "int64", (3,)), ([1.5, 2], "float64", (2,)), ([[1, 2], [3, 4]], "int64", (2, 2)),
            ([np.float32(1)] * 2, "float32", (2,)), ([np.ones((2, 3), "float16")] * 4, "float16", (4, 2, 3)),
            ([nd.ones((2,), dtype="uint8")] * 2, "uint8", (2, 2)), ([True, False], "bool", (2,)),
            ([np.array(3.0)] * 2, "float64", (2,)), ([np.ones((2, 2)).T, np.zeros((2, 2), "int32")], "float64", (2, 2, 2)),
        ):  # fmt: skip
            batch = function(items)
            assert (np.dtype(batch.dtype).name, batch.shape, batch.context) == (dtype, shape, context)
            np.testing.assert_array_equal(
                batch.asnumpy(), [i.asnumpy() if isinstance(i, nd.NDArray) else i for i in items]
            )
        pair = function([(1, np.ones(2)), (2, np.zeros(2))])
        assert isinstance(pair, list)
        assert [part.shape for part in pair] == [(2,), (2, 2)]
        with pytest.raises(ValueError, match=r"shapes \[\(2,\), \(3,\)\]; pad them"):
            function([np.ones(2), np.ones(3)])
        with pytest.raises(TypeError, match="got str; give batchify_fn"):
            function(["a", "b"])
        with pytest.raises(ValueError, match="stack"):
            function([nd.ones((2,)), nd.ones((3,))])


def test_names_of_programs():
    names = gdata.dataset
    assert issubclass(gdata.vision.MNIST, names._DownloadedDataset)
    assert names._LazyTransformDataset([1, 2], lambda i: -i)[1] == -2
    assert names._TransformFirstClosure(abs)(-1, "label") == (1, "label")
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = names.no_such_name
    assert module.ForkingPickler.__name__ == "ForkingPickler"
    moved = module._as_in_context([nd.ones((2,)), (nd.ones((1,)), "text")], mx.cpu_pinned(0))
    assert moved[0].context == moved[1][0].context == mx.cpu_pinned(0)
    assert moved[1][1] == "text"
    pinned = next(iter(gdata.DataLoader(Squares(4), 2, num_workers=1, pin_memory=True)))
    assert pinned[0].context == mx.cpu_pinned(0)


class OwnLoader(gdata.DataLoader):
    """As a program derives one from MXNet's, with a multiprocessing pool."""

    def __init__(self, dataset, *args, **kwargs):
        super().__init__(dataset, *args, **kwargs)
        fork = multiprocessing.get_context("fork")
        self._worker_pool = fork.Pool(self._num_workers, module._worker_initializer, [self._dataset])

    def __iter__(self):
        return module._MultiWorkerIter(
            self._worker_pool, self._batchify_fn, self._batch_sampler, pin_memory=self._pin_memory,
            pin_device_id=self._pin_device_id, worker_fn=module._worker_fn, prefetch=self._prefetch,
        )  # fmt: skip


def test_loader_of_a_program():
    loader = OwnLoader(Squares(9), 4, num_workers=2)
    with loader._worker_pool:
        assert [squares.asnumpy().tolist() for _, squares in loader] == [[0, 1, 4, 9], [16, 25, 36, 49], [64]]
    loader._worker_pool.join()
    thread_batch = module._thread_worker_fn([1, 2], module.default_batchify_fn, Squares(9))
    assert thread_batch[1].asnumpy().tolist() == [1, 4]


def test_iterating_twice_at_once():
    loader = gdata.DataLoader(Squares(12), 4, num_workers=2)
    other = gdata.DataLoader(Squares(12), 6, num_workers=2)
    seen = []
    for _, outer in loader:
        for _, inner in loader:
            for _, third in other:
                seen.append((outer.asnumpy()[0], inner.asnumpy()[0], third.asnumpy()[0]))
    assert seen == [(a, b, c) for a in (0, 16, 64) for b in (0, 16, 64) for c in (0, 36)]
    first, second = iter(loader), iter(loader)
    assert next(first)[1].asnumpy()[0] == next(second)[1].asnumpy()[0] == 0
    assert next(second)[1].asnumpy()[0] == next(first)[1].asnumpy()[0] == 16


def test_from_several_threads():
    loader = gdata.DataLoader(Squares(100), 4, num_workers=2)
    found = []

    def consume():
        found.append([squares.asnumpy()[0] for _, squares in loader])

    threads = [threading.Thread(target=consume) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[(4 * i) ** 2 for i in range(25)]] * 4


def test_loader_inside_a_worker():
    class Outer(gdata.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, i):
            return sum(squares.asnumpy().sum() for _, squares in gdata.DataLoader(Squares(4), 2, num_workers=1)) + i

    assert [b.asnumpy()[0] for b in gdata.DataLoader(Outer(), 1, num_workers=2)] == [14, 15, 16, 17]


def test_reload():
    class Counting(gdata.SequentialSampler):
        begun = 0

        def __iter__(self):
            Counting.begun += 1
            return super().__iter__()

    loader = gdata.DataLoader(Squares(8), 4, sampler=Counting(8), num_workers=1, auto_reload=True)
    assert Counting.begun == 1
    assert len(list(loader)) == 2
    assert Counting.begun == 2
    assert len(list(loader)) == 2
    assert Counting.begun == 3
    loader.clean()
    loader.refresh()
    assert Counting.begun == 4
    gdata.DataLoader(Squares(8), 4).refresh()


def test_fresh_epoch_after_a_break():
    loader = gdata.DataLoader(Squares(40), 4, num_workers=2)
    for _ in range(1000 if FULL else 20):
        for _, squares in loader:
            assert squares.asnumpy()[0] == 0
            break
    assert len(pids(loader)) == 2
    assert len(list(loader)) == 10


def test_batches_that_the_engine_lets_go():
    """Many batches whose last reader is queued work: their blocks come back though Python only waits."""
    from mx_gluon.data._shared import _Owner

    loader = gdata.DataLoader(Squares(120, (400, 400)), 1, num_workers=1)
    weight = nd.ones((400, 400))
    for images, _ in loader:
        product = nd.dot(nd.dot(images.reshape((400, 400)), weight), weight)
    del images
    product.wait_to_read()
    nd.waitall()
    assert not [owner for owner in gc.get_objects() if isinstance(owner, _Owner)]


def test_descriptors_and_maps_do_not_grow():
    def used():
        with open("/proc/self/maps") as file:
            return len(os.listdir("/proc/self/fd")), sum("mx-dataloader" in line for line in file)

    def once():
        loader = gdata.DataLoader(Squares(20), 4, num_workers=2)
        for _ in loader:
            break

    once()
    before = used()
    for _ in range(5):
        once()
    assert used() == before


# -- random numbers ----------------------------------------------------------------------------------------------------


def epochs(workers, count=2):
    random.seed(1)
    np.random.seed(2)
    mx.random.seed(3)
    loader = gdata.DataLoader(Draws(), 4, shuffle=True, num_workers=workers)
    return [[part.asnumpy() for part in batch] for _ in range(count) for batch in loader]


def test_same_numbers_for_any_number_of_workers():
    one = epochs(1)
    for workers in (0, 2, 4):
        for first, second in zip(one, epochs(workers), strict=True):
            for a, b in zip(first, second, strict=True):
                np.testing.assert_array_equal(a, b)
    for part in range(1, 5):  # no batch has the numbers of another
        assert len({batch[part].tobytes() for batch in one}) == len(one)


def program_draws():
    """What a program draws with its own generators."""
    return [
        *np.random.permutation(30), *np.random.randn(1), *[random.random() for _ in range(3)], random.gauss(0, 1),
        *np.random.rand(700), *[random.random() for _ in range(700)],
    ]  # fmt: skip


@pytest.mark.parametrize("workers", [0, 1])
def test_passes_draw_different_numbers_but_leave_the_generators(workers):
    np.random.seed(5)
    random.seed(5)
    expected = [program_draws() for _ in range(4)]
    np.random.seed(5)
    random.seed(5)
    found = [program_draws()]  # an odd number of normal ones: one is pending
    loaders = [gdata.DataLoader(Draws(), 15, num_workers=workers) for _ in range(2)]
    for (_, *first), (_, *second) in zip(*loaders, strict=True):
        for a, b in zip(first, second, strict=True):
            assert not np.array_equal(a.asnumpy(), b.asnumpy())
        found.append(program_draws())
    found.append(program_draws())
    assert found == expected


@pytest.mark.parametrize("workers", [0, 1])
def test_the_stream_of_the_device_is_put_back(workers):
    numbers = []
    for draws in (Draws(), Squares(30)):  # the one uses it, the other does not
        mx.random.seed(8)
        for _ in gdata.DataLoader(draws, 10, num_workers=workers):
            numbers.append(nd.random.uniform(shape=(3,)).asnumpy().tolist())
    assert numbers[:3] == numbers[3:]
    assert numbers[0] != numbers[1]


def test_other_generator_of_numpy():
    twister = np.random.get_bit_generator()
    np.random.set_bit_generator(np.random.PCG64(1))
    try:
        for workers in (0, 2):
            batches = [batch[2].asnumpy() for batch in gdata.DataLoader(Draws(), 10, num_workers=workers)]
            assert len(np.unique(batches)) == 90
    finally:
        np.random.set_bit_generator(twister)


def test_numpy_state_as_bytes(monkeypatch):
    from mx_gluon.data import _seeds

    assert _seeds._bytes_are_understood()
    fast = epochs(0)
    monkeypatch.setattr(_seeds, "_bytes_are_understood", lambda: False)
    for first, second in zip(fast, epochs(0), strict=True):
        for a, b in zip(first, second, strict=True):
            np.testing.assert_array_equal(a, b)


def test_shuffles_as_without_workers():
    orders = []
    for workers in (0, 2):
        np.random.seed(7)
        loader = gdata.DataLoader(gdata.SimpleDataset(list(range(20))), 5, shuffle=True, num_workers=workers)
        orders.append([b.asnumpy().tolist() for _ in range(3) for b in loader])
    assert orders[0] == orders[1]


# -- exceptions of the data set ----------------------------------------------------------------------------------------


class OwnError(Exception):
    def __init__(self, code, *, detail="none"):
        super().__init__(code)
        self.code, self.detail = code, detail


class CannotBePickled(Exception):
    def __init__(self, a, b):
        super().__init__("with a lock")
        self.lock = threading.Lock()


def failing(make):
    def get(i):
        if i == 5:
            raise make()
        return i

    return gdata.SimpleDataset(list(range(12))).transform(get)


@pytest.mark.parametrize("thread_pool", [False, True])
def test_exception_comes_with_its_class(thread_pool):
    loader = gdata.DataLoader(failing(lambda: OwnError(3, detail="x")), 2, num_workers=2, thread_pool=thread_pool)
    batches = iter(loader)
    assert [next(batches).asnumpy().tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(OwnError) as caught:
        next(batches)
    assert (caught.value.code, caught.value.detail) == (3, "x")
    told = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    assert "sample 5 (item 1 of batch 2)" in told
    assert next(batches).asnumpy().tolist() == [6, 7]
    if not thread_pool:
        assert "DataLoader worker " in told
        assert "test_dataloader.py" in told
        assert "raise make()" in told
        assert isinstance(pickle.loads(pickle.dumps(caught.value)), OwnError)
    with pytest.raises(OwnError):
        list(loader)


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: KeyError("no such item"), KeyError, "no such item"),
        (lambda: FileNotFoundError(2, "No such file", "a.jpg"), FileNotFoundError, "a.jpg"),
        (lambda: CannotBePickled(1, 2), mx.base.MXNetError, "CannotBePickled: with a lock"),
        (lambda: StopIteration(4), mx.base.MXNetError, "StopIteration"),
        (lambda: SystemExit(3), mx.base.MXNetError, "SystemExit"),
        (lambda: UnicodeDecodeError("utf8", b"\xff", 0, 1, "bad"), UnicodeDecodeError, "bad"),
    ],
)
def test_exceptions(make, kind, text):
    with pytest.raises(kind, match=text) as caught:
        list(gdata.DataLoader(failing(make), 3, num_workers=2))
    assert "sample 5 (item 2 of batch 1)" in str(caught.value)


def test_exception_of_an_operator_and_of_batchify():
    ragged = gdata.SimpleDataset([nd.ones((i + 1,)) for i in range(4)])
    with pytest.raises(ValueError, match=r"in batchify_fn, samples \[0, 1\]: .*stack"):
        list(gdata.DataLoader(ragged, 2, num_workers=1))
    bad = gdata.SimpleDataset([1, 2]).transform(lambda i: nd.dot(nd.ones((2, 3)), nd.ones((2, 3))))
    with pytest.raises(mx.base.MXNetError, match="sample 0 .*dot"):
        list(gdata.DataLoader(bad, 2, num_workers=1))


@pytest.mark.parametrize("workers", [0, 2])
def test_exception_of_the_sampler(workers):
    class Bad(gdata.Sampler):
        def __len__(self):
            return 3

        def __iter__(self):
            yield from (0, 1)
            raise OwnError(1)

    batches = iter(gdata.DataLoader(Squares(4), 1, sampler=Bad(), num_workers=workers))
    next(batches), next(batches)
    with pytest.raises(OwnError):
        next(batches)


# -- lost workers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=[pytest.mark.slow] if seed >= 4 else []) for seed in range(100 if FULL else 20)]
)
def test_killed_worker(seed):
    chance = random.Random(seed)
    loader = gdata.DataLoader(Squares(10_000, sleep=0.001), 4, num_workers=2)
    batches = iter(loader)
    next(batches)
    victims = pids(loader)
    killed = []

    def kill():
        time.sleep(chance.random() * 0.2)
        killed.append(time.monotonic())
        os.kill(chance.choice(victims), chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGHUP]))

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(
        mx.base.MXNetError, match=r"DataLoader worker \d \(process \d+\) was killed by SIG(KILL|TERM|HUP)"
    ):
        for _ in batches:
            pass
    assert time.monotonic() - killed[0] < 5
    killer.join()
    assert not any(is_alive(pid) for pid in victims)
    assert next(iter(loader))[1].asnumpy().tolist() == [0, 1, 4, 9]  # by new workers


def test_killed_worker_names_the_sample():
    def get(i):
        if i == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return i

    loader = gdata.DataLoader(gdata.SimpleDataset(list(range(8))).transform(get), 2, num_workers=1)
    with pytest.raises(
        mx.base.MXNetError, match=r"worker 0 .* was killed by SIGKILL at sample 5 \(item 1 of batch 2\)"
    ):
        list(loader)


def test_worker_that_exits():
    def get(i):
        os._exit(3)

    with pytest.raises(mx.base.MXNetError, match=r"exited with code 3 at sample 0 \(item 0 of batch 0\)"):
        list(gdata.DataLoader(gdata.SimpleDataset([1]).transform(get), 1, num_workers=1))


def test_stopped_worker():
    loader = gdata.DataLoader(Squares(1000, sleep=0.001), 4, num_workers=2)
    batches = iter(loader)
    next(batches)
    os.kill(pids(loader)[1], signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(mx.base.MXNetError, match=r"worker 1 .* is stopped .* (at|while) "):
        list(batches)
    assert time.monotonic() - began < 5


def test_slow_worker():
    slow = gdata.SimpleDataset([1, 2]).transform(lambda i: time.sleep(1.2) or i)
    assert [b.asnumpy().tolist() for b in gdata.DataLoader(slow, 1, num_workers=1)] == [[1], [2]]
    with pytest.raises(multiprocessing.TimeoutError, match=r"did not finish batch 0 within 0.3 s; it is at sample 0"):
        list(gdata.DataLoader(slow, 1, num_workers=1, timeout=0.3))
    with pytest.raises(mx.base.MXNetError, match=r"did not finish batch 0 within 0.3 s"):
        list(gdata.DataLoader(slow, 1, num_workers=1, timeout=0.3, thread_pool=True))


# -- where an epoch is taken up ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("last_batch", ["keep", "rollover"])
@pytest.mark.parametrize("stop", [0, 1, 3, 8, 10])
def test_state(workers, last_batch, stop):
    def loader():
        return gdata.DataLoader(
            gdata.SimpleDataset(list(range(30))).transform(draw), 4, shuffle=True, last_batch=last_batch,
            num_workers=workers,
        )  # fmt: skip

    def draw(i):
        return i, np.random.rand(), random.random(), nd.random.normal(shape=(2,))

    def numbers(batches):
        return [[part.asnumpy().tolist() for part in batch] for batch in batches]

    np.random.seed(1)
    random.seed(1)
    whole = loader()
    list(whole)
    batches = iter(whole)
    for _ in range(stop):
        next(batches, None)
    state = json.loads(json.dumps(whole.state_dict()))
    rest = numbers(batches)
    following = numbers(whole)
    np.random.seed(99)
    mx.random.seed(99)
    again = loader()
    again.load_state_dict(state)
    again.load_state_dict(again.state_dict())
    if stop < 10:
        assert numbers(again) == rest
    assert numbers(again) == following


def test_state_of_another_data_set():
    state = gdata.DataLoader([1, 2, 3], 2).state_dict()
    with pytest.raises(ValueError, match="of 3 samples, this one has 2"):
        gdata.DataLoader([1, 2], 2).load_state_dict(state)
