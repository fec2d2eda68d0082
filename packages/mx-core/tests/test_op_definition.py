"""The operator language: signatures, parameters, registry, and what a body may do."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from mx_core.errors import MXNetError, ParameterError, PluginError
from mx_core.op import (
    Aux,
    Axes,
    DType,
    Enum,
    Floats,
    Hidden,
    NonNegative,
    Optional,
    OptionalInts,
    Positive,
    Range,
    Runtime,
    Shape,
    Tensor,
    find_op,
    get_op,
    isolated_registry,
    op,
    register,
    registering,
)
from mx_core.op.params import param_type
from mx_core.op.pointwise import OPCODES
from mx_core.op.signature import documentation


@pytest.fixture(autouse=True)
def _own_registry():
    with isolated_registry():
        yield


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        (int, "3", 3), (int, "3L", 3), (int, np.int64(4), 4), (int, True, 1), (float, "1e-3", 1e-3), (float, 2, 2.0),
        (bool, "True", True), (bool, "0", False), (bool, 1, True), (str, "max", "max"), (Shape, "(2, 2)", (2, 2)),
        (Shape, "[2,3]", (2, 3)), (Shape, 3, (3,)), (Shape, "()", ()), (Shape, "(5L,)", (5,)),
        (Shape, np.array([1, 2]), (1, 2)),
        (Axes, -1, (-1,)), (Axes | None, "None", None), (Optional[int], None, None), (int | None, "None", None),
        (DType, "float16", 2), (DType, np.float64, 1), (DType, 4, 4), (DType, np.dtype("int8"), 5),
        (Floats, "(1, 2.5)", (1.0, 2.5)),
        (OptionalInts, "(None, 3)", (None, 3)), (OptionalInts, (1, None), (1, None)), (tuple[int, ...], [1, 2], (1, 2)),
        (Enum("a", "b"), "b", "b"), (Enum["a", "b"], "a", "a"), (Positive[float], 2, 2.0), (Range[float, 0, 1], "1", 1.0),
    ],
)  # fmt: skip
def test_parameters_parse(kind, given, expected):
    parsed = param_type(kind).parse(given)
    assert parsed == expected
    assert type(parsed) is type(expected)


@pytest.mark.parametrize(
    ("kind", "given", "text"),
    [
        (int, "x", "must be int, got 'x'"), (int, 1.5, "must be int, got 1.5"), (int, 1 << 70, "must be int"),
        (Positive[float], 0.0, "must be > 0, got 0.0"), (NonNegative[int], -1, "must be >= 0, got -1"),
        (Positive[Shape], (2, 0), "must be > 0"), (Range[float, 0, 1], 2, r"must be in \[0, 1\], got 2"),
        (Enum("max", "avg"), "sum", "must be 'max' or 'avg', got 'sum'"), (int, None, "must be int, got None"),
        (DType, "complex64", "must be dtype name"), (Shape, "(a,)", "must be tuple of int"), (bool, "maybe", "must be bool"),
    ],
)  # fmt: skip
def test_parameters_are_checked(kind, given, text):
    with pytest.raises(ValueError, match=text):
        param_type(kind).parse(given)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [(Shape, (2, 2), "(2, 2)"), (Shape, (3,), "(3,)"),
     (DType, 2, "float16"), (bool, True, "True"), (int | None, None, "None")],
)  # fmt: skip
def test_parameters_print_as_mxnet_does_and_parse_back(kind, value, text):
    kind = param_type(kind)
    assert kind.print(value) == text
    assert kind.parse(text) == value


def test_schema_is_the_signature():
    @op(aliases=["TestAlias"], method=True, writes={"state": 2})
    def test_schema(
        F, data: Tensor, bias: Tensor | None = None, state: Aux[Tensor] | None = None, *,
        beta: Positive[float] = 1.0, shape: Shape, lr: Runtime[float] = 0.1,
    ) -> tuple[Tensor, Hidden[Tensor], Tensor]:  # fmt: skip
        """Words."""
        return data, data, data

    assert test_schema.input_names == ("data", "bias", "state")
    assert test_schema.optional_inputs == (False, True, True)
    assert test_schema.n_required == 1
    assert test_schema.param_names == ("beta", "shape")
    assert test_schema.runtime_names == ("lr",)
    assert test_schema.runtime_defaults == (0.1,)
    assert test_schema.call_order == ("beta", "shape", "lr")
    assert (test_schema.n_outputs, test_schema.n_visible) == (3, 1)
    assert test_schema.has_body
    assert test_schema.method == "test_schema"
    assert find_op("TestAlias") is test_schema
    assert str(test_schema.__signature__).startswith("(data, bias=None, state=None, *, beta: 'float > 0' = 1.0, shape:")
    assert "beta: float > 0, default 1.0" in documentation(test_schema)
    assert "shape: tuple of int, required" in documentation(test_schema)


def test_definition_is_read_on_first_use():
    @op
    def test_lazy(F, data: NoSuchName) -> Tensor:  # noqa: F821 - read late: importing the definition does not fail
        """Words."""

    with pytest.raises(NameError):
        _ = test_lazy.input_names


def test_variadic_and_varying_outputs():
    @op(num_outputs=lambda params: params["count"])
    def test_many(F, data: list[Tensor], *, count: Positive[int] = 2) -> list[Tensor]:
        """Words."""

    assert test_many.variadic
    assert (test_many.n_outputs, test_many.n_visible) == (-1, -1)
    assert test_many.count_outputs({"count": 3}) == test_many.count_visible({"count": 3}) == 3


def test_docstring_body_is_a_primitive():
    @op
    def test_primitive(F, data: Tensor) -> Tensor:
        """Only words."""

    assert not test_primitive.has_body


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"beta": 0, "n": 1}, r"\[test_checked\] beta must be > 0, got 0"),
        ({}, r"\[test_checked\] n is required"),
        ({"n": 1, "alpha": 2}, r"\[test_checked\] has no parameter alpha. Its parameters: beta, n"),
    ],
)
def test_parameter_errors_name_operator_and_cure(params, text):
    @op
    def test_checked(F, data: Tensor, *, beta: Positive[float] = 1.0, n: int) -> Tensor:
        """Words."""

    with pytest.raises(ParameterError, match=text):
        test_checked.bind_params(params)


def test_wrong_definitions_are_refused():
    @op
    def test_unannotated(F, data, *, beta: float = 1.0) -> Tensor:
        """Words."""

    with pytest.raises(PluginError, match="operator test_unannotated: annotate data"):
        _ = test_unannotated.input_names

    @op
    def test_list(F, data: list[Tensor], other: Tensor) -> Tensor:
        """Words."""

    with pytest.raises(PluginError, match="only input"):
        _ = test_list.input_names


def _define(plugin, name, **options):
    def function(F, data: Tensor) -> Tensor:
        """Words."""

    with registering(plugin):
        return op(function, name=name, **options)


def test_one_name_belongs_to_one_plugin():
    first = _define("mx-first", "test_name")
    assert register(first) is first
    with pytest.raises(PluginError, match="'test_name' is defined twice: by mx-first and by mx-second"):
        _define("mx-second", "test_name")
    replaced = _define("mx-second", "test_name", overrides="mx-first:test_name")
    assert get_op("test_name") is replaced
    with pytest.raises(PluginError, match="overrides 'mx-third:test_name', which is not defined"):
        _define("mx-second", "test_other", overrides="mx-third:test_name")


def test_unknown_operators_name_their_neighbours():
    _define("mx-first", "test_neighbour")
    with pytest.raises(MXNetError, match="no operator 'test_neighbor'. Did you mean test_neighbour"):
        get_op("test_neighbor")


def test_opcodes_are_those_of_the_header():
    header = Path(__file__).parents[1] / "include" / "mx" / "pointwise.h"
    found = re.findall(r"X\((\d+), (\w+), (\d), \"(\w+)\"\)", header.read_text())
    expected = {name: (int(number), int(count), classes == "f") for number, name, count, classes in found}
    assert expected == OPCODES
