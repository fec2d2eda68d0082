"""Block, the base of all networks and layers, and its name scopes."""

from __future__ import annotations

import re
import threading
import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from mx_core import name as _name
from mx_core import ndarray as nd
from mx_core.errors import ParameterError

from .parameter import Parameter
from .parameter_dict import ParameterDict, brief

__all__ = ["Block"]


class _Innermost(threading.local):
    """The name scope a thread is in."""

    scope: BlockScope | None = None


_innermost = _Innermost()


class BlockScope:
    """``with block.name_scope():`` names of blocks and parameters made inside start with the block's prefix."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._counter: dict[str, int] = {}
        self._outer: list[tuple[BlockScope | None, _name.Prefix]] = []

    @staticmethod
    def create(prefix: str | None, params: ParameterDict | None, hint: str) -> tuple[str, ParameterDict]:
        """(full prefix, own parameters) of a new block.

        Without a prefix it is ``hint`` and a counter: the enclosing block's, or the program's outside of any scope.
        ``params`` given: the new block shares them and uses their prefix.
        """
        current = _innermost.scope
        if current is None:
            if prefix is None:
                prefix = _name.NameManager.current.get(None, hint) + "_"
            if params is None:
                return prefix, ParameterDict(prefix)
            return prefix, ParameterDict(params.prefix, params)
        if prefix is None:
            count = current._counter.get(hint, 0)
            current._counter[hint] = count + 1
            prefix = f"{hint}{count}_"
        outer = current._block
        if params is None:
            return outer.prefix + prefix, ParameterDict(outer.params.prefix + prefix, outer.params._shared)
        return outer.prefix + prefix, ParameterDict(params.prefix, params)

    def __enter__(self) -> BlockScope:
        # A block with the empty prefix opens no scope: what is made inside belongs to the scope around it.
        if not self._block._empty_prefix:
            manager = _name.Prefix(self._block.prefix)
            self._outer.append((_innermost.scope, manager))
            _innermost.scope = self
            manager.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if not self._block._empty_prefix:
            _innermost.scope, manager = self._outer.pop()
            manager.__exit__(*error)


class HookHandle:
    """What ``register_forward_hook`` returns: ``detach()``, or leaving ``with handle:``, removes the hook."""

    def __init__(self, hooks: dict[int, Callable[..., Any]], hook: Callable[..., Any]) -> None:
        self._hooks = hooks
        hooks[id(self)] = hook

    def detach(self) -> None:
        """Removes the hook."""
        self._hooks.pop(id(self), None)

    def __enter__(self) -> HookHandle:
        return self

    def __exit__(self, *error: Any) -> None:
        self.detach()


def indent(text: str, spaces: int = 2) -> str:
    """``text`` with all lines but the first moved right."""
    return text.replace("\n", "\n" + " " * spaces)


class Block:
    """Base of all networks and layers: children, parameters, names; a subclass defines ``forward``.

    Blocks and Parameters set as attributes are registered. prefix: of the names of its parameters, default the class
    name in lower case and a counter.  params: a ParameterDict to share parameters with.

    >>> from mx_gluon import nn
    >>> class Net(Block):
    ...     def __init__(self, **kwargs):
    ...         super().__init__(**kwargs)
    ...         with self.name_scope():
    ...             self.fc = nn.Dense(2, in_units=3)
    ...
    ...     def forward(self, x):
    ...         return self.fc(x)
    >>> net = Net(prefix="net_")
    >>> list(net.collect_params())
    ['net_dense0_weight', 'net_dense0_bias']
    """

    def __init__(self, prefix: str | None = None, params: ParameterDict | None = None) -> None:
        self._empty_prefix = prefix == ""
        self._prefix, self._params = BlockScope.create(prefix, params, self._alias())
        self._name = self._prefix.removesuffix("_")
        self._scope = BlockScope(self)
        self._children: OrderedDict[str, Block] = OrderedDict()
        self._reg_params: dict[str, Parameter] = {}
        self._forward_hooks: dict[int, Callable[..., Any]] = {}
        self._forward_pre_hooks: dict[int, Callable[..., Any]] = {}

    def __repr__(self) -> str:
        blocks = [(key, block) for key, block in self.__dict__.items() if isinstance(block, Block)]
        return self._repr_of(blocks)

    def _repr_of(self, blocks: Any) -> str:
        lines = "\n".join(f"  ({key}): {indent(repr(block))}" for key, block in blocks)
        return f"{type(self).__name__}(\n{lines}\n)"

    def __setattr__(self, name: str, value: Any) -> None:
        existing = getattr(self, name, None)
        if isinstance(existing, (Parameter, Block)) and not isinstance(value, type(existing)):
            msg = f"Changing attribute type for {name} from {type(existing)} to {type(value)} is not allowed."
            raise TypeError(msg)
        if isinstance(value, Block):
            self.register_child(value, name)
        elif isinstance(value, Parameter):
            if self._reg_params.get(name, value) is not value:
                msg = (
                    f"Overriding Parameter attribute {name} is not allowed. If you want to share parameters between "
                    "blocks, please set 'params' at Block construction instead."
                )
                raise ParameterError(msg)
            self._reg_params[name] = value
        super().__setattr__(name, value)

    def _alias(self) -> str:
        return type(self).__name__.lower()

    # -- names and parameters --------------------------------------------------------------------------------------

    @property
    def prefix(self) -> str:
        """What the names of its parameters start with."""
        return self._prefix

    @property
    def name(self) -> str:
        """The prefix without the underscore at its end."""
        return self._name

    def name_scope(self) -> BlockScope:
        """A ``with`` scope: names of blocks made inside start with this block's prefix."""
        return self._scope

    @property
    def params(self) -> ParameterDict:
        """Its own parameters, not its children's; ``self.params.get(name, shape=...)`` makes one."""
        return self._params

    def collect_params(self, select: str | None = None) -> ParameterDict:
        """Its parameters and its children's; ``select``, a regular expression, chooses by full name.

        >>> from mx_gluon import nn
        >>> list(nn.Dense(2, prefix="fc_").collect_params(".*bias"))
        ['fc_bias']
        """
        self._warn_of_hidden_blocks()
        collected = ParameterDict(self._params.prefix)
        if select is None:
            collected.update(self.params)
        else:
            pattern = re.compile(select)
            collected._params.update((n, p) for n, p in self.params.items() if pattern.match(n))
        for child in self._children.values():
            collected.update(child.collect_params(select=select))
        return collected

    def _warn_of_hidden_blocks(self) -> None:
        children = set(map(id, self._children.values()))

        def hides(value: Any) -> bool:
            if isinstance(value, (list, tuple)):
                return any(hides(item) for item in value)
            if isinstance(value, dict):
                return any(hides(item) for item in value.values())
            return isinstance(value, Block) and id(value) not in children

        for key, value in self.__dict__.items():
            if (
                isinstance(value, (list, tuple, dict))
                and not key.startswith("__")
                and key != "_children"
                and hides(value)
            ):
                warnings.warn(
                    f'"{type(self).__name__}.{key}" is an unregistered container with Blocks. Note that Blocks inside '
                    "the list, tuple or dict will not be registered automatically. Make sure to register them using "
                    "register_child() or switching to nn.Sequential/nn.HybridSequential instead. ",
                    stacklevel=3,
                )

    def _collect_params_with_prefix(self, prefix: str = "") -> dict[str, Parameter]:
        """Parameters by their place in the network, ``features.0.weight``: the keys of parameter files."""
        dot = prefix + "." if prefix else ""
        collected = {dot + key: parameter for key, parameter in self._reg_params.items()}
        for name, child in self._children.items():
            collected.update(child._collect_params_with_prefix(dot + name))
        return collected

    def register_child(self, block: Block, name: str | None = None) -> None:
        """Adds a child; default name: its number."""
        self._children[str(len(self._children)) if name is None else name] = block

    def apply(self, fn: Callable[[Block], Any]) -> Block:
        """Calls ``fn`` on every block below and on this one; returns this block."""
        for child in self._children.values():
            child.apply(fn)
        fn(self)
        return self

    def initialize(self, init: Any = None, ctx: Any = None, verbose: bool = False, force_reinit: bool = False) -> None:
        """Initializes all parameters; see ParameterDict.initialize."""
        self.collect_params().initialize(init, ctx, verbose, force_reinit)

    def hybridize(self, active: bool = True, **kwargs: Any) -> None:
        """Hybridizes the HybridBlocks below."""
        for child in self._children.values():
            child.hybridize(active, **kwargs)

    def cast(self, dtype: Any) -> None:
        """Changes the element type of all parameters."""
        for child in self._children.values():
            child.cast(dtype)
        for parameter in self.params.values():
            parameter.cast(dtype)

    def zero_grad(self) -> None:
        """Sets all gradients to 0."""
        self.collect_params().zero_grad()

    # -- files -----------------------------------------------------------------------------------------------------

    def save_parameters(self, filename: str, deduplicate: bool = False) -> None:
        """Writes all parameters under their places in the network (``features.0.weight``).

        deduplicate: write shared parameters once.
        """
        params = self._collect_params_with_prefix()
        if deduplicate:
            names = {parameter: key for key, parameter in params.items()}  # the last name of each, as MXNet
            params = {key: parameter for parameter, key in names.items()}
        nd.save(filename, {key: parameter._reduce() for key, parameter in params.items()})

    def load_parameters(
        self,
        filename: str,
        ctx: Any = None,
        allow_missing: bool = False,
        ignore_extra: bool = False,
        cast_dtype: bool = False,
        dtype_source: str = "current",
    ) -> None:
        """Reads parameters from a file of ``save_parameters``, or of ``save_params``, which has full names.

        ctx: where to initialize parameters that are not, default cpu.  allow_missing: parameters without an array are
        left alone.  ignore_extra: arrays without a parameter are left out.  cast_dtype: convert element types, to the
        parameter's ("current") or the file's ("saved") by dtype_source.
        """
        loaded = nd.load(filename)
        params = self._collect_params_with_prefix()
        if not loaded and not params:
            return
        options = {"cast_dtype": cast_dtype, "dtype_source": dtype_source}
        if not isinstance(loaded, dict) or not any("." in key for key in loaded):
            self.collect_params().load_dict(loaded, ctx, allow_missing, ignore_extra, self.prefix, filename, **options)
            return
        places: dict[Parameter, list[str]] = {}
        for key, parameter in params.items():
            places.setdefault(parameter, []).append(key)
        for keys in () if allow_missing else places.values():
            if not any(key in loaded for key in keys):
                msg = (
                    f"Parameter '{keys[0]}' is missing in file '{filename}', which contains parameters: "
                    f"{brief(loaded)}. Set allow_missing=True to ignore missing parameters."
                )
                raise ParameterError(msg)
        for key, array in loaded.items():
            if key in params:
                params[key]._load_init(array, ctx, **options)
            elif not ignore_extra:
                msg = (
                    f"Parameter '{key}' loaded from file '{filename}' is not present in ParameterDict, which contains "
                    f"parameters {brief(params)}. Set ignore_extra=True to ignore. "
                )
                raise ParameterError(msg)

    def save_params(self, filename: str) -> None:
        """Deprecated form of ``save_parameters``: full names without the block's prefix."""
        warnings.warn("save_params is deprecated. Please use save_parameters.", DeprecationWarning, stacklevel=2)
        self.collect_params().save(filename, strip_prefix=self.prefix)

    def load_params(
        self, filename: str, ctx: Any = None, allow_missing: bool = False, ignore_extra: bool = False
    ) -> None:
        """Deprecated spelling of ``load_parameters``."""
        warnings.warn("load_params is deprecated. Please use load_parameters.", DeprecationWarning, stacklevel=2)
        self.load_parameters(filename, ctx, allow_missing, ignore_extra)

    # -- calls -----------------------------------------------------------------------------------------------------

    def register_forward_hook(self, hook: Callable[[Block, tuple[Any, ...], Any], None]) -> HookHandle:
        """Calls ``hook(block, inputs, output)`` after every forward call, until the handle is detached."""
        return HookHandle(self._forward_hooks, hook)

    def register_forward_pre_hook(self, hook: Callable[[Block, tuple[Any, ...]], None]) -> HookHandle:
        """Calls ``hook(block, inputs)`` before every forward call, until the handle is detached."""
        return HookHandle(self._forward_pre_hooks, hook)

    def __call__(self, *args: Any) -> Any:
        """``forward``, with the hooks around it."""
        if self._forward_pre_hooks:
            for hook in list(self._forward_pre_hooks.values()):
                hook(self, args)
        out = self.forward(*args)
        if self._forward_hooks:
            for hook in list(self._forward_hooks.values()):
                hook(self, args, out)
        return out

    def forward(self, *args: Any) -> Any:
        """The block's output; a subclass defines it."""
        msg = f"{type(self).__name__} does not define forward"
        raise TypeError(msg)

    def summary(self, *inputs: Any) -> None:
        """Prints every layer's output shape and number of parameters for these inputs."""
        from .summary import print_summary

        print_summary(self, inputs)


def __getattr__(name: str) -> Any:
    # MXNet's module has HybridBlock too; it is made of Block, so it is imported when asked for.
    if name == "HybridBlock":
        from .hybrid_block import HybridBlock

        return HybridBlock
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
