"""Convolution and its gradients against a sum over kernel taps in float64."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import pytest
from kernel_call import FLOATS, call, check, exact, stored, unaligned

SEED = 5


@dataclass(frozen=True)
class Case:
    """Shapes and parameters of one convolution; params empty means MXNet's defaults."""

    data: tuple[int, ...]
    weight: tuple[int, ...]
    stride: tuple[int, ...] = ()
    dilate: tuple[int, ...] = ()
    pad: tuple[int, ...] = ()
    groups: int = 1
    out: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        dims = len(self.data) - 2
        for name, default in (("stride", 1), ("dilate", 1), ("pad", 0)):
            object.__setattr__(self, name, getattr(self, name) or (default,) * dims)
        size = tuple(
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, d, p in zip(self.data[2:], self.weight[2:], self.stride, self.dilate, self.pad, strict=True)
        )
        object.__setattr__(self, "out", (self.data[0], self.weight[0], *size))

    @property
    def params(self) -> dict[str, object]:
        return {
            "kernel": self.weight[2:],
            "stride": self.stride,
            "dilate": self.dilate,
            "pad": self.pad,
            "num_group": self.groups,
        }

    def taps(self):
        """For every kernel element: its index, and the slices of the padded data it multiplies."""
        for tap in itertools.product(*(range(k) for k in self.weight[2:])):
            yield (
                tap,
                tuple(
                    slice(t * d, t * d + (n - 1) * s + 1, s)
                    for t, d, s, n in zip(tap, self.dilate, self.stride, self.out[2:], strict=True)
                ),
            )


CASES = [
    Case((2, 3, 9), (4, 3, 3)),
    Case((2, 3, 9), (4, 3, 2), stride=(2,), pad=(1,)),
    Case((2, 3, 8, 7), (5, 3, 3, 3)),
    Case((2, 3, 8, 7), (5, 3, 3, 2), stride=(2, 1), pad=(1, 2)),
    Case((3, 4, 11, 9), (6, 4, 3, 3), dilate=(2, 3), pad=(1, 3)),
    Case((2, 6, 8, 8), (4, 3, 3, 3), pad=(1, 1), groups=2),
    Case((2, 6, 8, 8), (12, 1, 3, 3), pad=(1, 1), groups=6),
    Case((2, 16, 8, 8), (32, 16, 1, 1)),
    Case((2, 16, 9, 9), (32, 16, 1, 1), stride=(2, 2)),
    Case((2, 20, 12, 12), (50, 20, 5, 5)),
    Case((4, 1, 28, 28), (20, 1, 5, 5)),
    Case((3, 3, 32, 32), (32, 3, 3, 3), pad=(1, 1)),
    Case((2, 2, 17, 46), (8, 2, 5, 3), pad=(2, 1)),
    Case((2, 1, 12, 31), (6, 1, 2, 2)),
    Case((1, 3, 9, 16), (4, 3, 7, 6), pad=(3, 2)),
    Case((20, 20, 12, 12), (50, 20, 5, 5)),
    Case((33, 5, 9, 11), (7, 5, 3, 3), pad=(1, 1)),
    Case((17, 4, 7, 13), (6, 4, 2, 6), pad=(1, 0)),
    Case((18, 5, 7, 7), (6, 5, 5, 5)),
    Case((16, 6, 9, 5), (6, 6, 3, 3)),
    Case((2, 32, 14, 14), (64, 32, 3, 3), pad=(1, 1)),
    Case((1, 3, 20, 20), (16, 3, 7, 7), stride=(2, 2), pad=(3, 3)),
    Case((2, 3, 6, 5, 7), (4, 3, 2, 3, 3), stride=(1, 2, 1), pad=(1, 0, 1)),
    Case((2, 4, 5, 6, 5), (6, 2, 3, 3, 3), dilate=(1, 2, 1), pad=(1, 2, 1), groups=2),
    Case((2, 3, 2, 2), (4, 3, 2, 2), pad=(3, 3)),
    Case((1, 1, 1, 1), (1, 1, 1, 1)),
]
EMPTY = [Case((0, 3, 8, 8), (4, 3, 3, 3)), Case((2, 0, 8, 8), (4, 0, 3, 3)), Case((2, 3, 8, 8), (0, 3, 3, 3))]


def convolve(case: Case, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    g = case.groups
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in case.pad)]).reshape(
        x.shape[0], g, -1, *(n + 2 * p for n, p in zip(x.shape[2:], case.pad, strict=True))
    )
    filters = w.reshape(g, w.shape[0] // g, *w.shape[1:])
    y = np.zeros((x.shape[0], g, w.shape[0] // g, *case.out[2:]))
    for tap, where in case.taps():
        y += np.einsum("ngc...,goc->ngo...", padded[(..., *where)], filters[(..., *tap)])
    return y.reshape(case.out)


def data_gradient(case: Case, dy: np.ndarray, w: np.ndarray) -> np.ndarray:
    g, n, c = case.groups, *case.data[:2]
    padded = np.zeros((n, g, c // g, *(s + 2 * p for s, p in zip(case.data[2:], case.pad, strict=True))))
    grads = dy.reshape(n, g, -1, *case.out[2:])
    filters = w.reshape(g, w.shape[0] // g, *w.shape[1:])
    for tap, where in case.taps():
        padded[(..., *where)] += np.einsum("ngo...,goc->ngc...", grads, filters[(..., *tap)])
    inner = tuple(slice(p, p + s) for s, p in zip(case.data[2:], case.pad, strict=True))
    return padded[(..., *inner)].reshape(case.data)


def weight_gradient(case: Case, dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    g, n, c = case.groups, *case.data[:2]
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in case.pad)])
    padded = padded.reshape(n, g, c // g, *padded.shape[2:])
    grads = dy.reshape(n, g, case.out[1] // g, -1)
    dw = np.zeros((g, case.weight[0] // g, *case.weight[1:]))
    for tap, where in case.taps():
        window = padded[(..., *where)].reshape(n, g, c // g, -1)
        dw[(..., *tap)] = np.einsum("ngos,ngcs->goc", grads, window)
    return dw.reshape(case.weight)


def random(shape, dtype: str) -> np.ndarray:
    return unaligned(stored(np.random.default_rng(SEED).normal(size=shape), dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("bias", [False, True])
def test_convolution(case, dtype, bias):
    x, w, b = random(case.data, dtype), random(case.weight, dtype), random(case.weight[:1], dtype)
    expected = convolve(case, exact(x, dtype), exact(w, dtype))
    if bias:
        expected = expected + exact(b, dtype).reshape(-1, *(1,) * len(case.pad))
    inputs = [(x, dtype), (w, dtype), (b, dtype)][: 2 + bias]
    (y,) = call("Convolution", inputs, [(dtype, case.out)], **case.params)
    check(y, dtype, expected)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_data_gradient(case, dtype):
    dy, w = random(case.out, dtype), random(case.weight, dtype)
    (dx,) = call("_convolution_backward_data", [(dy, dtype), (w, dtype)], [(dtype, case.data)], **case.params)
    check(dx, dtype, data_gradient(case, exact(dy, dtype), exact(w, dtype)))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("bias", [False, True])
def test_weight_gradient(case, dtype, bias):
    dy, x = random(case.out, dtype), random(case.data, dtype)
    outputs = [(dtype, case.weight), (dtype, case.weight[:1])][: 1 + bias]
    dw, *db = call("_convolution_backward_weight", [(dy, dtype), (x, dtype)], outputs, **case.params)
    check(dw, dtype, weight_gradient(case, exact(dy, dtype), exact(x, dtype)), factor=4)
    if bias:
        check(db[0], dtype, exact(dy, dtype).sum(axis=(0, *range(2, dy.ndim))), factor=4)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("case", EMPTY, ids=str)
def test_empty_convolution_is_the_bias_and_its_gradients_are_zero(case, dtype):
    x, w, b = random(case.data, dtype), random(case.weight, dtype), random(case.weight[:1], dtype)
    expected = np.broadcast_to(exact(b, dtype).reshape(-1, 1, 1), case.out)
    (y,) = call("Convolution", [(x, dtype), (w, dtype), (b, dtype)], [(dtype, case.out)], **case.params)
    check(y, dtype, expected)
    dy = random(case.out, dtype)
    (dx,) = call("_convolution_backward_data", [(dy, dtype), (w, dtype)], [(dtype, case.data)], **case.params)
    check(dx, dtype, np.zeros(case.data))
    dw, db = call(
        "_convolution_backward_weight",
        [(dy, dtype), (x, dtype)],
        [(dtype, case.weight), (dtype, case.weight[:1])],
        **case.params,
    )
    check(dw, dtype, np.zeros(case.weight))
    check(db, dtype, exact(dy, dtype).sum(axis=(0, 2, 3)))


def test_wrong_groups_are_refused():
    x, w = np.zeros((1, 3, 5, 5), np.float32), np.zeros((4, 3, 3, 3), np.float32)
    with pytest.raises(RuntimeError, match="divisible by num_group"):
        call("Convolution", [(x, "float32"), (w, "float32")], [("float32", (1, 4, 3, 3))], kernel=(3, 3), num_group=2)
