"""BucketingModule, SequentialModule, PythonModule and PythonLossModule."""

from __future__ import annotations

import numpy as np
import pytest
from networks import batches, perceptron, points

import mxnet as mx
from mx_core import _core

# ---- buckets ---------------------------------------------------------------------------------------------------------


def sum_of_steps(length):
    """Adds up ``length`` numbers, each seen by the same weights: parameters do not depend on the length."""
    steps = mx.sym.split(mx.sym.var("data"), num_outputs=length, axis=1) if length > 1 else [mx.sym.var("data")]
    weight, bias = mx.sym.var("fc_weight"), mx.sym.var("fc_bias")
    total = mx.sym.add_n(
        *[mx.sym.FullyConnected(steps[t], weight, bias, num_hidden=2, name=f"t{t}") for t in range(length)]
    )
    return mx.sym.SoftmaxOutput(total, name="softmax"), ("data",), ("softmax_label",)


def sequence_batch(length, n=6, seed=0):
    rng = np.random.RandomState(seed)
    x = rng.uniform(-1, 1, (n, length)).astype("float32")
    y = (x.sum(axis=1) > 0).astype("float32")
    return mx.io.DataBatch(
        [mx.nd.array(x)], [mx.nd.array(y)], pad=0, bucket_key=length,
        provide_data=[mx.io.DataDesc("data", (n, length))], provide_label=[mx.io.DataDesc("softmax_label", (n,))],
    )  # fmt: skip


class Sequences:
    """Batches of lengths 2 to 4, in turn."""

    default_bucket_key = 4
    provide_data = (mx.io.DataDesc("data", (6, 4)),)
    provide_label = (mx.io.DataDesc("softmax_label", (6,)),)

    def __init__(self, n=12):
        self.batches = [sequence_batch(2 + seed % 3, seed=seed) for seed in range(n)]

    def reset(self):
        pass

    def __iter__(self):
        return iter(self.batches)


def bucketing(**options):
    module = mx.mod.BucketingModule(sum_of_steps, default_bucket_key=4, **options)
    module.bind(Sequences.provide_data, Sequences.provide_label)
    mx.random.seed(2)
    module.init_params(mx.init.Xavier())
    return module


@pytest.mark.parametrize("contexts", [mx.cpu(), [mx.cpu(0), mx.cpu(1)]])
def test_buckets_share_parameters_and_learn(contexts):
    module = mx.mod.BucketingModule(sum_of_steps, default_bucket_key=4, context=contexts)
    module.fit(
        Sequences(), eval_data=Sequences(), num_epoch=40, optimizer="adam", optimizer_params={"learning_rate": 0.1},
    )  # fmt: skip
    assert sorted(module._buckets) == [2, 3, 4]
    assert module.score(Sequences(), "acc")[0][1] > 0.9
    weights = [bucket._exec_group.param_arrays[0][0].asnumpy() for bucket in module._buckets.values()]
    assert all(np.array_equal(weights[0], weight) for weight in weights)
    np.testing.assert_array_equal(module.get_params()[0]["fc_weight"].asnumpy(), weights[0])


def test_what_a_bucketing_module_says_of_itself():
    unbound = mx.mod.BucketingModule(sum_of_steps, default_bucket_key=4)
    assert (unbound.data_names, unbound.output_names) == (("data",), ["softmax_output"])
    for call in (lambda: unbound.symbol, lambda: unbound.data_shapes, lambda: unbound.forward(sequence_batch(2))):
        with pytest.raises(AssertionError, match="needs bind"):
            call()
    module = bucketing()
    module.init_optimizer()
    module.forward(sequence_batch(3))
    assert module.data_shapes == [("data", (6, 3))]
    assert module.output_shapes == [("softmax_output", (6, 2))]
    module.prepare(sequence_batch(2))
    assert module._curr_bucket_key == 3
    assert set(module._buckets) == {2, 3, 4}
    module.backward()
    module.update()
    module.switch_bucket(4, None)
    assert module.data_shapes == [("data", (6, 4))]


def test_batches_without_a_bucket():
    batch = sequence_batch(3)
    batch.bucket_key = None
    with pytest.raises(ValueError, match="the batch has no bucket_key"):
        bucketing().forward(batch)
    with pytest.raises(AssertionError, match="default_bucket_key"):
        mx.mod.BucketingModule(sum_of_steps)


def test_a_monitor_sees_new_buckets():
    module = bucketing()
    monitor = mx.mon.Monitor(1, pattern=".*_output")
    module.install_monitor(monitor)
    monitor.tic()
    module.forward(sequence_batch(2))
    assert "t1_output" in [name for _, name, _ in monitor.toc()]


def test_a_checkpoint_of_buckets(tmp_path):
    prefix = str(tmp_path / "net")
    module = bucketing()
    module.forward(sequence_batch(2), is_train=False)
    expected = module.get_outputs()[0].asnumpy()
    module.save_checkpoint(prefix, 1)
    names = ["net-0001.params", "net-2-symbol.json", "net-4-symbol.json", "net.buckets"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names

    again = mx.mod.BucketingModule.load(prefix, 1, sym_gen=sum_of_steps, default_bucket_key=4)
    assert (again.binded, again.params_initialized) == (False, True)
    assert sorted(again.get_params()[0]) == ["fc_bias", "fc_weight"]
    again.bind(Sequences.provide_data, Sequences.provide_label, for_training=False)
    for batch in (sequence_batch(3), sequence_batch(2)):  # a new bucket, and one of the checkpoint
        again.forward(batch, is_train=False)
    np.testing.assert_allclose(again.get_outputs()[0].asnumpy(), expected, rtol=1e-5)
    with pytest.raises(AssertionError, match="sym_gen is required"):
        mx.mod.BucketingModule.load(prefix, 1)
    mx.nd.save(f"{prefix}.buckets", {"keys": mx.nd.ones((2,))})
    with pytest.raises(OSError, match=r"net.buckets: expected one array of integer bucket keys"):
        mx.mod.BucketingModule.load(prefix, 1, sym_gen=sum_of_steps, default_bucket_key=4)


def test_keys_that_a_checkpoint_cannot_hold(tmp_path):
    module = mx.mod.BucketingModule(lambda key: sum_of_steps(key[0]), default_bucket_key=(4, "a"))
    module.bind(Sequences.provide_data, Sequences.provide_label)
    module.init_params()
    with pytest.raises(ValueError, match="needs integer bucket keys"):
        module.save_checkpoint(str(tmp_path / "net"), 1)
    assert list(tmp_path.iterdir()) == []


def test_automatic_names_are_the_same_in_every_bucket():
    def generate(length):
        net = mx.sym.FullyConnected(mx.sym.sum(mx.sym.var("data"), axis=1, keepdims=True), num_hidden=2)
        return mx.sym.SoftmaxOutput(net, name="softmax"), ("data",), ("softmax_label",)

    module = mx.mod.BucketingModule(generate, default_bucket_key=4)
    module.fit(Sequences(), num_epoch=1)
    assert sorted(module.get_params()[0]) == ["fullyconnected0_bias", "fullyconnected0_weight"]


# ---- chains ----------------------------------------------------------------------------------------------------------


def first_half():
    return mx.sym.Activation(mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=8, name="fc1"), act_type="relu")


def second_half(name="fc2"):
    return mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name=name), name="softmax")


def chain(last=None):
    modules = mx.mod.SequentialModule().add(mx.mod.Module(first_half(), label_names=None))
    return modules.add(mx.mod.Module(second_half()) if last is None else last, take_labels=True, auto_wiring=True)


def test_a_chain_learns_what_one_module_does():
    settings = {"num_epoch": 2, "optimizer_params": {"learning_rate": 0.5}, "initializer": mx.init.One()}
    modules, whole = chain(), mx.mod.Module(perceptron())
    modules.fit(batches(), **settings)
    whole.fit(batches(), **settings)
    for name, array in whole.get_params()[0].items():
        np.testing.assert_allclose(modules.get_params()[0][name].asnumpy(), array.asnumpy(), atol=1e-5, err_msg=name)
    assert (modules.data_names, modules.output_names) == (["data"], ["softmax_output"])
    assert modules.output_shapes == [("softmax_output", (10, 3))]
    assert modules.label_shapes == [("softmax_label", (10,))]
    assert modules.predict(batches()).shape == (50, 3)


def test_chains_that_cannot_be():
    with pytest.raises(AssertionError, match="Attempting to bind an empty SequentialModule"):
        mx.mod.SequentialModule().bind([("data", (10, 4))])
    with pytest.raises(AssertionError, match='Unknown meta "foo", a typo?'):
        mx.mod.SequentialModule().add(mx.mod.Module(first_half(), label_names=None), foo=1)
    twice = chain(mx.mod.Module(second_half("fc1")))
    twice.bind([("data", (10, 4))], [("softmax_label", (10,))])
    with pytest.raises(AssertionError, match='name "fc1_weight" in layer 1 .* is already used in layer 0'):
        twice.init_params()


# ---- modules in Python -----------------------------------------------------------------------------------------------


def cross_entropy_gradient(scores, labels):
    scores = scores.asnumpy()
    probability = np.exp(scores - scores.max(axis=1, keepdims=True))
    probability /= probability.sum(axis=1, keepdims=True)
    probability[np.arange(len(probability)), labels.asnumpy().astype(int)] -= 1
    return probability


def test_a_loss_in_numpy_learns_what_softmax_output_does():
    body = mx.sym.FullyConnected(first_half(), num_hidden=3, name="fc2")
    modules = mx.mod.SequentialModule().add(mx.mod.Module(body, label_names=None))
    modules.add(mx.mod.PythonLossModule(grad_func=cross_entropy_gradient), take_labels=True, auto_wiring=True)
    whole = mx.mod.Module(perceptron())
    for module in (modules, whole):
        module.fit(batches(), num_epoch=2, optimizer_params={"learning_rate": 0.5}, initializer=mx.init.One())
    for name, array in whole.get_params()[0].items():
        np.testing.assert_allclose(modules.get_params()[0][name].asnumpy(), array.asnumpy(), atol=1e-5, err_msg=name)


def test_a_loss_alone():
    loss = mx.mod.PythonLossModule()
    loss.bind([("data", (10, 3))], [("softmax_label", (10,))])
    loss.init_params()
    loss.init_optimizer()
    assert (loss.data_names, loss.output_names, loss.output_shapes) == (
        ["data"],
        ["pyloss_output"],
        [("pyloss_output", (10, 3))],
    )
    assert loss.get_params() == ({}, {})
    scores = mx.nd.ones((10, 3))
    loss.forward(mx.io.DataBatch([scores], [mx.nd.zeros((10,))]))
    assert loss.get_outputs() == [scores]
    with pytest.raises(AssertionError, match="For a loss module, out_grads should be None"):
        loss.backward([scores])
    with pytest.raises(TypeError, match="_backward_impl"):
        loss.backward()
    metric = mx.metric.create("acc")
    loss.update_metric(metric, [mx.nd.zeros((10,))])
    assert metric.num_inst == 10


def test_a_module_of_the_users():
    class Doubled(mx.mod.PythonModule):
        def _compute_output_shapes(self):
            return [("twice_output", self._data_shapes[0][1])]

        def forward(self, data_batch, is_train=None):
            self.outputs = [data_batch.data[0] * 2]

        def get_outputs(self, merge_multi_context=True):
            return self.outputs

    module = Doubled(["data"], None, ["twice_output"])
    x = points(20)[0]
    data = mx.io.NDArrayIter(x, None, 10)
    module.bind(data.provide_data, for_training=False)
    module.init_params()
    np.testing.assert_array_equal(module.predict(data).asnumpy(), 2 * x)
    with pytest.raises(TypeError, match="PythonModule does not define _compute_output_shapes"):
        mx.mod.PythonModule(["data"], ["label"], ["out"]).bind([("data", (1,))], [("label", (1,))])


def test_a_base_module_says_what_is_missing():
    base = mx.mod.BaseModule()
    for call, name in (
        (lambda: base.data_names, "data_names"), (base.get_params, "get_params"), (base.update, "update"),
        (lambda: base.forward(None), "forward"), (lambda: base.bind([]), "bind"), (base.init_optimizer, "init_optimizer"),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=f"BaseModule does not define {name}"):
            call()


def test_an_epoch_of_buckets_compiles_each_length_once():
    module = bucketing()
    module.init_optimizer()

    def epoch():
        for batch in Sequences():
            module.forward_backward(batch)
            module.update()

    epoch()
    compiled = _core.plan_cache_info()["misses"]
    epoch()
    assert _core.plan_cache_info()["misses"] == compiled
