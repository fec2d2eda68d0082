"""The stubs that python -m mx_core.stubs writes are valid and say what the operators take."""

from __future__ import annotations

import ast

from mx_core import stubs


def test_every_operator_has_a_stub(tmp_path):
    package = stubs.write(tmp_path)
    tree = ast.parse((package / "ndarray.pyi").read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {"relu", "Convolution", "concat", "array", "zeros"} <= functions.keys()
    convolution = functions["Convolution"]
    assert [a.arg for a in convolution.args.args] == ["data", "weight", "bias"]
    assert {"kernel", "num_filter", "out"} <= {a.arg for a in convolution.args.kwonlyargs}
    assert ast.get_docstring(convolution)


def test_ndarray_and_facade_have_stubs(tmp_path):
    package = stubs.write(tmp_path)
    tree = ast.parse((package / "ndarray.pyi").read_text())
    array = next(node for node in tree.body if isinstance(node, ast.ClassDef))
    members = {node.name for node in array.body if isinstance(node, ast.FunctionDef)}
    assert {"asnumpy", "shape", "backward", "reshape", "sum", "__add__"} <= members
    names = (package / "__init__.pyi").read_text()
    ast.parse(names)
    assert "import mx_core.autograd as autograd" in names
