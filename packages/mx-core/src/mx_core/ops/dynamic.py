"""Operators whose result's shape depends on values: they wait for these, so they run on arrays, not in graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ParameterError, ShapeError
from ..op import Axis, OpDef, Tensor
from ..op.definition import register
from ._shapes import normal_axis


class HostShaped(OpDef):
    """An operator that a Python function over other operators is; its own body says why it cannot be traced."""

    __slots__ = ()

    def __init__(self, function: Callable[..., Any], call: Callable[..., Any], **options: Any) -> None:
        super().__init__(function, **options)
        self.call = call

    def make_callable(self) -> Any:
        return self.call

    def infer_node(self, node: Any, inputs: list[Any], outputs: list[Any]) -> tuple[list[Any], list[Any]]:
        """In a symbol graph, which runs such an operator on arrays: the outputs have the first input's element type."""
        return list(inputs), [(inputs[0][0], None)] * len(outputs)


def _boolean_mask_in_graph(F, data: Tensor, index: Tensor, *, axis: Axis = 0) -> Tensor:
    """The slices of ``data`` along ``axis`` where ``index`` is not 0.

    data: array.  index: (data.shape[axis],) of any type. It is read here, so the call waits for it. Gradients flow to data.

    >>> import mxnet as mx
    >>> mx.nd.contrib.boolean_mask(mx.nd.array([[1, 2], [3, 4], [5, 6]]), mx.nd.array([0, 1, 1])).asnumpy().tolist()
    [[3.0, 4.0], [5.0, 6.0]]
    """
    msg = (
        "[_contrib_boolean_mask] the shape of its result depends on the values of index, so it cannot be part of a graph: "
        "call it on arrays, outside of hybridized blocks, or use where"
    )
    raise ParameterError(msg)


def boolean_mask(data: Any, index: Any, axis: int = 0, out: Any = None, name: str | None = None) -> Any:
    """The slices of data along axis where index is not 0; see _boolean_mask_in_graph."""
    from ..ndarray import array
    from ..ndarray.namespace import op

    try:
        given = Axis.parse(axis)
    except ValueError as error:
        msg = f"[_contrib_boolean_mask] axis {error}"
        raise ParameterError(msg) from None
    at = normal_axis("_contrib_boolean_mask", given, len(data.shape))
    if tuple(index.shape) != (data.shape[at],):
        msg = (
            f"[_contrib_boolean_mask] index must have shape ({data.shape[at]},), as axis {at} of data {data.shape}, "
            f"got {index.shape}"
        )
        raise ShapeError(msg)
    places = array(np.flatnonzero(index.asnumpy()), ctx=data.context, dtype="int64")
    return op("take")(data, places, axis=at, mode="clip", **({} if out is None else {"out": out}))


boolean_mask.__doc__ = _boolean_mask_in_graph.__doc__
register(HostShaped(_boolean_mask_in_graph, boolean_mask, name="_contrib_boolean_mask"))
