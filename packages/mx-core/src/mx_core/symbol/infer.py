"""Two-way inference of shapes and types over a symbolic graph, with the failing node's name in errors."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .. import dtypes
from ..errors import DTypeError, MXNetError, ParameterError, ShapeError
from ..op.definition import OpDef
from ..op.inference import infer_types
from .node import Entry, SymbolNode, aux_nodes, call_params, topological
from .shape_rules import refine_shapes
from .symbol import Symbol, copy_graph
from .type_rules import assume_types

__all__ = ["GraphTypes", "infer_shape", "infer_type"]

PartialType = tuple[int | None, tuple[int, ...] | None]
_UNKNOWN: PartialType = (None, None)


class GraphTypes:
    """The types of all entries of a graph, as far as they follow from what is known.

    symbol: the graph.  known: (type flag or None, shape or None) by variable name, -1 for an unknown size; attributes
    of the variables (``__shape__``, ``__dtype__``) count where nothing is given.  default: the element type of the
    variables that nothing else decides.  types_only: shapes do not matter; where a rule needs them, an operator is
    taken to have one type.

    >>> import mxnet as mx
    >>> net = mx.sym.FullyConnected(mx.sym.var("x"), num_hidden=3, name="fc")
    >>> types = GraphTypes(net, {"x": (0, (2, 4))})
    >>> types.of_variables["fc_weight"], types[net._outputs[0]]
    ((0, (3, 4)), (0, (2, 3)))
    """

    def __init__(
        self, symbol: Symbol, known: Mapping[str, PartialType], default: int | None = None, types_only: bool = False
    ) -> None:
        self._types_only = types_only
        self.nodes = topological(symbol._outputs)
        self._types: dict[Entry, PartialType] = {}
        self._calls: list[SymbolNode] = [node for node in self.nodes if node.op is not None]
        self._variables: list[SymbolNode] = [node for node in self.nodes if node.op is None]
        self._around: dict[SymbolNode, list[SymbolNode]] = {node: [] for node in self.nodes}
        for node in self._calls:
            for source, _ in node.present_inputs():
                self._around[source].append(node)
        for node in self._variables:
            self._types[node, 0] = _merge_known(node, known.get(node.name, _UNKNOWN))
        if default is not None and not self._has_types():
            self._give_default(default, self._variables[:1], settle=False)  # the data's type decides most others
        self._settle(self._calls)
        if default is not None:
            self._give_default(default, self._variables)

    def __getitem__(self, entry: Entry) -> PartialType:
        """(type flag or None, shape or None) of an entry."""
        return self._types.get(entry, _UNKNOWN)

    @property
    def of_variables(self) -> dict[str, PartialType]:
        """The types of the variables by name."""
        return {node.name: self[node, 0] for node in self._variables}

    def _has_types(self) -> bool:
        """Whether anything but the default decides types: variables, new arrays, casts."""
        return any(self[node, 0][0] is not None for node in self._variables) or any(
            not node.inputs or isinstance(node.params.get("dtype"), int) for node in self._calls
        )

    def completed(self, symbol: Symbol) -> Symbol:
        """The symbol with the sizes filled in that new arrays leave open; itself when there are none.

        See Note [unknown sizes of new arrays].
        """
        found: dict[SymbolNode, Entry] = {}
        for node in self._calls:
            shape = self[node, 0][1] if _has_unknown_shape(node) else None
            if shape is not None and -1 not in shape:
                assert node.op is not None
                given = {**node.given, "shape": str(shape)}
                static, scalars = node.op.bind_params({key: given[key] for key in given if key != "ctx"})
                made = SymbolNode(node.op, node.name, dict(node.attrs), params=static, scalars=scalars, given=given)
                found[node] = (made, 0)
        return Symbol(copy_graph(symbol._outputs, found)) if found else symbol

    def close(self) -> None:
        """Takes the sizes that new arrays leave open, and that nothing decides, for 0."""
        for node in self._calls:
            dtype, shape = self[node, 0]
            if _has_unknown_shape(node) and shape is not None and -1 in shape:
                self._types[node, 0] = (dtype, tuple([max(size, 0) for size in shape]))
                self._settle(self._around[node])

    def _give_default(self, dtype: int, variables: list[SymbolNode], settle: bool = True) -> None:
        """Gives variables without a type the default one, one after the other, as each may decide others."""
        for node in variables:
            known, shape = self[node, 0]
            if known is None:
                counts = any(_feeds_counts(user, node) for user in self._around[node])
                self._types[node, 0] = (dtypes.INT32 if counts else dtype, shape)
                if settle:
                    self._settle(self._around[node])

    def _settle(self, waiting: Iterable[SymbolNode]) -> None:
        """Infers nodes, and those around what changes, forward and backward in turn until nothing changes."""
        due = set(waiting)
        forward = True
        while due:
            for node in self._calls if forward else reversed(self._calls):
                if node in due:
                    due.discard(node)
                    for entry in self._infer(node):
                        due.update(self._around[entry[0]])
                        if entry[0].op is not None:
                            due.add(entry[0])
                    due.discard(node)
            forward = not forward

    def _infer(self, node: SymbolNode) -> list[Entry]:
        """Infers one node; the entries of which more is known now."""
        inputs: list[Any] = ["absent" if entry is None else self[entry] for entry in node.inputs]
        outputs = [self[node, number] for number in range(node.count_outputs())]
        try:
            in_types, out_types = infer_call(node, inputs, outputs)
        except MXNetError as error:
            raise _in_node(node, error) from None
        if self._types_only and any(kind is not None and kind[0] is None for kind in (*in_types, *out_types)):
            in_types, out_types = assume_types(node, in_types, out_types)
        changed = []
        made = [(node, number) for number in range(len(out_types))]
        for entry, found in zip((*node.inputs, *made), (*in_types, *out_types), strict=False):
            if entry is None or found is None:
                continue
            before = self[entry]
            merged = _merge(before, found)
            if merged != before:
                self._types[entry] = merged
                changed.append(entry)
        return changed


def _feeds_counts(node: SymbolNode, variable: SymbolNode) -> bool:
    """Whether a variable is an input that must be of integers."""
    assert node.op is not None
    return not node.op.variadic and any(
        entry is not None and entry[0] is variable and name in ("length", "index_vector")
        for name, entry in zip(node.op.input_names, node.inputs, strict=True)
    )


def infer_call(node: SymbolNode, inputs: list[Any], outputs: list[PartialType]) -> tuple[list[Any], list[Any]]:
    """`infer_types` of a node; nodes whose rule is not an operator's definition have their own."""
    assert node.op is not None
    if node.op.__class__ is not OpDef and hasattr(node.op, "infer_node"):
        return node.op.infer_node(node, inputs, outputs)  # type: ignore[no-any-return]
    if _has_unknown_shape(node):
        _, made = infer_types(node.op, call_params(node), [], [(kind[0], None) for kind in outputs])
        made = [(dtype, tuple([size or -1 for size in shape])) for dtype, shape in made]
        return [], [_agreed(node, a, b) for a, b in zip(made, outputs, strict=True)]
    refine_shapes(node, inputs, outputs)
    return infer_types(node.op, node.params, inputs, outputs, (node.params, node.scalars))


# Note [unknown sizes of new arrays] In symbols a 0 in the shape of `mx.sym.zeros` and its kin is a size that others
# decide: recurrent cells make their first states so, without knowing the batch. `GraphTypes.completed` fills it in.
def _has_unknown_shape(node: SymbolNode) -> bool:
    if node.inputs or 0 not in (node.params.get("shape") or ()):
        return False
    assert node.op is not None
    return node.op.count_outputs(node.params) == 1


def _agreed(node: SymbolNode, made: PartialType, wanted: PartialType) -> PartialType:
    """The type of a new array whose unknown sizes are decided elsewhere."""
    merged = _merge(made, wanted)
    if merged[1] is not None and wanted[1] is not None:
        fits = len(merged[1]) == len(wanted[1]) and all(b in (a, -1) for a, b in zip(merged[1], wanted[1], strict=True))
        if not fits:
            assert node.op is not None
            msg = f"[{node.op.name}] the shape {node.params['shape']} must be {wanted[1]} where it is used"
            raise ShapeError(msg)
    return merged


def _in_node(node: SymbolNode, error: MXNetError) -> MXNetError:
    """The error with the node's name after the operator's: ``[FullyConnected fc1] weight must ...``."""
    assert node.op is not None
    text = str(error)
    head, closed, rest = text.partition("] ")
    if closed and head == f"[{node.op.name}":
        return type(error)(f"{head} {node.name}] {rest}")
    return type(error)(f"[{node.op.name} {node.name}] {text}")


def _merge(a: PartialType, b: PartialType) -> PartialType:
    """What either knows; a contradiction shows when the node is inferred again."""
    dtype = b[0] if a[0] is None else a[0]
    if a[1] is None or b[1] is None or len(a[1]) != len(b[1]):
        return dtype, b[1] if a[1] is None else a[1]
    return dtype, tuple([y if x == -1 else x for x, y in zip(a[1], b[1], strict=True)])


def _merge_known(node: SymbolNode, given: PartialType) -> PartialType:
    dtype, shape = given
    if dtype is None and "__dtype__" in node.attrs:
        dtype = _attr_dtype(node)
    if "__shape__" in node.attrs:
        hint = _attr_shape(node)
        if shape is None:
            shape = hint
        elif hint is not None and len(hint) == len(shape):
            shape = tuple([b if a == -1 else a for a, b in zip(shape, hint, strict=True)])
    return dtype, shape


def _attr_dtype(node: SymbolNode) -> int | None:
    text = node.attrs["__dtype__"]
    try:
        flag = int(text)
    except ValueError:
        flag = dtypes.NAME_TO_FLAG.get(text, -2)
    if flag == -1:
        return None
    if flag not in dtypes.FLAG_TO_NAME:
        msg = f"[variable {node.name}] attribute __dtype__ must be a type flag such as 0 (float32), got {text!r}"
        raise DTypeError(msg)
    return flag


def _attr_shape(node: SymbolNode) -> tuple[int, ...] | None:
    """The hinted shape, 0 and -1 as unknown sizes; None for () and None, which say nothing."""
    text = node.attrs["__shape__"]
    try:
        value = ast.literal_eval(text.replace("L", ""))
        sizes = (value,) if isinstance(value, int) else tuple(value or ())
        if not all(isinstance(size, int) for size in sizes):
            raise TypeError
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        msg = f"[variable {node.name}] attribute __shape__ must be a tuple of ints, got {text[:80]!r}"
        raise ShapeError(msg) from None
    return tuple([size if size > 0 else -1 for size in sizes]) or None


# -- what Symbol's methods return -------------------------------------------------------------------------------------


def infer_shape(symbol: Symbol, args: Sequence[Any], kwargs: Mapping[str, Any], partial: bool = False) -> Any:
    """`Symbol.infer_shape` and `infer_shape_partial`."""
    given = _by_name(symbol, "infer_shape", args, kwargs)
    known: dict[str, PartialType] = {}
    for name, shape in given.items():
        if not isinstance(shape, tuple):
            msg = f"[infer_shape] Arguments need to be shapes (tuple), but {name!r} is {type(shape)}."
            raise DTypeError(msg)
        known[name] = (None, _known_shape(name, shape))
    types = GraphTypes(symbol, known, dtypes.FLOAT32)
    shapes = [[types[entry][1] for entry in entries] for entries in _entries(symbol, types.nodes)]
    if all(shape is not None and -1 not in shape for group in shapes for shape in group):
        return tuple(shapes)
    if partial:
        return tuple([[tuple([max(size, 0) for size in shape or ()]) for shape in group] for group in shapes])
    names = symbol.list_arguments()
    unknown = [
        f"{name}: {tuple([max(size, 0) for size in shape or ()])}"
        for name, shape in zip(names, shapes[0], strict=True)
        if shape is None or -1 in shape
    ]
    _warn("shape", "Cannot decide shape for the following arguments (0s in shape means unknown dimensions).", unknown)
    return None, None, None


def _known_shape(name: str, shape: tuple[Any, ...]) -> tuple[int, ...] | None:
    """A user's shape for inference: 0, -1 and None are unknown sizes, () is unknown as a whole."""
    sizes = []
    for size in shape:
        if size is None:
            sizes.append(-1)
        elif hasattr(size, "__index__"):
            sizes.append(size.__index__() if size.__index__() > 0 else -1)
        else:
            msg = f"[infer_shape] the shape of {name!r} must be a tuple of ints, got {shape!r}"
            raise DTypeError(msg)
    return tuple(sizes) or None


def infer_type(symbol: Symbol, args: Sequence[Any], kwargs: Mapping[str, Any], partial: bool = False) -> Any:
    """`Symbol.infer_type` and `infer_type_partial`."""
    given = _by_name(symbol, "infer_type", args, kwargs)
    types = GraphTypes(symbol, {name: (dtypes.flag_of(dtype), None) for name, dtype in given.items()}, types_only=True)
    flags = [[types[entry][0] for entry in entries] for entries in _entries(symbol, types.nodes)]
    if partial or all(flag is not None for group in flags for flag in group):
        return tuple([[None if flag is None else dtypes.numpy_of(flag).type for flag in group] for group in flags])
    unknown = [f"{name}: None" for name, flag in zip(symbol.list_arguments(), flags[0], strict=True) if flag is None]
    _warn("type", "Cannot decide type for the following arguments.", unknown)
    return None, None, None


def _by_name(symbol: Symbol, method: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The known shapes or types by argument name, without those that are None."""
    if args and kwargs:
        msg = f"[{method}] Can only specify known arguments either by positional or kwargs way, got both"
        raise ParameterError(msg)
    names = symbol.list_arguments()
    if len(args) > len(names):
        msg = f"[{method}] the symbol has {len(names)} arguments ({', '.join(names[:8])}), got {len(args)}"
        raise ParameterError(msg)
    if kwargs:
        known = {*names, *symbol.list_auxiliary_states()}
        for name in kwargs:
            if name not in known:
                import difflib

                near = difflib.get_close_matches(name, known, 3)
                hint = f" Did you mean {' or '.join(near)}?" if near else ""
                msg = f"[{method}] Keyword argument name {name} not found.{hint} Arguments: {', '.join(names[:12])}"
                raise ParameterError(msg)
    given = kwargs or dict(zip(names, args, strict=False))
    return {name: value for name, value in given.items() if value is not None}


def _entries(symbol: Symbol, nodes: list[SymbolNode]) -> tuple[list[Entry], list[Entry], list[Entry]]:
    """The entries of arguments, outputs, auxiliary states."""
    aux = aux_nodes(nodes)
    variables = [node for node in nodes if node.op is None]
    return (
        [(node, 0) for node in variables if node not in aux],
        list(symbol._outputs),
        [(node, 0) for node in variables if node in aux],
    )


def _warn(what: str, text: str, unknown: list[str]) -> None:
    listed = [*unknown[:10], "..."] if len(unknown) > 10 else unknown
    warnings.warn(f"{text} Consider providing them as input:\n\t" + "\n\t".join(listed), stacklevel=4)
