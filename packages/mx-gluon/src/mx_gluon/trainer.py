"""Trainer: one optimizer step on a set of parameters, on one or several devices."""

from __future__ import annotations

import os
from typing import Any

from mx_core import kvstore as kvs
from mx_core import optimizer as opt
from mx_core.errors import MXNetError, ParameterError

from .parameter import Epoch, Parameter
from .parameter_dict import ParameterDict

__all__ = ["Trainer"]


class Trainer:
    """Applies an optimizer to ``params``.

    params: a ParameterDict, a dict or a list of Parameters.  optimizer: a name or an Optimizer.  optimizer_params:
    its arguments by name.  kvstore: the store that sums gradients over devices, a name, a store, or None.
    compression_params: for distributed stores.  update_on_kvstore: let the store keep and update the weights; default
    yes where there is a store.

    >>> from mx_gluon import nn
    >>> net = nn.Dense(1, in_units=1)
    >>> net.initialize()
    >>> trainer = Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    >>> trainer.learning_rate
    0.1
    """

    def __init__(
        self,
        params: Any,
        optimizer: Any,
        optimizer_params: dict[str, Any] | None = None,
        kvstore: Any = "device",
        compression_params: dict[str, Any] | None = None,
        update_on_kvstore: bool | None = None,
    ) -> None:
        self._params = self._listed(params)
        self._index_of = {parameter: i for i, parameter in enumerate(self._params)}
        for parameter in self._params:
            parameter._trainer = self
        self._compression_params = compression_params
        optimizer_params = optimizer_params or {}
        self._scale = float(optimizer_params.get("rescale_grad", 1.0))
        self._init_optimizer(optimizer, optimizer_params)
        self._kvstore_params = {"kvstore": kvstore, "update_on_kvstore": update_on_kvstore}
        self._contexts: list[Any] = []
        self._reset_kvstore()

    @staticmethod
    def _listed(params: Any) -> list[Parameter]:
        if isinstance(params, (dict, ParameterDict)):
            params = [params[key] for key in sorted(params.keys())]
        if not isinstance(params, (list, tuple)):
            msg = f"First argument must be a list or dict of Parameters, got {type(params)}."
            raise ParameterError(msg)
        for parameter in params:
            if not isinstance(parameter, Parameter):
                msg = f"First argument must be a list or dict of Parameters, got list of {type(parameter)}."
                raise ParameterError(msg)
        return list(params)

    def _init_optimizer(self, optimizer: Any, optimizer_params: dict[str, Any]) -> None:
        param_dict = dict(enumerate(self._params))
        if isinstance(optimizer, opt.Optimizer):
            if optimizer_params and set(optimizer_params) != {"rescale_grad"}:
                msg = "optimizer_params must be None if optimizer is an instance of Optimizer instead of str"
                raise ParameterError(msg)
            self._optimizer = optimizer
            optimizer.param_dict = param_dict
        else:
            self._optimizer = opt.create(optimizer, param_dict=param_dict, **optimizer_params)
        self._updaters: list[opt.Updater] = []

    def _reset_kvstore(self) -> None:
        self._kv_initialized = False
        self._kvstore: Any = None
        self._update_on_kvstore = False
        self._arrays_epoch = -1

    def _parameter_changed(self, parameter: Parameter) -> None:
        """A parameter got new values: a store that holds the weights must take them over."""
        if self._kv_initialized and self._update_on_kvstore:
            self._reset_kvstore()

    # -- set-up at the first step ----------------------------------------------------------------------------------

    def _check_contexts(self) -> list[Any]:
        contexts: list[Any] | None = None
        for parameter in self._params:
            mine = parameter.list_ctx()
            if contexts is not None and contexts != mine:
                msg = (
                    "All Parameters must be initialized on the same set of contexts, but Parameter "
                    f"{parameter.name} is initialized on {mine} while previous Parameters are initialized on {contexts}."
                )
                raise ParameterError(msg)
            contexts = mine
        return contexts or []

    def _init_kvstore(self) -> None:
        self._contexts = self._check_contexts()
        store, on_store = self._kvstore_params["kvstore"], self._kvstore_params["update_on_kvstore"]
        if isinstance(store, str):
            one_process = "dist" not in store and store.lower() in ("local", "device", "nccl")
            store = None if one_process and len(self._contexts) <= 1 else kvs.create(store)
        if store is None:
            on_store = False
        elif on_store is None:
            on_store = store.is_capable(kvs.KVStoreBase.OPTIMIZER)
        if store is not None:
            if self._compression_params:
                store.set_gradient_compression(self._compression_params)
            if on_store:
                store.set_optimizer(self._optimizer)
                if self._updaters:
                    store._updater.states = self._updaters[0].states
            for i, parameter in enumerate(self._params):
                if parameter.grad_req != "null":
                    store.broadcast(i, parameter.list_data()[0], parameter.list_data())
        if not self._updaters:
            self._updaters = [opt.get_updater(self._optimizer) for _ in self._contexts]
        self._kvstore, self._update_on_kvstore = store, bool(on_store)
        self._kv_initialized = True

    def _collect_arrays(self) -> None:
        """Lists the trained parameters and, per device, their arrays: kept until some parameter changes them."""
        self._trained = [(i, p) for i, p in enumerate(self._params) if p.grad_req != "null"]
        self._indices = [i for i, _ in self._trained]
        self._weights = [[p.data(ctx) for _, p in self._trained] for ctx in self._contexts]
        self._grads = [[p.grad(ctx) for _, p in self._trained] for ctx in self._contexts]
        self._grad_reqs = [p.grad_req for p in self._params]
        self._arrays_epoch = Epoch.value

    def _prepare(self) -> None:
        if not self._kv_initialized:
            self._init_kvstore()
        if self._arrays_epoch != Epoch.value or self._grad_reqs != [p._grad_req for p in self._params]:
            if self._check_contexts() != self._contexts:
                states = self._updaters[0].states if self._updaters else {}
                self._updaters = []
                self._reset_kvstore()
                self._init_kvstore()
                for updater in self._updaters:
                    updater.states, updater.states_synced = dict(states), {}
            self._collect_arrays()

    # -- learning rate ---------------------------------------------------------------------------------------------

    @property
    def optimizer(self) -> opt.Optimizer:
        """The optimizer."""
        return self._optimizer

    @property
    def learning_rate(self) -> float:
        """The current learning rate, before multipliers."""
        return self._optimizer.learning_rate

    def set_learning_rate(self, lr: float) -> None:
        """Changes the learning rate. Raises UserWarning while a scheduler decides it."""
        self._optimizer.set_learning_rate(lr)

    # -- steps -----------------------------------------------------------------------------------------------------

    def step(self, batch_size: int, ignore_stale_grad: bool = False) -> None:
        """One update: sums gradients over devices, divides them by ``batch_size``, applies the optimizer.

        ignore_stale_grad: leave parameters alone whose gradient backward has not written since the last step;
        otherwise that raises UserWarning.
        """
        self._optimizer.rescale_grad = self._scale / batch_size
        self._prepare()
        if self._kvstore is not None:
            self._allreduce_grads(ignore_stale_grad)
        if not self._update_on_kvstore:
            self._update(ignore_stale_grad)

    def allreduce_grads(self) -> None:
        """Sums gradients over devices: for use with ``update``, to change gradients in between."""
        self._prepare()
        if self._update_on_kvstore:
            raise self._refused("allreduce_grads")  # noqa: EM101 - a method's name
        if self._kvstore is not None:
            self._allreduce_grads(True)

    def update(self, batch_size: int, ignore_stale_grad: bool = False) -> None:
        """Applies the optimizer to the gradients as they are, divided by ``batch_size``."""
        self._prepare()
        if self._update_on_kvstore:
            raise self._refused("update")  # noqa: EM101
        self._optimizer.rescale_grad = self._scale / batch_size
        self._update(ignore_stale_grad)

    @staticmethod
    def _refused(method: str) -> MXNetError:
        return MXNetError(
            f"{method}() when parameters are updated on kvstore is not supported. "
            "Try setting `update_on_kvstore` to False when creating trainer."
        )

    def _allreduce_grads(self, ignore_stale_grad: bool) -> None:
        store = self._kvstore
        for n, i in enumerate(self._indices):
            grads = [grads[n] for grads in self._grads]
            if not self._update_on_kvstore:
                store.pushpull(i, grads, priority=-i)
                continue
            weights = [weights[n] for weights in self._weights]
            if self._fresh(n, weights, ignore_stale_grad):
                store.push(i, grads, priority=-i)
                store.pull(i, weights, priority=-i)
                for weight in weights:
                    weight._fresh_grad = False

    def _fresh(self, n: int, weights: list[Any], ignore_stale_grad: bool) -> bool:
        """True if backward has written the gradients of trained parameter number n; raises unless that may be."""
        for weight in weights:
            if not weight._fresh_grad:
                if ignore_stale_grad:
                    return False
                msg = (
                    f"Gradient of Parameter `{self._trained[n][1].name}` on context {weight.context} has not been "
                    "updated by backward since last `step`. This could mean a bug in your model that made it only use "
                    "a subset of the Parameters (Blocks) for this iteration. If you are intentionally only using a "
                    "subset, call step with ignore_stale_grad=True to suppress this warning and skip updating of "
                    "Parameters with stale gradient"
                )
                raise UserWarning(msg)
        return True

    def _update(self, ignore_stale_grad: bool) -> None:
        for updater, weights, grads in zip(self._updaters, self._weights, self._grads, strict=True):
            if all([weight._fresh_grad for weight in weights]):
                updater(self._indices, grads, weights)
            else:
                chosen = [n for n, w in enumerate(weights) if self._fresh(n, [w], ignore_stale_grad)]
                updater([self._indices[n] for n in chosen], [grads[n] for n in chosen], [weights[n] for n in chosen])
            for weight in weights:
                weight._fresh_grad = False

    # -- files -----------------------------------------------------------------------------------------------------

    def save_states(self, fname: str) -> None:
        """Writes the optimizer and its states (momentum, counts) to a file."""
        from mx_core.serialize import atomic_write

        self._prepare()
        if self._update_on_kvstore:
            self._kvstore.save_optimizer_states(fname, dump_optimizer=True)
            return
        with atomic_write(fname) as out:
            out.write(self._updaters[0].get_states(dump_optimizer=True))

    def load_states(self, fname: str) -> None:
        """Reads the optimizer and its states from a file of ``save_states``, of this program or of MXNet 1.x."""
        self._prepare()
        if self._update_on_kvstore:
            self._kvstore.load_optimizer_states(fname)
            self._optimizer = self._kvstore._updater.optimizer
        else:
            with open(os.fspath(fname), "rb") as file:
                content = file.read()
            for updater in self._updaters:
                updater.set_states(content)
                updater.optimizer = self._updaters[0].optimizer
            self._optimizer = self._updaters[0].optimizer
        self._optimizer.param_dict = dict(enumerate(self._params))
