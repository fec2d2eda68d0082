"""What older MXNet versions wrote differently into symbol files."""

from __future__ import annotations

from typing import Any

from ..attribute import stored_attrs
from ..errors import RecordFileError

__all__ = ["upgrade", "version_of"]

_OLDEST = 800  # files without a version are of 0.8 or before
_HIDDEN = ("ctx_group", "lr_mult", "wd_mult", "force_mirroring", "mirror_stage", "profiler_scope")


def version_of(graph: Any, source: str) -> int:
    """The version of MXNet that wrote a graph, 10901 for 1.9.1. Raises RecordFileError when it is none."""
    attrs = graph.get("attrs") if isinstance(graph, dict) else None
    if not isinstance(attrs, dict) or "mxnet_version" not in attrs:
        return _OLDEST
    value = attrs["mxnet_version"]
    if isinstance(value, list) and len(value) == 2:
        value = value[1]
    if type(value) is not int or not 0 <= value < 1 << 31:
        msg = f'{source}: mxnet_version must be ["int", number], got {str(attrs["mxnet_version"])[:60]}'
        raise RecordFileError(msg)
    return value


def upgrade(nodes: list[dict[str, Any]], version: int) -> list[dict[str, Any]]:
    """Nodes of an older version as 1.9.1 would have written them, but for inputs that were left out.

    nodes: dicts with op, name, attrs and inputs, checked.
    """
    for node in nodes:
        node["attrs"] = stored_attrs(node["attrs"])
    if version < 10000:
        for node in nodes:
            if node["op"] != "null":
                _move_to_variables(node, nodes)
    if version < 905:
        for node in nodes:
            if node["op"] in ("argmax", "argmin") and node["attrs"].get("axis") == "-1":
                del node["attrs"]["axis"]
    return nodes


def _move_to_variables(node: dict[str, Any], nodes: list[dict[str, Any]]) -> None:
    """``weight_lr_mult`` of an operator was the ``lr_mult`` of its variable ``<name>_weight``."""
    for key in [key for key in node["attrs"] if key.endswith(_HIDDEN) and key[:2] != "__"]:
        hidden = next(name for name in _HIDDEN if key.endswith(name))
        owner = f"{node['name']}_{key[: -len(hidden) - 1]}"
        value = node["attrs"].pop(key)
        for entry in node["inputs"]:
            if isinstance(entry, list) and entry and type(entry[0]) is int and 0 <= entry[0] < len(nodes):
                variable = nodes[entry[0]]
                if variable["op"] == "null" and variable["name"] == owner:
                    variable["attrs"][f"__{hidden}__"] = value
