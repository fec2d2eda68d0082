"""``python -m mxnet.plugins`` prints the plug-ins, their versions, devices and numbers of operators."""

from __future__ import annotations

from mx_core import plugin

if __name__ == "__main__":
    print(plugin.report())
