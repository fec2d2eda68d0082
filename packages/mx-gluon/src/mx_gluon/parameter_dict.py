"""ParameterDict, the parameters of a block by name, and their files."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from mx_core import initializer
from mx_core import ndarray as nd
from mx_core.context import Context
from mx_core.errors import ParameterError

from .parameter import Constant, Parameter

__all__ = ["ParameterDict", "brief"]


class ParameterDict:
    """Parameters by full name, in order of creation; ``get`` puts ``prefix`` before the name.

    shared: a ParameterDict whose parameters ``get`` prefers to new ones.
    """

    def __init__(self, prefix: str = "", shared: ParameterDict | None = None) -> None:
        self._prefix = prefix
        self._params: OrderedDict[str, Parameter] = OrderedDict()
        self._shared = shared

    def __repr__(self) -> str:
        lines = "\n".join("  " + repr(parameter).replace("\n", "\n  ") for parameter in self.values())
        name = f"{self._prefix} " if self._prefix else ""
        return f"{name}(\n{lines}\n)"

    def __getitem__(self, key: str) -> Parameter:
        return self._params[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)

    def __contains__(self, key: object) -> bool:
        return key in self._params

    def items(self) -> Any:
        """(name, Parameter) pairs."""
        return self._params.items()

    def keys(self) -> Any:
        """Full names."""
        return self._params.keys()

    def values(self) -> Any:
        """Parameters."""
        return self._params.values()

    @property
    def prefix(self) -> str:
        """What ``get`` puts before names."""
        return self._prefix

    def _find(self, name: str) -> Parameter | None:
        if name not in self._params and self._shared is not None and name in self._shared._params:
            self._params[name] = self._shared._params[name]
        return self._params.get(name)

    def get(self, name: str, **kwargs: Any) -> Parameter:
        """The parameter ``prefix + name``, made with ``kwargs`` if there is none.

        An existing one must agree with ``kwargs``; unknown dims of either shape are filled from the other.
        """
        full = self._prefix + name
        parameter = self._find(full)
        if parameter is None:
            parameter = self._params[full] = Parameter(full, **kwargs)
            return parameter
        for key, value in kwargs.items():
            existing = getattr(parameter, key, None)
            if existing is None:
                setattr(parameter, key, value)
            elif key == "shape" and value is not None:
                self._merge_shape(parameter, (value,) if isinstance(value, int) else tuple(value))
            elif value is not None and value != existing and not (key == "dtype" and np.dtype(value) == existing):
                raise _mismatch(full, key, value, existing)
        return parameter

    @staticmethod
    def _merge_shape(parameter: Parameter, shape: tuple[int, ...]) -> None:
        mine = parameter.shape
        assert mine is not None
        if len(mine) != len(shape) or any(a and b and a != b for a, b in zip(mine, shape, strict=True)):
            raise _mismatch(parameter.name, "shape", shape, mine)
        parameter._shape = tuple(a or b for a, b in zip(mine, shape, strict=True))

    def get_constant(self, name: str, value: Any = None) -> Constant:
        """The constant ``prefix + name``, made of ``value`` if there is none; an existing one must hold ``value``."""
        full = self._prefix + name
        parameter = self._find(full)
        if parameter is None:
            if value is None:
                msg = f"No constant named '{full}'. Please specify value if you want to create a new constant."
                raise ParameterError(msg)
            parameter = self._params[full] = Constant(full, value)
        elif value is not None:
            new = value.asnumpy() if isinstance(value, nd.NDArray) else np.asarray(value)
            if not isinstance(parameter, Constant):
                msg = f"Parameter '{full}' already exists but it is not a constant."
                raise ParameterError(msg)
            if parameter.shape != new.shape or not (parameter.value.asnumpy() == new).all():
                msg = f"Constant '{full}' already exists but it's value doesn't match new value"
                raise ParameterError(msg)
        assert isinstance(parameter, Constant)
        return parameter

    def update(self, other: ParameterDict) -> None:
        """Adds the parameters of ``other``. Raises ParameterError where a name means two different parameters."""
        for name, parameter in other.items():
            mine = self._params.setdefault(name, parameter)
            if mine is not parameter:
                msg = (
                    f"Cannot update self with other because they have different Parameters with the same name '{name}'"
                )
                raise ParameterError(msg)

    def initialize(self, init: Any = None, ctx: Any = None, verbose: bool = False, force_reinit: bool = False) -> None:
        """Initializes every parameter, with ``init`` (Uniform by default) where it has none of its own."""
        if init is None:
            init = initializer.Uniform()
        if verbose and isinstance(init, initializer.Initializer):
            init.set_verbosity(verbose=verbose)
        for parameter in self.values():
            parameter.initialize(None, ctx, init, force_reinit=force_reinit)

    def zero_grad(self) -> None:
        """Sets all gradients to 0."""
        for parameter in self.values():
            parameter.zero_grad()

    def reset_ctx(self, ctx: Any) -> None:
        """Moves every parameter to other contexts."""
        for parameter in self.values():
            parameter.reset_ctx(ctx)

    def list_ctx(self) -> list[Context]:
        """All contexts that any parameter is on."""
        return list(dict.fromkeys(ctx for parameter in self.values() for ctx in parameter.list_ctx()))

    def setattr(self, name: str, value: Any) -> None:
        """Sets an attribute of every parameter: ``net.collect_params().setattr("grad_req", "null")``."""
        for parameter in self.values():
            setattr(parameter, name, value)

    # -- files -----------------------------------------------------------------------------------------------------

    def save(self, filename: str, strip_prefix: str = "") -> None:
        """Writes all arrays under their names, without ``strip_prefix`` before them."""
        arrays = {}
        for parameter in self.values():
            if not parameter.name.startswith(strip_prefix):
                msg = (
                    f"Prefix '{strip_prefix}' is to be striped before saving, but Parameter's name "
                    f"'{parameter.name}' does not start with '{strip_prefix}'. this may be due to your Block shares "
                    "parameters from other Blocks or you forgot to use 'with name_scope()' when creating child blocks."
                )
                raise ParameterError(msg)
            arrays[parameter.name[len(strip_prefix) :]] = parameter._reduce()
        nd.save(filename, arrays)

    def load(
        self,
        filename: str,
        ctx: Any = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        restore_prefix: str = "",
        cast_dtype: bool = False,
        dtype_source: str = "current",
    ) -> None:
        """Reads arrays from a file; the arguments are those of ``load_dict``."""
        loaded = nd.load(filename)
        self.load_dict(loaded, ctx, allow_missing, ignore_extra, restore_prefix, filename, cast_dtype, dtype_source)

    def load_dict(
        self,
        param_dict: dict[str, Any],
        ctx: Any = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        restore_prefix: str = "",
        filename: str | None = None,
        cast_dtype: bool = False,
        dtype_source: str = "current",
    ) -> None:
        """Takes over arrays by name.

        param_dict: name -> NDArray; "arg:" and "aux:" before names are dropped.  allow_missing: parameters without an
        array are left alone.  ignore_extra: arrays without a parameter are left out.  restore_prefix: put before
        names that are no parameter's.  cast_dtype: convert element types, to the parameter's ("current") or the
        array's ("saved") by dtype_source.
        """
        if not isinstance(param_dict, dict):
            msg = f"{filename or 'param_dict'} holds a list of arrays without names; parameters are loaded by name"
            raise ParameterError(msg)
        arrays = {}
        for key, array in param_dict.items():
            name = key.removeprefix("arg:").removeprefix("aux:")
            arrays[restore_prefix + name if restore_prefix + name in self or name not in self else name] = array
        error = f"file: {filename}" if filename else "param_dict"
        for name in () if allow_missing else self.keys():
            if name not in arrays:
                msg = (
                    f"Parameter '{name}' is missing in {error}, which contains parameters: {brief(arrays)}. "
                    "Please make sure source and target networks have the same prefix. "
                    "Set allow_missing=True to ignore missing parameters."
                )
                raise ParameterError(msg)
        for name, array in arrays.items():
            if name in self:
                self[name]._load_init(array, ctx, cast_dtype=cast_dtype, dtype_source=dtype_source)
            elif not ignore_extra:
                msg = (
                    f"Parameter '{name}' loaded from {error} is not present in ParameterDict, choices are: "
                    f"{brief(self.keys())}. Set ignore_extra=True to ignore. Please make sure source and target "
                    "networks have the same prefix."
                )
                raise ParameterError(msg)


def _mismatch(name: str, key: str, desired: Any, stored: Any) -> ParameterError:
    return ParameterError(
        f"Cannot retrieve Parameter '{name}' because desired attribute does not match with stored for attribute "
        f"'{key}': desired '{desired}' vs stored '{stored}'."
    )


def brief(names: Iterable[str], limit: int = 20) -> str:
    """Quoted names, those in the middle left out when there are many."""
    quoted = [f"'{name}'" for name in names]
    if len(quoted) > limit:
        quoted = [*quoted[: limit // 2], "...", *quoted[-limit // 2 :]]
    return ", ".join(quoted)
