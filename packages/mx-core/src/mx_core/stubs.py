"""``python -m mx_core.stubs [FOLDER]`` writes type stubs of ``mxnet`` for editors and type checkers.

Operators come from whatever plug-ins are installed, so their stubs are made where they are used: FOLDER, by default
``typings`` (where Pyright looks; for mypy set ``MYPYPATH=typings``), gets a package ``mxnet`` with every operator, every
method of NDArray and every name of the facade, with docs.
"""

from __future__ import annotations

import argparse
import inspect
import keyword
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mx_core import plugin

__all__ = ["facade_stub", "ndarray_stub", "write"]

_HEADER = (
    "# Written by python -m mx_core.stubs; do not edit.\nfrom collections.abc import Sequence\nfrom typing import Any\n"
)
_TYPES = {
    "int": "int", "float": "float", "bool": "bool", "str": "str", "ints": "int | Sequence[int]",
    "floats": "float | Sequence[float]", "dtype": "Any",
}  # fmt: skip
# Functions and methods in Python that return arrays.
_RETURNS = dict.fromkeys(
    "array zeros ones full empty arange eye linspace concatenate add subtract multiply divide maximum minimum power "
    "equal not_equal greater greater_equal lesser lesser_equal astype copy copyto as_in_context detach reshape "
    "__add__ __radd__ __sub__ __rsub__ __mul__ __rmul__ __truediv__ __rtruediv__ __pow__ __rpow__ __mod__ __neg__ "
    "__getitem__ __lt__ __le__ __gt__ __ge__ __iadd__ __isub__ __imul__ __itruediv__".split(),
    "NDArray",
)
_NOT_TYPED = {*dir(object), "__module__", "__weaklistoffset__", "__array_priority__"} - {
    "__eq__",
    "__ne__",
    "__lt__",
    "__le__",
    "__gt__",
    "__ge__",
}


def _quoted(doc: str | None, indent: str) -> str:
    text = inspect.cleandoc(doc or "").replace("\\", "\\\\").replace('"""', "'''")
    body = text.replace("\n", f"\n{indent}")
    return f'{indent}"""{body}"""\n'


def operator_stub(name: str, definition: Any, indent: str = "", method: bool = False) -> str:
    """The stub of one operator, as a function or as a method of NDArray."""
    inputs = list(zip(definition.input_names, definition.optional_inputs, strict=True))
    arguments = ["self"] if method else []
    if definition.variadic:
        arguments.append(f"*{definition.input_names[0]}: NDArray")
    else:
        arguments += [f"{n}: NDArray | None = ..." if optional else f"{n}: NDArray" for n, optional in inputs[method:]]
    given = {n for n, _ in inputs}
    schema = [row for row in (*definition._static_schema, *definition._runtime_schema) if row[0] not in given]
    given |= {n for n, _, _ in schema}
    if (schema or given) and not definition.variadic:
        arguments.append("*")
    arguments += [f"{n}: {_TYPES.get(kind.kind, 'Any')} | None = ..." for n, kind, _ in schema]
    arguments += [f"{n}: Any = ..." for n in ("out", "name", "ctx") if n not in given]
    returned = "NDArray" if definition.n_visible == 1 else "Any"
    head = f"{indent}def {name}({', '.join(arguments)}) -> {returned}:\n"
    return head + _quoted(definition.__doc__, indent + "    ") + f"{indent}    ...\n"


def _function_stub(name: str, function: Any, indent: str = "") -> str:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        arguments = "self, *args: Any, **kwargs: Any" if indent else "*args: Any, **kwargs: Any"
    else:
        plain = [
            p.replace(annotation=p.empty, default=p.empty if p.default is p.empty else ...)
            for p in signature.parameters.values()
        ]
        arguments = str(inspect.Signature(plain))[1:-1].replace("Ellipsis", "...")
    doc = _quoted(inspect.getdoc(function), indent + "    ")
    return f"{indent}def {name}({arguments}) -> {_RETURNS.get(name, 'Any')}:\n{doc}{indent}    ...\n"


def _members(array: type) -> Iterator[str]:
    from mx_core import registry

    for name in dir(array):
        if not name.isidentifier() or (name.startswith("_") and not name.startswith("__")) or name in _NOT_TYPED:
            continue
        member = inspect.getattr_static(array, name)
        definition = registry.find_op(name)
        if isinstance(member, property | types.GetSetDescriptorType):
            yield f"    @property\n    def {name}(self) -> Any: ...\n"
        elif name.startswith("__") or definition is None:
            yield _function_stub(name, member, "    ")
        else:
            yield operator_stub(name, definition, "    ", method=True)


def ndarray_stub() -> str:
    """The text of ndarray.pyi: the type NDArray, the functions of mx.nd and every public operator."""
    from mx_core import ndarray, registry

    parts = [_HEADER, "\nclass NDArray:\n", *_members(ndarray.NDArray)]
    written = {"NDArray"}
    for name in ndarray.__all__:
        value = getattr(ndarray, name)
        if name not in written and not isinstance(value, types.ModuleType):
            parts.append(_function_stub(name, value))
            written.add(name)
    for name in _public(registry.list_ops()):
        if name not in written:
            parts.append(operator_stub(name, registry.find_op(name)))
    return "\n".join(parts)


def _public(names: Iterable[str]) -> list[str]:
    return sorted(n for n in names if not n.startswith("_") and n.isidentifier() and not keyword.iskeyword(n))


def facade_stub() -> str:
    """The text of __init__.pyi: each name of the facade, and the module behind it."""
    lines = [_HEADER, "from . import ndarray as nd", "from . import ndarray as ndarray", "__version__: str"]
    served: dict[str, str] = {}
    plugin.ask("mx_namespaces", lambda _, names: served.update(names))
    for name in sorted(name for name in served if "." not in name):
        module, _, member = served[name].partition(":")
        if name in ("nd", "ndarray"):
            continue
        lines.append(f"from {module} import {member} as {name}" if member else f"import {module} as {name}")
    return "\n".join(lines) + "\n"


def write(folder: Path) -> Path:
    """Writes the package of stubs into folder and returns where it is."""
    package = folder / "mxnet"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.pyi").write_text(facade_stub(), encoding="utf-8")
    (package / "ndarray.pyi").write_text(ndarray_stub(), encoding="utf-8")
    return package


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("typings"))
    print(write(parser.parse_args().folder))
