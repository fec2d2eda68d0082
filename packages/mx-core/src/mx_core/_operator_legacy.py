"""The operators in Python of MXNet's first years, NumpyOp and NDArrayOp: an object is the operator.

>>> import mxnet as mx
>>> class Double(mx.operator.NumpyOp):
...     def forward(self, in_data, out_data):
...         out_data[0][:] = in_data[0] * 2
...     def backward(self, out_grad, in_data, out_data, in_grad):
...         in_grad[0][:] = out_grad[0] * 2
>>> import warnings
>>> with warnings.catch_warnings(action="ignore"):  # they are deprecated
...     doubled = Double()(mx.sym.Variable("data"), name="doubled")
>>> doubled.eval(data=mx.nd.array([1.0, 2.0]))[0].asnumpy()
array([2., 4.], dtype=float32)

They run as custom operators, so a symbol of one works wherever a Custom does; files cannot hold them.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from typing import Any

from .errors import MXNetError

__all__ = ["NDArrayOp", "NumpyOp", "PythonOp"]

_numbers = itertools.count()


class PythonOp:
    """What NumpyOp and NDArrayOp share: the names, the shapes and the symbol of an operator.

    need_top_grad: whether backward reads the gradient of the outputs; False for losses.
    """

    def __init__(self, need_top_grad: bool = True) -> None:
        self.need_top_grad_ = need_top_grad
        self._op_type: str | None = None
        warnings.warn(
            "PythonOp, NumpyOp and NDArrayOp are deprecated. Please use CustomOp", DeprecationWarning, stacklevel=3
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.get_symbol(*args, **kwargs)

    def get_symbol(self, *args: Any, **kwargs: Any) -> Any:
        """The operator's Symbol on these inputs, given by position or by the names of ``list_arguments``."""
        from .name import NameManager
        from .operator import register
        from .symbol.custom import Custom

        if self._op_type is None:
            self._op_type = f"_python_op{next(_numbers)}"
            register(self._op_type)(_property_of(self))
        kwargs["name"] = NameManager.current.get(kwargs.get("name"), "_native")
        return Custom(*args, op_type=self._op_type, **kwargs)

    def forward(self, in_data: Sequence[Any], out_data: Sequence[Any]) -> None:
        """Writes the outputs, in place: ``out_data[0][:] = ...``."""
        msg = f"[{type(self).__name__}] a subclass must define forward(in_data, out_data)"
        raise MXNetError(msg)

    def backward(
        self, out_grad: Sequence[Any], in_data: Sequence[Any], out_data: Sequence[Any], in_grad: Sequence[Any]
    ) -> None:
        """Writes the gradients of the inputs, in place."""
        msg = f"[{type(self).__name__}] a subclass must define backward to be differentiated"
        raise MXNetError(msg)

    def infer_shape(self, in_shape: list[list[int]]) -> Any:
        """(input shapes, output shapes); by default one output of the first input's shape."""
        return in_shape, [in_shape[0]]

    def list_outputs(self) -> list[str]:
        """Names of the outputs."""
        return ["output"]

    def list_arguments(self) -> list[str]:
        """Names of the inputs."""
        return ["data"]

    def need_top_grad(self) -> bool:
        """Whether backward reads the gradient of the outputs."""
        return self.need_top_grad_

    def _run_forward(self, in_data: Sequence[Any], out_data: Sequence[Any]) -> None:
        self.forward(in_data, out_data)

    def _run_backward(self, out_grad: Any, in_data: Any, out_data: Any, in_grad: Any) -> None:
        self.backward(out_grad, in_data, out_data, in_grad)


class NumpyOp(PythonOp):
    """An operator whose forward and backward see NumPy arrays and write into them."""

    def _run_forward(self, in_data: Sequence[Any], out_data: Sequence[Any]) -> None:
        outs = [array.asnumpy() for array in out_data]
        self.forward([array.asnumpy() for array in in_data], outs)
        _store(out_data, outs)

    def _run_backward(self, out_grad: Any, in_data: Any, out_data: Any, in_grad: Any) -> None:
        grads = [array.asnumpy() for array in in_grad]
        read = ([array.asnumpy() for array in arrays] for arrays in (out_grad, in_data, out_data))
        self.backward(*read, grads)
        _store(in_grad, grads)


class NDArrayOp(PythonOp):
    """An operator whose forward and backward see NDArrays and write into them."""

    def declare_backward_dependency(
        self, out_grad: Sequence[int], in_data: Sequence[int], out_data: Sequence[int]
    ) -> list[int]:
        """Which arrays backward reads, by number; kept for programs that override it."""
        return [*(out_grad if self.need_top_grad() else []), *in_data, *out_data]


def _store(arrays: Sequence[Any], values: Sequence[Any]) -> None:
    for array, value in zip(arrays, values, strict=True):
        array[:] = value


def _property_of(op: PythonOp) -> Any:
    """A CustomOpProp class for one such object."""
    from .operator import CustomOp, CustomOpProp

    class Run(CustomOp):
        def forward(self, is_train: bool, req: Any, in_data: Any, out_data: Any, aux: Any) -> None:
            op._run_forward(in_data, out_data)

        def backward(self, req: Any, out_grad: Any, in_data: Any, out_data: Any, in_grad: Any, aux: Any) -> None:
            op._run_backward(out_grad, in_data, out_data, in_grad)

    class Property(CustomOpProp):
        def __init__(self) -> None:
            super().__init__(op.need_top_grad())

        def list_arguments(self) -> list[str]:
            return op.list_arguments()

        def list_outputs(self) -> list[str]:
            return op.list_outputs()

        def infer_shape(self, in_shape: list[list[int]]) -> Any:
            inputs, outputs = op.infer_shape(in_shape)
            return inputs, outputs, []

        def create_operator(self, ctx: Any, in_shapes: list[list[int]], in_dtypes: list[Any]) -> CustomOp:
            return Run()

    return Property
