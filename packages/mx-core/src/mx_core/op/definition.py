"""The one definition of an operator: the ``op`` decorator, ``OpDef`` and the operator registry.

::

    @op(aliases=["SoftReLU"], method=True)
    def softplus(F, data: Tensor, *, beta: Positive[float] = 1.0) -> Tensor:
        \"\"\"Smooth ReLU ...\"\"\"
        return F.log1p(F.exp(-F.abs(data * beta))) / beta + F.relu(data)

    @softplus.grad                  # optional: without it the body is differentiated
    def _(F, dy, y, data, *, beta):
        return dy * F.sigmoid(data * beta)

Positional parameters are inputs (``Tensor``, ``Tensor | None = None``, ``Aux[Tensor]``, or one ``list[Tensor]``),
keyword-only ones are parameters (see params.py). A body that is only a docstring makes a primitive: it needs
``@name.infer`` and a kernel. The decorator records the function only; its signature is read on first use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import MXNetError, ParameterError, PluginError
from .pointwise import OPCODES
from .schema import REQUIRED, SIGNATURE_FIELDS, Aux, Hidden, Tensor, read_signature

__all__ = [
    "Aux", "Hidden", "OpDef", "Tensor", "find_op", "get_op", "isolated_registry", "op", "register", "registered_ops",
    "registering",
]  # fmt: skip


_OPDEF_DOC = """One operator: schema, rules and body. Fields that need the signature are filled on first access.

Read from the signature: ``input_names, optional_inputs, aux_inputs, variadic, n_required, param_names, param_types,
param_defaults, runtime_names, runtime_types, runtime_defaults, n_outputs, n_visible`` (-1: depends on the
parameters), ``has_body, __signature__``.
"""


class _Documentation:
    """``OpDef.__doc__`` is the class's own text; of an operator it is the help, made when asked for."""

    def __get__(self, opdef: OpDef | None, owner: type) -> str:
        if opdef is None:
            return _OPDEF_DOC
        from .signature import documentation

        return documentation(opdef)


class OpDef:
    __doc__ = _Documentation()

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        doc: str | None = None,
        aliases: Iterable[str] = (),
        method: bool | str = False,
        pointwise: str | tuple[str, str] | None = None,
        view: bool = False,
        differentiable: bool = True,
        mode_dependent: bool = False,
        random: bool = False,
        writes: dict[str, int] | Callable[[dict[str, Any]], dict[int, int]] | None = None,
        visible: int | Callable[[dict[str, Any]], int] | None = None,
        num_outputs: Callable[[dict[str, Any]], int] | None = None,
        kernel: str | None = None,
        namespace: str | None = None,
        overrides: str | None = None,
        onnx: str | None = None,
        plugin: str | None = None,
    ) -> None:
        self.function = function
        self.name = name or function.__name__
        self.doc = doc or function.__doc__ or ""
        self.aliases = tuple(aliases)
        self.method = self.name if method is True else (method or None)
        self.opcode: int | None = None
        self.reversed = False
        if pointwise is not None:
            opcode, self.reversed = (pointwise, False) if isinstance(pointwise, str) else (pointwise[0], True)
            self.opcode = OPCODES[opcode][0]
        self.view = view
        self.differentiable = differentiable
        self.mode_dependent = mode_dependent
        self.random = random
        self.writes = writes or {}
        self.visible = visible
        self.num_outputs = num_outputs
        self.kernel = kernel or self.name
        self.namespace = namespace
        self.overrides = overrides
        self.onnx = onnx
        self.plugin = plugin or _current_plugin or function.__module__.partition(".")[0].replace("_", "-")
        self.grad_rule: Callable[..., Any] | None = None
        self.grad_allows_none = False
        self.keeps_floats = False  # its infer rule gives floating inputs of one type that type
        self.infer_rule: Callable[..., Any] | None = None
        self.lower_rule: Callable[..., Any] | None = None

    # -- rules -----------------------------------------------------------------------------------------------------

    def grad(self, rule: Callable[..., Any] | None = None, *, allow_none: bool = False) -> Any:
        """Decorator: the gradient rule ``(F, dy, y, *inputs, **params)``, one gradient (or None) per input.

        dy and y are plain values for one output, tuples otherwise (y with the hidden outputs). allow_none: entries of
        dy without a head gradient are None instead of zeros.
        """
        if rule is None:
            return lambda given: self.grad(given, allow_none=allow_none)
        self.grad_rule, self.grad_allows_none = rule, allow_none
        return rule

    def infer(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Decorator: the type inference rule ``(t, *slots, **params)``, which returns the output slots."""
        self.infer_rule = rule
        return rule

    def lower(self, rule: Callable[..., Any]) -> Callable[..., Any]:
        """Decorator: ``(in_types, out_types, **params) -> dict`` makes the parameters that the kernel sees."""
        self.lower_rule = rule
        return rule

    # -- parameters ------------------------------------------------------------------------------------------------

    def spread_values(self, name: str, value: Any) -> tuple[Any, ...]:
        """The numbers of a tuple that stays out of the plan's key (``Runtime[Floats]``)."""
        try:
            return self.param_types[self.param_names.index(name)].parse(value)  # type: ignore[no-any-return]
        except ValueError as error:
            msg = f"[{self.name}] {name} {error}"
            raise ParameterError(msg) from None

    def parse(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The canonical static parameters of values given in param_names order; MISSING where none was given.

        Of a tuple of runtime numbers its length is given, and is the result.
        """
        result = []
        missing = _missing()
        for name, kind, default, value in zip(
            self.param_names, self.param_types, self.param_defaults, values, strict=True
        ):
            if value is missing:
                if default is REQUIRED:
                    msg = f"[{self.name}] parameter {name} is required: {kind}"
                    raise ParameterError(msg)
                result.append(default)
                continue
            if kind.runtime:
                result.append(value)
                continue
            try:
                result.append(kind.parse(value))
            except ValueError as error:
                msg = f"[{self.name}] {name} {error}"
                raise ParameterError(msg) from None
        return tuple(result)

    def bind_params(self, given: dict[str, Any]) -> tuple[dict[str, Any], tuple[Any, ...]]:
        """(static parameters, runtime scalars) of keyword arguments; symbolic scalars pass unparsed."""
        static: dict[str, Any] = {}
        count = 0
        try:
            for name, kind, default in self._static_schema:
                if name in given:
                    count += 1
                    static[name] = kind.parse(given[name])
                elif default is REQUIRED:
                    msg = "is required"
                    raise ValueError(msg)
                else:
                    static[name] = default
            runtime = []
            for name, kind, default in self._runtime_schema:
                if name in given:
                    count += 1
                    value = given[name]
                    runtime.append(value if hasattr(value, "is_symbolic_scalar") else kind.parse(value))
                elif default is REQUIRED:
                    msg = "is required"
                    raise ValueError(msg)
                else:
                    runtime.append(default)
        except ValueError as error:
            msg = f"[{self.name}] {name} {error}"
            raise ParameterError(msg) from None
        if count != len(given):
            unknown = sorted(set(given) - set(self.param_names) - set(self.runtime_names))
            known = ", ".join((*self.param_names, *self.runtime_names)) or "none"
            msg = f"[{self.name}] has no parameter {', '.join(unknown)}. Its parameters: {known}"
            raise ParameterError(msg)
        return static, tuple(runtime)

    def print_params(self, static: dict[str, Any]) -> dict[str, str]:
        """Static parameters in MXNet's string form, as symbol files hold them."""
        return {
            name: kind.print(static[name])
            for name, kind in zip(self.param_names, self.param_types, strict=True)
            if name in static
        }

    # -- derived ---------------------------------------------------------------------------------------------------

    def count_outputs(self, params: dict[str, Any]) -> int:
        """The number of outputs, hidden and written ones included."""
        if self.n_outputs >= 0:
            return self.n_outputs  # type: ignore[no-any-return]
        assert self.num_outputs is not None
        return int(self.num_outputs(params))

    def written_inputs(self, params: dict[str, Any]) -> dict[int, int]:
        """Input number -> the number of the output that is stored into it."""
        if callable(self.writes):
            return self.writes(params)
        return {self.input_names.index(name): number for name, number in self.writes.items()}

    def count_visible(self, params: dict[str, Any]) -> int:
        """The number of outputs that users see."""
        if callable(self.visible):
            return int(self.visible(params))
        return self.n_visible if self.n_visible >= 0 else self.count_outputs(params)

    def note_record(self, is_train: bool, read_heads: frozenset[int]) -> None:
        """Called when a plan with a gradient was made; read_heads: the outputs whose head gradient it reads."""

    def make_callable(self) -> Any:
        """The ``_core.Op`` that users call as ``mx.nd.<name>``; made once."""
        made = self.__dict__.get("_callable")
        if made is None:
            from .. import _core

            made = self.__dict__["_callable"] = _core.Op(self)
        return made

    def __getattr__(self, name: str) -> Any:
        # Only called for what is not in __dict__ yet: the fields that the signature gives.
        if name == "__signature__":
            from .signature import python_signature

            self.__dict__[name] = python_signature(self)
        elif name in SIGNATURE_FIELDS:
            read_signature(self)
        try:
            return self.__dict__[name]
        except KeyError:
            raise AttributeError(name) from None

    def __repr__(self) -> str:
        return f"<operator {self.name} of {self.plugin}>"


_missing_value: Any = None


def _missing() -> Any:
    global _missing_value
    if _missing_value is None:
        from .. import _core

        _missing_value = _core.MISSING
    return _missing_value


# -- registry ------------------------------------------------------------------------------------------------------

_registry: dict[str, OpDef] = {}
_current_plugin: str | None = None


def op(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Decorator: define and register an operator; options are OpDef's arguments.

    aliases, method (True or the method's name), pointwise ("exp", or ("sub", "reversed")), view (the output is input 0's
    memory with another shape), differentiable=False (zero gradient), mode_dependent (F.is_train matters), random,
    writes={"mom": 1} (output 1 is stored into input mom and not returned; of a list[Tensor] a function of the parameter
    dict that gives {input number: output number}), visible and num_outputs (an int or a
    function of the parameter dict), kernel (the kernel's name, default the operator's), namespace,
    overrides="package:name" (replaces on purpose), name, doc, onnx.
    """
    if function is None:
        return lambda given: op(given, **options)
    opdef = OpDef(function, **options)
    register(opdef)
    return opdef


def register(opdef: OpDef, plugin: str | None = None) -> OpDef:
    """Add an operator under its name and aliases; the same operator again is no error.

    Raises PluginError when another plug-in has the name and opdef does not override it.
    """
    if plugin is not None:
        opdef.plugin = plugin
    replaced = opdef.overrides
    if replaced is not None:
        package, _, name = replaced.rpartition(":")
        previous = _registry.get(name)
        if previous is not opdef and (previous is None or (package and previous.plugin != package)):
            msg = f"operator {opdef.name} of {opdef.plugin} overrides {replaced!r}, which is not defined"
            raise PluginError(msg)
        if previous is not None and previous is not opdef:
            for key in [key for key, value in _registry.items() if value is previous]:
                _registry[key] = opdef
    for key in (opdef.name, *opdef.aliases):
        previous = _registry.setdefault(key, opdef)
        if previous is not opdef:
            msg = (
                f"operator {key!r} is defined twice: by {previous.plugin} and by {opdef.plugin}. Disable one of them "
                f"(MX_DISABLE_PLUGINS={opdef.plugin}), or replace on purpose: @op(overrides={previous.plugin + ':' + key!r})"
            )
            raise PluginError(msg)
    return opdef


def find_registered(name: str) -> OpDef | None:
    """The operator of this name or alias among those defined so far, or None; asks no plug-in."""
    return _registry.get(name)


def find_op(name: str) -> OpDef | None:
    """The operator of this name or alias, or None."""
    found = _registry.get(name)
    if found is None:
        _define_all()
        found = _registry.get(name)
    return found


def _define_all() -> None:
    from ..registry import define_all  # not at the top: it imports this module

    define_all()


def get_op(name: str) -> OpDef:
    """The operator of this name or alias; raises MXNetError with the nearest names."""
    found = find_op(name)
    if found is None:
        import difflib

        near = difflib.get_close_matches(name, _registry, 3)
        hint = f" Did you mean {' or '.join(near)}?" if near else " A plug-in may bring it."
        msg = f"there is no operator {name!r}.{hint}"
        raise MXNetError(msg)
    return found


def registered_ops() -> dict[str, OpDef]:
    """A copy of the registry: name or alias -> operator."""
    return dict(_registry)


@contextmanager
def registering(plugin: str) -> Iterator[None]:
    """Operators defined inside belong to this plug-in."""
    global _current_plugin
    previous, _current_plugin = _current_plugin, plugin
    try:
        yield
    finally:
        _current_plugin = previous


@contextmanager
def isolated_registry() -> Iterator[None]:
    """Operators registered inside are forgotten at the end; those of the plug-ins are there before."""
    _define_all()
    saved = dict(_registry)
    try:
        yield
    finally:
        _registry.clear()
        _registry.update(saved)
