"""Initializers: callables that fill a parameter according to its name.

``init(name, array)`` looks at the end of the name: weights get the initializer's own rule, biases, betas and means
become 0, gammas and variances 1. A parameter that carries its own initializer (``InitDesc.attrs["__init__"]``) is
filled by that one's weight rule. Names and JSON texts (``"xavier"``, ``'["xavier", {"magnitude": 2}]'``) stand for
initializers everywhere.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from .class_registry import registry_of
from .errors import ParameterError, ShapeError

__all__ = [
    "Bilinear", "Constant", "FusedRNN", "InitDesc", "Initializer", "LSTMBias", "Load", "MSRAPrelu", "Mixed", "Normal",
    "One", "Orthogonal", "Uniform", "Xavier", "Zero", "alias", "create", "register",
]  # fmt: skip


class InitDesc(str):
    """A parameter's name with what an initializer may want to know about it.

    attrs: the variable's attributes; ``"__init__"`` holds an initializer as JSON text.  global_init: the initializer
    of the whole network, for composite parameters.
    """

    attrs: dict[str, str]
    global_init: Initializer | None

    def __new__(
        cls, name: str, attrs: dict[str, str] | None = None, global_init: Initializer | None = None
    ) -> InitDesc:
        """The name, a str, with ``attrs`` and ``global_init``."""
        self = super().__new__(cls, name)
        self.attrs = attrs or {}
        self.global_init = global_init
        return self


# The rule for a name that ends so: the name of an Initializer method. The first match counts.
_RULES = (
    ("weight", "_init_weight"),
    ("bias", "_init_bias"),
    ("gamma", "_init_gamma"),
    ("beta", "_init_beta"),
    ("min", "_init_zero"),
    ("max", "_init_one"),
    ("weight_quantize", "_init_quantized_weight"),
    ("running_mean", "_init_zero"),
    ("moving_mean", "_init_zero"),
    ("running_var", "_init_one"),
    ("moving_var", "_init_one"),
    ("moving_inv_var", "_init_zero"),
    ("moving_avg", "_init_zero"),
)


class Initializer:
    """Base of all initializers; a subclass defines ``_init_weight(name, array)``.

    The keyword arguments given here are what ``dumps`` writes, so that a name and a JSON text can rebuild it.
    """

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = kwargs
        self._verbose = False
        self._print_func: Callable[[Any], str] | None = None

    def set_verbosity(self, verbose: bool = False, print_func: Callable[[Any], str] | None = None) -> Initializer:
        """Turns on a log line per filled array; ``print_func`` makes its text, the root mean square by default."""
        self._verbose = verbose
        self._print_func = print_func or (lambda x: str(float(np.sqrt(np.mean(np.square(x.asnumpy()))))))
        return self

    def dumps(self) -> str:
        """JSON text ``["name", {arguments}]`` from which ``create`` makes an equal initializer."""
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._kwargs == other._kwargs  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self.dumps())

    def __call__(self, desc: str, arr: Any) -> None:
        """Fills ``arr`` by the rule for the name ``desc`` (an InitDesc, or a plain str without attributes)."""
        if not isinstance(desc, InitDesc):
            if desc.startswith(tuple(_BEGINNINGS)):  # rules for plain names, older than InitDesc
                _BEGINNINGS[next(start for start in _BEGINNINGS if desc.startswith(start))](desc, arr)
                return
            desc = InitDesc(desc)
        if desc.global_init is None:
            desc.global_init = self
        own = desc.attrs.get("__init__", "")
        if own:
            create(own)._init_weight(desc, arr)
            rule = own
        else:
            rule = next((method for ending, method in _RULES if desc.endswith(ending)), "_init_default")
            getattr(self, rule)(desc, arr)
        if self._verbose and self._print_func is not None:
            logging.info("Initialized %s as %s: %s", desc, rule, self._print_func(arr))

    def _init_zero(self, _: str, arr: Any) -> None:
        arr[:] = 0

    def _init_one(self, _: str, arr: Any) -> None:
        arr[:] = 1

    _init_bias = _init_zero
    _init_beta = _init_zero
    _init_gamma = _init_one

    def _init_quantized_weight(self, _: str, arr: Any) -> None:
        arr[:] = np.random.randint(-127, 127, size=arr.shape).astype("int8")  # noqa: NPY002 - np.random.seed, as MXNet

    def _init_weight(self, name: str, arr: Any) -> None:
        msg = f"{type(self).__name__} does not define _init_weight(name, array), the rule for {name}"
        raise TypeError(msg)

    def _init_default(self, name: str, _: Any) -> None:
        msg = (
            f"Unknown initialization pattern for {name}. Names ending in weight, bias, gamma (1.0) and beta (0.0) have "
            "a default; give any other its own: mx.sym.Variable(init=...) or Parameter(init=...)."
        )
        raise ParameterError(msg)


_registry = registry_of(Initializer, "initializer")
register = _registry.register
alias = _registry.alias
create = _registry.create


class Load:
    """Fills parameters from saved arrays, and those it does not find with ``default_init``.

    param: a dict name -> NDArray or a file of ``mx.nd.save``; "arg:" and "aux:" before names are dropped.
    Raises ShapeError where a saved array has another shape.
    """

    def __init__(self, param: Any, default_init: Any = None, verbose: bool = False) -> None:
        if isinstance(param, str):
            from . import ndarray as nd

            param = nd.load(param)
        if not isinstance(param, dict):
            msg = f"[Load] param must be a dict of name -> NDArray or a file that holds one, got {type(param).__name__}"
            raise ParameterError(msg)
        self.param = {name.removeprefix("arg:").removeprefix("aux:"): arr for name, arr in param.items()}
        self.default_init = default_init
        self.verbose = verbose

    def __call__(self, name: str, arr: Any) -> None:
        """Copies the saved array ``name`` into ``arr``."""
        saved = self.param.get(name)
        if saved is None:
            if self.default_init is None:
                msg = f"Cannot Initialize {name}. Not found in loaded param and no default Initializer is provided."
                raise ParameterError(msg)
            self.default_init(name, arr)
            source = "default"
        else:
            if saved.shape != arr.shape:
                msg = (
                    f"Parameter {name} cannot be initialized from loading. "
                    f"Shape mismatch, target {arr.shape} vs loaded {saved.shape}"
                )
                raise ShapeError(msg)
            arr[:] = saved
            source = "loading"
        if self.verbose:
            logging.info("Initialized %s by %s", name, source)


class Mixed:
    """Fills a parameter with the initializer of the first regular expression that matches its name.

    >>> init = Mixed(["bias", ".*"], [Zero(), Uniform(0.1)])
    """

    def __init__(self, patterns: list[str], initializers: list[Initializer]) -> None:
        if len(patterns) != len(initializers):
            msg = f"[Mixed] {len(patterns)} patterns need as many initializers, got {len(initializers)}"
            raise ParameterError(msg)
        self.map = [(re.compile(p), init) for p, init in zip(patterns, initializers, strict=True)]

    def __call__(self, name: str, arr: Any) -> None:
        """Fills ``arr`` by the first matching pattern."""
        for pattern, init in self.map:
            if pattern.match(name):
                init(name, arr)
                return
        msg = f'Parameter name {name} did not match any pattern. Consider adding a ".*" pattern at the end.'
        raise ParameterError(msg)


@alias("zeros")
@register
class Zero(Initializer):
    """All 0."""

    def __init__(self) -> None:
        super().__init__()

    def _init_weight(self, _: str, arr: Any) -> None:
        arr[:] = 0


@alias("ones")
@register
class One(Initializer):
    """All 1."""

    def __init__(self) -> None:
        super().__init__()

    def _init_weight(self, _: str, arr: Any) -> None:
        arr[:] = 1


@register
class Constant(Initializer):
    """One value everywhere: a number, or an array of the parameter's shape."""

    def __init__(self, value: Any) -> None:
        super().__init__(value=value)
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and bool(np.array_equal(_numpy(self.value), _numpy(other.value)))

    def __hash__(self) -> int:
        return hash(self.dumps())

    def dumps(self) -> str:
        """JSON text; an array becomes nested lists."""
        value = self.value if np.isscalar(self.value) else _numpy(self.value).tolist()
        return json.dumps(["constant", {"value": value}])

    def _init_weight(self, _: str, arr: Any) -> None:
        value = self.value
        arr[:] = np.asarray(value, dtype=arr.dtype) if isinstance(value, (list, tuple)) else value


def load(fname: str) -> Any:
    """What ``mx.nd.load`` reads from a file."""
    from . import ndarray as nd

    return nd.load(fname)


def _numpy(value: Any) -> np.ndarray[Any, Any]:
    return value.asnumpy() if hasattr(value, "asnumpy") else np.asarray(value)


def _fill_uniform(arr: Any, low: float, high: float) -> None:
    from .ndarray import random

    random.uniform(low, high, out=arr)


def _fill_normal(arr: Any, sigma: float) -> None:
    from .ndarray import random

    random.normal(0, sigma, out=arr)


@register
class Uniform(Initializer):
    """Uniform in [-scale, scale)."""

    def __init__(self, scale: float = 0.07) -> None:
        super().__init__(scale=scale)
        self.scale = scale

    def _init_weight(self, _: str, arr: Any) -> None:
        _fill_uniform(arr, -self.scale, self.scale)


@register
class Normal(Initializer):
    """Normal with mean 0 and standard deviation ``sigma``."""

    def __init__(self, sigma: float = 0.01) -> None:
        super().__init__(sigma=sigma)
        self.sigma = sigma

    def _init_weight(self, _: str, arr: Any) -> None:
        _fill_normal(arr, self.sigma)


@register
class Orthogonal(Initializer):
    """A matrix with orthonormal rows or columns times ``scale`` (Saxe et al., 2014).

    The array is read as shape (n, everything else). rand_type: "uniform" or "normal", what the decomposed random
    matrix is drawn from, with NumPy's global generator.
    """

    def __init__(self, scale: float = 1.414, rand_type: str = "uniform") -> None:
        super().__init__(scale=scale, rand_type=rand_type)
        self.scale = scale
        self.rand_type = rand_type

    def _init_weight(self, _: str, arr: Any) -> None:
        rows, columns = arr.shape[0], int(np.prod(arr.shape[1:]))
        if self.rand_type == "uniform":
            random = np.random.uniform(-1.0, 1.0, (rows, columns))  # noqa: NPY002 - np.random.seed, as MXNet
        else:
            random = np.random.normal(0.0, 1.0, (rows, columns))  # noqa: NPY002
        u, _s, v = np.linalg.svd(random, full_matrices=False)
        q = u if u.shape == random.shape else v
        arr[:] = (self.scale * q).reshape(arr.shape).astype(arr.dtype)


@register
class Xavier(Initializer):
    """Random with a scale that keeps activations and gradients of like size (Glorot and Bengio, 2010).

    scale = sqrt(magnitude / fan); fan is the inputs of a unit ("in"), its outputs ("out") or their mean ("avg").
    rnd_type "uniform": in [-scale, scale); "gaussian": normal with standard deviation scale.
    """

    def __init__(self, rnd_type: str = "uniform", factor_type: str = "avg", magnitude: float = 3) -> None:
        super().__init__(rnd_type=rnd_type, factor_type=factor_type, magnitude=magnitude)
        self.rnd_type = rnd_type
        self.factor_type = factor_type
        self.magnitude = float(magnitude)

    def _init_weight(self, name: str, arr: Any) -> None:
        shape = arr.shape
        if len(shape) < 2:
            msg = (
                f"{type(self).__name__} initializer cannot be applied to vector {name}. It requires at least 2D, "
                f"got shape {shape}."
            )
            raise ShapeError(msg)
        window = float(np.prod(shape[2:]))
        fan_in, fan_out = shape[1] * window, shape[0] * window
        fans = {"avg": (fan_in + fan_out) / 2.0, "in": fan_in, "out": fan_out}
        if self.factor_type not in fans:
            msg = f"[{type(self).__name__}] Incorrect factor type {self.factor_type!r}; use 'avg', 'in' or 'out'"
            raise ParameterError(msg)
        scale = float(np.sqrt(self.magnitude / fans[self.factor_type]))
        if self.rnd_type == "uniform":
            _fill_uniform(arr, -scale, scale)
        elif self.rnd_type == "gaussian":
            _fill_normal(arr, scale)
        else:
            msg = f"[{type(self).__name__}] Unknown random type {self.rnd_type!r}; use 'uniform' or 'gaussian'"
            raise ParameterError(msg)


@register
class MSRAPrelu(Xavier):
    """Xavier for layers before a PReLU of slope ``slope``: normal, variance 2 / ((1 + slope^2) fan) (He et al., 2015)."""

    def __init__(self, factor_type: str = "avg", slope: float = 0.25) -> None:
        super().__init__("gaussian", factor_type, 2.0 / (1 + slope**2))
        self._kwargs = {"factor_type": factor_type, "slope": slope}


@register
class Bilinear(Initializer):
    """Weights of a deconvolution that enlarges by bilinear interpolation; shape (c, 1, h, w)."""

    def __init__(self) -> None:
        super().__init__()

    def _init_weight(self, _: str, arr: Any) -> None:
        height, width = arr.shape[2:]
        f = np.ceil(width / 2.0)
        center = (2 * f - 1 - f % 2) / (2.0 * f)
        row = 1 - np.abs(np.arange(height) / f - center)
        column = 1 - np.abs(np.arange(width) / f - center)
        arr[:] = np.broadcast_to(np.outer(row, column), arr.shape).astype(arr.dtype)


@register
class LSTMBias(Initializer):
    """0, except the forget gate's quarter of an LSTM's bias: ``forget_bias``. Gate order i, f, c, o."""

    def __init__(self, forget_bias: float = 1.0) -> None:
        super().__init__(forget_bias=forget_bias)
        self.forget_bias = forget_bias

    def _init_weight(self, _: str, arr: Any) -> None:
        bias = np.zeros(arr.shape, dtype=arr.dtype)
        hidden = arr.shape[0] // 4
        bias[hidden : 2 * hidden] = self.forget_bias
        arr[:] = bias


def _init_transformer(name: str, arr: Any) -> None:
    """Spatial transformer's localization: no weights, and the bias of the identity."""
    if name.endswith("weight"):
        arr[:] = 0
    elif name.endswith("bias"):
        if arr.shape != (6,):
            msg = f"[Initializer] {name} must have shape (6,), got {arr.shape}"
            raise ShapeError(msg)
        arr[:] = np.array([1.0, 0, 0, 0, 1.0, 0])
    else:
        msg = f"Unknown initialization pattern for {name}. A name that begins with stn_loc ends with weight or bias."
        raise ParameterError(msg)


_BEGINNINGS: dict[str, Callable[[str, Any], None]] = {
    "upsampling": lambda name, arr: Bilinear()._init_weight(name, arr),
    "stn_loc": _init_transformer,
}

_GATES = {"rnn_relu": 1, "rnn_tanh": 1, "gru": 3, "lstm": 4}


@register
class FusedRNN(Initializer):
    """Fills the packed parameter vector of the RNN operator, matrix by matrix.

    init: initializer of the matrices (None: the network's).  num_hidden, num_layers, mode ("rnn_relu", "rnn_tanh",
    "lstm", "gru"), bidirectional: as the operator's.  forget_bias: both biases of the LSTM's forget gate, as in MXNet;
    the others are 0.
    """

    def __init__(
        self,
        init: Any,
        num_hidden: int,
        num_layers: int,
        mode: str,
        bidirectional: bool = False,
        forget_bias: float = 1.0,
    ) -> None:
        if init is not None:
            init = create(init)
        if mode not in _GATES:
            msg = f"[FusedRNN] mode must be one of {', '.join(_GATES)}, got {mode!r}"
            raise ParameterError(msg)
        super().__init__(
            init=init.dumps() if init is not None else None,
            num_hidden=num_hidden,
            num_layers=num_layers,
            mode=mode,
            bidirectional=bidirectional,
            forget_bias=forget_bias,
        )
        self._init = init
        self._num_hidden = num_hidden
        self._num_layers = num_layers
        self._mode = mode
        self._directions = 2 if bidirectional else 1
        self._forget_bias = forget_bias

    def _init_weight(self, desc: str, arr: Any) -> None:
        from . import ndarray as nd

        init = self._init or getattr(desc, "global_init", None) or Uniform()
        hidden, gates, directions = self._num_hidden, _GATES[self._mode], self._directions
        rows = gates * hidden
        later = (self._num_layers - 1) * directions * rows * (hidden * directions + hidden)
        biases = self._num_layers * directions * 2 * rows
        inputs = (arr.size - biases - later) // (directions * rows) - hidden
        parts = []
        for layer in range(self._num_layers):
            width = inputs if layer == 0 else hidden * directions
            for columns in (width, hidden) * directions:
                block = nd.zeros((rows, columns), dtype=arr.dtype)
                for gate in range(gates):
                    init(InitDesc(f"{desc}_weight"), block[gate * hidden : (gate + 1) * hidden])
                parts.append(block.asnumpy().ravel())
        bias = np.zeros((biases // (2 * rows), 2, gates, hidden), dtype=arr.dtype)
        if self._mode == "lstm":
            bias[:, :, 1] = self._forget_bias
        packed = np.concatenate([*parts, bias.ravel()])
        if packed.size != arr.size:
            msg = f"[FusedRNN] {desc} has {arr.size} elements, {packed.size} expected for these layers"
            raise ShapeError(msg)
        arr[:] = packed.reshape(arr.shape)


def __getattr__(name: str) -> Any:
    if name == "NDArray":  # MXNet has it here too; asking for it loads the runtime
        from ._core import NDArray

        return NDArray
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
