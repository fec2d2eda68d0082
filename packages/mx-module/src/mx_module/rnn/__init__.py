"""``mx.rnn``: recurrent networks of symbols: cells, their packed weights, sentences in buckets, checkpoints.

>>> from mx_core import symbol as sym
>>> cell = LSTMCell(num_hidden=20, prefix="lstm_")
>>> outputs, states = cell.unroll(3, inputs=sym.Variable("data"), merge_outputs=True)
>>> outputs.list_arguments()
['data', 'lstm_i2h_weight', 'lstm_i2h_bias', 'lstm_h2h_weight', 'lstm_h2h_bias']
>>> outputs.infer_shape(data=(4, 3, 10))[1]
[(4, 3, 20)]
"""

from __future__ import annotations

from mx_core.data import DataBatch, DataDesc, DataIter

from .io import BucketSentenceIter, encode_sentences
from .rnn import (
    do_rnn_checkpoint,
    load_checkpoint,
    load_rnn_checkpoint,
    rnn_unroll,
    save_checkpoint,
    save_rnn_checkpoint,
)
from .rnn_cell import (
    BaseConvRNNCell,
    BaseRNNCell,
    BidirectionalCell,
    ConvGRUCell,
    ConvLSTMCell,
    ConvRNNCell,
    DropoutCell,
    FusedRNNCell,
    GRUCell,
    LSTMCell,
    ModifierCell,
    ResidualCell,
    RNNCell,
    RNNParams,
    SequentialRNNCell,
    ZoneoutCell,
)

__all__ = [
    "BaseConvRNNCell", "BaseRNNCell", "BidirectionalCell", "BucketSentenceIter", "ConvGRUCell", "ConvLSTMCell",
    "ConvRNNCell", "DataBatch", "DataDesc", "DataIter", "DropoutCell", "FusedRNNCell", "GRUCell", "LSTMCell",
    "ModifierCell", "RNNCell", "RNNParams", "ResidualCell", "SequentialRNNCell", "ZoneoutCell", "do_rnn_checkpoint",
    "encode_sentences", "load_checkpoint", "load_rnn_checkpoint", "rnn_unroll", "save_checkpoint",
    "save_rnn_checkpoint",
]  # fmt: skip
