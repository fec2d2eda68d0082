"""Module: binding, parameters, optimizers, batches of other shapes, several devices, files."""

from __future__ import annotations

import logging
from collections import namedtuple

import numpy as np
import pytest
from networks import batches, bound, perceptron, points, values

import mxnet as mx

TWO = [mx.cpu(0), mx.cpu(1)]


def batch(n=10, label=True):
    x, y = points(n)
    return mx.io.DataBatch([mx.nd.array(x)], [mx.nd.array(y)] if label else None)


# ---- the training loop -----------------------------------------------------------------------------------------------


def test_the_log_of_fit_is_the_originals(caplog):
    module = mx.mod.Module(perceptron())
    with caplog.at_level(logging.INFO):
        module.fit(
            batches(), eval_data=batches(), num_epoch=3, begin_epoch=2, eval_metric=["acc", "ce"],
            batch_end_callback=mx.callback.Speedometer(10, 2),
            eval_end_callback=mx.callback.LogValidationMetricsCallback(),
        )  # fmt: skip
    lines = [message.split("Speed")[0].split("=")[0] for message in caplog.messages]
    validation = ["Epoch[2] Validation-accuracy", "Epoch[2] Validation-cross-entropy"]
    assert lines == [
        "Epoch[2] Batch [0-2]\t", "Epoch[2] Batch [2-4]\t", "Epoch[2] Train-accuracy", "Epoch[2] Train-cross-entropy",
        "Epoch[2] Time cost", *validation, *validation,
    ]  # fmt: skip


def test_fit_learns_and_predict_and_score_agree():
    mx.random.seed(0)
    np.random.seed(0)
    module = mx.mod.Module(perceptron())
    train = batches(300, 50, shuffle=True)
    module.fit(
        train, num_epoch=30, optimizer="sgd", optimizer_params={"learning_rate": 0.5, "momentum": 0.9},
        initializer=mx.init.Xavier(),
    )  # fmt: skip
    x, y = points(300)
    accuracy = (module.predict(mx.io.NDArrayIter(x, y, 40)).asnumpy().argmax(axis=1) == y).mean()
    assert accuracy > 0.95
    name, value = module.score(mx.io.NDArrayIter(x, y, 50), "acc")[0]
    assert (name, round(value, 6)) == ("accuracy", round(accuracy, 6))


def test_callbacks_of_fit_and_score_see_the_loop():
    module = mx.mod.Module(perceptron())
    seen = []
    module.fit(
        batches(), eval_data=batches(), num_epoch=1,
        batch_end_callback=[lambda p: seen.append(("batch", p.epoch, p.nbatch, p.locals["data_batch"].pad))],
        epoch_end_callback=lambda epoch, symbol, args, auxs: seen.append((epoch, symbol.name, sorted(args), auxs)),
        eval_batch_end_callback=lambda p: seen.append(("eval", p.epoch, p.nbatch, p.locals["eval_batch"].pad)),
        eval_end_callback=lambda p: seen.append(("end", p.epoch, p.nbatch, p.eval_metric.name)),
    )  # fmt: skip
    names = ["fc1_bias", "fc1_weight", "fc2_bias", "fc2_weight"]
    assert seen == [
        *[("batch", 0, n, 0) for n in range(5)], (0, "softmax", names, {}), *[("eval", 0, n, 0) for n in range(5)],
        ("end", 0, 5, "accuracy"),
    ]  # fmt: skip


def test_fit_again_goes_on(caplog):
    module = mx.mod.Module(perceptron())
    module.fit(batches(), num_epoch=1)
    before = values(module.get_params()[0])
    with pytest.warns(
        UserWarning, match="Parameters already initialized and force_init=False. init_params call ignored"
    ):
        module.fit(batches(), num_epoch=1)
    assert {"Already bound, ignoring bind()", "optimizer already initialized, ignoring..."} <= set(caplog.messages)
    assert not np.array_equal(before["fc1_weight"], module.get_params()[0]["fc1_weight"].asnumpy())


def test_fit_needs_a_number_of_epochs():
    with pytest.raises(AssertionError, match="please specify number of epochs"):
        mx.mod.Module(perceptron()).fit(batches())


def test_predict_in_all_its_forms():
    module = bound()
    data = batches(50, 15)
    merged = module.predict(data)
    assert merged.shape == (50, 3)
    parts = module.predict(data, merge_batches=False)
    assert [[output.shape for output in outputs] for outputs in parts] == [[(15, 3)]] * 3 + [[(5, 3)]]
    np.testing.assert_array_equal(np.concatenate([outputs[0].asnumpy() for outputs in parts]), merged.asnumpy())
    assert [array.shape for array in module.predict(data, always_output_list=True)] == [(50, 3)]
    assert module.predict(data, num_batch=2).shape == (30, 3)
    assert module.predict(data, num_batch=0) == []
    data.reset()
    next(data)
    assert module.predict(data, reset=False).shape == (35, 3)
    x = points(50)[0]
    for array in (x, mx.nd.array(x)):
        np.testing.assert_allclose(module.predict(array).asnumpy(), merged.asnumpy(), rtol=1e-5)
    with pytest.raises(ValueError, match="eval_data must be of type NDArray or DataIter, got str"):
        module.predict("pictures")


def test_iter_predict():
    found = [(outputs[0].shape, n, b.pad) for outputs, n, b in bound().iter_predict(batches(50, 15))]
    assert found == [((15, 3), 0, 0), ((15, 3), 1, 0), ((15, 3), 2, 0), ((5, 3), 3, 10)]


def test_score_with_several_metrics_and_batches():
    module = bound()
    names = [name for name, _ in module.score(batches(), ["acc", "mse"], num_batch=2)]
    assert names == ["accuracy", "mse"]
    metric = mx.metric.create("acc")
    module.score(batches(), metric, num_batch=2)
    assert metric.num_inst == 20


# ---- names, shapes, states of the module ---------------------------------------------------------------------------


def test_what_a_module_says_of_itself():
    module = bound()
    assert (module.data_names, module.label_names, module.output_names) == (
        ["data"],
        ["softmax_label"],
        ["softmax_output"],
    )
    assert module.data_shapes == [("data", (10, 4))]
    assert module.label_shapes == [("softmax_label", (10,))]
    assert module.output_shapes == [("softmax_output", (10, 3))]
    assert (module.binded, module.params_initialized, module.optimizer_initialized) == (True, True, False)
    assert module._param_names == ["fc1_weight", "fc1_bias", "fc2_weight", "fc2_bias"]
    assert module.symbol.list_outputs() == ["softmax_output"]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda m: m.forward(batch()), "forward needs bind"),
        (lambda m: m.get_params(), "get_params needs bind"),
        (lambda m: m.init_params(), "init_params needs bind"),
        (lambda m: m.init_optimizer(), "init_optimizer needs bind"),
        (lambda m: m.data_shapes, "data_shapes needs bind"),
        (lambda m: m.output_shapes, "output_shapes needs bind"),
        (lambda m: m.update(), "update needs bind"),
        (lambda m: m.save_optimizer_states("x"), "save_optimizer_states needs init_optimizer"),
    ],
)
def test_calls_that_come_too_early(call, text):
    with pytest.raises(AssertionError, match=text):
        call(mx.mod.Module(perceptron()))
    with pytest.raises(mx.MXNetError, match=text):
        call(mx.mod.Module(perceptron()))


def test_wrong_names():
    for name in ("data_names", "fixed_param_names", "state_names"):
        with pytest.raises(ValueError, match=rf"{name}=\['x'\].*\n\tdata\n\tsoftmax_label"):
            mx.mod.Module(perceptron(), **{name: ["x"]})
    with pytest.warns(UserWarning, match=r"label_names=\['y'\]"):
        mx.mod.Module(perceptron(), label_names=["y"])
    with pytest.raises(ValueError, match="data_shapes don't match names specified by data_names"):
        mx.mod.Module(perceptron()).bind([("dat", (10, 4))], [("softmax_label", (10,))])
    with pytest.raises(ValueError, match="must be a list"):
        mx.mod.Module(perceptron()).bind({"data": (10, 4)})
    with pytest.warns(UserWarning, match="label_shapes don't match names specified by label_names"):
        mx.mod.Module(perceptron()).bind([("data", (10, 4))])
    with pytest.raises(AssertionError, match="work_load_list"):
        mx.mod.Module(perceptron(), work_load_list=[1, 2])


def test_parse_data_desc_and_as_list():
    parse = mx.mod.base_module._parse_data_desc
    data, label = parse(["data"], ["l"], [("data", (1, 2))], [mx.io.DataDesc("l", (1,), "int32", "N")])
    assert (data, label) == ([("data", (1, 2))], [("l", (1,))])
    assert (data[0].layout, label[0].layout, label[0].dtype) == ("NCHW", "N", "int32")
    assert parse(["data"], [], [("data", (1, 2))], None)[1] is None
    assert mx.mod.base_module._as_list(3) == [3]


# ---- parameters ------------------------------------------------------------------------------------------------------


def test_set_params():
    module = bound()
    args = {name: array.copy() for name, array in module.get_params()[0].items()}
    with pytest.raises(RuntimeError, match="fc1_bias is not presented"):
        module.set_params({}, {})
    module.set_params({"fc1_bias": mx.nd.ones((8,))}, {}, allow_missing=True)
    assert module.get_params()[0]["fc1_bias"].asnumpy().tolist() == [1] * 8
    np.testing.assert_array_equal(module.get_params()[0]["fc1_weight"].asnumpy(), args["fc1_weight"].asnumpy())
    module.set_params({**args, "other": mx.nd.ones((1,))}, {})  # as in MXNet, more than needed is no error
    assert module.get_params()[0]["fc1_bias"].asnumpy().tolist() == [0] * 8
    with pytest.raises(mx.MXNetError, match="other"):
        module.set_params({"other": mx.nd.ones((1,))}, {}, allow_missing=True)
    module.set_params({"other": mx.nd.ones((1,))}, {}, allow_missing=True, allow_extra=True)
    with pytest.raises(ValueError, match=r"fc1_weight must have shape \(8, 4\), got \(1,\)"):
        module.set_params({**args, "fc1_weight": mx.nd.ones((1,))}, {})
    with pytest.warns(UserWarning, match="set_params call ignored"):
        module.set_params(args, {}, allow_missing=True, force_init=False)


def test_init_params_from_dicts_and_attributes():
    x = mx.sym.var("data")
    weight = mx.sym.var("w", init=mx.init.Constant(3.0))
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(x, weight=weight, num_hidden=3, name="fc1"), name="softmax")
    module = mx.mod.Module(net)
    module.bind([("data", (10, 4))], [("softmax_label", (10,))])
    with pytest.raises(RuntimeError, match="w is not presented"):
        module.init_params(mx.init.One(), arg_params={"fc1_bias": mx.nd.full((3,), 7)})
    module.init_params(mx.init.One(), arg_params={"fc1_bias": mx.nd.full((3,), 7)}, allow_missing=True)
    args = values(module.get_params()[0])
    assert (args["w"] == 3).all()
    assert (args["fc1_bias"] == 7).all()


def test_fixed_parameters_stay():
    module = bound(fixed_param_names=["fc1_weight"], grad_req="add")
    assert module._exec_group.grad_req == {
        "data": "null", "fc1_weight": "null", "fc1_bias": "add", "fc2_weight": "add", "fc2_bias": "add",
        "softmax_label": "null",
    }  # fmt: skip
    before = values(module.get_params()[0])
    module.init_optimizer(optimizer_params={"learning_rate": 1.0})
    module.forward_backward(batch())
    module.update()
    after = values(module.get_params()[0])
    assert [name for name in after if np.array_equal(before[name], after[name])] == ["fc1_weight"]


def test_params_survive_a_new_bind():
    module = bound()
    module.init_optimizer(optimizer_params={"learning_rate": 1.0})
    module.forward_backward(batch())
    module.update()
    module.bind([("data", (7, 4))], [("softmax_label", (7,))], force_rebind=True)
    module.forward(batch(7), is_train=False)
    first = module.get_outputs()[0].asnumpy()
    assert first.shape == (7, 3)
    again = bound()
    again.set_params(*module.get_params())
    again.forward(batch(7), is_train=False)
    np.testing.assert_allclose(again.get_outputs()[0].asnumpy(), first, rtol=1e-5)


def test_aux_states_are_learned_and_kept():
    net = mx.sym.BatchNorm(mx.sym.var("data"), name="bn", momentum=0.5)
    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc1"), name="softmax")
    module = bound(net)
    module.init_optimizer()
    module.forward_backward(batch())
    module.update()
    auxs = values(module.get_params()[1])
    np.testing.assert_allclose(auxs["bn_moving_mean"], 0.5 * points(10)[0].mean(axis=0), rtol=1e-4)


# ---- the optimizer ---------------------------------------------------------------------------------------------------


def test_the_optimizer_a_name_makes():
    module = bound()
    module.init_optimizer(optimizer="sgd", optimizer_params={"wd": 0.5})
    optimizer = module._optimizer
    assert optimizer.rescale_grad == 0.1
    assert optimizer.idx2name == {0: "fc1_weight", 1: "fc1_bias", 2: "fc2_weight", 3: "fc2_bias"}
    assert [optimizer._get_wd(i) for i in range(4)] == [0.5, 0, 0.5, 0]
    module.init_optimizer(optimizer_params={"rescale_grad": 2.0}, force_init=True)
    assert module._optimizer.rescale_grad == 2.0


def test_an_optimizer_of_the_users():
    module = bound()
    optimizer = mx.optimizer.SGD(learning_rate=0.1)
    with pytest.warns(UserWarning, match=r"rescale_grad is not normalized to .* \(1.0 vs. 0.1\). Is this intended"):
        module.init_optimizer(optimizer=optimizer)
    assert module._optimizer is optimizer
    assert optimizer.idx2name[0] == "fc1_weight"
    with pytest.raises(AssertionError, match="must be a name or an Optimizer"):
        module.init_optimizer(optimizer=3, force_init=True)


def test_multipliers_from_attributes():
    weight = mx.sym.var("fc1_weight", lr_mult=2.0, wd_mult=3.0)
    net = mx.sym.FullyConnected(mx.sym.var("data"), weight=weight, num_hidden=3, name="fc1")
    module = bound(mx.sym.SoftmaxOutput(net, name="softmax"))
    module.init_optimizer(optimizer_params={"learning_rate": 0.1, "wd": 0.5})
    assert module._optimizer._get_lr(0) == 0.2
    assert module._optimizer._get_wd(0) == 1.5
    assert module._optimizer._get_lr(1) == 0.1


@pytest.mark.parametrize(
    ("kvstore", "contexts", "expected"),
    [
        ("local", [mx.cpu()], (None, False)),
        ("local", TWO, ("local", True)),
        ("device", TWO, ("device", True)),
        (None, TWO, (None, False)),
        ("store", [mx.cpu()], ("local", True)),
    ],
)
def test_stores(kvstore, contexts, expected):
    module = bound(context=contexts)
    module.init_optimizer(kvstore=mx.kv.create("local") if kvstore == "store" else kvstore)
    assert (module._kvstore and module._kvstore.type, module._update_on_kvstore) == expected
    if kvstore is None:
        assert module._optimizer.idx2name[3] == "fc1_bias"
    module.forward_backward(batch())
    module.update()


def test_a_store_that_is_none():
    with pytest.raises(TypeError, match="kvstore must be KVStore, str or None"):
        bound().init_optimizer(kvstore=3)


# ---- several devices -------------------------------------------------------------------------------------------------


def trained(contexts, kvstore, **options):
    mx.random.seed(4)
    module = mx.mod.Module(perceptron(), context=contexts, **options)
    module.fit(
        batches(60, 12), num_epoch=3, kvstore=kvstore, optimizer="sgd", initializer=mx.init.Xavier(),
        optimizer_params={"learning_rate": 0.5, "momentum": 0.9},
    )  # fmt: skip
    return module


@pytest.mark.parametrize(
    ("contexts", "kvstore", "options"),
    [(TWO, "local", {}), (TWO, "device", {}), (TWO, "local", {"work_load_list": [1, 3]}),
     ([mx.cpu(0), mx.cpu(1), mx.cpu(2)], "local", {})],
)  # fmt: skip
def test_several_devices_learn_what_one_does(contexts, kvstore, options):
    one, several = trained(mx.cpu(), "local"), trained(contexts, kvstore, **options)
    for name, array in one.get_params()[0].items():
        np.testing.assert_allclose(several.get_params()[0][name].asnumpy(), array.asnumpy(), atol=1e-5, err_msg=name)
    np.testing.assert_allclose(
        several.predict(batches(60, 12)).asnumpy(), one.predict(batches(60, 12)).asnumpy(), atol=1e-5
    )
    assert several.score(batches(60, 12), "acc")[0][1] == one.score(batches(60, 12), "acc")[0][1]


def test_the_parts_of_a_batch():
    module = bound(context=[mx.cpu(0), mx.cpu(1), mx.cpu(2)], inputs_need_grad=True)
    assert module._exec_group.slices == [slice(0, 3), slice(3, 6), slice(6, 10)]
    module.forward_backward(batch())
    shapes = [(3, 3), (3, 3), (4, 3)]
    assert [output.shape for output in module.get_outputs(merge_multi_context=False)[0]] == shapes
    assert module.get_outputs()[0].shape == (10, 3)
    assert module.get_input_grads()[0].shape == (10, 4)
    assert module.output_shapes == [("softmax_output", (10, 3))]
    one = bound(inputs_need_grad=True)
    one.forward_backward(batch())
    np.testing.assert_allclose(module.get_outputs()[0].asnumpy(), one.get_outputs()[0].asnumpy(), rtol=1e-5)
    np.testing.assert_allclose(module.get_input_grads()[0].asnumpy(), one.get_input_grads()[0].asnumpy(), atol=1e-6)


def test_a_batch_cut_by_the_user():
    module = bound(context=TWO)
    x, y = points(10)
    parts = [
        mx.io.DataBatch([mx.nd.array(x[part])], [mx.nd.array(y[part])]) for part in (slice(0, 5), slice(5, 10))
    ]  # fmt: skip
    module.forward(parts, is_train=False)
    outputs = module.get_outputs()[0].asnumpy()
    module.forward(batch(), is_train=False)
    np.testing.assert_array_equal(outputs, module.get_outputs()[0].asnumpy())
    metric = mx.metric.create("acc")
    module.update_metric(metric, [part.label for part in parts], pre_sliced=True)
    assert metric.num_inst == 10


def test_more_devices_than_examples():
    with pytest.raises(ValueError, match="Too many slices"):
        bound(context=[mx.cpu(0), mx.cpu(1), mx.cpu(2)], batch_size=2)


def test_inputs_without_a_batch_axis():
    # A layout without N: every device gets all of it.
    net = mx.sym.broadcast_add(mx.sym.var("data"), mx.sym.var("shift"))
    module = mx.mod.Module(mx.sym.MakeLoss(net), data_names=["data", "shift"], label_names=None, context=TWO)
    module.bind([mx.io.DataDesc("data", (4, 2)), mx.io.DataDesc("shift", (1, 2), layout="C")])
    module.init_params()
    module.forward(mx.io.DataBatch([mx.nd.ones((4, 2)), mx.nd.array([[10.0, 20.0]])]))
    assert module.get_outputs()[0].asnumpy().tolist() == [[11, 21]] * 4


# ---- shapes ----------------------------------------------------------------------------------------------------------


def test_batches_of_other_shapes():
    module = bound()
    full = module.predict(points(50)[0]).asnumpy()
    for n in (3, 20, 10, 1):
        module.forward(batch(n), is_train=False)
        assert module.data_shapes == [("data", (n, 4))]
        assert module.label_shapes == [("softmax_label", (n,))]
        np.testing.assert_allclose(module.get_outputs()[0].asnumpy(), bound_outputs(module, n), rtol=1e-5)
    assert full.shape == (50, 3)
    module.forward(batch(5, label=False), is_train=False)
    assert module.label_shapes is None
    module.init_optimizer()
    module.forward_backward(batch(5))  # the labels count again
    metric = mx.metric.create("acc")
    module.update_metric(metric, batch(5).label)
    assert metric.num_inst == 5
    module.update()


def bound_outputs(module, n):
    again = bound(batch_size=n)
    again.set_params(*module.get_params())
    again.forward(batch(n), is_train=False)
    return again.get_outputs()[0].asnumpy()


def test_reshape():
    module = bound()
    module.init_optimizer(optimizer_params={"learning_rate": 1.0})
    module.reshape([("data", (4, 4))], [("softmax_label", (4,))])
    module.forward_backward(batch(4))
    module.update()
    assert module.output_shapes == [("softmax_output", (4, 3))]
    with pytest.raises(mx.MXNetError, match="fc1_weight"):
        module.forward(mx.io.DataBatch([mx.nd.ones((4, 5))], [mx.nd.ones((4,))]))
    with pytest.raises(ValueError, match="2 data arrays, but 1 were bound"):
        module.forward(mx.io.DataBatch([mx.nd.ones((4, 4))] * 2, [mx.nd.ones((4,))]))


# ---- gradients, states, sharing --------------------------------------------------------------------------------------


def test_gradients_of_outputs_and_inputs():
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc1")
    for contexts in ([mx.cpu()], TWO):
        module = mx.mod.Module(net, label_names=None, context=contexts)
        module.bind([("data", (4, 2))], inputs_need_grad=True)
        module.init_params(mx.init.One())
        module.forward(mx.io.DataBatch([mx.nd.ones((4, 2))]))
        module.backward([mx.nd.arange(12).reshape((4, 3))])
        np.testing.assert_array_equal(module.get_input_grads()[0].asnumpy()[:, 0], [3, 12, 21, 30])
    with pytest.raises(AssertionError, match="inputs_need_grad=True"):
        bound().get_input_grads()


def test_backward_needs_for_training():
    module = bound(for_training=False)
    module.forward(batch())
    with pytest.raises(AssertionError, match="re-bind with for_training=True to run backward"):
        module.backward()
    with pytest.raises(AssertionError, match="for_training=True"):
        bound(for_training=False, inputs_need_grad=True)


def test_states():
    state = mx.sym.var("st", shape=(2, 2))
    net = mx.sym.Group(
        [mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="fc1") + state, mx.sym.BlockGrad(state)]
    )
    module = mx.mod.Module(net, label_names=None, state_names=["st"], context=TWO)
    module.bind([("data", (4, 3))])
    module.init_params()
    assert module._param_names == ["fc1_weight", "fc1_bias"]
    module.set_states(value=3)
    assert [array.asnumpy().tolist() for array in module.get_states(False)[0]] == [[[3, 3], [3, 3]]] * 2
    module.set_states(states=[[mx.nd.ones((2, 2)), mx.nd.zeros((2, 2))]])
    module.forward(mx.io.DataBatch([mx.nd.ones((4, 3))]))
    assert module.get_outputs()[1].asnumpy().tolist() == [[1, 1], [1, 1], [0, 0], [0, 0]]
    module.set_states(states=module.get_outputs(False)[1:])
    with pytest.raises(AssertionError, match="merge_multi_context"):
        module.get_states()
    with pytest.raises(AssertionError, match="states & value"):
        module.set_states()


def test_a_module_that_shares_parameters_and_optimizer():
    module = bound()
    module.init_optimizer(optimizer_params={"learning_rate": 1.0, "momentum": 0.9})
    other = mx.mod.Module(perceptron())
    other.bind([("data", (5, 4))], [("softmax_label", (5,))], shared_module=module)
    assert other.params_initialized
    assert other.optimizer_initialized
    before = module._exec_group.param_arrays[0][0].asnumpy()
    other.forward_backward(batch(5))
    other.update()
    after = module._exec_group.param_arrays[0][0].asnumpy()
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(other._exec_group.param_arrays[0][0].asnumpy(), after)
    assert other._updater is module._updater
    with pytest.raises(AssertionError, match="needs init_optimizer"):
        other.borrow_optimizer(bound())


def test_prepare_with_row_ids():
    module = bound()
    module.prepare(batch())
    with pytest.warns(UserWarning, match="Parameters are not updated in the KVStore. No need to call sparse_row_id_fn"):
        module.prepare(batch(), sparse_row_id_fn=lambda b: {})
    module.init_optimizer(kvstore=mx.kv.create("local"))
    module.prepare(batch(), sparse_row_id_fn=lambda b: {})
    with pytest.warns(UserWarning, match="fc1_weight.stype is not 'row_sparse'"):
        module.prepare(batch(), sparse_row_id_fn=lambda b: {"fc1_weight": b.label[0]})
    with pytest.raises(AssertionError, match="Expected dict output from sparse_row_id_fn, got int"):
        module.prepare(batch(), sparse_row_id_fn=lambda b: 3)
    with pytest.raises(ValueError, match="names 'other', which is none of fc1_weight"):
        module.prepare(batch(), sparse_row_id_fn=lambda b: {"other": b.label[0]})


def test_labels_that_only_metrics_read():
    net = mx.sym.softmax(mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc1"), name="probability")
    with pytest.warns(UserWarning, match="label_names"):
        module = mx.mod.Module(net)
    module.bind([("data", (10, 4))], [("softmax_label", (10,))], for_training=False)
    module.init_params()
    assert 0 <= module.score(batches(), "acc")[0][1] <= 1


def test_groups_of_nodes_on_several_devices():
    with mx.AttrScope(ctx_group="first"):
        net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=8, name="fc1")
    with mx.AttrScope(ctx_group="second"):
        net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=3, name="fc2"), name="softmax")
    module = bound(net, group2ctxs={"first": mx.cpu(0), "second": mx.cpu(1)})
    module.init_optimizer()
    module.forward_backward(batch())
    module.update()
    assert module.get_outputs()[0].shape == (10, 3)


# ---- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("contexts", [[mx.cpu()], TWO])
def test_a_checkpoint_with_optimizer_states_goes_on_as_if_nothing_happened(contexts, tmp_path):
    prefix = str(tmp_path / "net")

    def step(module):
        for number in range(3):
            x, y = points(10, seed=number)
            module.forward_backward(mx.io.DataBatch([mx.nd.array(x)], [mx.nd.array(y)]))
            module.update()
        return values(module.get_params()[0])

    settings = {"optimizer": "sgd", "optimizer_params": {"learning_rate": 0.5, "momentum": 0.9}}
    module = bound(context=contexts)
    module.init_optimizer(**settings)
    step(module)
    module.save_checkpoint(prefix, 3, save_optimizer_states=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net-0003.params", "net-0003.states", "net-symbol.json"]
    expected = step(module)

    again = mx.mod.Module.load(prefix, 3, load_optimizer_states=True, context=contexts)
    again.bind([("data", (10, 4))], [("softmax_label", (10,))])
    again.init_optimizer(**settings)
    found = step(again)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_save_and_load_params(tmp_path):
    module, other = bound(), bound(init=mx.init.One())
    module.save_params(str(tmp_path / "p"))
    other.load_params(str(tmp_path / "p"))
    for name, array in module.get_params()[0].items():
        np.testing.assert_array_equal(other.get_params()[0][name].asnumpy(), array.asnumpy())
    mx.nd.save(str(tmp_path / "bad"), {"w": mx.nd.ones((1,))})
    with pytest.raises(ValueError, match="Invalid param file"):
        other.load_params(str(tmp_path / "bad"))


# ---- what programs do ------------------------------------------------------------------------------------------------


def test_batches_that_are_named_tuples_or_hold_numpy_arrays():
    one = namedtuple("Batch", ["data"])
    module = bound(for_training=False)
    for data in (mx.nd.ones((3, 4)), mx.nd.ones((3, 4), dtype="int32"), np.ones((3, 4))):
        module.forward(one([data]))
        assert module.get_outputs()[0].shape == (3, 3)
        assert module.get_outputs()[0].dtype == np.float32


def test_types_and_layouts():
    symbol = mx.sym.Activation(mx.sym.var("data"), act_type="relu", __layout__="TNC")
    module = mx.mod.Module(symbol, label_names=None, context=TWO)
    module.bind([mx.io.DataDesc("data", (10, 4, 8), dtype="float16", layout="TNC")])
    module.init_params()
    ones = mx.nd.ones((10, 4, 8), dtype="float16")
    module.forward(mx.io.DataBatch([ones]))
    module.backward([ones])
    assert module.get_outputs()[0].shape == (10, 4, 8)
    assert [output.shape for output in module.get_outputs(False)[0]] == [(10, 2, 8)] * 2
    assert module.get_outputs()[0].dtype == np.float16


def test_one_batch_again_and_again():
    class Same(mx.io.DataIter):
        provide_data = (("data", (10, 4)),)
        provide_label = (("softmax_label", (10,)),)

        def __init__(self):
            super().__init__(10)
            self.batch = batch()
            self.left = 0

        def reset(self):
            self.left = 30

        def next(self):
            if not self.left:
                raise StopIteration
            self.left -= 1
            return self.batch

    module, data = mx.mod.Module(perceptron()), Same()
    data.reset()
    mx.random.seed(0)
    module.fit(data, num_epoch=3, optimizer_params={"learning_rate": 1.0}, initializer=mx.init.Xavier())
    assert module.score(data, "acc")[0][1] == 1


def test_several_inputs_and_outputs():
    a, b = mx.sym.var("a"), mx.sym.var("b")
    hidden = mx.sym.FullyConnected(a * b, num_hidden=3, name="fc")
    net = mx.sym.Group([mx.sym.SoftmaxOutput(hidden, name=f"s{i}") for i in (1, 2)] + [mx.sym.BlockGrad(hidden, name="f")])
    x, y = points(20)
    data = mx.io.NDArrayIter({"a": x, "b": x}, {"s1_label": y, "s2_label": y}, 5)
    module = mx.mod.Module(net, data_names=["a", "b"], label_names=["s1_label", "s2_label"])
    metric = mx.metric.Accuracy(output_names=["s1_output"], label_names=["s1_label"])
    module.fit(data, num_epoch=1, eval_metric=metric)
    assert [output.shape for output in module.predict(data)] == [(20, 3)] * 3
    assert module.output_names == ["s1_output", "s2_output", "f_output"]


def test_features_and_fine_tuning():
    module = bound()
    args, auxs = module.get_params()
    inside = module.symbol.get_internals()["relu1_output"]
    features = mx.mod.Module(inside, label_names=None)
    features.bind([("data", (1, 4))], for_training=False)
    features.set_params(args, auxs, allow_extra=True)
    assert features.predict(batches()).shape == (50, 8)

    net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(inside, num_hidden=5, name="new"), name="softmax")
    tuned = mx.mod.Module(net, fixed_param_names=["fc1_weight", "fc1_bias"])
    kept = {name: array for name, array in args.items() if name.startswith("fc1")}
    tuned.fit(batches(), num_epoch=1, arg_params=kept, aux_params=auxs, allow_missing=True)
    assert sorted(tuned.get_params()[0]) == ["fc1_bias", "fc1_weight", "new_bias", "new_weight"]
    np.testing.assert_array_equal(tuned.get_params()[0]["fc1_weight"].asnumpy(), kept["fc1_weight"].asnumpy())


def test_gradients_handed_from_one_module_to_another():
    # As adversarial networks do it: what the critic says of its data goes back into the generator.
    generator = mx.mod.Module(
        mx.sym.FullyConnected(mx.sym.var("rand"), num_hidden=4, name="g"), data_names=["rand"], label_names=None
    )
    generator.bind([("rand", (5, 2))])
    critic = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=1, name="d")
    critic = mx.mod.Module(mx.sym.LogisticRegressionOutput(critic, mx.sym.var("label"), name="out"), label_names=["label"])
    critic.bind([("data", (5, 4))], [("label", (5, 1))], inputs_need_grad=True)
    for module in (generator, critic):
        module.init_params(mx.init.Normal(0.5))
        module.init_optimizer(optimizer="sgd", optimizer_params={"learning_rate": 0.5})
    noise = mx.io.DataBatch([mx.nd.ones((5, 2))], None)
    believed = []
    for _ in range(20):
        generator.forward(noise, is_train=True)
        critic.forward(mx.io.DataBatch(generator.get_outputs(), [mx.nd.ones((5, 1))]), is_train=True)
        believed.append(float(critic.get_outputs()[0].mean().asscalar()))
        critic.backward()
        generator.backward(critic.get_input_grads())
        generator.update()
    assert believed[-1] > 0.9 > believed[0]
    assert believed == sorted(believed)


def test_an_iterator_at_its_end():
    data = batches()
    list(data)
    with pytest.raises(mx.MXNetError, match=r"train_data gives no batch.*reset\(\)"):
        mx.mod.Module(perceptron()).fit(data, num_epoch=1)
