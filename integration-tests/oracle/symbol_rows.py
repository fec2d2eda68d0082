"""Every row of the operator suite as a symbol, for test_symbol_operators.py: what each mxnet makes of it.

    python symbol_rows.py write FILE          # with this mxnet: the calls of all rows
    python symbol_rows.py compose FILE TO     # with either: names, files and inference of the symbols they make
"""

import importlib
import json
import os
import pathlib
import sys
import warnings

import numpy as np

ROWS = pathlib.Path(__file__).parents[2] / "packages/mx-core/tests/ops"


def write(path):
    """Stores operator, parameters and inputs of every row once, in the row's first two element types."""
    from mx_core.context import cpu
    from mx_core.op.parts import is_part
    from mx_core.symbol.compose import print_value
    from mx_core.testing import OpCase, _Run

    sys.path.insert(0, str(ROWS))
    calls = []
    for file in sorted(ROWS.glob("test_*.py")):
        lists = [value for value in vars(importlib.import_module(file.stem)).values() if isinstance(value, list)]
        for case in (case for rows in lists for case in rows if isinstance(case, OpCase)):
            for params in case.params:
                for number in range(max(len(case.inputs), 1)):
                    for dtype in case.dtypes[:2]:
                        run = _Run(case, cpu(0), number, params, dtype)
                        types = [None if value is None else [list(value.shape), str(value.dtype)] for value in run.values]
                        if is_part(run.opdef) or any(kind and (0 in kind[0] or not kind[0]) for kind in types):
                            continue  # 1.9.1 takes sizes of 0 for unknown
                        printed = {
                            key: print_value(value, key == "dtype")
                            for key, value in params.items()
                            if key != "ctx" and value is not None
                        }
                        call = {"op": run.opdef.name, "params": printed, "inputs": types}
                        call["names"] = None if run.opdef.variadic else list(run.opdef.input_names)
                        if call not in calls[-200:]:
                            calls.append(call)
    pathlib.Path(path).write_text(json.dumps(calls))


def find(mx, name):
    """The function of an operator in ``mx.sym``."""
    for module, prefix in (
        (mx.sym.op, ""), (mx.sym._internal, ""), (mx.sym.contrib, "_contrib_"), (mx.sym.linalg, "_linalg_"),
        (mx.sym.image, "_image_"), (mx.sym.random, "_random_"), (mx.sym.sparse, "_sparse_"),
    ):  # fmt: skip
        if name.startswith(prefix) and hasattr(module, name[len(prefix) :]):
            return getattr(module, name[len(prefix) :])
    return None


def attempt(function):
    """What the function returns, or a text that begins with "refused"."""
    try:
        return function()
    except Exception as error:
        return f"refused: {type(error).__name__}: {str(error).splitlines()[:1]}"


def typed(groups):
    """infer_type's result by names."""
    return [None if group is None else [kind and np.dtype(kind).name for kind in group] for group in groups]


def compose(path, target):
    """Makes the symbol of each call and tells of it."""
    import mxnet as mx

    warnings.simplefilter("ignore")
    results = []
    for call in json.loads(pathlib.Path(path).read_text()):
        variables = [None if kind is None else mx.sym.var(f"x{i}") for i, kind in enumerate(call["inputs"])]
        function = find(mx, call["op"])
        if function is None:
            results.append("refused: no such operator")
            continue
        if call["names"] is None:
            symbol = attempt(lambda: function(*variables, name="n", **call["params"]))  # noqa: B023
        else:
            given = {k: v for k, v in zip(call["names"], variables, strict=False) if v is not None}
            symbol = attempt(lambda: function(name="n", **given, **call["params"]))  # noqa: B023
        if isinstance(symbol, str):
            results.append(symbol)
            continue
        shapes = {f"x{i}": tuple(kind[0]) for i, kind in enumerate(call["inputs"]) if kind}
        kinds = {f"x{i}": kind[1] for i, kind in enumerate(call["inputs"]) if kind}
        results.append({
            "names": [symbol.list_arguments(), symbol.list_outputs(), symbol.list_auxiliary_states()],
            "file": json.loads(symbol.tojson(False)),
            "shapes": attempt(lambda: symbol.infer_shape(**shapes)),  # noqa: B023
            "types": attempt(lambda: typed(symbol.infer_type(**kinds))),  # noqa: B023
        })  # fmt: skip
    pathlib.Path(target).write_text(json.dumps(results))


if __name__ == "__main__":
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)  # 1.9.1 prints the arguments of every inference that fails
    {"write": write, "compose": compose}[sys.argv[1]](*sys.argv[2:])
