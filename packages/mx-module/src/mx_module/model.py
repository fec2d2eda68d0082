"""``mx.model``: checkpoints, FeedForward, and the parts of a training loop that programs use by themselves."""

from __future__ import annotations

from mx_core.context import Context, cpu
from mx_core.data import DataDesc
from mx_core.initializer import Uniform
from mx_core.optimizer import get_updater

from . import _kvstore, _training, checkpoint, feed_forward
from .callback import BatchEndParam, LogValidationMetricsCallback
from .executor_manager import DataParallelExecutorManager

__all__ = ["BatchEndParam", "FeedForward", "load_checkpoint", "load_params", "save_checkpoint"]

# MXNet programs import these from here, too.
_exports = (Context, DataDesc, DataParallelExecutorManager, LogValidationMetricsCallback, Uniform, cpu, get_updater)

FeedForward = feed_forward.FeedForward
load_checkpoint = checkpoint.load_checkpoint
load_params = checkpoint.load_params
save_checkpoint = checkpoint.save_checkpoint
_create_kvstore = _kvstore._create_kvstore
_create_sparse_kvstore = _kvstore._create_sparse_kvstore
_initialize_kvstore = _kvstore._initialize_kvstore
_train_multi_device = _training.train_multi_device
_update_params = _kvstore._update_params
_update_params_on_kvstore = _kvstore._update_params_on_kvstore
