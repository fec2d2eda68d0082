"""Writing pointwise programs by hand, and evaluating them in NumPy: what the pointwise and reduction tests share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEADER = Path(__file__).parents[2] / "mx-core" / "include" / "mx" / "pointwise.h"
OPCODES = {
    name: (int(number), int(operands), classes)
    for number, name, operands, classes in re.findall(r'X\((\d+), (\w+), (\d), "(\w+)"\)', HEADER.read_text())
}
F32, F64, I32, I64 = range(4)
COMPUTE_DTYPES = ("float32", "float64", "int32", "int64")
NATURAL = {"float32": F32, "float16": F32, "bfloat16": F32, "float64": F64, "int64": I64}


def natural(dtype: str) -> int:
    """The compute type in which a storage dtype is calculated."""
    return NATURAL.get(dtype, I32)


@dataclass
class Program:
    """Parameters of a pointwise program; operands are numbered inputs, constants, scalars, temporaries."""

    types: list[int]
    consts: list[float] = field(default_factory=list)
    code: list[int] = field(default_factory=list)
    outs: list[int] = field(default_factory=list)
    n_temp: int = 0

    def emit(self, name: str, *operands: int, result: int | None = None) -> int:
        """Appends an instruction in the type of its operands (cast: to `result`) and returns its operand number."""
        number, count, _ = OPCODES[name]
        assert len(operands) == count
        compute = self.types[operands[0]] if result is None else result
        dst = len(self.types)
        self.code += [number, compute, dst, *operands, *[0] * (3 - count)]
        self.types.append(compute)
        self.n_temp += 1
        return dst

    @property
    def params(self) -> dict[str, Any]:
        return {"code": self.code, "consts": self.consts, "outs": self.outs, "types": self.types, "n_temp": self.n_temp}


def single(name: str, compute: int) -> Program:
    """The program of one instruction whose operands are the inputs."""
    program = Program(types=[compute] * OPCODES[name][1])
    program.outs = [program.emit(name, *range(OPCODES[name][1]))]
    return program
