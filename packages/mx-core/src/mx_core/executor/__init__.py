"""``mx.executor``: symbols bound to arrays.

>>> import mxnet as mx
>>> net = mx.sym.var("x") * mx.sym.var("w")
>>> exe = net.bind(mx.cpu(), {"x": mx.nd.array([1.0, 2.0]), "w": mx.nd.array([3.0, 4.0])})
>>> exe.forward()[0].asnumpy()
array([3., 8.], dtype=float32)
"""

from __future__ import annotations

from .. import _core
from .binding import bind, simple_bind
from .executor import Executor

NDArray = _core.NDArray

__all__ = ["Executor", "NDArray", "bind", "simple_bind"]
