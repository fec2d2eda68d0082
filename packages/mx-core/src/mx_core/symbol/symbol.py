"""The class Symbol: outputs of a graph of operators that runs when it is bound to arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from ..attribute import public_attrs, stored_attrs
from ..errors import DTypeError, MXNetError, ParameterError
from .node import Entry, SymbolNode, aux_nodes, topological
from .schema import output_names

if TYPE_CHECKING:
    import os

__all__ = ["Group", "Symbol", "copy_graph"]


def __getattr__(name: str) -> Any:
    # `mx.symbol.symbol` has all functions of `mx.symbol`, as in MXNet.
    if name.startswith("_"):
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    import importlib

    return getattr(importlib.import_module(__name__.rpartition(".")[0]), name)


class Symbol:
    """Outputs of a graph of operators; ``mx.sym.var`` and the operators of ``mx.sym`` make them.

    handle: the entries ``(node, output number)`` that the symbol stands for.

    >>> import mxnet as mx
    >>> net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=10, name="fc1")
    >>> net.list_arguments(), net.list_outputs()
    (['data', 'fc1_weight', 'fc1_bias'], ['fc1_output'])
    """

    __slots__ = ("__weakref__", "_outputs")

    __array_ufunc__ = None  # NumPy's numbers leave operators to the symbol beside them

    def __init__(self, handle: tuple[Entry, ...]) -> None:
        self._outputs = handle

    # -- what it is made of ----------------------------------------------------------------------------------------

    @property
    def handle(self) -> tuple[Entry, ...]:
        """The entries of the graph that the symbol stands for: what the constructor takes."""
        return self._outputs

    @property
    def name(self) -> str | None:
        """The name of the node whose outputs these are; None for a group of several nodes' outputs."""
        node = self._only_node()
        return None if node is None else node.name

    def _only_node(self) -> SymbolNode | None:
        node = self._outputs[0][0]
        return node if all(other is node for other, _ in self._outputs) else None

    def _nodes(self) -> list[SymbolNode]:
        return topological(self._outputs)

    def __len__(self) -> int:
        return len(self._outputs)

    def __iter__(self) -> Iterator[Symbol]:
        return (Symbol((entry,)) for entry in self._outputs)

    def __getitem__(self, index: int | str | slice) -> Symbol:
        """One output, by number or by name (``net["fc1_output"]``), or a slice of them as a group."""
        if isinstance(index, slice):
            chosen = self._outputs[index]
            if not chosen:
                msg = f"[Symbol] the slice {index} holds none of the {len(self)} outputs"
                raise IndexError(msg)
            return Symbol(chosen)
        if isinstance(index, str):
            index = self._find_output(index)
        if not hasattr(index, "__index__"):
            msg = f"[Symbol] an index must be an output's number or name, got {index!r}"
            raise DTypeError(msg)
        number = index.__index__()
        if number >= len(self):
            msg = f"[Symbol] there is no output {number}, only {len(self)}"
            raise IndexError(msg)
        if number < 0:
            msg = f"[Symbol] indices count from 0, got {number}. Use symbol[len(symbol) - {-number}]"
            raise MXNetError(msg)
        return Symbol((self._outputs[number],))

    def _find_output(self, name: str) -> int:
        names = self.list_outputs()
        found = [number for number, other in enumerate(names) if other == name]
        if len(found) == 1:
            return found[0]
        if found:
            msg = f"There are multiple outputs with name {name!r}; choose one by number, among {found}"
            raise ParameterError(msg)
        import difflib

        near = difflib.get_close_matches(name, names, 3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        msg = f"Cannot find output that matches name {name!r}.{hint} A symbol has its own outputs; see get_internals()"
        raise ParameterError(msg)

    def __repr__(self) -> str:
        name = self.name
        if name is None:
            return f"<{type(self).__name__} group [{', '.join(node.name for node, _ in self._outputs)}]>"
        return f"<{type(self).__name__} {name}>"

    # -- names -----------------------------------------------------------------------------------------------------

    def list_arguments(self) -> list[str]:
        """The names of the variables that are not auxiliary states, inputs before what uses them."""
        nodes = self._nodes()
        aux = aux_nodes(nodes)
        return [node.name for node in nodes if node.op is None and node not in aux]

    def list_auxiliary_states(self) -> list[str]:
        """The names of the variables that operators change, such as moving averages."""
        nodes = self._nodes()
        aux = aux_nodes(nodes)
        return [node.name for node in nodes if node in aux]

    def list_inputs(self) -> list[str]:
        """The names of all variables, auxiliary states included, in the order of the graph."""
        return [node.name for node in self._nodes() if node.op is None]

    def list_outputs(self) -> list[str]:
        """The names of the outputs: ``fc1_output``, ``split0_output1``; a variable's is its own name."""
        names: dict[SymbolNode, list[str]] = {}
        for node, _ in self._outputs:
            if node not in names:
                names[node] = output_names(node)
        return [names[node][number] for node, number in self._outputs]

    # -- parts -----------------------------------------------------------------------------------------------------

    def get_internals(self) -> Symbol:
        """The outputs of all nodes of the graph, variables included, as a group.

        >>> import mxnet as mx
        >>> mx.sym.relu(mx.sym.var("x"), name="y").get_internals().list_outputs()
        ['x', 'y_output']
        """
        return Symbol(tuple((node, number) for node in self._nodes() for number in range(node.count_visible())))

    def get_children(self) -> Symbol | None:
        """The inputs of the nodes whose outputs these are, as a group; None for variables."""
        heads = dict.fromkeys(node for node, _ in self._outputs)
        entries = tuple(entry for node in heads for entry in node.present_inputs())
        return Symbol(entries) if entries else None

    # -- attributes ------------------------------------------------------------------------------------------------

    def attr(self, key: str) -> str | None:
        """An attribute or a given parameter of the node, as a string; None if it has none of this name."""
        return self.list_attr().get(key)

    def list_attr(self, recursive: bool = False) -> dict[str, str]:
        """The attributes and the given parameters of the node. recursive: not supported, use `attr_dict`."""
        if recursive:
            msg = "Symbol.list_attr with recursive=True has been deprecated. Please use attr_dict instead."
            raise DeprecationWarning(msg)
        node = self._only_node()
        return {} if node is None else public_attrs({**node.given, **node.attrs})

    def attr_dict(self) -> dict[str, dict[str, str]]:
        """The attributes and given parameters of all nodes of the graph that have any, by the nodes' names."""
        result: dict[str, dict[str, str]] = {}
        for node in self._nodes():
            if node.given or node.attrs:
                result.setdefault(node.name, {}).update(public_attrs({**node.given, **node.attrs}))
        return result

    def _set_attr(self, **kwargs: str) -> None:
        """Attaches attributes, strings, to the node; of an operator's parameters, changes them."""
        node = self._only_node()
        if node is None:
            msg = f"[Symbol] attributes belong to one node, and this is a group: {self!r}. Set them before grouping"
            raise MXNetError(msg)
        for key, value in kwargs.items():
            if not isinstance(value, str):
                msg = f"Set Attr only accepts string values, got {key}={value!r}. Use {key}={str(value)!r}"
                raise ParameterError(msg)
        attrs = stored_attrs(kwargs)
        if node.op is not None:
            own = {*node.op.param_names, *node.op.runtime_names}
            changed = {key: attrs.pop(key) for key in list(attrs) if key in own}
            if changed:
                node.params, node.scalars = node.op.bind_params({**node.given, **changed})
                node.given.update(changed)
        node.attrs.update(attrs)

    # -- composition -----------------------------------------------------------------------------------------------

    def __call__(self, *args: Symbol, name: str | None = None, **kwargs: Symbol) -> Symbol:
        """A copy of the graph in which variables are replaced by symbols: ``net(data=other)``.

        args: replace the variables in the order of `list_inputs`. kwargs: by the variables' names. name: of the copy's
        node. Raises ParameterError for names that are no variables of the graph.
        """
        variables = [node for node in self._nodes() if node.op is None]
        replaced: dict[SymbolNode, Entry] = {}
        if args and kwargs:
            msg = "[Symbol] compose only accept input Symbols either as positional or keyword arguments, not both"
            raise DTypeError(msg)
        if len(args) > len(variables):
            msg = f"[Symbol] the graph has {len(variables)} variables, got {len(args)} symbols for them"
            raise ParameterError(msg)
        for node, symbol in zip(variables, args, strict=False):
            replaced[node] = _single(symbol, node.name)
        for key, symbol in kwargs.items():
            entry = _single(symbol, key)
            found = [node for node in variables if node.name == key]
            if not found:
                names = ", ".join(node.name for node in variables) or "none"
                msg = f"[Symbol] Keyword argument name {key} not found. The variables of the graph: {names}"
                raise ParameterError(msg)
            replaced.update((node, entry) for node in found)
        result = Symbol(copy_graph(self._outputs, replaced))
        if name:
            result._outputs[0][0].name = name
        return result

    def __copy__(self) -> Symbol:
        return Symbol(copy_graph(self._outputs))

    def __deepcopy__(self, memo: Any) -> Symbol:
        return self.__copy__()

    def __reduce__(self) -> tuple[Callable[[str], Symbol], tuple[str]]:
        from .json_format import load_json

        return load_json, (self.tojson(),)

    # -- inference -------------------------------------------------------------------------------------------------

    def infer_shape(self, *args: Any, **kwargs: Any) -> Any:
        """(argument shapes, output shapes, auxiliary shapes) that follow from the known shapes.

        args: tuples in the order of `list_arguments`, None for unknown ones; kwargs: by name. 0 is an unknown size.
        Returns lists, or (None, None, None) with a warning when something stays unknown.
        Raises MXNetError, with the node's name, when shapes contradict each other.

        >>> import mxnet as mx
        >>> mx.sym.FullyConnected(mx.sym.var("x"), num_hidden=3, name="fc").infer_shape(x=(2, 4))
        ([(2, 4), (3, 4), (3,)], [(2, 3)], [])
        """
        from .infer import infer_shape

        return infer_shape(self, args, kwargs)

    def infer_shape_partial(self, *args: Any, **kwargs: Any) -> Any:
        """As `infer_shape`, with () for unknown shapes and 0 for unknown sizes in what it returns."""
        from .infer import infer_shape

        return infer_shape(self, args, kwargs, partial=True)

    def infer_type(self, *args: Any, **kwargs: Any) -> Any:
        """(argument types, output types, auxiliary types), NumPy's types, that follow from the known types.

        args: types in the order of `list_arguments`, None for unknown ones; kwargs: by name.
        Returns lists, or (None, None, None) with a warning when something stays unknown.
        """
        from .infer import infer_type

        return infer_type(self, args, kwargs)

    def infer_type_partial(self, *args: Any, **kwargs: Any) -> Any:
        """As `infer_type`, with None for unknown types in what it returns."""
        from .infer import infer_type

        return infer_type(self, args, kwargs, partial=True)

    # -- files -----------------------------------------------------------------------------------------------------

    def tojson(self, remove_amp_cast: bool = True) -> str:
        """The graph as MXNet 1.9.1 writes it in JSON. remove_amp_cast: leave out casts of mixed precision."""
        from .json_format import dumps

        return dumps(self, remove_amp_cast)

    def save(self, fname: str | os.PathLike[str], remove_amp_cast: bool = True) -> None:
        """Writes the graph to a file that `mx.sym.load`, and MXNet 1.x, read; it replaces an older one at once."""
        from .json_format import save

        save(self, fname, remove_amp_cast)

    def debug_str(self) -> str:
        """The nodes of the graph with inputs and attributes, for reading."""
        from .json_format import debug_str

        return debug_str(self)

    # -- running ---------------------------------------------------------------------------------------------------

    def bind(
        self, ctx: Any, args: Any, args_grad: Any = None, grad_req: Any = "write", aux_states: Any = None,
        group2ctx: Any = None, shared_exec: Any = None,
    ) -> Any:  # fmt: skip
        """An Executor of the graph on the given arrays.

        args, args_grad, aux_states: lists in the order of `list_arguments` and `list_auxiliary_states`, or dicts by name.
        grad_req: "write", "add" or "null", for all, or a list or dict. group2ctx: context for each ``ctx_group``.
        """
        from ..executor import bind

        return bind(self, ctx, args, args_grad, grad_req, aux_states, group2ctx, shared_exec)

    def simple_bind(
        self, ctx: Any, grad_req: Any = "write", type_dict: Any = None, stype_dict: Any = None, group2ctx: Any = None,
        shared_arg_names: Any = None, shared_exec: Any = None, shared_buffer: Any = None, **kwargs: Any,
    ) -> Any:  # fmt: skip
        """An Executor on new arrays, whose shapes follow from those given: ``simple_bind(mx.cpu(), data=(32, 784))``."""
        from ..executor import simple_bind

        return simple_bind(
            self,
            ctx,
            grad_req,
            type_dict,
            stype_dict,
            group2ctx,
            shared_arg_names,
            shared_exec,
            shared_buffer,
            **kwargs,
        )

    def eval(self, ctx: Any = None, **kwargs: Any) -> Any:
        """The values of the outputs, a list of NDArrays, for arrays given by the variables' names.

        >>> import mxnet as mx
        >>> (mx.sym.var("x") * 2).eval(x=mx.nd.array([1, 2]))[0].asnumpy()
        array([2., 4.], dtype=float32)
        """
        from ..context import current_context

        ctx = current_context() if ctx is None else ctx
        names = set(self.list_auxiliary_states())
        aux = {name: array for name, array in kwargs.items() if name in names}
        args = {name: array for name, array in kwargs.items() if name not in names}
        return self.bind(ctx, args, grad_req="null", aux_states=aux or None).forward()

    def gradient(self, wrt: Sequence[str]) -> NoReturn:
        """Not available, as in MXNet: gradients are an executor's. Raises MXNetError."""
        msg = "[Symbol] gradient makes no symbol of its own. Use simple_bind(...), then forward(is_train=True) and backward()"
        raise MXNetError(msg)

    def get_backend_symbol(self, backend: str) -> Symbol:
        """The graph as a subgraph backend wants it. Raises MXNetError: no such backend is installed."""
        msg = f"[Symbol] there is no subgraph backend {backend!r}; graphs are compiled for their device when they are bound"
        raise MXNetError(msg)

    def optimize_for(
        self, backend: str, args: Any = None, aux: Any = None, ctx: Any = None, shape_dict: Any = None,
        type_dict: Any = None, stype_dict: Any = None, skip_infer: bool = False, **kwargs: Any,
    ) -> Symbol:  # fmt: skip
        """The symbol itself: graphs are compiled for their device when they are bound, whatever the backend."""
        return self

    def as_nd_ndarray(self) -> Symbol:
        """The symbol itself: it is of the classic kind."""
        return self


def _single(symbol: Any, name: str) -> Entry:
    if not isinstance(symbol, Symbol):
        msg = f"[Symbol] Compose expect `Symbol` as arguments, got {type(symbol).__name__} for {name}"
        raise DTypeError(msg)
    if len(symbol) != 1:
        msg = f"[Symbol] {name} must be one output, got {len(symbol)}. Choose one: symbol[0]"
        raise MXNetError(msg)
    return symbol._outputs[0]


def copy_graph(outputs: tuple[Entry, ...], replaced: Mapping[SymbolNode, Entry] | None = None) -> tuple[Entry, ...]:
    """New nodes that compute the same; entries of replaced nodes become others, which are not copied."""
    made: dict[SymbolNode, SymbolNode] = {}
    replaced = replaced or {}

    def moved(entry: Entry | None) -> Entry | None:
        if entry is None:
            return None
        return replaced.get(entry[0]) or (made[entry[0]], entry[1])

    for node in topological(outputs):
        if node in replaced:
            continue
        made[node] = SymbolNode(
            node.op, node.name, dict(node.attrs), params=node.params, scalars=node.scalars, given=dict(node.given),
            inputs=tuple([moved(entry) for entry in node.inputs]), subgraphs=node.subgraphs,
        )  # fmt: skip
    return tuple(moved(entry) for entry in outputs)  # type: ignore[misc]


def Group(symbols: Sequence[Symbol], create_fn: Callable[[tuple[Entry, ...]], Any] = Symbol) -> Any:  # noqa: N802
    """One symbol with the outputs of several.

    >>> import mxnet as mx
    >>> mx.sym.Group([mx.sym.var("a"), mx.sym.var("b")])
    <Symbol group [a, b]>
    """
    symbols = list(symbols)
    if not symbols or not all(isinstance(symbol, Symbol) for symbol in symbols):
        kinds = ", ".join(type(symbol).__name__ for symbol in symbols) or "nothing"
        msg = f"[Group] Expected a list of symbols as input, got {kinds}"
        raise DTypeError(msg)
    return create_fn(tuple(entry for symbol in symbols for entry in symbol._outputs))
