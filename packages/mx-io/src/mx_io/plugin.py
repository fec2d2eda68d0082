"""mx-io as a plug-in: the name ``mxnet.io``."""

from __future__ import annotations

from mx_core.plugin import hookimpl

__all__ = ["mx_namespaces"]


@hookimpl
def mx_namespaces() -> dict[str, str]:
    """What mx-io serves of `mxnet`."""
    return {"io": "mx_io"}
