"""``mx.mod``: networks with their training loops, from a symbol (Module) or from other modules.

>>> import mxnet as mx
>>> net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=3, name="fc"), name="softmax")
>>> mod = mx.mod.Module(net)
>>> mod.bind([("data", (4, 2))], [("softmax_label", (4,))])
>>> mod.init_params(mx.init.Zero())
>>> mod.forward(mx.io.DataBatch([mx.nd.ones((4, 2))], [mx.nd.zeros((4,))]), is_train=False)
>>> mod.get_outputs()[0].shape
(4, 3)
"""

from __future__ import annotations

from . import base_module, bucketing_module, executor_group, module, python_module, sequential_module
from .base_module import BaseModule
from .bucketing_module import BucketingModule
from .module import Module
from .python_module import PythonLossModule, PythonModule
from .sequential_module import SequentialModule

__all__ = [
    "BaseModule", "BucketingModule", "Module", "PythonLossModule", "PythonModule", "SequentialModule", "base_module",
    "bucketing_module", "executor_group", "module", "python_module", "sequential_module",
]  # fmt: skip
