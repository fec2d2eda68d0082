"""Dense, Dropout, Embedding, Flatten and the normalization layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..hybrid_block import HybridBlock
from .activations import Activation

__all__ = [
    "BatchNorm", "BatchNormReLU", "Dense", "Dropout", "Embedding", "Flatten", "GroupNorm", "InstanceNorm", "LayerNorm",
]  # fmt: skip


class Dense(HybridBlock):
    """``act(x W^T + b)``, W of shape (units, in_units).

    units: outputs.  activation: a name, None for none.  flatten: read x of shape (n, ...) as (n, everything else);
    otherwise the last axis is the inputs'.  in_units: inputs, 0 to take them from the first call.

    >>> layer = Dense(2, in_units=3, weight_initializer="ones")
    >>> layer.initialize()
    >>> from mx_core import ndarray as nd
    >>> layer(nd.ones((1, 3))).asnumpy().tolist()
    [[3.0, 3.0]]
    """

    def __init__(
        self,
        units: int,
        activation: str | None = None,
        use_bias: bool = True,
        flatten: bool = True,
        dtype: Any = "float32",
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_units: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._flatten = flatten
        with self.name_scope():
            self._units = units
            self._in_units = in_units
            self.weight = self.params.get(
                "weight", shape=(units, in_units), init=weight_initializer, dtype=dtype, allow_deferred_init=True
            )
            self.bias = None
            if use_bias:
                self.bias = self.params.get(
                    "bias", shape=(units,), init=bias_initializer, dtype=dtype, allow_deferred_init=True
                )
            self.act = None if activation is None else Activation(activation, prefix=activation + "_")

    def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        """The layer's output, shape (n, units), or (..., units) without flatten."""
        out = F.FullyConnected(
            x, weight, bias, no_bias=bias is None, num_hidden=self._units, flatten=self._flatten, name="fwd"
        )
        return out if self.act is None else self.act(out)

    def __repr__(self) -> str:
        units, in_units = self.weight.shape
        return f"{type(self).__name__}({in_units or None} -> {units}, {self.act if self.act else 'linear'})"


class Dropout(HybridBlock):
    """Sets elements to 0 with probability ``rate`` and scales the others by 1 / (1 - rate), while training.

    axes: along these, all elements share their fate.
    """

    def __init__(self, rate: float, axes: tuple[int, ...] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._rate = rate
        self._axes = axes

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """x with dropout."""
        return F.Dropout(x, p=self._rate, axes=self._axes, name="fwd") if self._rate > 0 else F.identity(x)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p = {self._rate}, axes={self._axes})"


class Embedding(HybridBlock):
    """Rows of a table by number: x of shape s with entries in [0, input_dim) gives shape s + (output_dim,)."""

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        dtype: Any = "float32",
        weight_initializer: Any = None,
        sparse_grad: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._input_dim = input_dim
        self._output_dim = output_dim
        self._kwargs = {
            "input_dim": input_dim, "output_dim": output_dim, "dtype": dtype, "sparse_grad": sparse_grad
        }  # fmt: skip
        self.weight = self.params.get(
            "weight",
            shape=(input_dim, output_dim),
            init=weight_initializer,
            dtype=dtype,
            allow_deferred_init=True,
            grad_stype="row_sparse" if sparse_grad else "default",
        )

    def hybrid_forward(self, F: Any, x: Any, weight: Any) -> Any:
        """The rows of the table that x names."""
        return F.Embedding(x, weight, name="fwd", **self._kwargs)

    def __repr__(self) -> str:
        kwargs = self._kwargs
        return f"{type(self).__name__}({kwargs['input_dim']} -> {kwargs['output_dim']}, {kwargs['dtype']})"


class Flatten(HybridBlock):
    """x of shape (n, ...) as (n, everything else)."""

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """x with two axes."""
        return F.Flatten(x)

    def __repr__(self) -> str:
        return type(self).__name__


class BatchNorm(HybridBlock):
    """``(x - mean) / sqrt(var + epsilon) * gamma + beta`` per channel, of the batch, or of all batches (Ioffe, 2015).

    axis: of the channels.  momentum: of the running averages.  center, scale: use beta, gamma.  use_global_stats: the
    running averages also while training.  in_channels: channels, 0 to take them from the first call.
    """

    def __init__(
        self,
        axis: int = 1,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        use_global_stats: bool = False,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        running_mean_initializer: Any = "zeros",
        running_variance_initializer: Any = "ones",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._kwargs = {
            "axis": axis, "eps": epsilon, "momentum": momentum, "fix_gamma": not scale,
            "use_global_stats": use_global_stats,
        }  # fmt: skip
        self._axis = axis
        if in_channels != 0:
            self.in_channels = in_channels

        def get(name: str, init: Any, trained: bool, differentiable: bool) -> Any:
            return self.params.get(
                name,
                grad_req="write" if trained else "null",
                shape=(in_channels,),
                init=init,
                allow_deferred_init=True,
                differentiable=differentiable,
            )

        self.gamma = get("gamma", gamma_initializer, scale, scale)
        self.beta = get("beta", beta_initializer, center, center)
        self.running_mean = get("running_mean", running_mean_initializer, False, False)
        self.running_var = get("running_var", running_variance_initializer, False, False)

    def cast(self, dtype: Any) -> None:
        """Casts; the statistics of float16 batches stay float32."""
        super().cast("float32" if np.dtype(dtype).name == "float16" else dtype)

    def hybrid_forward(self, F: Any, x: Any, gamma: Any, beta: Any, running_mean: Any, running_var: Any) -> Any:
        """x normalized; while training, the running averages move too."""
        return F.BatchNorm(x, gamma, beta, running_mean, running_var, name="fwd", **self._kwargs)

    def __repr__(self) -> str:
        channels = self.gamma.shape[0]
        content = ", ".join(f"{key}={value}" for key, value in self._kwargs.items())
        return f"{type(self).__name__}({content}, in_channels={channels or None})"


class BatchNormReLU(BatchNorm):
    """BatchNorm followed by relu."""

    def hybrid_forward(self, F: Any, x: Any, gamma: Any, beta: Any, running_mean: Any, running_var: Any) -> Any:
        """relu of x normalized."""
        return F.relu(super().hybrid_forward(F, x, gamma, beta, running_mean, running_var))


class _Norm(HybridBlock):
    """Normalization layers with gamma and beta of one shape."""

    def _make_parameters(self, size: int, center: bool, scale: bool, beta: Any, gamma: Any) -> None:
        self._center, self._scale = center, scale
        for name, trained, init in (("gamma", scale, gamma), ("beta", center, beta)):
            req = "write" if trained else "null"
            parameter = self.params.get(name, grad_req=req, shape=(size,), init=init, allow_deferred_init=True)
            setattr(self, name, parameter)

    def _repr_with(self, **attributes: Any) -> str:
        content = ", ".join(f"{key}={value}" for key, value in attributes.items())
        return f"{type(self).__name__}({content}, center={self._center}, scale={self._scale}"


class LayerNorm(_Norm):
    """``(x - mean) / sqrt(var + epsilon) * gamma + beta`` along ``axis`` (Ba et al., 2016)."""

    def __init__(
        self,
        axis: int = -1,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        in_channels: int = 0,
        prefix: str | None = None,
        params: Any = None,
    ) -> None:
        super().__init__(prefix=prefix, params=params)
        self._axis, self._epsilon = axis, epsilon
        self._make_parameters(in_channels, center, scale, beta_initializer, gamma_initializer)

    def hybrid_forward(self, F: Any, data: Any, gamma: Any, beta: Any) -> Any:
        """data normalized."""
        return F.LayerNorm(data, gamma=gamma, beta=beta, axis=self._axis, eps=self._epsilon)

    def __repr__(self) -> str:
        return self._repr_with(eps=self._epsilon, axis=self._axis) + f", in_channels={self.gamma.shape[0]})"


class GroupNorm(_Norm):
    """Normalization of x (n, c, ...) over groups of channels (Wu and He, 2018); gamma and beta per group."""

    def __init__(
        self,
        num_groups: int = 1,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        prefix: str | None = None,
        params: Any = None,
    ) -> None:
        super().__init__(prefix=prefix, params=params)
        self._num_groups, self._epsilon = num_groups, epsilon
        self._make_parameters(num_groups, center, scale, beta_initializer, gamma_initializer)

    def hybrid_forward(self, F: Any, data: Any, gamma: Any, beta: Any) -> Any:
        """data normalized."""
        return F.GroupNorm(data, gamma=gamma, beta=beta, num_groups=self._num_groups, eps=self._epsilon)

    def __repr__(self) -> str:
        return self._repr_with(eps=self._epsilon, num_groups=self._num_groups) + ")"


class InstanceNorm(_Norm):
    """Normalization of every example and channel on its own (Ulyanov et al., 2016)."""

    def __init__(
        self,
        axis: int = 1,
        epsilon: float = 1e-5,
        center: bool = True,
        scale: bool = False,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._axis, self._epsilon = axis, epsilon
        self._make_parameters(in_channels, center, scale, beta_initializer, gamma_initializer)

    def hybrid_forward(self, F: Any, x: Any, gamma: Any, beta: Any) -> Any:
        """x normalized."""
        if self._axis == 1:
            return F.InstanceNorm(x, gamma, beta, name="fwd", eps=self._epsilon)
        x = F.swapaxes(x, dim1=1, dim2=self._axis)
        out = F.InstanceNorm(x, gamma, beta, name="fwd", eps=self._epsilon)
        return F.swapaxes(out, dim1=1, dim2=self._axis)

    def __repr__(self) -> str:
        return self._repr_with(eps=self._epsilon, axis=self._axis) + f", in_channels={self.gamma.shape[0]})"
