"""An LSTM that learns sentences of several lengths with BucketingModule and mx.rnn, as MXNet's example of it does.

The text is made here: sentences of a small grammar. Writes a checkpoint to the folder it is given; prints one line of JSON.
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
parser.add_argument("--cell", choices=("lstm", "gru", "fused"), default="lstm")
parser.add_argument("--epochs", type=int, default=6)
options = parser.parse_args()

logging.basicConfig(level=logging.INFO)
mx.random.seed(11)
np.random.seed(11)
batch_size = 16
buckets = [6, 12, 14]
rng = np.random.RandomState(0)


def sentence():
    """``the small dog sees the bird`` and longer ones."""
    words = []
    for part in range(rng.randint(1, 4)):
        if part:
            words.append("and")
        for _ in range(2):
            words.append("the")
            if rng.rand() < 0.3:
                words.append(rng.choice(["small", "red"]))
            words.append(rng.choice(["dog", "bird", "cat"]))
            words.append("sees" if len(words) % 2 else "hears")
        words.pop()
    return words[:14]


def tokenized(n):
    return [sentence() for _ in range(n)]


train_sentences, vocabulary = mx.rnn.encode_sentences(tokenized(400), start_label=1, invalid_label=0)
val_sentences, _ = mx.rnn.encode_sentences(tokenized(100), vocab=vocabulary, start_label=1, invalid_label=0)
layout = "TN" if options.cell == "fused" else "NT"  # time first is what the fused operator takes
data_train = mx.rnn.BucketSentenceIter(train_sentences, batch_size, buckets=buckets, invalid_label=0, layout=layout)
data_val = mx.rnn.BucketSentenceIter(val_sentences, batch_size, buckets=buckets, invalid_label=0, layout=layout)
classes = len(vocabulary) + 1
num_hidden, num_embed = 32, 16

if options.cell == "fused":
    stack = mx.rnn.FusedRNNCell(num_hidden, num_layers=1, mode="lstm", prefix="lstm_")
else:
    stack = mx.rnn.SequentialRNNCell()
    make = mx.rnn.LSTMCell if options.cell == "lstm" else mx.rnn.GRUCell
    stack.add(make(num_hidden=num_hidden, prefix=f"{options.cell}_l0_"))


def sym_gen(seq_len):
    data = mx.sym.Variable("data")
    label = mx.sym.Variable("softmax_label")
    embed = mx.sym.Embedding(data=data, input_dim=classes, output_dim=num_embed, name="embed")
    stack.reset()
    outputs, _ = stack.unroll(seq_len, inputs=embed, merge_outputs=True, layout=f"{layout}C")
    pred = mx.sym.Reshape(outputs, shape=(-1, num_hidden))
    pred = mx.sym.FullyConnected(data=pred, num_hidden=classes, name="pred")
    label = mx.sym.Reshape(label, shape=(-1,))
    pred = mx.sym.SoftmaxOutput(data=pred, label=label, name="softmax", use_ignore=True, ignore_label=0)
    return pred, ("data",), ("softmax_label",)


model = mx.mod.BucketingModule(sym_gen=sym_gen, default_bucket_key=data_train.default_bucket_key, context=mx.cpu())
perplexities = []
model.fit(
    train_data=data_train,
    eval_data=data_val,
    eval_metric=mx.metric.Perplexity(0),
    kvstore="device",
    optimizer="adam",
    optimizer_params={"learning_rate": 0.02, "wd": 0.00001},
    initializer=mx.init.Xavier(factor_type="in", magnitude=2.34),
    num_epoch=options.epochs,
    batch_end_callback=mx.callback.Speedometer(batch_size, 10),
    epoch_end_callback=mx.rnn.do_rnn_checkpoint(stack, os.path.join(options.folder, "net"), 2),
    eval_end_callback=lambda param: perplexities.append(param.eval_metric.get()[1]),
)
_, arg_params, aux_params = mx.rnn.load_rnn_checkpoint(stack, os.path.join(options.folder, "net"), options.epochs)
again = mx.mod.BucketingModule(sym_gen=sym_gen, default_bucket_key=data_train.default_bucket_key, context=mx.cpu())
again.bind(data_val.provide_data, data_val.provide_label, for_training=False)
again.set_params(arg_params, aux_params)
score = again.score(data_val, mx.metric.Perplexity(0))[0]
print(
    json.dumps(
        {
            "perplexities": perplexities,
            "loaded": score[1],
            "buckets": sorted(model._buckets),
            "params": sorted(model.get_params()[0]),
        }
    )
)
