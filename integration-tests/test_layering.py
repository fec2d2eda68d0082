"""Who may import whom, read from the sources: the core knows nobody, packages know the core, nobody a sibling."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parent.parent / "packages"

# Module -> (its package's folder, what it may import besides the standard library and itself).
ALLOWED = {
    "mx_core": ("mx-core", {"numpy", "pluggy", "ml_dtypes"}),  # ml_dtypes: NumPy's bfloat16, only where it is there
    "mx_ops_cpu": ("mx-ops-cpu", {"mx_core", "numpy", "pluggy"}),
    "mx_io": ("mx-io", {"mx_core", "numpy", "pluggy", "cv2", "tqdm"}),  # tqdm: only where it is there
    "mx_gluon": ("mx-gluon", {"mx_core", "numpy", "pluggy"}),
    "mx_module": ("mx-module", {"mx_core", "numpy", "pluggy", "graphviz"}),  # graphviz: only where it is there
}


def sources(module: str) -> Iterator[Path]:
    """The Python files of a module."""
    yield from sorted((PACKAGES / ALLOWED[module][0] / "src" / module).rglob("*.py"))


def imports_of(path: Path) -> Iterator[str]:
    """Every absolute import of a file, inside functions too; not those for type checkers, which never run."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    unread = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for child in node.body
        for inner in ast.walk(child)
    }
    for node in ast.walk(tree):
        if id(node) in unread:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


@pytest.mark.parametrize("module", ALLOWED)
def test_a_package_imports_what_it_may(module):
    allowed = ALLOWED[module][1] | {module} | sys.stdlib_module_names
    wrong = [
        f"{path.relative_to(PACKAGES)} imports {name}"
        for path in sources(module)
        for name in imports_of(path)
        if name.split(".")[0] not in allowed and (path.name, name) != ("testing.py", "pytest")
    ]
    assert list(sources(module))
    assert not wrong


def test_the_facade_imports_the_plugin_module_of_the_core_only():
    allowed = {"mx_core", "mxnet"} | sys.stdlib_module_names
    for path in sorted((PACKAGES / "mx-core" / "src" / "mxnet").glob("*.py")):
        assert {name.split(".")[0] for name in imports_of(path)} <= allowed
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "mx_core":
                assert [alias.name for alias in node.names] == ["plugin"]
