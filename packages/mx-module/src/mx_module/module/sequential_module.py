"""SequentialModule: modules in a chain, each of which feeds the next."""

from __future__ import annotations

import logging
from typing import Any

from mx_core.data import DataBatch, DataDesc
from mx_core.errors import ParameterError
from mx_core.initializer import Uniform

from .._ready import NotReadyError, require
from .base_module import BaseModule

__all__ = ["SequentialModule"]


class SequentialModule(BaseModule):
    """Modules in a chain: the outputs of one are the data of the next, and gradients go back the same way.

    >>> from mx_module.module import PythonLossModule
    >>> chain = SequentialModule().add(PythonLossModule(), take_labels=True, auto_wiring=True)
    >>> chain.output_names
    ['pyloss_output']
    """

    META_TAKE_LABELS = "take_labels"
    META_AUTO_WIRING = "auto_wiring"

    def __init__(self, logger: Any = logging) -> None:
        super().__init__(logger=logger)
        self._modules: list[Any] = []
        self._metas: list[dict[str, Any]] = []
        self._label_shapes: Any = None
        self._data_shapes: Any = None
        self._meta_keys = {self.META_TAKE_LABELS, self.META_AUTO_WIRING}

    def add(self, module: BaseModule, **kwargs: Any) -> SequentialModule:
        """Adds a module at the end and returns the chain, which must be bound and initialized (again) afterwards.

        take_labels: it gets the labels of batches.  auto_wiring: its data are named as it names them, whatever the
        outputs before it are called.
        """
        for key in kwargs:
            if key not in self._meta_keys:
                msg = f'Unknown meta "{key}", a typo? There are {", ".join(sorted(self._meta_keys))}'
                raise _BadChain(msg)
        self._modules.append(module)
        self._metas.append(kwargs)
        self.binded = self.params_initialized = self.optimizer_initialized = False
        return self

    def _takes_labels(self, number: int) -> bool:
        return bool(self._metas[number].get(self.META_TAKE_LABELS))

    # -- what the module is ----------------------------------------------------------------------------------------

    @property
    def data_names(self) -> Any:
        """The names of the first module's data."""
        return self._modules[0].data_names if self._modules else []

    @property
    def output_names(self) -> Any:
        """The names of the last module's outputs."""
        return self._modules[-1].output_names if self._modules else []

    @property
    def data_shapes(self) -> Any:
        """DataDescs of the first module's data."""
        require(self, "data_shapes", "binded")
        return self._modules[0].data_shapes

    @property
    def label_shapes(self) -> Any:
        """DataDescs of the labels, as bound."""
        require(self, "label_shapes", "binded")
        return self._label_shapes

    @property
    def output_shapes(self) -> Any:
        """(name, shape) of the last module's outputs."""
        require(self, "output_shapes", "binded")
        return self._modules[-1].output_shapes

    # -- parameters ------------------------------------------------------------------------------------------------

    def get_params(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """(arg_params, aux_params) of all modules together."""
        require(self, "get_params", "binded", "params_initialized")
        arg_params: dict[str, Any] = {}
        aux_params: dict[str, Any] = {}
        for module in self._modules:
            arg, aux = module.get_params()
            arg_params.update(arg)
            aux_params.update(aux)
        return arg_params, aux_params

    def init_params(
        self,
        initializer: Any = Uniform(0.01),  # noqa: B008 - MXNet's default; it holds no state
        arg_params: dict[str, Any] | None = None,
        aux_params: dict[str, Any] | None = None,
        allow_missing: bool = False,
        force_init: bool = False,
        allow_extra: bool = False,
    ) -> None:
        """Gives every parameter of every module a value. Raises ParameterError when two modules name one alike."""
        if self.params_initialized and not force_init:
            return
        require(self, "init_params", "binded")
        for module in self._modules:
            # Each module is given all parameters: those of the others are extra to it.
            module.init_params(initializer, arg_params, aux_params, allow_missing, force_init, True)
        self._check_names()
        self.params_initialized = True

    def _check_names(self) -> None:
        owners: dict[str, int] = {}
        for number, module in enumerate(self._modules):
            for name in [name for params in module.get_params() for name in params]:
                if name in owners:
                    msg = (
                        f'Duplicated parameter names: name "{name}" in layer {number} ({type(module)}) is already used '
                        f"in layer {owners[name]} ({type(self._modules[owners[name]])}). Name the layers differently"
                    )
                    raise _BadChain(msg)
                owners[name] = number

    # -- binding ---------------------------------------------------------------------------------------------------

    def bind(
        self,
        data_shapes: Any,
        label_shapes: Any = None,
        for_training: bool = True,
        inputs_need_grad: bool = False,
        force_rebind: bool = False,
        shared_module: Any = None,
        grad_req: Any = "write",
    ) -> None:
        """Binds the modules one after the other, each to the shapes of the one before. See `BaseModule.bind`."""
        if self.binded and not force_rebind:
            self.logger.warning("Already bound, ignoring bind()")
            return
        if inputs_need_grad and not for_training:
            msg = "[SequentialModule] inputs_need_grad=True needs for_training=True"
            raise _BadChain(msg)
        if shared_module is not None:
            msg = "[SequentialModule] shared_module is not supported"
            raise NotReadyError(msg)
        if not self._modules:
            msg = "Attempting to bind an empty SequentialModule: add(module) first"
            raise NotReadyError(msg)
        self.binded = True
        self.for_training = for_training
        self.inputs_need_grad = inputs_need_grad
        self._label_shapes = None
        shapes = list(data_shapes)
        for number, module in enumerate(self._modules):
            if self._takes_labels(number):
                self._label_shapes = label_shapes
            if self._metas[number].get(self.META_AUTO_WIRING):
                shapes = _renamed(module.data_names, shapes)
            module.bind(
                data_shapes=shapes,
                label_shapes=label_shapes if self._takes_labels(number) else None,
                for_training=for_training,
                inputs_need_grad=bool(inputs_need_grad or (for_training and number > 0)),
                force_rebind=force_rebind,
                shared_module=None,
                grad_req=grad_req,
            )
            shapes = module.output_shapes

    def init_optimizer(
        self,
        kvstore: Any = "local",
        optimizer: Any = "sgd",
        optimizer_params: Any = (("learning_rate", 0.01),),
        force_init: bool = False,
    ) -> None:
        """Installs an optimizer in every module. See `Module.init_optimizer`."""
        require(self, "init_optimizer", "binded", "params_initialized")
        if self.optimizer_initialized and not force_init:
            self.logger.warning("optimizer already initialized, ignoring.")
            return
        for module in self._modules:
            module.init_optimizer(kvstore, optimizer, optimizer_params, force_init=force_init)
        self.optimizer_initialized = True

    # -- running ---------------------------------------------------------------------------------------------------

    def forward(self, data_batch: Any, is_train: bool | None = None) -> None:
        """Runs the batch through the chain; every module is shown the labels."""
        require(self, "forward", "binded", "params_initialized")
        batch = data_batch
        for number, module in enumerate(self._modules):
            module.forward(batch, is_train=is_train)
            if number + 1 < len(self._modules):
                outputs = module.get_outputs()
                batch = DataBatch(outputs, getattr(data_batch, "label", None))

    def backward(self, out_grads: Any = None) -> None:
        """Runs backward from the last module to the first."""
        require(self, "backward", "binded", "params_initialized")
        for number in reversed(range(len(self._modules))):
            self._modules[number].backward(out_grads=out_grads)
            if number > 0:
                out_grads = self._modules[number].get_input_grads()

    def update(self) -> None:
        """One step of every module's optimizer."""
        require(self, "update", "binded", "params_initialized", "optimizer_initialized")
        for module in self._modules:
            module.update()

    def get_outputs(self, merge_multi_context: bool = True) -> list[Any]:
        """The last module's outputs."""
        require(self, "get_outputs", "binded", "params_initialized")
        return self._modules[-1].get_outputs(merge_multi_context=merge_multi_context)

    def get_input_grads(self, merge_multi_context: bool = True) -> list[Any]:
        """The gradients of the first module's data."""
        require(self, "get_input_grads", "binded", "params_initialized")
        if not self.inputs_need_grad:
            msg = "[SequentialModule] get_input_grads needs bind(..., inputs_need_grad=True)"
            raise NotReadyError(msg)
        return self._modules[0].get_input_grads(merge_multi_context=merge_multi_context)

    def update_metric(self, eval_metric: Any, labels: Any, pre_sliced: bool = False) -> None:
        """Updates a metric with every module that takes labels."""
        require(self, "update_metric", "binded", "params_initialized")
        for number, module in enumerate(self._modules):
            if self._takes_labels(number):
                module.update_metric(eval_metric, labels, pre_sliced)

    def install_monitor(self, mon: Any) -> None:
        """Lets a Monitor watch every module."""
        require(self, "install_monitor", "binded")
        for module in self._modules:
            module.install_monitor(mon)


def _renamed(names: Any, shapes: Any) -> list[DataDesc]:
    """The descriptions under other names, in order."""
    if len(names) != len(shapes):
        msg = f"[SequentialModule] auto_wiring: {len(shapes)} outputs cannot be the {len(names)} data {list(names)}"
        raise _BadChain(msg)
    renamed = []
    for name, desc in zip(names, shapes, strict=True):
        if isinstance(desc, DataDesc):
            renamed.append(DataDesc(name, desc.shape, desc.dtype, desc.layout))
        else:
            renamed.append(DataDesc(name, *desc[1:]))
    return renamed


class _BadChain(ParameterError, AssertionError):
    """A chain that does not fit together; an AssertionError too, as in MXNet 1.x."""
