"""Edge inputs for every operator, made from its definition: ``python -m mx_core.testing_edges --cases 100``.

A case is one call with empty, 0-d, huge, wrong-rank or mismatched arrays, NaN, infinities and the ends of the integers
as values, parameters out of any range, and outputs that alias inputs. It must end, within five seconds of CPU time, in a
result or in an MXNetError, TypeError or ValueError that says something; aliased outputs must hold what others would.

Cases are numbered: operator and number make the same case on every machine. They run in processes of their own
with bounded memory, so that a death names its case::

    python -m mx_core.testing_edges --cases 2000 --operators take,pick     # two operators, more cases
    python -m mx_core.testing_edges --replay take:17                       # one case, printed and run here

`find_failures` is the same for tests. Under a sanitizer's LD_PRELOAD memory is left unbounded.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import select
import signal
import subprocess
import sys
import threading
import time
import warnings
import zlib
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["Case", "Failure", "find_failures", "make_case", "operator_names", "run_case"]

SANITIZED = "san.so" in os.environ.get("LD_PRELOAD", "")
SECONDS = 30.0 if SANITIZED else 5.0  # of CPU time for a case
SILENCE = 90.0  # seconds of a wall clock without a word from a worker: it hangs
MEMORY = 2 << 30
DEATHS = 3  # of one operator, after which the rest of its cases are skipped
_LARGEST = 1 << 20  # elements of an input
BATCH = 8  # operators that one process runs

SMALL = (
    (), (1,), (3,), (4,), (2, 3), (3, 3), (1, 1), (4, 1), (2, 3, 4), (1, 3, 3), (2, 4, 5), (2, 3, 5, 5), (1, 4, 6, 6),
    (1, 1, 1, 1), (1, 2, 3, 4, 4), (2, 1, 3, 1, 2), (3, 17),
)  # fmt: skip
EMPTY = (
    (0,), (0, 3), (3, 0), (1, 0, 0), (0, 1, 1), (0, 0), (0, 1, 1, 1), (1, 1, 1, 0), (2, 0, 4, 4), (1, 2, 0, 3, 3),
)  # fmt: skip
STRANGE = (
    (1,) * 7, (2,) * 9, (1,) * 33, (1 << 31, 0), (0, 1 << 40), (1 << 40, 0, 4), (1, 70001), (70001, 1), (1 << 18,),
    (300, 300),
)  # fmt: skip
INTEGERS = (0, 1, -1, 2, 3, 5, -2, 7, 17041, (1 << 31) - 1, -(1 << 31), 1 << 31, 1 << 40, (1 << 63) - 1, -(1 << 63))
NUMBERS = (0.0, 1.0, -1.0, 0.5, 2.0, 1e-30, 1e30, 1e308, -1e308, float("nan"), float("inf"), float("-inf"), -0.0)
SIZES = ((1 << 31, 1 << 31), (1 << 31,), (1 << 62, 4), (1 << 16, 1 << 16, 1 << 16, 1 << 16), (-(1 << 63),), (1,) * 40)
FLOATS = ("float32", "float64", "float16")
DTYPES = (*FLOATS, "int32", "int64", "int8", "uint8", "bool", "bfloat16")
FILLS = (
    "normal", "uniform", "zeros", "ones", "labels", "nan", "inf", "lowest", "highest", "mixed", "large", "negative",
)  # fmt: skip


# -- cases -----------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Input:
    """An input array: its shape, element type and how it is filled."""

    shape: tuple[int, ...]
    dtype: str
    fill: str

    def __call__(self, rng: np.random.Generator) -> Any:
        from .dtypes import flag_of, numpy_of
        from .ndarray import array, zeros

        if 0 in self.shape:
            return zeros(self.shape, dtype=self.dtype)
        values = _values(rng, self.shape, self.fill, self.dtype)
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self.dtype == "bfloat16":
                return array(values.astype("float32"), dtype="float32").astype("bfloat16")
            return array(values.astype(numpy_of(flag_of(self.dtype))), dtype=self.dtype)


def _values(rng: np.random.Generator, shape: tuple[int, ...], fill: str, dtype: str) -> np.ndarray[Any, Any]:
    if fill in ("lowest", "highest"):
        if dtype in ("bfloat16", "bool"):
            return np.full(shape, -3e38 if fill == "lowest" else 3e38)
        limits = np.finfo(dtype) if dtype in FLOATS else np.iinfo(dtype)
        return np.full(shape, limits.min if fill == "lowest" else limits.max, dtype)
    if fill == "mixed":
        return rng.choice(np.array(NUMBERS), shape)
    number = {"zeros": 0.0, "ones": 1.0, "nan": np.nan, "inf": np.inf, "large": 1e30}.get(fill)
    if number is not None:
        return np.full(shape, number)
    if fill == "labels":
        return rng.integers(-2, 6, shape).astype("float64")
    if fill == "uniform":
        return rng.uniform(0, 1, shape)
    return -np.abs(rng.standard_normal(shape)) if fill == "negative" else rng.standard_normal(shape)


@dataclasses.dataclass(frozen=True)
class Case:
    """One call. out: "" for none, "input" (an input itself), "shifted" (memory that overlaps an input), "other" (an
    array of another type). record: also take the gradient. train: as in training."""

    operator: str
    number: int
    inputs: tuple[Input | None, ...]
    params: dict[str, Any]
    out: str = ""
    record: bool = False
    train: bool = False

    def __str__(self) -> str:
        arrays = ["None" if each is None else f"<{each.dtype} {each.shape} {each.fill}>" for each in self.inputs]
        words = [f"{name}={value!r}" for name, value in self.params.items()]
        words += [f"out=<{self.out}>"] if self.out else []
        modes = [mode for mode, on in (("recorded", self.record), ("training", self.train)) if on]
        return f"{self.operator}({', '.join(arrays + words)}){' ' + ' '.join(modes) if modes else ''}"


def operator_names(*, parts: bool = False) -> list[str]:
    """The operators of all plug-ins, aliases left out; with parts also those that only other operators call."""
    from .op import find_op
    from .op.parts import is_part
    from .registry import list_ops

    found = {opdef.name: opdef for opdef in map(find_op, list_ops()) if opdef is not None}
    return sorted(name for name, opdef in found.items() if parts or not is_part(opdef))


def make_case(operator: str, number: int) -> Case:
    """The case of this number of an operator."""
    from .op import get_op

    rng = np.random.default_rng([zlib.crc32(operator.encode()), number])
    opdef = get_op(operator)
    first = Input(_shape(rng), _dtype(rng), _fill(rng))
    params = _params(rng, opdef, first.shape)
    inputs = _inputs(rng, opdef, first, params)
    if inputs and rng.random() < 0.25:
        index = int(rng.integers(len(inputs)))
        inputs[index] = Input(_shape(rng), _dtype(rng), _fill(rng))
    out = _pick(rng, ("input", "shifted", "other")) if rng.random() < 0.2 else ""
    return Case(operator, number, tuple(inputs), params, out, rng.random() < 0.3, rng.random() < 0.3)


def _pick(rng: np.random.Generator, items: Sequence[Any]) -> Any:
    return items[int(rng.integers(len(items)))]


def _shape(rng: np.random.Generator) -> tuple[int, ...]:
    chance = rng.random()
    return _pick(rng, SMALL if chance < 0.7 else EMPTY if chance < 0.9 else STRANGE)  # type: ignore[no-any-return]


def _dtype(rng: np.random.Generator) -> str:
    return "float32" if rng.random() < 0.7 else _pick(rng, DTYPES)


def _fill(rng: np.random.Generator) -> str:
    return _pick(rng, ("normal", "uniform", "labels")) if rng.random() < 0.5 else _pick(rng, FILLS)


def _inputs(rng: np.random.Generator, opdef: Any, first: Input, params: dict[str, Any]) -> list[Input | None]:
    """Inputs that mostly fit: what inference says of the others where it can, else shapes related to the first's."""
    if opdef.variadic:
        count = int(rng.integers(0, 5))
        if "num_args" in opdef.param_names:
            params["num_args"] = count
        return [_related(rng, first) if i else first for i in range(count)]
    count = len(opdef.input_names)
    present = [i < opdef.n_required or rng.random() < 0.6 for i in range(count)]
    inputs: list[Input | None] = [
        first if i == 0 else _related(rng, first) if present[i] else None for i in range(count)
    ]
    if count > 1 and rng.random() < 0.6:
        _fit(rng, opdef, params, inputs)
    return inputs


def _related(rng: np.random.Generator, first: Input) -> Input:
    """An input whose shape is made from the first's."""
    shape, chance = first.shape, rng.random()
    if chance < 0.15:
        shape = shape[:-1]
    elif chance < 0.3:
        shape = shape[1:]
    elif chance < 0.4:
        shape = shape[:1]
    elif chance < 0.5:
        shape = shape[1:2]
    elif chance < 0.6:
        shape = tuple([1 if rng.random() < 0.5 else dim for dim in shape])
    elif chance < 0.7:
        shape = _shape(rng)
    if math.prod(shape) > _LARGEST:
        shape = (0, *shape)
    return Input(shape, first.dtype if rng.random() < 0.8 else _dtype(rng), _fill(rng))


def _fit(rng: np.random.Generator, opdef: Any, params: dict[str, Any], inputs: list[Input | None]) -> None:
    """Replaces inputs by those that the operator's inference finds fitting."""
    from .dtypes import FLAG_TO_NAME, flag_of
    from .op import infer_types

    given: list[Any] = ["absent" if each is None else None for each in inputs]
    if inputs[0] is not None:
        given[0] = (flag_of(inputs[0].dtype), inputs[0].shape)
    try:
        found, _ = infer_types(opdef, dict(params), given)
    except Exception:  # noqa: BLE001 - a case that does not fit is a case, too: the call itself is what is judged
        return
    for i, (each, pair) in enumerate(zip(inputs, found, strict=False)):
        if each is None or pair is None or pair[1] is None or any(dim is None or dim < 0 for dim in pair[1]):
            continue
        if math.prod(pair[1]) <= _LARGEST:
            dtype = each.dtype if pair[0] is None else FLAG_TO_NAME[pair[0]]
            inputs[i] = Input(tuple(pair[1]), dtype, each.fill)


def _params(rng: np.random.Generator, opdef: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    from .op.schema import REQUIRED

    wild = rng.random() < 0.5
    params = {}
    for name, kind, default in (*opdef._static_schema, *opdef._runtime_schema):
        if default is REQUIRED or rng.random() < 0.35:
            params[name] = _parameter(rng, kind, shape, wild=wild and rng.random() < 0.5)
    return params


def _parameter(rng: np.random.Generator, kind: Any, shape: tuple[int, ...], *, wild: bool) -> Any:
    """A value of a parameter: one that may fit, or, if wild, any."""
    if kind.optional and rng.random() < 0.15:
        return None
    if wild and rng.random() < 0.05:
        return _pick(rng, ("", "nonsense", (), {}, object, b"x", "(1, 2", -1, [[1]], 1.5, "None", "nan"))
    if kind.kind == "bool":
        return bool(rng.integers(2))
    if kind.kind == "str":
        choices = getattr(kind.check, "__self__", None)
        return (
            _pick(rng, sorted(choices)) if isinstance(choices, frozenset) else _pick(rng, ("", "x", "NCHW", "float32"))
        )
    if kind.kind == "dtype":
        return _pick(rng, DTYPES)
    if kind.kind in ("float", "floats"):
        number = float(_pick(rng, NUMBERS if wild else (0.5, 1.0, 2.0, 0.1, 0.9)))
        return number if kind.kind == "float" else (number,) * int(rng.integers(0, 5))
    if kind.kind == "int":
        return _pick(rng, INTEGERS if wild else (0, 1, 2, 3, 4, -1, *shape[:2]))
    if wild and rng.random() < 0.4:
        return _pick(rng, SIZES)
    return _tuple(rng, shape, INTEGERS if wild else (1, 1, 2, 3, 0, -1))


def _tuple(rng: np.random.Generator, shape: tuple[int, ...], items: Sequence[int]) -> tuple[int, ...]:
    """A tuple of ints: a shape, axes in some order, or a few numbers, as many as there are axes or spatial axes."""
    chance = rng.random()
    if chance < 0.1:
        return shape
    if chance < 0.25:
        return tuple([int(axis) for axis in rng.permutation(len(shape))])
    count = (len(shape) - 2 if chance < 0.6 else len(shape)) if chance < 0.85 else int(rng.integers(0, 6))
    return tuple([int(_pick(rng, items)) for _ in range(max(count, 0))])


# -- running one -----------------------------------------------------------------------------------------------------


def run_case(case: Case, *, strict: bool = False) -> str:
    """Runs a case here; returns what is wrong with how it ended, "" if nothing.

    strict: an error in a rule of the operator that is not its own refusal is wrong too.
    """
    from .errors import MXNetError

    start = time.process_time()
    wrong = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wrong = _call(case)
    except (MXNetError, TypeError, ValueError) as error:
        if strict and error.__cause__ is not None:
            wrong = f"{_where(error.__cause__)} in a rule"
        elif not str(error).strip():
            wrong = f"{type(error).__name__} without a message"
        elif not isinstance(error, MXNetError) and f"[{case.operator}]" not in str(error):
            wrong = f"{_where(error)} does not name the operator"
    except MemoryError as error:
        wrong = f"{_where(error)} instead of an MXNetError"
    except Exception as error:  # noqa: BLE001 - what else it may be is the question
        wrong = f"{_where(error)} instead of an MXNetError"
    seconds = time.process_time() - start
    return wrong or (f"took {seconds:.1f} s" if seconds > SECONDS else "")


def _where(error: BaseException) -> str:
    """The error with the last line of Python that it came through."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" ({os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno})" if trace else ""
    return f"{type(error).__name__}: {str(error)[:300]}{place}"


def _call(case: Case) -> str:
    from . import autograd
    from .dtypes import flag_of, is_float
    from .op import get_op
    from .random import seed

    rng = np.random.default_rng(case.number)
    opdef = get_op(case.operator)
    seed(1)
    arrays = [None if each is None else each(rng) for each in case.inputs]
    if case.out and arrays:
        return _call_with_out(case, opdef, arrays)
    call = opdef.make_callable()
    if not case.record:
        with autograd.train_mode() if case.train else autograd.predict_mode():
            _read(call(*arrays, **case.params))
        return ""
    wanted = [each for each in arrays if each is not None and is_float(flag_of(each.dtype))]
    for each in wanted:
        each.attach_grad()
    with autograd.record(train_mode=case.train):
        outputs = call(*arrays, **case.params)
    _read(outputs)
    heads = outputs if isinstance(outputs, (list, tuple)) else [outputs]
    autograd.backward(list(heads), train_mode=case.train)
    _read([each.grad for each in wanted])
    return ""


def _read(outputs: Any) -> list[np.ndarray[Any, Any]]:
    """The values; of arrays that NumPy cannot hold, or that take long, only the end of the computation."""
    values = []
    for each in outputs if isinstance(outputs, (list, tuple)) else [outputs]:
        each.wait_to_read()
        if math.prod([dim or 1 for dim in each.shape]) <= 4 * _LARGEST:
            values.append(each.asnumpy())
    return values


def _call_with_out(case: Case, opdef: Any, arrays: list[Any]) -> str:
    """The call with an out= that overlaps an input must leave there what it returns elsewhere."""
    from .ndarray import zeros
    from .random import seed

    call = opdef.make_callable()
    index = case.number % len(arrays)
    mine = arrays[index]
    if case.out == "other" or mine is None:
        _read(call(*arrays, out=zeros((2, 3), dtype="int32" if case.number % 2 else "float32"), **case.params))
        return ""
    if case.out == "shifted" and mine.ndim and mine.shape[0] > 1:
        whole = mine
        arrays[index], out = whole[:-1], whole[1:]
    else:
        out = mine
    seed(1)
    wanted = _read(call(*[None if each is None else each.copy() for each in arrays], **case.params))
    seed(1)
    _read(call(*arrays, out=out, **case.params))
    found = out.asnumpy()
    if opdef.writes or len(wanted) != 1 or wanted[0].dtype != found.dtype:
        return ""
    same = wanted[0].shape == found.shape and np.array_equal(
        wanted[0].astype("float64"), found.astype("float64"), equal_nan=True
    )
    return "" if same else "an output that overlaps an input holds something else than one that does not"


# -- running all -----------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Failure:
    """A case and what was wrong with it."""

    case: Case
    wrong: str

    def __str__(self) -> str:
        return f"{self.case.operator}:{self.case.number}  {self.wrong}\n    {self.case}"


def find_failures(operators: Sequence[str], cases: int = 100, jobs: int | None = None) -> list[Failure]:
    """Runs the first cases of each operator in bounded processes; returns those that ended badly."""
    batches = deque([list(operators[i : i + BATCH]) for i in range(0, len(operators), BATCH)])
    failures: list[Failure] = []

    def work() -> None:
        while True:
            try:
                batch = batches.popleft()
            except IndexError:
                return
            failures.extend(_run_batch(batch, cases))

    threads = [threading.Thread(target=work) for _ in range(jobs or os.cpu_count() or 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(failures, key=lambda failure: (failure.case.operator, failure.case.number))


def _run_batch(operators: list[str], cases: int) -> list[Failure]:
    failures, start, deaths = [], 0, 0
    while operators:
        last, found, ending = _run_worker(operators, start, cases)
        failures += [Failure(make_case(name, number), text) for name, number, text in found]
        if not ending:
            break
        name, number = last
        failures.append(Failure(make_case(name, number), ending))
        deaths = deaths + 1 if name == operators[0] else 1
        operators, start = operators[operators.index(name) :], number + 1
        if deaths >= DEATHS or start >= cases:
            operators, start, deaths = operators[1:], 0, 0
    return failures


def _run_worker(
    operators: list[str], start: int, cases: int
) -> tuple[tuple[str, int], list[tuple[str, int, str]], str]:
    """One process: (the last case it began, (operator, number, what was wrong), how the process died or "")."""
    command = [sys.executable, "-m", __spec__.name if __spec__ else "mx_core.testing_edges", "--worker"]
    command += [",".join(operators), str(start), str(cases)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    errors: list[bytes] = []
    drain = threading.Thread(target=lambda: errors.append(process.stderr.read()))  # type: ignore[union-attr]
    drain.start()
    last, found, hangs = (operators[0], start), [], False
    assert process.stdout is not None
    rest = b""
    while True:
        if not select.select([process.stdout], [], [], SILENCE)[0]:
            hangs = True
            process.kill()
            break
        data = os.read(process.stdout.fileno(), 1 << 16)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            name, number, text = line.decode().split("\t", 2)
            last = name, int(number)
            if text:
                found.append((name, int(number), text))
    process.wait()
    drain.join()
    process.stdout.close()
    if process.stderr is not None:
        process.stderr.close()
    if hangs:
        return last, found, f"no end in {SILENCE:.0f} s"
    if process.returncode == 0:
        return last, found, ""
    ending = signal.Signals(-process.returncode).name if process.returncode < 0 else f"exit {process.returncode}"
    return last, found, f"the process died: {ending}\n{_tail(errors)}"


def _tail(errors: list[bytes]) -> str:
    """What a sanitizer or faulthandler wrote."""
    lines = b"".join(errors).decode(errors="replace").splitlines()
    at = next(
        (i for i, line in enumerate(lines) if "ERROR" in line or "runtime error" in line), max(len(lines) - 15, 0)
    )
    return "\n".join(lines[at : at + 25])


def _work(operators: list[str], start: int, cases: int) -> None:
    """What a process does: a line when a case begins, a second one if it ends badly."""
    import faulthandler
    import resource

    faulthandler.enable()
    if not SANITIZED:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for name in operators:
        for number in range(start, cases):
            os.write(1, f"{name}\t{number}\t\n".encode())
            wrong = run_case(make_case(name, number), strict=bool(os.environ.get("MX_EDGES_STRICT")))
            if wrong:
                os.write(1, f"{name}\t{number}\t{' '.join(wrong.split())}\n".encode())
        start = 0


def main() -> int:
    """The command line; the exit status is 1 if any case ended badly."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", type=int, default=100, help="cases of each operator")
    parser.add_argument("--operators", default="", help="names, separated by commas; default all")
    parser.add_argument("--jobs", type=int, default=None, help="processes at once; default one a core")
    parser.add_argument("--replay", metavar="OPERATOR:NUMBER", help="run one case in this process")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--parts", action="store_true", help="also the primitives that only other operators call")
    options = parser.parse_args()
    if options.worker:
        names, start, cases = options.worker
        _work(names.split(","), int(start), int(cases))
        return 0
    if options.replay:
        name, _, number = options.replay.rpartition(":")
        case = make_case(name, int(number))
        print(case, flush=True)
        print(run_case(case) or "ended well")
        return 0
    names = options.operators.split(",") if options.operators else operator_names(parts=options.parts)
    failures = find_failures(names, options.cases, options.jobs)
    for failure in failures:
        print(failure)
    print(f"{len(names)} operators, {options.cases} cases each: {len(failures)} ended badly")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
