"""Loops and branches on symbols: ``mx.sym.contrib.foreach``, ``while_loop`` and ``cond``.

Each makes one node whose bodies are graphs of their own (`SymbolNode.subgraphs`). What the Python functions compute is
recognised by an attribute, ``__subgraph_name__``, that every node made inside has: whatever else they use is cut off and
becomes an input of the node. `control_flow_ops` has the operators.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ..attribute import AttrScope
from ..errors import DTypeError, ParameterError
from ..name import NameManager
from .control_flow_ops import SUBGRAPHS
from .namespace import op
from .node import Entry, SymbolNode, topological
from .schema import output_names
from .symbol import Group, Symbol

__all__ = ["cond", "foreach", "while_loop"]

_SCOPE = "__subgraph_name__"
_counts: Counter[str] = Counter()


# ---- nested lists --------------------------------------------------------------------------------------------------


def flatten(values: Any, what: str) -> tuple[list[Symbol], Any]:
    """(the symbols of a nested list, its form: None for a symbol, else a list of forms)."""
    if isinstance(values, Symbol):
        return list(values), None if len(values) == 1 else len(values)
    if not isinstance(values, (list, tuple)):
        msg = f"[{what}] must be a Symbol or (nested) lists of Symbols, got {type(values).__name__}"
        raise DTypeError(msg)
    flat: list[Symbol] = []
    forms = []
    for value in values:
        inner, form = flatten(value, what)
        flat += inner
        forms.append(form)
    return flat, forms


def regroup(flat: list[Symbol], form: Any) -> tuple[Any, list[Symbol]]:
    """(the symbols in the given form, those left over)."""
    if form is None:
        return flat[0], flat[1:]
    if isinstance(form, int):
        return flat[:form], flat[form:]
    result = []
    for inner in form:
        value, flat = regroup(flat, inner)
        result.append(value)
    return result, flat


# ---- bodies --------------------------------------------------------------------------------------------------------


class _Body:
    """One function as a graph of its own.

    graph: its outputs.  names: of its inputs.  outer: for each input the entry outside that it stands for, None for
    the variables that the caller made for it.
    """

    def __init__(self, title: str, made: dict[str, Symbol], compute: Callable[..., tuple[list[Symbol], Any]]) -> None:
        scope = AttrScope.current._attr.get(_SCOPE, "")
        title = f"{scope}${title}" if scope else title
        self.title = f"{title}{_counts[title]}"
        _counts[title] += 1
        with AttrScope(**{_SCOPE: self.title}):
            for name in made:
                made[name] = op_variable(name)
            results, self.form = compute()
            results = self._separated(results)
        self.graph, self.outer = self._cut(results, {symbol._outputs[0][0] for symbol in made.values()})
        self.names = list(self.outer)

    def _is_inside(self, node: SymbolNode) -> bool:
        return node.attrs.get(_SCOPE) == self.title

    def _separated(self, results: list[Symbol]) -> list[Symbol]:
        """The results with copies of those that are inputs, come from outside, or occur twice."""
        if not results:
            return results
        inputs = {node for node in topological(Group(results)._outputs) if node.op is None}
        separate = []
        for symbol in results:
            node = symbol._outputs[0][0]
            separate.append(op("identity")(symbol) if node in inputs or not self._is_inside(node) else symbol)
        return separate

    def _cut(self, results: list[Symbol], made: set[SymbolNode]) -> tuple[Symbol, dict[str, Entry | None]]:
        """(the graph with variables for all that comes from outside, what each of its inputs stands for)."""
        copies: dict[SymbolNode, SymbolNode] = {}
        cut: dict[Entry, SymbolNode] = {}
        outer: dict[str, Entry | None] = {}

        def moved(entry: Entry | None) -> Entry | None:
            if entry is None:
                return None
            node, number = entry
            return (copies[node], number) if node in copies else (cut[entry], 0)

        for node in self._inside(results):
            for entry in node.inputs:
                if entry is not None and entry[0] not in copies and entry not in cut:
                    self._check_name(outer, entry, output_names(entry[0])[entry[1]])
                    cut[entry] = SymbolNode(None, output_names(entry[0])[entry[1]])
            inputs = tuple([moved(entry) for entry in node.inputs])
            copies[node] = SymbolNode(
                node.op, node.name, dict(node.attrs), params=node.params, scalars=node.scalars, given=dict(node.given),
                inputs=inputs, subgraphs=node.subgraphs,
            )  # fmt: skip
            if node.op is None:
                self._check_name(outer, None if node in made else (node, 0), node.name)
        graph = Symbol(tuple(moved(symbol._outputs[0]) for symbol in results))  # type: ignore[misc]
        return graph, {name: outer[name] for name in graph.list_inputs()}

    def _check_name(self, outer: dict[str, Entry | None], entry: Entry | None, name: str) -> None:
        if name in outer and outer[name] != entry:
            msg = f"[{self.title}] two inputs of the body are named {name!r}; give the variables names of their own"
            raise ParameterError(msg)
        outer[name] = entry

    def _inside(self, results: list[Symbol]) -> list[SymbolNode]:
        """The body's own nodes and the variables that it uses, inputs before users."""
        order: list[SymbolNode] = []
        seen: set[SymbolNode] = set()
        for symbol in results:
            stack = [(symbol._outputs[0][0], False)]
            while stack:
                node, is_done = stack.pop()
                if is_done:
                    order.append(node)
                elif node not in seen and (node.op is None or self._is_inside(node)):
                    seen.add(node)
                    stack.append((node, True))
                    stack += [(entry[0], False) for entry in reversed(node.present_inputs())]
        return order


def op_variable(name: str) -> Symbol:
    """A variable with the scope's attributes."""
    return Symbol(((SymbolNode(None, name, AttrScope.current.get(None)), 0),))


def _inner_name(symbol: Symbol) -> str:
    return f"{symbol.name}-{symbol._outputs[0][1]}"


# ---- the three operators -------------------------------------------------------------------------------------------


def foreach(body: Callable[..., Any], data: Any, init_states: Any, name: str = "foreach") -> tuple[Any, Any]:
    """A loop over the first axis: ``out, states = body(data[i], states)`` for each i.

    body: returns (outputs, new states), each a Symbol or nested lists. data: Symbol or nested lists of Symbols.
    init_states: the states before the first round, in the form that body takes and returns. name: of the body.
    Returns (outputs stacked along a new first axis, last states), in body's forms.

    >>> import mxnet as mx
    >>> step = lambda x, states: (x + states[0], [x + states[0]])
    >>> out, states = mx.sym.contrib.foreach(step, mx.sym.var("x"), [mx.sym.var("s")])
    >>> out.eval(x=mx.nd.array([[1], [2], [3]]), s=mx.nd.array([10]))[0].asnumpy().tolist()
    [[11.0], [13.0], [16.0]]
    """
    flat_data, data_form = flatten(data, "foreach data")
    flat_states, state_form = flatten(init_states, "foreach init_states")
    made = {_inner_name(symbol): symbol for symbol in (*flat_data, *flat_states)}
    if len(made) != len(flat_data) + len(flat_states):
        msg = f"[foreach] data and init_states must be different symbols, got {', '.join(made)}. Use mx.sym.identity"
        raise ParameterError(msg)
    counts = {}

    def compute() -> tuple[list[Symbol], Any]:
        inner = list(made.values())
        elements, _ = regroup(inner[: len(flat_data)], data_form)
        states, _ = regroup(inner[len(flat_data) :], state_form)
        out, new_states = body(elements, states)
        flat_out, out_form = flatten(out, "foreach output")
        flat_new, new_form = flatten(new_states, "foreach states")
        if new_form != state_form:
            msg = (
                f"[foreach] body must return states in the form of init_states, {len(flat_states)}, got {len(flat_new)}"
            )
            raise ParameterError(msg)
        counts["out"] = len(flat_out)
        return flat_out + flat_new, out_form

    graph = _Body(name, made, compute)
    for symbol in (*flat_data, *flat_states):
        if _inner_name(symbol) not in graph.names:
            msg = f"[foreach] the data arrays and states have to be used in the loop body, and {symbol.name!r} is not"
            raise ParameterError(msg)
    rest = [(number, entry) for number, entry in enumerate(graph.outer.values()) if entry is not None]
    given = {
        "num_outputs": len(graph.graph), "num_out_data": counts["out"],
        "in_data_locs": [graph.names.index(_inner_name(symbol)) for symbol in flat_data],
        "in_state_locs": [graph.names.index(_inner_name(symbol)) for symbol in flat_states],
        "remain_locs": [number for number, _ in rest],
    }  # fmt: skip
    inputs = [*(symbol._outputs[0] for symbol in (*flat_data, *flat_states)), *(entry for _, entry in rest)]
    outputs = list(_call("_foreach", given, inputs, [graph.graph]))
    out, states = regroup(outputs, graph.form) if counts["out"] else ([], outputs)
    return out, regroup(states, state_form)[0] if states else []


def while_loop(
    cond: Callable[..., Symbol], func: Callable[..., Any], loop_vars: Any, max_iterations: Any = None,
    name: str = "while_loop",
) -> tuple[Any, Any]:  # fmt: skip
    """A loop while a condition holds: ``out, loop_vars = func(*loop_vars)`` as long as ``cond(*loop_vars)`` is not zero.

    loop_vars: a Symbol or nested lists of Symbols. max_iterations: the most rounds, an int.
    Returns (outputs stacked along a new first axis of size max_iterations, last loop_vars); what lies beyond the last
    round in the outputs is unspecified.
    """
    if max_iterations is None:
        msg = "[while_loop] max_iterations should be specified"
        raise ParameterError(msg)
    flat_vars, var_form = flatten(loop_vars, "while_loop loop_vars")
    if not flat_vars:
        msg = "[while_loop] loop_vars should contain at least one element"
        raise ParameterError(msg)
    names = [_inner_name(symbol) for symbol in flat_vars]
    made = dict(zip(names, flat_vars, strict=True))
    if len(made) != len(names):
        msg = f"[while_loop] loop_vars must be different symbols, got {', '.join(names)}. Use mx.sym.identity"
        raise ParameterError(msg)
    counts = {}

    def arguments() -> list[Any]:
        inner, _ = regroup(list(made.values()), var_form)
        return [inner] if isinstance(loop_vars, Symbol) else inner

    def compute_cond() -> tuple[list[Symbol], Any]:
        result = cond(*arguments())
        if not isinstance(result, Symbol) or len(result) != 1:
            msg = f"[while_loop] Return of cond must be a Symbol with one output, got {result!r}"
            raise ParameterError(msg)
        return [result], None

    def compute() -> tuple[list[Symbol], Any]:
        out, new_vars = func(*arguments())
        flat_out, out_form = flatten([] if out is None else out, "while_loop output")
        flat_new, _ = flatten([] if new_vars is None else new_vars, "while_loop loop_vars")
        if len(flat_new) != len(flat_vars):
            msg = (
                f"[while_loop] The number of loop_vars should be consistent during the loop: {len(flat_vars)} go in, "
                f"func returns {len(flat_new)}"
            )
            raise ParameterError(msg)
        counts["out"] = len(flat_out)
        return flat_out + flat_new, out_form

    test, step = _Body(f"{name}_cond", made, compute_cond), _Body(f"{name}_func", made, compute)
    outer = dict(zip(names, (symbol._outputs[0] for symbol in flat_vars), strict=True))
    inputs, (test_locs, step_locs) = _union([test, step], outer)
    for number, inner in enumerate(names):
        if inner not in step.names:
            msg = f"[while_loop] func must use all loop_vars, and number {number}, {flat_vars[number].name!r}, is not used"
            raise ParameterError(msg)
    given = {
        "max_iterations": _int(max_iterations, "max_iterations"), "cond_input_locs": test_locs,
        "func_input_locs": step_locs, "func_var_locs": [step.names.index(inner) for inner in names],
        "num_out_data": counts["out"], "num_outputs": len(step.graph),
    }  # fmt: skip
    outputs = list(_call("_while_loop", given, inputs, [test.graph, step.graph]))
    out, variables = regroup(outputs, step.form) if counts["out"] else ([], outputs)
    return out, regroup(variables, var_form)[0]


def cond(pred: Symbol, then_func: Callable[[], Any], else_func: Callable[[], Any], name: str = "cond") -> Any:
    """One of two computations: ``then_func()`` where pred, a scalar, is not zero, else ``else_func()``.

    then_func, else_func: return Symbols or nested lists of the same number, shapes and types. Returns what they do.

    >>> import mxnet as mx
    >>> a, b = mx.sym.var("a"), mx.sym.var("b")
    >>> mx.sym.contrib.cond(a < b, lambda: a + 1, lambda: b * 2).list_arguments()
    ['a', 'b']
    """
    if not isinstance(pred, Symbol) or len(pred) != 1:
        msg = f"[cond] pred should always be a single output of a Symbol, got {pred!r}"
        raise ParameterError(msg)
    test = _Body(f"{name}_pred", {}, lambda: ([pred], None))
    then_body = _Body(f"{name}_then", {}, lambda: flatten(then_func(), "cond output"))
    else_body = _Body(f"{name}_else", {}, lambda: flatten(else_func(), "cond output"))
    if len(then_body.graph) != len(else_body.graph):
        msg = (
            f"[cond] Number of outputs differs between then-branch and else-branch: {len(then_body.graph)} and "
            f"{len(else_body.graph)}"
        )
        raise ParameterError(msg)
    inputs, locs = _union([test, then_body, else_body], {})
    given: dict[str, Any] = dict(zip(("cond_input_locs", "then_input_locs", "else_input_locs"), locs, strict=True))
    given["num_outputs"] = len(then_body.graph)
    outputs = _call("_cond", given, inputs, [test.graph, then_body.graph, else_body.graph])
    return regroup(list(outputs), then_body.form)[0]


def _int(value: Any, what: str) -> int:
    try:
        return int(value.asscalar() if hasattr(value, "asscalar") else value)
    except (TypeError, ValueError):
        msg = f"Cannot convert {what} to python int: {value!r}"
        raise ParameterError(msg) from None


def _union(bodies: Sequence[_Body], outer: dict[str, Entry]) -> tuple[list[Entry], list[list[int]]]:
    """(all entries that bodies take from outside, for each body the numbers of its inputs among them)."""
    inputs: dict[Entry, int] = {}
    locs = []
    for body in bodies:
        entries = [outer[name] if entry is None else entry for name, entry in body.outer.items()]
        locs.append([inputs.setdefault(entry, len(inputs)) for entry in entries])
    return list(inputs), locs


def _call(name: str, given: dict[str, Any], inputs: Sequence[Entry], graphs: Sequence[Symbol]) -> Symbol:
    printed = {key: str(value) for key, value in given.items()}
    printed["num_args"] = str(len(inputs) + len(graphs))
    node = SUBGRAPHS[name](
        NameManager.current.get(None, name), AttrScope.current.get(None), list(inputs), tuple(graphs), printed
    )
    return Symbol(tuple((node, number) for number in range(node.count_visible())))
