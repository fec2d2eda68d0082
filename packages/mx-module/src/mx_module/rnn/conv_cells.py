"""Cells whose products are convolutions, for sequences of images."""

from __future__ import annotations

import functools
from typing import Any

from mx_core import symbol
from mx_core.symbol import Symbol

from .base import BaseRNNCell, RNNParams, State, activate

__all__ = ["BaseConvRNNCell", "ConvGRUCell", "ConvLSTMCell", "ConvRNNCell"]

Pair = tuple[int, ...]
_LEAKY = functools.partial(symbol.LeakyReLU, act_type="leaky", slope=0.2)


class BaseConvRNNCell(BaseRNNCell):
    """The base of the convolutional cells.

    input_shape: of one step, with the batch size first (0: any). num_hidden: channels of the state. h2h_kernel: odd sizes,
    so that the state keeps its shape; h2h_dilate, i2h_kernel, i2h_stride, i2h_pad, i2h_dilate: of the convolutions.
    *_initializer: of the weights. activation: a name, or a function on symbols. conv_layout: "NCHW" or "NHWC".
    """

    def __init__(
        self,
        input_shape: Pair,
        num_hidden: int,
        h2h_kernel: Pair,
        h2h_dilate: Pair,
        i2h_kernel: Pair,
        i2h_stride: Pair,
        i2h_pad: Pair,
        i2h_dilate: Pair,
        i2h_weight_initializer: Any,
        h2h_weight_initializer: Any,
        i2h_bias_initializer: Any,
        h2h_bias_initializer: Any,
        activation: Any,
        prefix: str = "",
        params: RNNParams | None = None,
        conv_layout: str = "NCHW",
    ) -> None:
        super().__init__(prefix=prefix, params=params)
        if any(size % 2 == 0 for size in h2h_kernel):
            msg = f"h2h_kernel must have odd sizes, so that the state keeps its shape, got {h2h_kernel}"
            raise AssertionError(msg)
        self._num_hidden = num_hidden
        self._activation = activation
        self._channel_axis = conv_layout.find("C")
        self._layout = conv_layout
        self._i2h = {"kernel": i2h_kernel, "stride": i2h_stride, "pad": i2h_pad, "dilate": i2h_dilate}
        pad = tuple(dilate * (size - 1) // 2 for size, dilate in zip(h2h_kernel, h2h_dilate, strict=True))
        self._h2h = {"kernel": h2h_kernel, "stride": (1,) * len(pad), "pad": pad, "dilate": h2h_dilate}
        probe = symbol.Convolution(symbol.Variable("data"), num_filter=num_hidden, layout=conv_layout, **self._i2h)
        self._state_shape = (0, *probe.infer_shape(data=(1, *input_shape[1:]))[1][0][1:])
        self._i2h_weight = self.params.get("i2h_weight", init=i2h_weight_initializer)
        self._h2h_weight = self.params.get("h2h_weight", init=h2h_weight_initializer)
        self._i2h_bias = self.params.get("i2h_bias", init=i2h_bias_initializer)
        self._h2h_bias = self.params.get("h2h_bias", init=h2h_bias_initializer)

    @property
    def state_info(self) -> list[State]:
        return [{"shape": self._state_shape, "__layout__": self._layout}]

    def _products(self, inputs: Symbol, state: Symbol, name: str) -> tuple[Symbol, Symbol]:
        size = {"num_filter": self._num_hidden * len(self._gate_names), "layout": self._layout}
        i2h = symbol.Convolution(
            data=inputs, weight=self._i2h_weight, bias=self._i2h_bias, name=f"{name}i2h", **size, **self._i2h
        )
        h2h = symbol.Convolution(
            data=state, weight=self._h2h_weight, bias=self._h2h_bias, name=f"{name}h2h", **size, **self._h2h
        )
        return i2h, h2h


class _ConvCell(BaseConvRNNCell):
    """A convolutional cell with MXNet's defaults; _PREFIX: what its names begin with."""

    _PREFIX = ""

    def __init__(
        self,
        input_shape: Pair,
        num_hidden: int,
        h2h_kernel: Pair = (3, 3),
        h2h_dilate: Pair = (1, 1),
        i2h_kernel: Pair = (3, 3),
        i2h_stride: Pair = (1, 1),
        i2h_pad: Pair = (1, 1),
        i2h_dilate: Pair = (1, 1),
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        activation: Any = _LEAKY,
        prefix: str | None = None,
        params: RNNParams | None = None,
        conv_layout: str = "NCHW",
    ) -> None:
        super().__init__(
            input_shape, num_hidden, h2h_kernel, h2h_dilate, i2h_kernel, i2h_stride, i2h_pad, i2h_dilate,
            i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer, activation,
            self._PREFIX if prefix is None else prefix, params, conv_layout,
        )  # fmt: skip


class ConvRNNCell(_ConvCell):
    """RNNCell with convolutions."""

    _PREFIX = "ConvRNN_"

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ("",)

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        name = self._next_name()
        i2h, h2h = self._products(inputs, states[0], name)
        output = activate(i2h + h2h, self._activation, name=f"{name}out")
        return output, [output]


class ConvLSTMCell(_ConvCell):
    """LSTMCell with convolutions (Shi et al. 2015)."""

    _PREFIX = "ConvLSTM_"

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ("_i", "_f", "_c", "_o")

    @property
    def state_info(self) -> list[State]:
        return [{"shape": self._state_shape, "__layout__": self._layout} for _ in range(2)]

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        name = self._next_name()
        i2h, h2h = self._products(inputs, states[0], name)
        parts = symbol.SliceChannel(i2h + h2h, num_outputs=4, axis=self._channel_axis, name=f"{name}slice")
        enter = symbol.Activation(parts[0], act_type="sigmoid", name=f"{name}i")
        keep = symbol.Activation(parts[1], act_type="sigmoid", name=f"{name}f")
        new = activate(parts[2], self._activation, name=f"{name}c")
        leave = symbol.Activation(parts[3], act_type="sigmoid", name=f"{name}o")
        cell = symbol.elemwise_add(keep * states[1], enter * new, name=f"{name}state")
        output = symbol.elemwise_mul(leave, activate(cell, self._activation), name=f"{name}out")
        return output, [output, cell]


class ConvGRUCell(_ConvCell):
    """GRUCell with convolutions."""

    _PREFIX = "ConvGRU_"

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ("_r", "_z", "_o")

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        name = self._next_name()
        i2h, h2h = self._products(inputs, states[0], name)
        parts = {"num_outputs": 3, **({} if self._channel_axis == 1 else {"axis": self._channel_axis})}
        i2h_r, i2h_z, i2h_o = symbol.SliceChannel(i2h, name=f"{name}_i2h_slice", **parts)
        h2h_r, h2h_z, h2h_o = symbol.SliceChannel(h2h, name=f"{name}_h2h_slice", **parts)
        reset = symbol.Activation(i2h_r + h2h_r, act_type="sigmoid", name=f"{name}_r_act")
        update = symbol.Activation(i2h_z + h2h_z, act_type="sigmoid", name=f"{name}_z_act")
        new = activate(i2h_o + reset * h2h_o, self._activation, name=f"{name}_h_act")
        output = symbol.elemwise_add((1.0 - update) * new, update * states[0], name=f"{name}out")
        return output, [output]
