"""Poolings in one, two and three dimensions."""

from __future__ import annotations

from typing import Any

from ..hybrid_block import HybridBlock
from .conv_layers import _check_layout, _Ints, _tuple

__all__ = [
    "AvgPool1D", "AvgPool2D", "AvgPool3D", "GlobalAvgPool1D", "GlobalAvgPool2D", "GlobalAvgPool3D", "GlobalMaxPool1D",
    "GlobalMaxPool2D", "GlobalMaxPool3D", "MaxPool1D", "MaxPool2D", "MaxPool3D",
]  # fmt: skip


class _Pooling(HybridBlock):
    """Pooling; the class attributes say how many spatial dimensions, of which kind, and whether over all of them."""

    _ndim = 2
    _pool_type = "max"

    def __init__(
        self,
        pool_size: _Ints,
        strides: _Ints | None,
        padding: _Ints,
        ceil_mode: bool,
        global_pool: bool,
        layout: str,
        count_include_pad: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        n = self._ndim
        _check_layout(layout, n)
        kernel = _tuple(pool_size, n, "pool_size")
        self._kwargs: dict[str, Any] = {
            "kernel": kernel,
            "stride": kernel if strides is None else _tuple(strides, n, "strides"),
            "pad": _tuple(padding, n, "padding"),
            "global_pool": global_pool,
            "pool_type": self._pool_type,
            "layout": layout,
            "pooling_convention": "full" if ceil_mode else "valid",
        }
        if count_include_pad is not None:
            self._kwargs["count_include_pad"] = count_include_pad

    def _alias(self) -> str:
        return "pool"

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        """x pooled."""
        return F.Pooling(x, name="fwd", **self._kwargs)

    def __repr__(self) -> str:
        kwargs = self._kwargs
        return (
            f"{type(self).__name__}(size={kwargs['kernel']}, stride={kwargs['stride']}, padding={kwargs['pad']}, "
            f"ceil_mode={kwargs['pooling_convention'] == 'full'}, global_pool={kwargs['global_pool']}, "
            f"pool_type={kwargs['pool_type']}, layout={kwargs['layout']})"
        )


class MaxPool1D(_Pooling):
    """The largest element of every window of 1 dimension.

    strides: default pool_size.  ceil_mode: a window that is cut off at the end counts too.
    """

    _ndim = 1
    _pool_type = "max"

    def __init__(
        self,
        pool_size: _Ints = 2,
        strides: _Ints | None = None,
        padding: _Ints = 0,
        layout: str = "NCW",
        ceil_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, ceil_mode, False, layout, **kwargs)


class MaxPool2D(_Pooling):
    """The largest element of every window of 2 dimensions.

    strides: default pool_size.  ceil_mode: a window that is cut off at the end counts too.
    """

    _ndim = 2
    _pool_type = "max"

    def __init__(
        self,
        pool_size: _Ints = (2, 2),
        strides: _Ints | None = None,
        padding: _Ints = 0,
        layout: str = "NCHW",
        ceil_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, ceil_mode, False, layout, **kwargs)


class MaxPool3D(_Pooling):
    """The largest element of every window of 3 dimensions.

    strides: default pool_size.  ceil_mode: a window that is cut off at the end counts too.
    """

    _ndim = 3
    _pool_type = "max"

    def __init__(
        self,
        pool_size: _Ints = (2, 2, 2),
        strides: _Ints | None = None,
        padding: _Ints = 0,
        ceil_mode: bool = False,
        layout: str = "NCDHW",
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, ceil_mode, False, layout, **kwargs)


class AvgPool1D(_Pooling):
    """The mean of every window of 1 dimension.

    strides: default pool_size.  ceil_mode: a window that is cut off at the end counts too.  count_include_pad: padded zeros
    count in the mean.
    """

    _ndim = 1
    _pool_type = "avg"

    def __init__(
        self,
        pool_size: _Ints = 2,
        strides: _Ints | None = None,
        padding: _Ints = 0,
        layout: str = "NCW",
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, ceil_mode, False, layout, count_include_pad, **kwargs)


class AvgPool2D(_Pooling):
    """The mean of every window of 2 dimensions.

    strides: default pool_size.  ceil_mode: a window that is cut off at the end counts too.  count_include_pad: padded zeros
    count in the mean.
    """

    _ndim = 2
    _pool_type = "avg"

    def __init__(
        self,
        pool_size: _Ints = (2, 2),
        strides: _Ints | None = None,
        padding: _Ints = 0,
        ceil_mode: bool = False,
        layout: str = "NCHW",
        count_include_pad: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, ceil_mode, False, layout, count_include_pad, **kwargs)


class AvgPool3D(_Pooling):
    """The mean of every window of 3 dimensions.

    strides: default pool_size.  ceil_mode: a window that is cut off at the end counts too.  count_include_pad: padded zeros
    count in the mean.
    """

    _ndim = 3
    _pool_type = "avg"

    def __init__(
        self,
        pool_size: _Ints = (2, 2, 2),
        strides: _Ints | None = None,
        padding: _Ints = 0,
        ceil_mode: bool = False,
        layout: str = "NCDHW",
        count_include_pad: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, ceil_mode, False, layout, count_include_pad, **kwargs)


class GlobalMaxPool1D(_Pooling):
    """The largest element of every channel, over its one dimension."""

    _ndim = 1
    _pool_type = "max"

    def __init__(self, layout: str = "NCW", **kwargs: Any) -> None:
        super().__init__(1, None, 0, True, True, layout, **kwargs)


class GlobalMaxPool2D(_Pooling):
    """The largest element of every channel, over all 2 dimensions."""

    _ndim = 2
    _pool_type = "max"

    def __init__(self, layout: str = "NCHW", **kwargs: Any) -> None:
        super().__init__(1, None, 0, True, True, layout, **kwargs)


class GlobalMaxPool3D(_Pooling):
    """The largest element of every channel, over all 3 dimensions."""

    _ndim = 3
    _pool_type = "max"

    def __init__(self, layout: str = "NCDHW", **kwargs: Any) -> None:
        super().__init__(1, None, 0, True, True, layout, **kwargs)


class GlobalAvgPool1D(_Pooling):
    """The mean of every channel, over its one dimension."""

    _ndim = 1
    _pool_type = "avg"

    def __init__(self, layout: str = "NCW", **kwargs: Any) -> None:
        super().__init__(1, None, 0, True, True, layout, **kwargs)


class GlobalAvgPool2D(_Pooling):
    """The mean of every channel, over all 2 dimensions."""

    _ndim = 2
    _pool_type = "avg"

    def __init__(self, layout: str = "NCHW", **kwargs: Any) -> None:
        super().__init__(1, None, 0, True, True, layout, **kwargs)


class GlobalAvgPool3D(_Pooling):
    """The mean of every channel, over all 3 dimensions."""

    _ndim = 3
    _pool_type = "avg"

    def __init__(self, layout: str = "NCDHW", **kwargs: Any) -> None:
        super().__init__(1, None, 0, True, True, layout, **kwargs)
