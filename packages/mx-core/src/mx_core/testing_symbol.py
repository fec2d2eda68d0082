"""The part of the operator suite about symbols: a row computes the same through a graph, a file and an executor."""

from __future__ import annotations

from typing import Any

from .op.parts import is_part

__all__ = ["check_symbol"]


def check_symbol(run: Any) -> None:
    """Compose the row's call, write and read it as a symbol file, bind it: outputs and states equal those of the call.

    run: one set of inputs and parameters of a row. Raises AssertionError that says what differs.
    """
    from .random import seed
    from .symbol import load_json, var
    from .symbol.compose import apply, print_value
    from .testing import _SEED, _assert_close

    opdef = run.opdef
    if is_part(opdef):
        return  # files must not name it
    given = {
        name: print_value(value, name == "dtype")
        for name, value in run.params.items()
        if name != "ctx" and not (name == "dtype" and value is None)
    }
    names = [f"x{i}" for i in range(len(run.values))]
    inputs = [None if value is None else var(name) for name, value in zip(names, run.values, strict=True)]
    if not opdef.variadic:
        inputs += [None] * (len(opdef.input_names) - len(inputs))
    symbol = apply(opdef, inputs, given, "node", {})
    if not len(symbol):
        return  # it only overwrites its inputs
    text = symbol.tojson(remove_amp_cast=False)
    again = load_json(text)
    assert again.tojson(remove_amp_cast=False) == text, (
        f"{run.label}: the symbol file changes when it is read and written"
    )

    bound, called = run.arrays(), run.arrays()
    arrays = {name: array for name, array in zip(names, bound, strict=True) if array is not None}
    states = {name: arrays.pop(name) for name in again.list_auxiliary_states()}
    executor = again.bind(run.ctx, arrays, grad_req="null", aux_states=states)
    seed(_SEED)
    outputs = executor.forward(is_train=run.case.is_train)
    seed(_SEED)
    with run.train():
        wanted = run(called)
    assert len(outputs) == len(wanted), f"{run.label}: the symbol has {len(outputs)} outputs, the call {len(wanted)}"
    pairs = [*zip(outputs, wanted, strict=True), *zip(run.written(bound), run.written(called), strict=True)]
    for number, (got, want) in enumerate(pairs):
        where = f"{run.label}: symbol, output {number}"
        assert (got.shape, got.dtype) == (want.shape, want.dtype), f"{where}: {got.shape} {got.dtype}"
        _assert_close(got.asnumpy(), want.asnumpy(), run.dtype, where, run.case.tol)
