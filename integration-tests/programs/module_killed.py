"""Saves checkpoints of one prefix and epoch again and again, until it is killed. Prints a line when it begins."""

from __future__ import annotations

import sys

import mxnet as mx

prefix = sys.argv[1]
net = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=512, name="fc1"), name="softmax")
module = mx.mod.Module(net)
module.bind([("data", (2, 512))], [("softmax_label", (2,))])
module.init_params(mx.init.One())
module.init_optimizer(optimizer_params={"momentum": 0.9})
module.forward_backward(mx.io.DataBatch([mx.nd.ones((2, 512))], [mx.nd.ones((2,))]))
module.update()
module.save_checkpoint(prefix, 1, save_optimizer_states=True)
print("saving", flush=True)
while True:
    module.save_checkpoint(prefix, 1, save_optimizer_states=True)
