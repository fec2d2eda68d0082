"""Rows of activations, softmax, dropout, convolution, pooling and normalisation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mx_core.testing import FLOATS, OpCase, check_op, empty, fixed, indices, normal, op_cases, uniform

special = pytest.importorskip("scipy.special")

ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "softrelu": lambda x: np.logaddexp(0, x),
    "softsign": lambda x: x / (1 + np.abs(x)),
}


def leaky(x, gamma=None, act_type="leaky", slope=0.25, lower_bound=0.125, upper_bound=0.334):
    if gamma is not None:
        gamma = gamma.reshape((-1,) + (1,) * max(x.ndim - 2, 0))
    below = {
        "leaky": lambda: slope * x,
        "prelu": lambda: gamma * x,
        "elu": lambda: slope * np.expm1(x),
        "selu": lambda: 1.0507009873554805 * 1.6732632423543772 * np.expm1(x),
        "rrelu": lambda: (lower_bound + upper_bound) / 2 * x,
        "gelu": lambda: x * special.ndtr(x),
    }[act_type]()
    if act_type == "gelu":
        return below
    return np.where(x > 0, x * (1.0507009873554805 if act_type == "selu" else 1), below)


def softmax(x, length=None, axis=-1, temperature=None, dtype=None, use_length=False):
    x = x / (temperature or 1)
    if use_length:
        places = np.arange(x.shape[axis]).reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
        x = np.where(places < np.expand_dims(length, axis), x, -np.inf)
    return special.softmax(x, axis=axis)


def log_softmax(x, axis=-1, temperature=None, dtype=None):
    return special.log_softmax(x / (temperature or 1), axis=axis)


SOFT = [{}, {"axis": 0}, {"axis": 1, "temperature": 2.5}]
FLOAT_ERROR = ((indices(4, (2, 3), "int32"),), {}, "floating element type")

ACTIVATION_CASES = [
    OpCase("Activation", lambda x, act_type: ACTIVATIONS[act_type](x), [normal((3, 40)), empty((0, 3))],
           [{"act_type": name} for name in ACTIVATIONS], extremes=[-100, 100, 0], second_order=False,
           errors=[({"act_type": "swish"}, "act_type must be"), ({}, "act_type is required"),
                   ((indices(4, (2, 3), "int32"),), {"act_type": "relu"}, "floating element type")]),
    OpCase("LeakyReLU", leaky, [normal((3, 40)), empty((0, 3))],
           [{}, {"slope": 0.1}, *({"act_type": name} for name in ("elu", "selu", "gelu", "rrelu"))],
           errors=[({"act_type": "prelu"}, "takes an input gamma"), ({"act_type": "relu6"}, "act_type must be")]),
    OpCase("LeakyReLU", leaky, [(normal((2, 3)), uniform(0, 1, (3,))), (normal((2, 3, 4)), uniform(0, 1, (3,))), (normal((5,)), uniform(0, 1, (1,)))],
           [{"act_type": "prelu"}], id="LeakyReLU-prelu",
           errors=[((normal((2, 3)), normal((4,))), {"act_type": "prelu"}, "gamma must have shape (3,) or (1,)")]),
    OpCase("softmax", softmax, [normal((4, 5)), normal((3, 7, 2)), normal((2, 1000))], SOFT, second_order=True,
           errors=[({"axis": 2}, "axis must be in"), FLOAT_ERROR, ({"temperature": 0.0}, "temperature must not be 0")]),
    OpCase("softmax", softmax, [fixed([[1e4, -1e4], [0.0, 0.0]]), empty((0, 3))], dtypes=("float32", "float64"), id="softmax-extreme"),
    OpCase("softmax", softmax, [(normal((3, 5)), fixed([1, 5, 3], "int32"))], [{"use_length": True}], id="softmax-length",
           errors=[((normal((3, 5)), fixed([1, 5], "int32")), {"use_length": True}, "length must have shape (3,)"),
                   ((normal((3, 5)),), {"use_length": True}, "needs an input length")]),
    OpCase("log_softmax", log_softmax, [normal((4, 5)), normal((3, 7, 2))], SOFT, second_order=True,
           errors=[FLOAT_ERROR, ({"use_length": True}, "no input length")]),
    OpCase("log_softmax", log_softmax, [fixed([[1e4, -1e4], [0.0, 0.0]])], dtypes=("float32", "float64"), gradient=False, id="log_softmax-extreme"),
    OpCase("softmin", lambda x, **k: softmax(-x, **k), [normal((4, 5))], SOFT, errors=[FLOAT_ERROR]),
    OpCase("_softmax", lambda x, **k: softmax(x, **k), [normal((4, 5, 6))], [{"axis": 1}, {"axis": 2, "temperature": 3.0}]),
    OpCase("_log_softmax", lambda x, **k: log_softmax(x, **k), [normal((4, 5, 6))], [{"axis": 2}, {"axis": 0, "temperature": 3.0}]),
    OpCase("SoftmaxActivation", lambda x, mode="instance": softmax(x, axis=1) if mode == "channel" else softmax(x.reshape(2, -1)).reshape(x.shape),
           [normal((2, 3, 4))], [{}, {"mode": "channel"}], errors=[FLOAT_ERROR]),
    OpCase("Dropout", lambda x, p=0.5: x, [normal((3, 4)), empty((0, 2))], [{}, {"p": 0.3}], dtypes=FLOATS,
           errors=[({"p": 1.5}, "p must be in [0, 1]"), FLOAT_ERROR]),
    OpCase("Dropout", lambda x, p: x * (p == 0), [normal((3, 4))], [{"p": 1.0}, {"p": 0.0}], is_train=True, id="Dropout-certain"),
]  # fmt: skip


# -- convolution and pooling -----------------------------------------------------------------------------------------


def windows(x, kernel, stride, dilate, out):
    """x[..., positions + offsets] for every offset of the kernel: (offset index, slice of x)."""
    for offset in itertools.product(*map(range, kernel)):
        at = tuple(
            slice(o * d, o * d + s * (n - 1) + 1, s) for o, d, s, n in zip(offset, dilate, stride, out, strict=True)
        )
        yield offset, x[(..., *at)]


def convolution(
    x, w, b=None, kernel=(), stride=None, dilate=None, pad=None, num_filter=0, num_group=1, no_bias=False, layout=None
):
    n = len(kernel)
    stride, dilate, pad = stride or (1,) * n, dilate or (1,) * n, pad or (0,) * n
    if layout and layout[-1] == "C":
        x, w = np.moveaxis(x, -1, 1), np.moveaxis(w, -1, 1)
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in pad)])
    out = [(s - d * (k - 1) - 1) // t + 1 for s, d, k, t in zip(x.shape[2:], dilate, kernel, stride, strict=True)]
    y = np.zeros((len(x), num_filter, *out))
    per_in, per_out = x.shape[1] // num_group, num_filter // num_group
    for g in range(num_group):
        xs, ws = x[:, g * per_in : (g + 1) * per_in], w[g * per_out : (g + 1) * per_out]
        for offset, part in windows(xs, kernel, stride, dilate, out):
            y[:, g * per_out : (g + 1) * per_out] += np.einsum("nc...,oc->no...", part, ws[(..., *offset)])
    if b is not None:
        y += b.reshape(-1, *(1,) * n)
    return np.moveaxis(y, 1, -1) if layout and layout[-1] == "C" else y


def pooling(
    x,
    kernel=(),
    pool_type="max",
    global_pool=False,
    pooling_convention="valid",
    stride=None,
    pad=None,
    p_value=2,
    count_include_pad=True,
    layout=None,
):
    if layout and layout[-1] == "C":
        x = np.moveaxis(x, -1, 1)
    space = x.shape[2:]
    n = len(space)
    if global_pool:
        kernel, stride, pad = space, (1,) * n, (0,) * n
    stride, pad = stride or (1,) * n, pad or (0,) * n
    up = pooling_convention == "full"
    out = [
        (-(-(s + 2 * p - k) // t) if up else (s + 2 * p - k) // t) + 1
        for s, p, k, t in zip(space, pad, kernel, stride, strict=True)
    ]
    y = np.zeros((*x.shape[:2], *out))
    for at in itertools.product(*map(range, out)):
        starts = [i * t - p for i, t, p in zip(at, stride, pad, strict=True)]
        ends = [min(s + k, d + p) for s, k, d, p in zip(starts, kernel, space, pad, strict=True)]
        part = x[(..., *(slice(max(s, 0), min(e, d)) for s, e, d in zip(starts, ends, space, strict=True)))]
        part = part.reshape(*x.shape[:2], int(np.prod(part.shape[2:])))
        size = np.prod([e - s for s, e in zip(starts, ends, strict=True)]) if count_include_pad else part.shape[-1]
        y[(..., *at)] = {
            "max": lambda part=part: part.max(-1),
            "sum": lambda part=part: part.sum(-1),
            "avg": lambda part=part, size=size: part.sum(-1) / size,
            "lp": lambda part=part: (np.abs(part) ** p_value).sum(-1) ** (1 / p_value),
        }[pool_type]()
    return np.moveaxis(y, 1, -1) if layout and layout[-1] == "C" else y


def conv_case(tag, data, weight, params, bias=True, **options):
    inputs = (normal(data), normal(weight), normal((weight[0],)) if bias else None)
    params = {"num_filter": weight[0], **params, **({} if bias else {"no_bias": True})}
    options.setdefault("second_order", False)
    return OpCase(
        "Convolution",
        convolution,
        [inputs],
        [params],
        tol={"float16": 2e-2, "float32": 5e-5},
        id=f"Convolution-{tag}",
        **options,
    )


POOL = {"kernel": (2, 2), "stride": (2, 2)}
WIDE = {"kernel": (3, 3), "stride": (2, 2), "pad": (1, 1)}
CONVOLUTION_CASES = [
    conv_case("plain", (2, 3, 8, 7), (4, 3, 3, 3), {"kernel": (3, 3)}, second_order=True, errors=[
        ((normal((1, 2, 5, 5)), normal((3, 1, 3, 3)), normal((3,))), {"kernel": (3, 3), "num_filter": 3},
         "weight must have shape (num_filter, c / num_group, *kernel) = (3, 2, 3, 3), got (3, 1, 3, 3)"),
        ((normal((1, 2, 2, 2)), normal((3, 2, 3, 3)), normal((3,))), {"kernel": (3, 3), "num_filter": 3}, "more than the padded input"),
        ((normal((1, 2, 5, 5)), normal((3, 2, 3)), normal((3,))), {"kernel": (3,), "num_filter": 3}, "data must have 3 dimensions"),
        ((normal((1, 2, 5, 5)), normal((3, 2, 3, 3))), {"kernel": (3, 3), "num_filter": 3}, "input bias is missing"),
        ({"kernel": (3, 3), "num_filter": 4, "stride": (0, 0)}, "stride must be > 0"),
        ({"kernel": (3, 3), "num_filter": 4, "stride": (1,)}, "stride must have 2 entries"),
        ({"kernel": (3, 3), "num_filter": 4, "num_group": 3}, "num_group 3 must divide num_filter 4"),
    ]),
    conv_case("no_bias", (2, 3, 8, 7), (4, 3, 3, 3), {"kernel": (3, 3)}, bias=False),
    conv_case("stride-pad", (2, 3, 9, 8), (5, 3, 3, 2), {"kernel": (3, 2), "stride": (2, 3), "pad": (1, 2)}, second_order=True),
    conv_case("dilate", (1, 2, 9, 9), (3, 2, 3, 3), {"kernel": (3, 3), "dilate": (2, 3), "pad": (2, 2)}),
    conv_case("groups", (2, 4, 6, 6), (6, 2, 3, 3), {"kernel": (3, 3), "num_group": 2}),
    conv_case("depthwise", (2, 4, 6, 6), (4, 1, 3, 3), {"kernel": (3, 3), "num_group": 4, "pad": (1, 1)}),
    conv_case("pointwise", (2, 4, 6, 6), (8, 4, 1, 1), {"kernel": (1, 1)}),
    conv_case("1d", (2, 3, 20), (4, 3, 5), {"kernel": (5,), "stride": (2,), "pad": (2,)}),
    conv_case("3d", (1, 2, 5, 4, 6), (3, 2, 2, 3, 2), {"kernel": (2, 3, 2), "stride": (1, 1, 2)}),
    conv_case("nhwc", (2, 6, 7, 3), (4, 3, 3, 3), {"kernel": (3, 3), "layout": "NHWC"}),
    conv_case("empty", (0, 3, 6, 6), (4, 3, 3, 3), {"kernel": (3, 3)}),
    OpCase("Pooling", pooling, [normal((2, 3, 6, 8)), normal((1, 2, 7, 9))],
           [POOL, WIDE, {**POOL, "pooling_convention": "full"}, {"kernel": (3, 2)}, {**WIDE, "pooling_convention": "full"}], errors=[
        ({"kernel": (9, 9)}, "more than the padded input"), ({"kernel": (2, 2), "pad": (2, 2)}, "pad must be less than kernel"), ({}, "kernel is required"),
        ({"kernel": (2, 2), "stride": (0, 1)}, "stride must be > 0"), ({**POOL, "pool_type": "lp"}, "p_value 1, 2 or 3"),
        ({"kernel": (2,)}, "as many as in kernel (2,)"), ((indices(4, (1, 1, 2, 3), "int32"),), POOL, "floating element type")]),
    OpCase("Pooling", pooling, [normal((2, 3, 6, 8)), normal((1, 2, 7, 9))],
           [{**p, "pool_type": kind, **more} for kind in ("avg", "sum") for p in (POOL, WIDE) for more in ({}, {"pooling_convention": "full"})]
           + [{**WIDE, "pool_type": "avg", "count_include_pad": False}], id="Pooling-avg-sum"),
    OpCase("Pooling", pooling, [uniform(0.5, 2, (1, 2, 6, 6))], [{**POOL, "pool_type": "lp", "p_value": p} for p in (1, 2, 3)],
           tol={"float16": 1e-2}, id="Pooling-lp"),
    OpCase("Pooling", pooling, [normal((2, 3, 5, 4))], [{"global_pool": True, "pool_type": kind} for kind in ("max", "avg", "sum")], id="Pooling-global"),
    OpCase("Pooling", pooling, [normal((2, 3, 9))], [{"kernel": (2,), "stride": (2,)}, {"kernel": 3, "pool_type": "avg"}][:1], id="Pooling-1d"),
    OpCase("Pooling", pooling, [normal((1, 2, 4, 5, 6))], [{"kernel": (2, 2, 2), "stride": (2, 1, 2)}, {"kernel": (2, 2, 2), "pool_type": "avg"}], id="Pooling-3d"),
    OpCase("Pooling", pooling, [normal((1, 6, 8, 3))], [{**POOL, "layout": "NHWC"}], id="Pooling-nhwc"),
    OpCase("Pooling", pooling, [empty((0, 3, 6, 6))], [POOL], gradient=False, id="Pooling-empty"),
]  # fmt: skip


# -- normalisation ---------------------------------------------------------------------------------------------------


def batch_norm(train):
    def oracle(
        x,
        gamma,
        beta,
        mean,
        var,
        eps=1e-3,
        momentum=0.9,
        fix_gamma=True,
        use_global_stats=False,
        output_mean_var=False,
        axis=1,
    ):
        axes = tuple(i for i in range(x.ndim) if i != axis % x.ndim)
        shape = [1 if i in axes else d for i, d in enumerate(x.shape)]
        batch = train and not use_global_stats
        mu, v = (x.mean(axes), x.var(axes)) if batch else (mean, var)
        inverse = 1 / np.sqrt(v + eps)
        y = (x - mu.reshape(shape)) * ((1 if fix_gamma else gamma) * inverse).reshape(shape) + beta.reshape(shape)
        new = (mean * momentum + mu * (1 - momentum), var * momentum + v * (1 - momentum)) if batch else (mean, var)
        return [y, *([mu, inverse] if output_mean_var else []), *new]

    return oracle


def norm_inputs(shape, axis=1, positive=None):
    c = (shape[axis],)
    return (normal(shape), uniform(0.5, 2, c), normal(c), normal(c), uniform(0.5, 2, c))


def standard(x, axes, eps):
    deviation = np.sqrt(x.var(axes, keepdims=True) + eps)
    return (x - x.mean(axes, keepdims=True)) / deviation, x.mean(axes, keepdims=True), deviation


def layer_norm(x, gamma, beta, axis=-1, eps=1e-5, output_mean_var=False):
    shape = [d if i == axis % x.ndim else 1 for i, d in enumerate(x.shape)]
    y, mean, deviation = standard(x, (axis,), eps)
    y = y * gamma.reshape(shape) + beta.reshape(shape)
    return (y, mean, deviation) if output_mean_var else y


def channels(value, x):
    return value.reshape(-1, *(1,) * (x.ndim - 2))


def group_norm(x, gamma, beta, num_groups=1, eps=1e-5):
    y = standard(x.reshape(len(x), num_groups, -1), (2,), eps)[0]
    return (y * gamma[:, None] + beta[:, None]).reshape(x.shape)


def l2(x, eps=1e-10, mode="instance"):
    axes = {"instance": tuple(range(1, x.ndim)), "channel": (1,), "spatial": tuple(range(2, x.ndim))}[mode]
    return x / np.sqrt((x * x).sum(axes, keepdims=True) + eps)


TRAINED = {"tol": {"float16": 2e-2, "float32": 1e-4}}
BATCH_ERRORS = [
    ((normal((2, 3, 4)), *(normal((4,)),) * 4), {}, "gamma must have shape (channels,) = (3,), got (4,)"),
    ((normal((2, 3, 4)), *(normal((3,)),) * 4), {"axis": 3}, "axis must be in [-3, 3)"),
]
NORMALIZATION_CASES = [
    OpCase("BatchNorm", batch_norm(False), [norm_inputs((4, 3, 5)), norm_inputs((6, 3))],
           [{}, {"fix_gamma": False}, {"use_global_stats": True, "fix_gamma": False, "eps": 1e-5}, {"output_mean_var": True}],
           errors=BATCH_ERRORS, gradient=False, **TRAINED),
    OpCase("BatchNorm", batch_norm(False), [norm_inputs((4, 3, 5))], [{"fix_gamma": False}], id="BatchNorm-gradient"),
    OpCase("BatchNorm", batch_norm(True), [norm_inputs((4, 3, 5)), norm_inputs((6, 3)), norm_inputs((2, 3, 4, 5))],
           [{"fix_gamma": False}, {"fix_gamma": False, "momentum": 0.5}], is_train=True, id="BatchNorm-train", **TRAINED),
    OpCase("BatchNorm", batch_norm(True), [norm_inputs((4, 3, 5))], [{}, {"output_mean_var": True}, {"use_global_stats": True}], is_train=True,
           gradient=False, id="BatchNorm-train-options", **TRAINED),
    OpCase("BatchNorm", batch_norm(True), [norm_inputs((4, 3, 5), -1)], [{"axis": -1, "fix_gamma": False}], is_train=True, id="BatchNorm-train-last",
           **TRAINED),
    OpCase("LayerNorm", layer_norm, [(normal((4, 6)), normal((6,)), normal((6,))), (normal((2, 3, 6)), normal((6,)), normal((6,)))],
           [{}, {"eps": 1e-2}], tol={"float16": 1e-2}, errors=[
        ((normal((4, 6)), normal((5,)), normal((6,))), {}, "gamma must have shape (data.shape[axis],) = (6,)")]),
    OpCase("LayerNorm", layer_norm, [(normal((4, 6)), normal((4,)), normal((4,)))], [{"axis": 0}, {"axis": 0, "output_mean_var": True}],
           tol={"float16": 1e-2}, gradient=False, id="LayerNorm-axis"),
    OpCase("InstanceNorm", lambda x, g, b, eps=1e-3: standard(x, tuple(range(2, x.ndim)), eps)[0] * channels(g, x) + channels(b, x),
           [(normal((2, 3, 4)), normal((3,)), normal((3,))), (normal((2, 3, 4, 5)), normal((3,)), normal((3,)))], tol={"float16": 1e-2},
           errors=[((normal((2, 3)), normal((3,)), normal((3,))), {}, "data must be (n, c, spatial...)")]),
    OpCase("GroupNorm", group_norm, [(normal((2, 4, 5)), normal((2,)), normal((2,)))], [{"num_groups": 2}], tol={"float16": 1e-2},
           errors=[({"num_groups": 3}, "num_groups 3 dividing c"),
                   ((normal((2, 4, 5)), normal((4,)), normal((4,))), {"num_groups": 2}, "gamma must have shape (num_groups,) = (2,)")]),
    OpCase("GroupNorm", group_norm, [(normal((2, 4, 5)), normal((1,)), normal((1,)))], tol={"float16": 1e-2}, id="GroupNorm-one"),
    OpCase("L2Normalization", l2, [normal((2, 3, 4, 5))], [{}, {"mode": "channel"}, {"mode": "spatial"}],
           errors=[((normal((2, 3)),), {"mode": "spatial"}, "at least 3 dimensions")]),
]  # fmt: skip


@op_cases(ACTIVATION_CASES)
def test_activation(case, ctx):
    check_op(case, ctx)


@op_cases(CONVOLUTION_CASES)
def test_convolution(case, ctx):
    check_op(case, ctx)


@op_cases(NORMALIZATION_CASES)
def test_normalization(case, ctx):
    check_op(case, ctx)


def test_dropout_keeps_what_it_says_and_scales_it():
    import mxnet as mx

    mx.random.seed(3)
    x = mx.nd.ones((100, 1000))
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.Dropout(x, p=0.3)
    y.backward()
    values = y.asnumpy()
    kept = values != 0
    assert abs(kept.mean() - 0.7) < 0.01
    np.testing.assert_allclose(values[kept], 1 / 0.7, rtol=1e-6)
    np.testing.assert_array_equal(x.grad.asnumpy(), values)


def test_dropout_shares_its_decision_along_axes():
    import mxnet as mx

    with mx.autograd.train_mode():
        y = mx.nd.Dropout(mx.nd.ones((50, 40)), p=0.5, axes=(0,)).asnumpy()
    assert (y == y[0]).all()
    assert 0 < (y[0] != 0).sum() < 40


def test_dropout_always_drops_outside_of_training():
    import mxnet as mx

    assert (mx.nd.Dropout(mx.nd.ones((1000,)), p=0.5, mode="always").asnumpy() == 0).any()
    assert (mx.nd.Dropout(mx.nd.ones((1000,)), p=0.5).asnumpy() == 1).all()


def test_rrelu_draws_slopes_in_training():
    import mxnet as mx

    x = -mx.nd.ones((1000,))
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.LeakyReLU(x, act_type="rrelu", lower_bound=0.1, upper_bound=0.4)
    y.backward()
    slopes = -y.asnumpy()
    assert slopes.min() >= 0.1
    assert slopes.max() < 0.4
    assert slopes.std() > 0.05
    np.testing.assert_allclose(x.grad.asnumpy(), slopes, rtol=1e-6)


def test_max_pooling_gives_the_gradient_to_the_first_maximum():
    import mxnet as mx

    x = mx.nd.ones((1, 1, 2, 2))
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.Pooling(x, kernel=(2, 2))
    y.backward()
    assert x.grad.asnumpy().ravel().tolist() == [1, 0, 0, 0]


def test_fix_gamma_counts_as_one_and_has_no_gradient():
    import mxnet as mx

    x, gamma = mx.nd.random.uniform(shape=(4, 3)), mx.nd.full((3,), 5.0)
    states = [mx.nd.zeros((3,)), mx.nd.zeros((3,)), mx.nd.ones((3,))]
    gamma.attach_grad()
    with mx.autograd.record():
        y = mx.nd.BatchNorm(x, gamma, *states)
    y.backward(mx.nd.random.uniform(shape=(4, 3)))
    np.testing.assert_array_equal(gamma.grad.asnumpy(), 0)
    assert abs(y.asnumpy().std(0) - 1).max() < 0.1


def test_layers_learn_their_weight_shapes_from_their_data():
    from mx_core.op import get_op, infer_types

    inputs, outputs = infer_types(
        get_op("Convolution"), {"kernel": (3, 3), "num_filter": 8}, [(0, (2, 3, 8, 8)), None, None]
    )
    assert [shape for _, shape in inputs] == [(2, 3, 8, 8), (8, 3, 3, 3), (8,)]
    assert outputs == [(0, (2, 8, 6, 6))]
    inputs, _ = infer_types(get_op("BatchNorm"), {}, [(2, (2, 3, 8, 8)), None, None, None, None])
    assert inputs[1:] == [(0, (3,))] * 4  # float16 data, float32 statistics
