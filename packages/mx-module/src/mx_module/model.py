"""``mx.model``: checkpoints, FeedForward, and the parts of a training loop that programs use by themselves."""

from __future__ import annotations

from collections import namedtuple

from . import _kvstore, checkpoint

__all__ = ["BatchEndParam", "FeedForward", "load_checkpoint", "load_params", "save_checkpoint"]

BatchEndParam = namedtuple("BatchEndParams", ["epoch", "nbatch", "eval_metric", "locals"])
BatchEndParam.__doc__ = """What callbacks of batches get.

epoch, nbatch: from 0.  eval_metric: the metric, or None.  locals: the variables of the training loop.
"""

load_checkpoint = checkpoint.load_checkpoint
load_params = checkpoint.load_params
save_checkpoint = checkpoint.save_checkpoint
_create_kvstore = _kvstore._create_kvstore
_create_sparse_kvstore = _kvstore._create_sparse_kvstore
_initialize_kvstore = _kvstore._initialize_kvstore
_update_params = _kvstore._update_params
_update_params_on_kvstore = _kvstore._update_params_on_kvstore

from .feed_forward import FeedForward, _train_multi_device  # noqa: E402, F401 - it needs BatchEndParam
