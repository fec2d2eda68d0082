"""mx-core as the first of its own plug-ins: its operators, and the names of `mxnet` that it serves."""

from __future__ import annotations

from types import ModuleType

from mx_core.plugin import hookimpl

__all__ = ["mx_namespaces", "mx_ops"]

# The name behind "mxnet." -> a module, or "module:attribute". Two spellings of one thing are MXNet's own.
_NAMESPACES = {
    "nd": "mx_core.ndarray",
    "ndarray": "mx_core.ndarray",
    "ndarray.ndarray": "mx_core.ndarray.array",
    "sym": "mx_core.symbol",
    "symbol": "mx_core.symbol",
    "symbol.symbol": "mx_core.symbol",
    "attribute": "mx_core.attribute",
    "AttrScope": "mx_core.attribute:AttrScope",
    "contrib": "mx_core.contrib",
    "contrib.nd": "mx_core.ndarray.contrib",
    "contrib.ndarray": "mx_core.ndarray.contrib",
    "contrib.sym": "mx_core.symbol.contrib",
    "contrib.symbol": "mx_core.symbol.contrib",
    "autograd": "mx_core.autograd",
    "random": "mx_core.random",
    "rnd": "mx_core.random",
    "context": "mx_core.context",
    "base": "mx_core.base",
    "engine": "mx_core.engine",
    "executor": "mx_core.executor",
    "util": "mx_core.util",
    "name": "mx_core.name",
    "registry": "mx_core.class_registry",
    "error": "mx_core.errors",
    "test_utils": "mx_core.test_utils",
    "operator": "mx_core.operator",
    "log": "mx_core.log",
    "profiler": "mx_core.profiler",
    "runtime": "mx_core.runtime",
    "libinfo": "mx_core.libinfo",
    "init": "mx_core.initializer",
    "initializer": "mx_core.initializer",
    "optimizer": "mx_core.optimizer",
    "opt": "mx_core.optimizer",
    "lr_scheduler": "mx_core.lr_scheduler",
    "metric": "mx_core.metric",
    "kv": "mx_core.kvstore",
    "kvstore": "mx_core.kvstore",
    "Context": "mx_core.context:Context",
    "cpu": "mx_core.context:cpu",
    "cpu_pinned": "mx_core.context:cpu_pinned",
    "gpu": "mx_core.context:gpu",
    "current_context": "mx_core.context:current_context",
    "is_np_array": "mx_core.util:is_np_array",
    "is_np_shape": "mx_core.util:is_np_shape",
    "np_array": "mx_core.util:np_array",
    "np_shape": "mx_core.util:np_shape",
    "set_np_shape": "mx_core.util:set_np_shape",
    "use_np": "mx_core.util:use_np",
    "use_np_array": "mx_core.util:use_np_array",
    "use_np_shape": "mx_core.util:use_np_shape",
    "MXNetError": "mx_core.errors:MXNetError",
}


@hookimpl
def mx_namespaces() -> dict[str, str]:
    """What mx-core serves of `mxnet`."""
    return dict(_NAMESPACES)


@hookimpl
def mx_ops() -> list[ModuleType]:
    """The operators that mx-core defines: importing the package `ops` defines them all."""
    from mx_core import ops

    return [ops]
