"""Compare the operators with the real MXNet 1.9.1, which lives in an environment of its own.

    python against_mxnet.py write DIRECTORY      # with this mxnet: every row's inputs, results, gradients
    python against_mxnet.py compare DIRECTORY    # with mxnet 1.9.1 and numpy < 1.24: the same calls there

The second command prints each difference in value, shape, element type or gradient and ends with their number, which is
also its exit status; results.json in the directory tells of every call. Calls that 1.9.1 refuses (0-d and empty arrays,
float16 and integers in many operators) are counted, not compared. Differences on purpose are listed,
each with its reason, in docs/differences.md.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import sys

import numpy as np

DIFFERENCES = pathlib.Path(__file__).parents[4] / "docs/differences.md"
TOLERANCE = {"float16": 3e-2, "float32": 2e-4, "float64": 2e-7}  # float parameters are float32 in 1.9.1


# -- with this mxnet --------------------------------------------------------------------------------------------------


def write(directory: pathlib.Path) -> int:
    """Run every row here and store what went in and what came out."""
    import importlib

    from mx_core import autograd
    from mx_core.context import cpu
    from mx_core.testing import OpCase, _Run

    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    directory.mkdir(parents=True, exist_ok=True)
    calls = []
    for path in sorted(pathlib.Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        lists = [value for value in vars(module).values() if isinstance(value, list)]
        rows = [case for rows in lists for case in rows if isinstance(case, OpCase) and case.oracle is not None]
        for case in rows:
            for params in case.params:
                for number in range(max(len(case.inputs), 1)):
                    for dtype in case.dtypes:
                        calls.append(_store(_Run(case, cpu(0), number, params, dtype), autograd, directory, len(calls)))
    (directory / "calls.json").write_text(json.dumps(calls))
    print(f"{len(calls)} calls written to {directory}")
    return 0


def _store(run, autograd, directory, number):
    arrays = run.arrays()
    # Operators of integers and those without a gradient are not asked for one.
    wrt = (
        run.differentiable
        if run.opdef.differentiable and run.case.gradient is not False and run.dtype.startswith("float")
        else []
    )
    for i in wrt:
        arrays[i].attach_grad()
    rng = np.random.default_rng(number)
    # 1.9.1's pooling has a gradient in training only.
    is_train = run.case.is_train or not run.opdef.mode_dependent
    stored = {f"in{i}": value for i, value in enumerate(run.values) if value is not None}
    with autograd.record(train_mode=is_train):
        outputs = run(arrays)
    for i, out in enumerate([*outputs, *run.written(arrays)]):
        stored[f"out{i}"] = out.asnumpy()
    if wrt:
        heads = [np.asarray(rng.uniform(0.5, 1.5, out.shape)).astype(out.dtype) for out in outputs]
        stored.update((f"head{i}", head) for i, head in enumerate(heads))
        autograd.backward(outputs, [_nd(head) for head in heads], train_mode=is_train)
        stored.update((f"grad{i}", arrays[i].grad.asnumpy()) for i in wrt)
    np.savez(directory / f"{number}.npz", **stored)
    written = list(run.opdef.written_inputs(run.opdef.bind_params(run.params)[0]))
    return {
        "id": str(run.case), "op": run.opdef.name, "params": {k: str(v) for k, v in run.params.items()}, "label": run.label,
        "n_in": len(run.values), "absent": [i for i, v in enumerate(run.values) if v is None], "n_out": len(outputs),
        "wrt": wrt, "written": written, "is_train": is_train, "dtype": run.dtype,
    }  # fmt: skip


def _nd(value):
    from mx_core.ndarray import array

    return array(value, dtype=value.dtype)


# -- with mxnet 1.9.1 -------------------------------------------------------------------------------------------------


def compare(directory: pathlib.Path) -> int:
    """Make the same calls in 1.9.1, in one forked process each since some abort it, and print the differences."""
    import mxnet as mx
    import mxnet.ndarray  # noqa: F401 - which is lazy here, and not in 1.9.1

    assert mx.__version__.startswith("1.9"), mx.__version__
    assert "mx_core" not in sys.modules, f"{mx.__file__} is not Apache's: a PYTHONPATH leads to this one"
    counts = {"same": 0, "different": 0, "refused": 0, "on purpose": 0, "not there": 0}
    compared: dict[str, set[str]] = {}
    results = []
    differences = read_differences()
    calls = json.loads((directory / "calls.json").read_text())
    for number, call in enumerate(calls):
        if _is_on_purpose(call, differences):
            counts["on purpose"] += 1
            results.append({"op": call["op"], "label": call["label"], "kind": "on purpose", "detail": ""})
            continue
        function = _find(mx, call["op"])
        if function is None:
            counts["not there"] += 1
            results.append({"op": call["op"], "label": call["label"], "kind": "not there", "detail": ""})
            continue
        sys.stdout.flush()
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read_end)
            signal.alarm(30)  # some calls never return there
            os.write(write_end, _compare_one(mx, function, call, np.load(directory / f"{number}.npz")).encode()[:60000])
            os._exit(0)
        os.close(write_end)
        with os.fdopen(read_end) as pipe:
            answer = pipe.read()
        os.waitpid(child, 0)
        kind = answer.partition(":")[0] if answer else "refused"
        detail = answer.partition(":")[2] or ("" if answer else "1.9.1 ended the process")
        results.append({"op": call["op"], "label": call["label"], "kind": kind, "detail": detail})
        counts[kind] += 1
        compared.setdefault(call["id"], set()).add(kind)
        if kind == "different":
            print(f"{call['label']}\n    {detail}")
    (directory / "results.json").write_text(json.dumps(results))
    print("always refused:", ", ".join(sorted(row for row, kinds in compared.items() if kinds == {"refused"})))
    print(counts)
    return min(counts["different"], 99)


def read_differences():
    """What differs on purpose, from the table of docs/differences.md: rows, operators, or pairs of one of these and a set
    of inputs, an element type, a parameter or the value of one."""
    table = re.findall(r"^\| `(\S+)` \| (\S*) ?\| .+ \|$", DIFFERENCES.read_text(encoding="utf-8"), re.MULTILINE)
    assert table, DIFFERENCES
    return {(row, where.strip("`")) if where else row for row, where in table}


def _is_on_purpose(call, differences):
    words = {call["label"].split()[1], call["dtype"], *call["params"], *call["params"].values()}
    keys = {call["id"], call["op"], *((name, word) for name in (call["id"], call["op"]) for word in words)}
    return bool(keys & differences)


def _find(mx, name):
    for prefix, space in (("_contrib_", mx.nd.contrib), ("_image_", mx.nd.image), ("_linalg_", mx.nd.linalg)):
        if name.startswith(prefix):
            return getattr(space, name.removeprefix(prefix), None)
    for space in (mx.nd.op, mx.nd._internal, mx.nd):
        found = getattr(space, name, None)
        if found is not None:
            return found
    return None


def _compare_one(mx, function, call, stored):
    try:
        arrays = [
            mx.nd.array(stored[f"in{i}"], dtype=stored[f"in{i}"].dtype)
            for i in range(call["n_in"])
            if i not in call["absent"]
        ]
        numbers = [i for i in range(call["n_in"]) if i not in call["absent"]]
        for i in call["wrt"]:
            arrays[numbers.index(i)].attach_grad()
        with mx.autograd.record(train_mode=call["is_train"]):
            outputs = _call(mx, function, arrays, call, stored)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        gradients = _gradients(mx, call, stored, [arrays[numbers.index(i)] for i in call["wrt"]], outputs)
        results = [*outputs, *(arrays[numbers.index(i)] for i in call["written"])]
        pairs = [(f"output {i}", stored[f"out{i}"], out.asnumpy()) for i, out in enumerate(results)]
        pairs += [
            (f"gradient {i}", stored[f"grad{i}"], theirs) for i, theirs in zip(call["wrt"], gradients, strict=False)
        ]
    except Exception as error:  # noqa: BLE001 - whatever 1.9.1 does not want to do
        return f"refused:{str(error)[-200:]}"
    problems = [problem for what, ours, theirs in pairs if (problem := _difference(what, ours, theirs))]
    return f"different:{'; '.join(problems)}" if problems else "same:"


def _call(mx, function, arrays, call, stored):
    """The operator's result. Those that update many weights at once want to be told where to put them."""
    try:
        return function(*arrays, **call["params"])
    except mx.MXNetError:
        if "multi" not in call["op"]:
            raise
    shapes = [stored[f"out{i}"] for i in range(call["n_out"])]
    return function(*arrays, **call["params"], out=[mx.nd.zeros(out.shape, dtype=out.dtype) for out in shapes])


def _gradients(mx, call, stored, variables, outputs):
    """The gradients of the variables there; none where the operator has no gradient there."""
    if not variables:
        return []
    heads = [mx.nd.array(stored[f"head{i}"], dtype=out.dtype) for i, out in enumerate(outputs[: call["n_out"]])]
    try:
        mx.autograd.backward(outputs[: call["n_out"]], heads, train_mode=call["is_train"])
    except mx.MXNetError as error:
        if "non-differentiable" in str(error):
            return []
        raise
    return [variable.grad.asnumpy() for variable in variables]


def _difference(what, ours, theirs):
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return f"{what}: here {ours.dtype}{ours.shape}, there {theirs.dtype}{theirs.shape}"
    bound = TOLERANCE.get(str(ours.dtype), 0)
    a, b = ours.astype("float64"), theirs.astype("float64")
    finite = np.abs(b[np.isfinite(b)])
    if np.allclose(a, b, rtol=bound, atol=bound * max(1.0, finite.max() if finite.size else 1.0), equal_nan=True):
        return None
    return f"{what}: here {a.ravel()[:6]}, there {b.ravel()[:6]}"


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("write", "compare"):
        sys.exit(__doc__)
    sys.exit({"write": write, "compare": compare}[sys.argv[1]](pathlib.Path(sys.argv[2])))
