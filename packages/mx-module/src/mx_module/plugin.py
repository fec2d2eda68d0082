"""mx-module as a plug-in: the names of `mxnet` that belong to symbolic training."""

from __future__ import annotations

from mx_core.plugin import hookimpl

__all__ = ["mx_namespaces"]

_NAMESPACES = {
    "mod": "mx_module.module",
    "module": "mx_module.module",
    "model": "mx_module.model",
    "callback": "mx_module.callback",
    "mon": "mx_module.monitor",
    "monitor": "mx_module.monitor",
    "contrib.svrg_optimization": "mx_module.svrg_optimization",
    "executor_manager": "mx_module.executor_manager",
    "rnn": "mx_module.rnn",
    "viz": "mx_module.visualization",
    "visualization": "mx_module.visualization",
}


@hookimpl
def mx_namespaces() -> dict[str, str]:
    """What mx-module serves of `mxnet`. Two spellings of one thing are MXNet's own."""
    return dict(_NAMESPACES)
