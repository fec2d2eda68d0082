"""Nodes of symbol graphs that no plan can hold: operators written in Python, loops and branches.

They run on arrays, between the pieces of the graph that are compiled. Loops run the compiled graph of their body once
for each round, as MXNet does; while autograd records every round is a node of the tape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..op.definition import OpDef

if TYPE_CHECKING:
    from ..symbol.node import SymbolNode
    from ..symbol.symbol import Symbol

__all__ = ["array_call", "node_reads_head", "runs_on_arrays"]

ArrayCall = Callable[[list[Any]], list[Any]]


def runs_on_arrays(node: SymbolNode) -> bool:
    """Whether a node cannot be part of a plan."""
    opdef = node.op
    if opdef is None:
        return False
    return bool(node.subgraphs) or opdef.name == "Custom" or type(opdef).make_callable is not OpDef.make_callable


def array_call(node: SymbolNode) -> ArrayCall:
    """A function from the arrays of a node's present inputs to those of its visible outputs."""
    from ..symbol.node import call_params

    opdef = node.op
    assert opdef is not None
    if opdef.name == "Custom":
        return _CustomCall(node)
    if node.subgraphs:
        kinds: dict[str, Callable[[SymbolNode], ArrayCall]]
        kinds = {"_foreach": _ForEach, "_while_loop": _WhileLoop, "_cond": _Branch}
        return kinds[opdef.name](node)
    call, params = opdef.make_callable(), call_params(node)

    def run(arrays: list[Any]) -> list[Any]:
        result = call(*arrays, **params)
        return list(result) if isinstance(result, (list, tuple)) else [result]

    return run


def node_reads_head(node: SymbolNode) -> bool:
    """Whether the gradient of such a node depends on the gradients that reach its outputs; not that of a custom loss."""
    if node.op is None or node.op.name != "Custom":
        return True
    from ..symbol.custom import property_of

    prop = property_of(node.given)
    heads, arrays = node.count_visible(), len(node.inputs)
    numbers = iter(range(2 * heads + arrays))
    out_grad, in_data, out_data = ([next(numbers) for _ in range(count)] for count in (heads, arrays, heads))
    return any(number in out_grad for number in prop.declare_backward_dependency(out_grad, in_data, out_data))


class _CustomCall:
    """A custom operator. It is created once, for the shapes of the first run, and may remember things from run to run."""

    def __init__(self, node: SymbolNode) -> None:
        self.node = node
        self.operator: Any = None

    def __call__(self, arrays: list[Any]) -> list[Any]:
        from ..operator import create_operator, run_operator
        from ..symbol.custom import property_of

        if self.operator is None:
            self.operator = create_operator(self.node.params["op_type"], property_of(self.node.given), arrays)
        return run_operator(self.operator, arrays)


class _Body:
    """A graph inside of a node; called with arrays in the order of its inputs."""

    def __init__(self, graph: Symbol, name: str) -> None:
        from .runner import Runner

        self.run = Runner(graph, name=name)
        given = [node for node in self.run.nodes if node.op is None]  # the order of list_inputs()
        self.order = [given.index(node) for node in (*self.run.arguments, *self.run.states)]

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        return self.run([arrays[i] for i in self.order])


class _ForEach:
    def __init__(self, node: SymbolNode) -> None:
        params = node.params
        self.body = _Body(node.subgraphs[0], node.name)
        self.data, self.states = params["in_data_locs"], params["in_state_locs"]
        self.rest, self.n_out = params["remain_locs"], params["num_out_data"]

    def __call__(self, arrays: list[Any]) -> list[Any]:
        n_data, n_states = len(self.data), len(self.states)
        data, states = arrays[:n_data], arrays[n_data : n_data + n_states]
        slots: list[Any] = [None] * len(arrays)
        for place, array in zip(self.rest, arrays[n_data + n_states :], strict=True):
            slots[place] = array
        made: list[list[Any]] = [[] for _ in range(self.n_out)]
        for i in range(data[0].shape[0]):
            for place, array in zip(self.data, data, strict=True):
                slots[place] = array[i]
            for place, array in zip(self.states, states, strict=True):
                slots[place] = array
            outputs = self.body(slots)
            states = outputs[self.n_out :]
            for rows, output in zip(made, outputs, strict=False):
                rows.append(output)
        return [_stack(rows) for rows in made] + states


class _WhileLoop:
    def __init__(self, node: SymbolNode) -> None:
        params = node.params
        self.node = node
        self.test, self.step = (_Body(graph, node.name) for graph in node.subgraphs)
        self.test_places, self.step_places = params["cond_input_locs"], params["func_input_locs"]
        self.variables = [self.step_places[i] for i in params["func_var_locs"]]
        self.n_out, self.limit = params["num_out_data"], params["max_iterations"]

    def __call__(self, arrays: list[Any]) -> list[Any]:
        slots = list(arrays)
        made: list[list[Any]] = [[] for _ in range(self.n_out)]
        rounds = 0
        while rounds < self.limit and self.test([slots[i] for i in self.test_places])[0].asnumpy().item():
            outputs = self.step([slots[i] for i in self.step_places])
            for place, value in zip(self.variables, outputs[self.n_out :], strict=True):
                slots[place] = value
            for rows, output in zip(made, outputs, strict=False):
                rows.append(output)
            rounds += 1
        return [self._padded(i, rows, arrays) for i, rows in enumerate(made)] + [slots[i] for i in self.variables]

    def _padded(self, number: int, rows: list[Any], arrays: list[Any]) -> Any:
        """The rows of one output, and zeros for the rounds that did not come about."""
        from ..dtypes import name_of
        from ..ndarray import zeros
        from ..ndarray.namespace import op

        ctx = arrays[0].context
        if rows:
            flag, shape = rows[0]._dtype_flag, rows[0].shape
        else:
            from ..symbol.infer import infer_call

            types = [(array._dtype_flag, array.shape) for array in arrays]
            flag, shape = infer_call(self.node, types, [(None, None)] * self.node.count_outputs())[1][number]
            shape = shape[1:]
        missing = self.limit - len(rows)
        if not missing:
            return _stack(rows)
        rest = zeros((missing, *shape), ctx=ctx, dtype=name_of(flag))
        return op("Concat")(_stack(rows), rest, dim=0) if rows else rest


class _Branch:
    def __init__(self, node: SymbolNode) -> None:
        self.bodies = [_Body(graph, node.name) for graph in node.subgraphs]
        self.places = [node.params[f"{part}_input_locs"] for part in ("cond", "then", "else")]

    def __call__(self, arrays: list[Any]) -> list[Any]:
        test, *_ = self._run(0, arrays)
        return self._run(1 if test.asnumpy().item() else 2, arrays)

    def _run(self, number: int, arrays: list[Any]) -> list[Any]:
        return self.bodies[number]([arrays[i] for i in self.places[number]])


def _stack(rows: list[Any]) -> Any:
    from ..ndarray.namespace import op

    return op("stack")(*rows, axis=0)
