"""One program with the interfaces that books on MXNet teach, on digits drawn here.

Symbol, NDArrayIter, Module on several contexts, initializer, lr_scheduler, optimizer object, metric, callbacks, kvstore,
checkpoints and prediction. ``--resume N`` goes on from the checkpoint of epoch N. Writes to the folder it is given; prints
one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import os

import numpy as np

import mxnet as mx

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder")
parser.add_argument("--epochs", type=int, default=6)
parser.add_argument("--resume", type=int, default=0)
parser.add_argument("--contexts", type=int, default=1)
options = parser.parse_args()

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger()
batch_size = 50
prefix = os.path.join(options.folder, "digits")


def draw(n, seed):
    """Pictures (n, 1, 12, 12) of bars: the class is the column and the direction."""
    rng = np.random.RandomState(seed)
    labels = rng.randint(0, 6, n)
    pictures = rng.uniform(0, 0.6, (n, 1, 12, 12))
    for picture, label in zip(pictures[:, 0], labels):
        where = 2 + 4 * (label % 3) + rng.randint(-1, 2)
        if label < 3:
            picture[:, where] += 0.7
        else:
            picture[where, :] += 0.7
    return pictures.astype("float32"), labels.astype("float32")


def get_symbol(num_classes):
    data = mx.symbol.Variable("data")
    conv1 = mx.symbol.Convolution(data=data, kernel=(3, 3), num_filter=8, name="conv1")
    bn1 = mx.symbol.BatchNorm(data=conv1, name="bn1")
    relu1 = mx.symbol.Activation(data=bn1, act_type="relu", name="relu1")
    pool1 = mx.symbol.Pooling(data=relu1, pool_type="max", kernel=(2, 2), stride=(2, 2), name="pool1")
    flatten1 = mx.symbol.Flatten(data=pool1, name="flatten1")
    fc1 = mx.symbol.FullyConnected(data=flatten1, num_hidden=num_classes, name="fc1")
    return mx.symbol.SoftmaxOutput(data=fc1, name="softmax")


train = mx.io.NDArrayIter(*draw(600, 0), batch_size)
val = mx.io.NDArrayIter(*draw(200, 1), batch_size)
contexts = [mx.cpu(i) for i in range(options.contexts)]

kv = mx.kv.create("local")
epoch_size = 600 // batch_size
lr_scheduler = mx.lr_scheduler.FactorScheduler(step=4 * epoch_size, factor=0.5, base_lr=0.1)
optimizer = mx.optimizer.SGD(
    learning_rate=0.1,
    momentum=0.9,
    wd=0.0005,
    lr_scheduler=lr_scheduler,
    rescale_grad=1.0 / batch_size,
    begin_num_update=options.resume * epoch_size,
)
metric = mx.metric.CompositeEvalMetric()
metric.add(mx.metric.Accuracy())
metric.add(mx.metric.CrossEntropy())

if options.resume:
    model = mx.mod.Module.load(prefix, options.resume, load_optimizer_states=True, context=contexts, logger=logger)
else:
    mx.random.seed(7)
    model = mx.mod.Module(symbol=get_symbol(6), context=contexts, logger=logger)
    model.bind(data_shapes=train.provide_data, label_shapes=train.provide_label)
    model.init_params(mx.init.Xavier(rnd_type="gaussian", factor_type="in", magnitude=2))

model.bind(data_shapes=train.provide_data, label_shapes=train.provide_label)
model.init_optimizer(kvstore=kv, optimizer=optimizer)
model.fit(
    train_data=train,
    eval_data=val,
    eval_metric=metric,
    validation_metric="acc",
    begin_epoch=options.resume,
    num_epoch=options.epochs,
    kvstore=kv,
    optimizer=optimizer,
    arg_params=model.get_params()[0],
    aux_params=model.get_params()[1],
    force_init=True,
    batch_end_callback=mx.callback.Speedometer(batch_size, 5),
    epoch_end_callback=[mx.callback.do_checkpoint(prefix), mx.callback.module_checkpoint(model, prefix, 3, True)],
    eval_end_callback=mx.callback.LogValidationMetricsCallback(),
)

sym, arg_params, aux_params = mx.model.load_checkpoint(prefix, options.epochs)
served = mx.mod.Module(symbol=sym, label_names=None, context=mx.cpu())
served.bind(for_training=False, data_shapes=[("data", (1, 1, 12, 12))])
served.set_params(arg_params, aux_params, allow_missing=True)
pictures, labels = draw(20, 2)
answers = []
for picture in pictures:
    served.forward(mx.io.DataBatch([mx.nd.array(picture[np.newaxis])]))
    answers.append(int(served.get_outputs()[0].asnumpy().argmax()))
result = {
    "accuracy": model.score(val, "acc")[0][1],
    "answered": float(np.mean(answers == labels)),
    "learning_rate": optimizer.learning_rate,
    "updates": optimizer.num_update,
    "params": {name: array.asnumpy().astype("float64").sum() for name, array in sorted(arg_params.items())},
    "states": {name: array.asnumpy().astype("float64").sum() for name, array in sorted(aux_params.items())},
}
print(json.dumps(result))
