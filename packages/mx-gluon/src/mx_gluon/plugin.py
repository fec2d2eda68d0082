"""mx-gluon as a plug-in: the name ``mxnet.gluon``."""

from __future__ import annotations

from mx_core.plugin import hookimpl

__all__ = ["mx_namespaces"]


@hookimpl
def mx_namespaces() -> dict[str, str]:
    """What mx-gluon serves of `mxnet`."""
    return {"gluon": "mx_gluon"}
