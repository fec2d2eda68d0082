"""Parameter, a trainable array on one or several devices, and Constant. ParameterDict is importable from here too."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from mx_core import autograd, initializer
from mx_core import ndarray as nd
from mx_core.context import Context, cpu, current_context
from mx_core.errors import DTypeError, MXNetError, ParameterError, ShapeError

__all__ = ["Constant", "DeferredInitializationError", "Parameter"]


class DeferredInitializationError(MXNetError):
    """A parameter was read whose shape is not known yet."""


class Epoch:
    """Counts how often any parameter's arrays were replaced, so that blocks know when to look them up again."""

    value = 0


def _is_known(shape: tuple[int, ...] | None) -> bool:
    return shape is not None and all(dim > 0 for dim in shape)


def _agree(old: tuple[int, ...], new: tuple[int, ...]) -> bool:
    """True if ``new`` fills only unknown (0) dims of ``old``."""
    return len(old) == len(new) and all(a in (0, b) for a, b in zip(old, new, strict=True))


def _device_key(ctx: Context) -> tuple[int, int]:
    # cpu, cpu_pinned and cpu_shared are one memory, as in MXNet: their type numbers are the odd ones.
    return (ctx.device_typeid & 1, ctx.device_id)


def _context_list(ctx: Any) -> list[Context]:
    if ctx is None:
        return [current_context()]
    return [ctx] if isinstance(ctx, Context) else list(ctx)


class Parameter:
    """A trainable array with its gradient, one copy per device.

    name: full name, the key in files and optimizers.  grad_req: "write", "add" or "null", what backward does to the
    gradient.  shape: dims of 0 are inferred at the first forward call (``allow_deferred_init``).  dtype: element
    type.  lr_mult, wd_mult: factors of the learning rate and the weight decay.  init: initializer, None for the one
    given to ``initialize``.  differentiable: False makes grad_req "null".

    >>> weight = Parameter("weight", shape=(2, 2), init="ones")
    >>> weight.initialize()
    >>> weight.data().asnumpy().tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """

    def __init__(
        self,
        name: str,
        grad_req: str = "write",
        shape: Any = None,
        dtype: Any = np.float32,
        lr_mult: float = 1.0,
        wd_mult: float = 1.0,
        init: Any = None,
        allow_deferred_init: bool = False,
        differentiable: bool = True,
        stype: str = "default",
        grad_stype: str = "default",
    ) -> None:
        if stype != "default":
            msg = f"[Parameter] {name}: stype {stype!r} is not available; parameters are dense (stype='default')"
            raise ParameterError(msg)
        if grad_stype not in ("default", "row_sparse", "csr"):
            msg = (
                f"[Parameter] grad_stype for Parameter '{name}' must be one of 'default', 'row_sparse', or 'csr', "
                f"got {grad_stype!r}"
            )
            raise ParameterError(msg)
        self.name = name
        self._data: list[Any] | None = None
        self._grad: list[Any] | None = None
        self._ctx_list: list[Context] = []
        self._index_of: dict[tuple[int, int], int] = {}
        self._deferred_init: tuple[Any, ...] = ()
        self._trainer: Any = None
        self._differentiable = differentiable
        self._allow_deferred_init = allow_deferred_init
        self._grad_req = "null"
        self._shape = (shape,) if isinstance(shape, int) else None if shape is None else tuple(shape)
        self._dtype = dtype
        self.lr_mult = lr_mult
        self.wd_mult = wd_mult
        self.init = init
        self._grad_stype = grad_stype
        self.grad_req = grad_req

    def __repr__(self) -> str:
        return f"Parameter {self.name} (shape={self.shape}, dtype={self.dtype})"

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def grad_req(self) -> str:
        """What backward does: "write" the gradient, "add" to it, or nothing ("null")."""
        return self._grad_req

    @grad_req.setter
    def grad_req(self, req: str) -> None:
        if req not in ("write", "add", "null"):
            msg = f"grad_req must be one of 'write', 'add', or 'null', but got {req!r}"
            raise ParameterError(msg)
        if not self._differentiable:
            req = "null"
        if self._grad_req == req:
            return
        self._grad_req = req
        if self._data is None:
            return
        if req == "null":
            self._grad = None
            self._data = [array.detach() for array in self._data]
            Epoch.value += 1
        else:
            self._init_grad()

    @property
    def dtype(self) -> Any:
        """Element type, as it was given; setting it casts."""
        return self._dtype

    @dtype.setter
    def dtype(self, dtype: Any) -> None:
        self.cast(dtype)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Shape, unknown dims 0; setting it may fill unknown dims only."""
        return self._shape

    @shape.setter
    def shape(self, new_shape: tuple[int, ...]) -> None:
        if self._shape is not None and not _agree(self._shape, tuple(new_shape)):
            msg = (
                f"Expected shape {tuple(new_shape)} is incompatible with given shape {self._shape} "
                f"of Parameter '{self.name}'."
            )
            raise ShapeError(msg)
        self._shape = tuple(new_shape)

    @property
    def stype(self) -> str:
        """Storage type of the array."""
        return "default"

    @property
    def grad_stype(self) -> str:
        """Storage type asked for the gradient."""
        return self._grad_stype

    # -- initialization --------------------------------------------------------------------------------------------

    def initialize(
        self,
        init: Any = None,
        ctx: Any = None,
        default_init: Any = None,
        force_reinit: bool = False,
    ) -> None:
        """Makes the arrays and fills them, now or, while the shape is unknown, at the first forward call.

        init: initializer; None takes the parameter's own, else ``default_init`` (Uniform).  ctx: a Context or a list
        of them, default the current one.  force_reinit: also if initialized already; otherwise that is a warning.
        """
        if self._data is not None and not force_reinit:
            warnings.warn(
                f"Parameter '{self.name}' is already initialized, ignoring. Set force_reinit=True to re-initialize.",
                stacklevel=2,
            )
            return
        self._data = self._grad = None
        Epoch.value += 1
        if default_init is None:
            default_init = initializer.Uniform()
        if init is None:
            init = default_init if self.init is None else self.init
        contexts = _context_list(ctx)
        if not _is_known(self._shape) and not self._allow_deferred_init:
            msg = f"Cannot initialize Parameter '{self.name}' because it has invalid shape: {self._shape}."
            raise ParameterError(msg)
        self._deferred_init = (init, contexts, default_init, None)
        if _is_known(self._shape):
            self._finish_deferred_init()

    def _finish_deferred_init(self) -> None:
        if not self._deferred_init:
            return
        init, contexts, default_init, data = self._deferred_init
        if not _is_known(self._shape):
            msg = (
                f"Cannot initialize Parameter '{self.name}' because it has invalid shape: {self._shape}. "
                "Please specify in_units, in_channels, etc for `Block`s."
            )
            raise ParameterError(msg)
        self._deferred_init = ()
        with autograd.pause():
            if data is None:
                data = nd.zeros(self._shape, dtype=self._dtype, ctx=cpu())
                by_name = (initializer.Mixed, initializer.Load)
                if isinstance(init, by_name):
                    init(self.name, data)
                else:
                    fill = initializer.create(init if isinstance(default_init, by_name) else default_init)
                    fill(initializer.InitDesc(self.name, {"__init__": init}), data)
            self._set_arrays(data, contexts)

    def _set_arrays(self, data: Any, contexts: Iterable[Context]) -> None:
        """Takes copies of ``data`` on every context as the parameter's arrays."""
        self._ctx_list = list(contexts)
        self._index_of = {_device_key(ctx): i for i, ctx in enumerate(self._ctx_list)}
        self._data = [data.copyto(ctx) for ctx in self._ctx_list]
        Epoch.value += 1
        self._init_grad()

    def _init_grad(self) -> None:
        if self._grad_req == "null":
            self._grad = None
            return
        assert self._data is not None
        self._grad = [nd.zeros(a.shape, dtype=a.dtype, ctx=a.context) for a in self._data]
        autograd.mark_variables(self._data, self._grad, self._grad_req)

    def _load_init(self, data: Any, ctx: Any, cast_dtype: bool = False, dtype_source: str = "current") -> None:
        """Takes over an array from a file, initializing the parameter if it is not."""
        data = self._fitting(data, cast_dtype, dtype_source)
        contexts = None if ctx is None else _context_list(ctx)
        known = self._ctx_list if self._data is not None else self._deferred_init[1] if self._deferred_init else None
        if known is not None and contexts is not None and set(contexts) != set(known):
            msg = (
                f"Failed to load Parameter '{self.name}' on {contexts} because it was previous initialized on {known}."
            )
            raise ParameterError(msg)
        if self._data is None:
            self._set_arrays(data, known or contexts or [cpu()])
        else:
            self.set_data(data)
        self._deferred_init = ()

    def _fitting(self, data: Any, cast_dtype: bool, dtype_source: str) -> Any:
        """``data`` after checking its shape and element type against the parameter's, cast if asked."""
        who = f"Failed loading Parameter '{self.name}' from saved params:"
        if self._shape is not None and not _agree(self._shape, data.shape):
            msg = f"{who} shape incompatible expected {self._shape} vs saved {data.shape}"
            raise ShapeError(msg)
        self._shape = data.shape
        if cast_dtype:
            if dtype_source not in ("current", "saved"):
                msg = f"dtype_source must be 'current' or 'saved', got {dtype_source!r}"
                raise ParameterError(msg)
            if dtype_source == "saved":
                self.dtype = data.dtype
            return data.astype(self._dtype) if np.dtype(self._dtype) != np.dtype(data.dtype) else data
        if np.dtype(self._dtype) != np.dtype(data.dtype):
            msg = (
                f"{who} dtype incompatible expected {self._dtype} vs saved {data.dtype}. "
                "Set cast_dtype=True to cast the dtype of saved params."
            )
            raise DTypeError(msg)
        return data

    # -- arrays ----------------------------------------------------------------------------------------------------

    def _pick(self, arrays: list[Any] | None, ctx: Context | None) -> Any:
        if arrays is not None:
            if ctx is None:
                if len(arrays) == 1:
                    return arrays[0]
                ctx = current_context()
            index = self._index_of.get((ctx.device_typeid & 1, ctx.device_id))
            if index is not None:
                return arrays[index]
            msg = (
                f"Parameter '{self.name}' was not initialized on context {ctx}. "
                f"It was only initialized on {self._ctx_list}."
            )
            raise MXNetError(msg)
        self._raise_uninitialized()
        return None

    def _raise_uninitialized(self) -> None:
        if self._deferred_init:
            msg = (
                f"Parameter '{self.name}' has not been initialized yet because initialization was deferred. Actual "
                "initialization happens during the first forward pass. Please pass one batch of data through the "
                "network before accessing Parameters. You can also avoid deferred initialization by specifying "
                "in_units, num_features, etc., for network layers."
            )
            raise DeferredInitializationError(msg)
        msg = (
            f"Parameter '{self.name}' has not been initialized. Note that you should initialize parameters and create "
            "Trainer with Block.collect_params() instead of Block.params because the later does not include "
            "Parameters of nested child Blocks"
        )
        raise MXNetError(msg)

    def data(self, ctx: Context | None = None) -> Any:
        """The array on ``ctx``; without ctx, the only one, or that on the current context.

        Raises DeferredInitializationError before the first forward call of a parameter of unknown shape.
        """
        return self._pick(self._data, ctx)

    def list_data(self) -> list[Any]:
        """The arrays on all contexts."""
        if self._data is None:
            self._raise_uninitialized()
        return list(self._data or ())

    def grad(self, ctx: Context | None = None) -> Any:
        """The gradient on ``ctx``, as ``data``. Raises MXNetError when grad_req is "null"."""
        self._check_has_grad()
        return self._pick(self._grad, ctx)

    def list_grad(self) -> list[Any]:
        """The gradients on all contexts."""
        self._check_has_grad()
        if self._grad is None:
            self._raise_uninitialized()
        return list(self._grad or ())

    def _check_has_grad(self) -> None:
        if self._data is not None and self._grad is None:
            msg = f"Cannot get gradient array for Parameter '{self.name}' because grad_req='null'"
            raise MXNetError(msg)

    def list_ctx(self) -> list[Context]:
        """The contexts the parameter is, or will be, initialized on."""
        if self._data is None:
            if self._deferred_init:
                return list(self._deferred_init[1])
            msg = f"Parameter '{self.name}' has not been initialized"
            raise MXNetError(msg)
        return list(self._ctx_list)

    def set_data(self, data: Any) -> None:
        """Copies ``data`` into the arrays of all contexts; before initialization, they start with it."""
        self.shape = data.shape
        if self._data is None:
            if not self._deferred_init:
                msg = f"Parameter '{self.name}' has not been initialized"
                raise MXNetError(msg)
            self._deferred_init = (*self._deferred_init[:3], data)
            return
        if self._trainer is not None:
            self._trainer._parameter_changed(self)
        for array in self._data:
            array[:] = data

    def zero_grad(self) -> None:
        """Sets the gradients to 0 on all contexts."""
        for array in self._grad or ():
            array[:] = 0

    def reset_ctx(self, ctx: Any) -> None:
        """Moves the parameter to other contexts."""
        contexts = _context_list(ctx)
        if self._data is not None:
            with autograd.pause():
                self._set_arrays(self._reduce(), contexts)
        elif self._deferred_init:
            init, _, default_init, data = self._deferred_init
            self._deferred_init = (init, contexts, default_init, data)
        else:
            msg = f"Cannot reset context for Parameter '{self.name}' because it has not been initialized."
            raise ParameterError(msg)

    def _reduce(self) -> Any:
        """The mean over contexts, on the cpu."""
        arrays = self.list_data()
        if len(arrays) == 1:
            return arrays[0].detach().as_in_context(cpu())
        return nd.add_n(*[array.detach().as_in_context(cpu()) for array in arrays]) / len(arrays)

    def cast(self, dtype: Any) -> None:
        """Changes the element type of arrays and gradients."""
        self._dtype = dtype
        if self._data is None:
            return
        with autograd.pause():
            self._data = [array.astype(dtype) for array in self._data]
            Epoch.value += 1
            self._init_grad()

    def row_sparse_data(self, row_id: Any) -> Any:
        """Refuses: the parameter is dense."""
        msg = (
            f"Cannot return a copy of Parameter {self.name} via row_sparse_data() because its storage type is "
            f"{self.stype}. Please use data() instead."
        )
        raise MXNetError(msg)

    def list_row_sparse_data(self, row_id: Any) -> Any:
        """Refuses: the parameter is dense."""
        return self.row_sparse_data(row_id)


class Constant(Parameter):
    """An array that is not trained: ``value`` on every context.

    >>> scale = Constant("scale", [[1.0, 2.0]])
    >>> scale.initialize()
    >>> scale.data().shape
    (1, 2)
    """

    def __init__(self, name: str, value: Any) -> None:
        if not isinstance(value, nd.NDArray):
            value = nd.array(value)
        self.value = value
        super().__init__(name, grad_req="null", shape=value.shape, dtype=value.dtype, init=initializer.Constant(value))

    def __repr__(self) -> str:
        return f"Constant {self.name} (shape={self.shape}, dtype={self.dtype})"

    @property
    def grad_req(self) -> str:
        """Always "null"."""
        return "null"

    @grad_req.setter
    def grad_req(self, req: str) -> None:
        if req != "null":
            warnings.warn(
                f"Constant parameter {self.name!r} does not support grad_req other than 'null', "
                f"and new value {req!r} is ignored.",
                stacklevel=2,
            )


def __getattr__(name: str) -> Any:
    # MXNet's module has ParameterDict too; it is made of the classes above, so it is imported when asked for.
    if name == "ParameterDict":
        from .parameter_dict import ParameterDict

        return ParameterDict
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
