"""What holds for all operators: a row for each, a help text, MXNet 1.9.1's signatures, the plug-ins' rows."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
import json
import os
import pathlib
import re

import pytest

from mx_core.op import registered_ops
from mx_core.registry import find_op
from mx_core.testing import OpCase, check_op, op_cases, plugin_cases

HERE = pathlib.Path(__file__).parent
# Parts of the operators that have rows; their own inputs are checked by those.
PARTS = frozenset(
    "_arg_reduce _batch_norm_backward _batch_norm_train _bernoulli _broadcast _cast _concat _convolution "
    "_convolution_backward_data _convolution_backward_weight _copy _digamma _exponential _identity_with_attr_like_rhs _isfinite "
    "_matmul _normal _pick _pooling _pooling_backward _randint _range _reduce _select _slice _slice_backward _slice_set _softrelu "
    "_transpose _uniform _where _col2im _count_in_bins _cumsum _im2col _put_along _put_rows _take_along "
    "_bipartite_matching _box_nms _box_nms_backward _multibox_detection _multibox_target "
    "_bilinear_resize _bilinear_resize_backward _bilinear_sampler _bilinear_sampler_backward _correlation "
    "_correlation_backward _ctc_loss _ctc_loss_backward _recurrent _recurrent_backward _roi_align _roi_align_backward "
    "_roi_pooling _roi_pooling_backward _unpacked "
    "_deformable_columns _deformable_columns_backward _fourier _proposal _ps_roi_pooling _ps_roi_pooling_backward "
    "_rotated_roi_align _rotated_roi_align_backward "
    "_layer_norm _layer_norm_backward _log_softmax_backward _softmax_backward "
    "_draw _draw_each _exponential_rate _extract_part _inverse _multinomial _place_part".split()
)
# Checked by tests of their own, beside the rows.
TESTED_ALONE = frozenset(
    "_random_exponential_like _random_normal_like _random_uniform_like _shuffle amp_multicast _grad_add "
    "_contrib_boolean_mask".split()
)


def core_ops():
    find_op("relu")
    return {opdef.name: opdef for opdef in registered_ops().values() if opdef.plugin == "mx-core"}


def rows_beside_this_file():
    for path in sorted(HERE.glob("test_*.py")):
        if path.name != pathlib.Path(__file__).name:
            spec = importlib.util.spec_from_file_location(f"rows_{path.stem}", path)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            for value in vars(module).values():
                yield from (
                    case for case in (value if isinstance(value, list) else [value]) if isinstance(case, OpCase)
                )


def test_every_operator_has_a_row():
    rows = {case.name for case in rows_beside_this_file()}
    assert sorted(set(core_ops()) - rows - PARTS - TESTED_ALONE) == []


def test_no_name_is_listed_in_vain():
    assert set(core_ops()) >= PARTS | TESTED_ALONE


def test_amp_multicast_takes_the_widest_type():
    import mxnet as mx

    half, single, whole = mx.nd.ones((2,), dtype="float16"), mx.nd.ones((2,)), mx.nd.ones((2,), dtype="int32")
    wide = mx.nd.amp_multicast(half, single, whole, num_outputs=3)
    assert [str(item.dtype.__name__) for item in wide] == ["float32", "float32", "int32"]
    narrow = mx.nd.amp_multicast(half, single, num_outputs=2, cast_narrow=True)
    assert [str(item.dtype.__name__) for item in narrow] == ["float16", "float16"]


def test_grad_add_adds():
    import mxnet as mx
    from mx_core.op import get_op

    assert get_op("_grad_add").make_callable()(mx.nd.ones((2,)), mx.nd.ones((2,))).asnumpy().tolist() == [2, 2]


@pytest.mark.parametrize("name", sorted(core_ops()))
def test_help_names_the_formula_and_the_parameters(name):
    opdef = core_ops()[name]
    first = inspect.cleandoc(opdef.__doc__ or "").partition("\n")[0]
    assert len(first) > 5, f"{name} has no docstring"
    names = set(inspect.signature(opdef.make_callable()).parameters)
    assert {*opdef.input_names, *opdef.call_order} <= names


# -- MXNet 1.9.1's signatures ------------------------------------------------------------------------------------------

# 1.9.1 really takes num and endpoint for _linspace; _full is one of the compiler's primitives, called by keywords; the list
# has no input for _CrossDeviceCopy.
# The running averages of the last two are missing in the registry's lists, and so in 1.9.1's functions.
OTHER_IN_PYTHON = frozenset(["_linspace", "_full", "_CrossDeviceCopy", "BatchNorm_v1", "IdentityAttachKLSparseReg"])


def specification():
    folder = pathlib.Path(os.environ.get("MX_TEST_SPEC", HERE.parents[3] / ".." / "shared" / "spec"))
    path = folder / "operators.json"
    if not path.exists():
        return {}
    found = {}
    for name, facts in json.loads(path.read_text()).items():
        found.update((key, (name, facts)) for key in (name, *facts["aliases"]))
    return found


SPECIFICATION = specification()


@pytest.mark.parametrize(
    "name", sorted(name for name in core_ops() if name in SPECIFICATION and name not in OTHER_IN_PYTHON)
)
def test_signature_is_mxnets(name):
    opdef = core_ops()[name]
    _, facts = SPECIFICATION[name]
    ours = [parameter for parameter in (*opdef.input_names, *opdef.call_order) if parameter != "num_args"]
    theirs = [argument["name"] for argument in facts["args"] if argument["name"] not in ("ctx", "num_args")]
    # Inputs come first in Python, wherever the registry lists them.
    theirs.sort(key=lambda argument: argument not in opdef.input_names)
    if not opdef.variadic:
        assert ours == theirs
    defaults = {
        argument["name"]: match.group(1).strip("'")
        for argument in facts["args"]
        if (match := re.search(r"default=(.*)$", argument["type"]))
    }
    for parameter, wanted in defaults.items():
        kinds = dict(zip(opdef.param_names, zip(opdef.param_types, opdef.param_defaults, strict=True), strict=True))
        if parameter not in kinds:
            continue
        kind, default = kinds[parameter]
        if isinstance(default, float):
            assert float(wanted) == pytest.approx(default, rel=1e-6), parameter
        elif wanted != "None" or default is None:
            assert kind.parse(wanted) == default or str(default) == wanted, parameter


@pytest.mark.skipif(not SPECIFICATION, reason="the list of 1.9.1's operators is not there")
def test_every_alias_of_mxnets_is_served():
    """But identity of _copy: _copy is the compiler's primitive, identity the operator that users call."""
    ours = registered_ops()
    lost = [
        f"{alias} of {name}"
        for name, (first, facts) in SPECIFICATION.items()
        if name in ours and name == first
        for alias in facts["aliases"]
        if ours.get(alias) is not ours[name]
    ]
    assert lost == ["identity of _copy"]


# -- plug-ins ----------------------------------------------------------------------------------------------------------

PLUGIN_ROWS = plugin_cases()


@pytest.mark.skipif(not PLUGIN_ROWS, reason="no plug-in with rows is installed")
@op_cases(PLUGIN_ROWS)
def test_rows_of_plugins(case, ctx):
    check_op(case, ctx)


# -- the examples in the help texts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(name for name, opdef in core_ops().items() if ">>>" in (opdef.__doc__ or "")))
def test_examples_in_the_help_are_true(name):
    import mxnet as mx

    example = doctest.DocTestParser().get_doctest(inspect.cleandoc(core_ops()[name].__doc__), {"mx": mx}, name, None, 0)
    result = doctest.DocTestRunner(verbose=False).run(example)
    assert result.attempted
    assert not result.failed
