"""Convolutions and transposed convolutions in one, two and three dimensions."""

from __future__ import annotations

from typing import Any

from mx_core.errors import ParameterError

from ..hybrid_block import HybridBlock
from .activations import Activation

__all__ = [
    "Conv1D", "Conv1DTranspose", "Conv2D", "Conv2DTranspose", "Conv3D", "Conv3DTranspose", "ReflectionPad2D",
]  # fmt: skip

_Ints = int | tuple[int, ...] | list[int]
_LAYOUTS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}


def _tuple(value: _Ints, ndim: int, name: str) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,) * ndim
    if len(value) != ndim:
        msg = f"{name} must be a number or a tuple of {ndim} ints, got {value}"
        raise ParameterError(msg)
    return tuple(value)


def _check_layout(layout: str, ndim: int) -> None:
    if layout not in _LAYOUTS[ndim]:
        msg = f"Only {' and '.join(map(repr, _LAYOUTS[ndim]))} layouts are valid for {ndim}D, got {layout!r}"
        raise ParameterError(msg)


class _Conv(HybridBlock):
    """Convolution or its transpose; the class attribute ``_ndim`` is the number of spatial dimensions."""

    _ndim = 2
    _op_name = "Convolution"

    def __init__(
        self,
        channels: int,
        kernel_size: _Ints,
        strides: _Ints,
        padding: _Ints,
        dilation: _Ints,
        groups: int,
        layout: str,
        in_channels: int,
        activation: str | None,
        use_bias: bool,
        weight_initializer: Any,
        bias_initializer: Any,
        adj: _Ints | None = None,
        prefix: str | None = None,
        params: Any = None,
    ) -> None:
        super().__init__(prefix=prefix, params=params)
        n = self._ndim
        _check_layout(layout, n)
        kernel = _tuple(kernel_size, n, "kernel_size")
        with self.name_scope():
            self._channels = channels
            self._in_channels = in_channels
            self._kwargs: dict[str, Any] = {
                "kernel": kernel,
                "stride": _tuple(strides, n, "strides"),
                "dilate": _tuple(dilation, n, "dilation"),
                "pad": _tuple(padding, n, "padding"),
                "num_filter": channels,
                "num_group": groups,
                "no_bias": not use_bias,
                "layout": layout,
            }
            if adj is not None:
                self._kwargs["adj"] = _tuple(adj, n, "output_padding")
            self.weight = self.params.get(
                "weight", shape=self._weight_shape(kernel), init=weight_initializer, allow_deferred_init=True
            )
            self.bias = None
            if use_bias:
                self.bias = self.params.get("bias", shape=(channels,), init=bias_initializer, allow_deferred_init=True)
            self.act = None if activation is None else Activation(activation, prefix=activation + "_")

    def _weight_shape(self, kernel: tuple[int, ...]) -> tuple[int, ...]:
        groups, layout = self._kwargs["num_group"], self._kwargs["layout"]
        outer, inner = self._channels, self._in_channels // groups
        if self._op_name == "Deconvolution":
            outer, inner = self._in_channels, self._channels // groups
        return (outer, *kernel, inner) if layout[-1] == "C" else (outer, inner, *kernel)

    def hybrid_forward(self, F: Any, x: Any, weight: Any, bias: Any = None) -> Any:
        """The layer's output, channels where the layout has them."""
        convolve = getattr(F, self._op_name)
        if bias is None:
            out = convolve(x, weight, name="fwd", **self._kwargs)
        else:
            out = convolve(x, weight, bias, name="fwd", **self._kwargs)
        return out if self.act is None else self.act(out)

    def _alias(self) -> str:
        return "conv"

    def __repr__(self) -> str:
        kwargs, shape = self._kwargs, self.weight.shape
        parts = [f"{shape[1] or None} -> {shape[0]}", f"kernel_size={kwargs['kernel']}", f"stride={kwargs['stride']}"]
        if any(kwargs["pad"]):
            parts.append(f"padding={kwargs['pad']}")
        if any(d != 1 for d in kwargs["dilate"]):
            parts.append(f"dilation={kwargs['dilate']}")
        if kwargs["num_group"] != 1:
            parts.append(f"groups={kwargs['num_group']}")
        if self.bias is None:
            parts.append("bias=False")
        if self.act:
            parts.append(str(self.act))
        return f"{type(self).__name__}({', '.join(parts)})"


class Conv1D(_Conv):
    """Convolution in 1 dimension of x of shape (n, c, w).

    channels: outputs.  kernel_size, strides, padding, dilation: a number or one per dimension.  groups: split the
    channels.  in_channels: inputs, 0 to take them from the first call.  activation: a name, None for none.
    """

    _ndim = 1

    def __init__(
        self,
        channels: int,
        kernel_size: _Ints,
        strides: _Ints = 1,
        padding: _Ints = 0,
        dilation: _Ints = 1,
        groups: int = 1,
        layout: str = "NCW",
        activation: str | None = None,
        use_bias: bool = True,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            channels,
            kernel_size,
            strides,
            padding,
            dilation,
            groups,
            layout,
            in_channels,
            activation,
            use_bias,
            weight_initializer,
            bias_initializer,
            **kwargs,
        )


class Conv2D(_Conv):
    """Convolution in 2 dimensions of x of shape (n, c, h, w).

    channels: outputs.  kernel_size, strides, padding, dilation: a number or one per dimension.  groups: split the
    channels.  in_channels: inputs, 0 to take them from the first call.  activation: a name, None for none.
    """

    _ndim = 2

    def __init__(
        self,
        channels: int,
        kernel_size: _Ints,
        strides: _Ints = (1, 1),
        padding: _Ints = (0, 0),
        dilation: _Ints = (1, 1),
        groups: int = 1,
        layout: str = "NCHW",
        activation: str | None = None,
        use_bias: bool = True,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            channels,
            kernel_size,
            strides,
            padding,
            dilation,
            groups,
            layout,
            in_channels,
            activation,
            use_bias,
            weight_initializer,
            bias_initializer,
            **kwargs,
        )


class Conv3D(_Conv):
    """Convolution in 3 dimensions of x of shape (n, c, d, h, w).

    channels: outputs.  kernel_size, strides, padding, dilation: a number or one per dimension.  groups: split the
    channels.  in_channels: inputs, 0 to take them from the first call.  activation: a name, None for none.
    """

    _ndim = 3

    def __init__(
        self,
        channels: int,
        kernel_size: _Ints,
        strides: _Ints = (1, 1, 1),
        padding: _Ints = (0, 0, 0),
        dilation: _Ints = (1, 1, 1),
        groups: int = 1,
        layout: str = "NCDHW",
        activation: str | None = None,
        use_bias: bool = True,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            channels,
            kernel_size,
            strides,
            padding,
            dilation,
            groups,
            layout,
            in_channels,
            activation,
            use_bias,
            weight_initializer,
            bias_initializer,
            **kwargs,
        )


class Conv1DTranspose(_Conv):
    """Transposed convolution in 1 dimension: the gradient of Conv1D with respect to its input, as a layer.

    output_padding: added to one side of the output.  The other arguments are Conv1D's.
    """

    _ndim = 1
    _op_name = "Deconvolution"

    def __init__(
        self,
        channels: int,
        kernel_size: _Ints,
        strides: _Ints = 1,
        padding: _Ints = 0,
        output_padding: _Ints = 0,
        dilation: _Ints = 1,
        groups: int = 1,
        layout: str = "NCW",
        activation: str | None = None,
        use_bias: bool = True,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            channels,
            kernel_size,
            strides,
            padding,
            dilation,
            groups,
            layout,
            in_channels,
            activation,
            use_bias,
            weight_initializer,
            bias_initializer,
            output_padding,
            **kwargs,
        )


class Conv2DTranspose(_Conv):
    """Transposed convolution in 2 dimensions: the gradient of Conv2D with respect to its input, as a layer.

    output_padding: added to one side of the output.  The other arguments are Conv2D's.
    """

    _ndim = 2
    _op_name = "Deconvolution"

    def __init__(
        self,
        channels: int,
        kernel_size: _Ints,
        strides: _Ints = (1, 1),
        padding: _Ints = (0, 0),
        output_padding: _Ints = (0, 0),
        dilation: _Ints = (1, 1),
        groups: int = 1,
        layout: str = "NCHW",
        activation: str | None = None,
        use_bias: bool = True,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            channels,
            kernel_size,
            strides,
            padding,
            dilation,
            groups,
            layout,
            in_channels,
            activation,
            use_bias,
            weight_initializer,
            bias_initializer,
            output_padding,
            **kwargs,
        )


class Conv3DTranspose(_Conv):
    """Transposed convolution in 3 dimensions: the gradient of Conv3D with respect to its input, as a layer.

    output_padding: added to one side of the output.  The other arguments are Conv3D's.
    """

    _ndim = 3
    _op_name = "Deconvolution"

    def __init__(
        self,
        channels: int,
        kernel_size: _Ints,
        strides: _Ints = (1, 1, 1),
        padding: _Ints = (0, 0, 0),
        output_padding: _Ints = (0, 0, 0),
        dilation: _Ints = (1, 1, 1),
        groups: int = 1,
        layout: str = "NCDHW",
        activation: str | None = None,
        use_bias: bool = True,
        weight_initializer: Any = None,
        bias_initializer: Any = "zeros",
        in_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            channels,
            kernel_size,
            strides,
            padding,
            dilation,
            groups,
            layout,
            in_channels,
            activation,
            use_bias,
            weight_initializer,
            bias_initializer,
            output_padding,
            **kwargs,
        )


class ReflectionPad2D(HybridBlock):
    """x of shape (n, c, h, w) enlarged by mirroring its borders; padding: a number or the operator's 8 widths."""

    def __init__(self, padding: _Ints = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._padding = (0, 0, 0, 0, *[padding] * 4) if isinstance(padding, int) else tuple(padding)

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """x padded."""
        return F.pad(x, mode="reflect", pad_width=self._padding)
