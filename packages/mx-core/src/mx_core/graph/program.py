"""Lowering of pointwise nodes to one program of include/mx/pointwise.h.

Compute types: an instruction works in the compute type of its output's element type, except that comparisons work in
their inputs' common one, and float-only functions of integers in float64. Operands of another type are cast.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..dtypes import BOOL
from ..op.pointwise import COMPUTE_OF, F32, F64, I64, OPCODES, TRUTH_OPCODES
from ..op.primitives import FULL
from .node import Node, Scalar, Value

__all__ = ["Program", "lower_program"]

_COPY, _CAST, _NOT_EQUAL, _WHERE = (OPCODES[name][0] for name in ("copy", "cast", "not_equal", "where"))
_MUL, _DIV = OPCODES["mul"][0], OPCODES["div"][0]
_FLOAT_ONLY = frozenset(number for number, _, float_only in OPCODES.values() if float_only)
# Promotion order of compute types, weakest first.
_RANK = {2: 0, I64: 1, F32: 2, F64: 3}
# While a program is built, an operand is kind * _KIND + number; finish() makes plain operand numbers of them.
_KIND = 1 << 20
_INPUT, _CONST, _SCALAR, _TEMP = range(4)


class Program:
    """A program under construction."""

    def __init__(self) -> None:
        self.inputs: dict[Value, int] = {}
        self.consts: dict[tuple[str, int], int] = {}
        self.const_values: list[float] = []
        self.scalars: dict[tuple[int, int], int] = {}
        self.code: list[int] = []
        self.temp_types: list[int] = []
        self.operands: dict[Value, tuple[int, int]] = {}  # value -> (operand, its compute type)
        self.casts: dict[tuple[int, int], int] = {}

    def const(self, value: float, kind: int) -> int:
        """The operand of a constant of this compute type."""
        key = (repr(value), kind)  # repr: NaN finds itself, and -0.0 is not 0.0
        number = self.consts.get(key)
        if number is None:
            number = self.consts[key] = len(self.const_values)
            self.const_values.append(value)
        return _CONST * _KIND + number

    def emit(self, opcode: int, kind: int, a: int, b: int = 0, c: int = 0) -> int:
        """Append an instruction; its operand."""
        temp = _TEMP * _KIND + len(self.temp_types)
        self.temp_types.append(kind)
        self.code += (opcode, kind, temp, a, b, c)
        return temp

    def value(self, value: Value) -> tuple[int, int]:
        """(operand, compute type) of a value that the program reads or has computed."""
        found = self.operands.get(value)
        if found is None:
            node = value.node
            if node is not None and node.op is FULL:
                kind = COMPUTE_OF[value.dtype]
                found = (self.scalar(node.scalars[0], kind), kind)
            else:
                number = self.inputs[value] = len(self.inputs)
                found = (number, COMPUTE_OF[value.dtype])
            self.operands[value] = found
        return found

    def scalar(self, value: Any, kind: int) -> int:
        """The operand of a number, a runtime scalar, or arithmetic with them."""
        if value.__class__ is not Scalar:
            return self.const(float(value), kind)
        return self._scalar_key(value.key, kind)

    def _scalar_key(self, key: Any, kind: int) -> int:
        if not isinstance(key, tuple):
            return self.const(float(key), kind)
        name, *operands = key
        if name == "scalar":
            number = self.scalars.setdefault((operands[0], kind), len(self.scalars))
            return _SCALAR * _KIND + number
        return self.emit(OPCODES[name][0], kind, *[self._scalar_key(operand, kind) for operand in operands])

    def cast(self, operand: int, source: int, kind: int) -> int:
        """operand in another compute type."""
        if source == kind:
            return operand
        made = self.casts.get((operand, kind))
        if made is None:
            made = self.casts[operand, kind] = self.emit(_CAST, kind, operand)
        return made

    def truth(self, operand: int, source: int, kind: int) -> int:
        """operand != 0 as 0 or 1 of another compute type."""
        return self.cast(self.emit(_NOT_EQUAL, source, operand, self.const(0.0, source)), source, kind)

    def add(self, node: Node) -> None:
        """Append a pointwise node."""
        output = node.outputs[0]
        opcode = node.op.opcode
        kind = COMPUTE_OF[output.dtype]
        if opcode == _CAST:
            self.operands[output] = self._cast_node(node, output.dtype, kind)
            return
        if opcode == _COPY and node.inputs:
            self.operands[output] = self.value(node.inputs[0])
            return
        given = [self.operands.get(value) or self.value(value) for value in node.inputs]
        if kind == F32 and all([source == F32 for _, source in given]):
            operands = [operand for operand, _ in given]
            for scalar in node.scalars:
                operands.append(self.scalar(scalar, F32))
            self._emit_node(node, F32, operands)
            return
        if opcode in TRUTH_OPCODES and given:
            kind = max([source for _, source in given], key=_RANK.__getitem__)
        if opcode in _FLOAT_ONLY and kind != F32:
            kind = F64
        operands = [operand if source == kind else -1 - i for i, (operand, source) in enumerate(given)]
        for i, operand in enumerate(operands):
            if operand < 0:
                source_operand, source = given[i]
                convert = self.truth if opcode == _WHERE and i == 0 else self.cast
                operands[i] = convert(source_operand, source, kind)
        for scalar in node.scalars:
            operands.append(self.scalar(scalar, kind))
        self._emit_node(node, kind, operands)

    def _emit_node(self, node: Node, kind: int, operands: list[int]) -> None:
        if node.op.reversed:
            operands[0], operands[1] = operands[1], operands[0]
        opcode = node.op.opcode
        made = self._simpler(opcode, kind, operands) if opcode in (_MUL, _DIV) else None
        self.operands[node.outputs[0]] = (self.emit(opcode, kind, *operands) if made is None else made, kind)

    def _simpler(self, opcode: int, kind: int, operands: list[int]) -> int | None:
        """The operand that x * 1, 1 * x or x / 1 is."""
        one = self.consts.get(("1.0", kind), -1) + _CONST * _KIND
        if operands[1] == one:
            return operands[0]
        if operands[0] == one and opcode == _MUL:
            return operands[1]
        return None

    def _cast_node(self, node: Node, dtype: int, kind: int) -> tuple[int, int]:
        operand, source = self.value(node.inputs[0])
        if dtype == BOOL and node.inputs[0].dtype != BOOL:
            return self.truth(operand, source, kind), kind
        return self.cast(operand, source, kind), kind

    def finish(self, outputs: Iterable[Value]) -> tuple[dict[str, Any], list[Value], list[int]]:
        """(kernel parameters, the inputs in order, the plan scalars in order)."""
        stored = []
        for value in outputs:
            operand, kind = self.value(value)
            stored.append(operand if operand >= _TEMP * _KIND else self.emit(_COPY, kind, operand))
        n_in, n_const, n_scalar = len(self.inputs), len(self.const_values), len(self.scalars)
        shift = (
            0,
            n_in - _CONST * _KIND,
            n_in + n_const - _SCALAR * _KIND,
            n_in + n_const + n_scalar - _TEMP * _KIND,
        )
        code = self.code
        inputs, place = self._ordered_inputs()
        for i in range(0, len(code), 6):
            for j in (i + 2, i + 3, i + 4, i + 5):
                operand = code[j]
                code[j] = place[operand] if operand < _KIND and place else operand + shift[operand >> 20]
        types = [COMPUTE_OF[value.dtype] for value in inputs]
        types += [kind for _, kind in self.consts]
        types += [kind for _, kind in self.scalars]
        types += self.temp_types
        params = {
            "code": tuple(code),
            "consts": tuple(self.const_values) if n_const else (),
            "outs": tuple([operand + shift[_TEMP] for operand in stored]),
            "n_temp": len(self.temp_types),
            "types": tuple(types),
        }
        return params, inputs, [number for number, _ in self.scalars]

    def _ordered_inputs(self) -> tuple[list[Value], list[int]]:
        """The inputs with the graph's own in their order, so that a program alone takes the plan's inputs as they
        come; and the new number of every input ([]: unchanged)."""
        inputs = list(self.inputs)
        if len(inputs) < 2:
            return inputs, []
        ordered = sorted(inputs, key=lambda value: value.index if value.node is None else _KIND)
        number = {value: i for i, value in enumerate(ordered)}
        return ordered, [number[value] for value in inputs]


def lower_program(nodes: Sequence[Node], outputs: Sequence[Value]) -> tuple[dict[str, Any], list[Value], list[int]]:
    """The program of pointwise nodes in running order, which stores outputs."""
    program = Program()
    for node in nodes:
        program.add(node)
    return program.finish(outputs)
