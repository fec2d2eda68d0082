"""Densities of the distributions in mx.nd.random, or their logarithms, with gradients: ``random_pdf_*``.

The parameters' shape is that of sample or of its leading dimensions; each parameter serves all samples at its index.
As in MXNet 1.x, a sample is not checked to lie in the distribution's support, and counts have no gradient.
"""

from __future__ import annotations

import math

from ..errors import ShapeError
from ..op import Tensor, op
from .nn import require_float


def _aligned(name, sample, **parameters):
    """The parameters in shapes that broadcast along sample's trailing dimensions."""
    require_float(f"_random_pdf_{name}", sample, "sample")
    result = []
    for argument, parameter in parameters.items():
        require_float(f"_random_pdf_{name}", parameter, argument)
        if parameter.shape != sample.shape[: parameter.ndim]:
            msg = (
                f"[_random_pdf_{name}] {argument} must have sample's shape {sample.shape} or its leading dimensions, "
                f"got {parameter.shape}"
            )
            raise ShapeError(msg)
        result.append(parameter.reshape(parameter.shape + (1,) * (sample.ndim - parameter.ndim)))
    if len({parameter.shape for parameter in parameters.values()}) > 1:
        shapes = " and ".join(str(parameter.shape) for parameter in parameters.values())
        msg = f"[_random_pdf_{name}] the parameters must have one shape, got {shapes}"
        raise ShapeError(msg)
    return result[0] if len(result) == 1 else result


@op(aliases=["random_pdf_uniform"])
def _random_pdf_uniform(F, sample: Tensor, low: Tensor, high: Tensor, *, is_log: bool = False) -> Tensor:
    """``1 / (high - low)`` for each sample. is_log: its logarithm."""
    low, high = _aligned("uniform", sample, low=low, high=high)
    density = -F.log(high - low) if is_log else 1.0 / (high - low)
    return F._broadcast(density, shape=sample.shape)


@op(aliases=["random_pdf_normal"])
def _random_pdf_normal(F, sample: Tensor, mu: Tensor, sigma: Tensor, *, is_log: bool = False) -> Tensor:
    """``exp(-(x - mu)^2 / (2 sigma^2)) / (sigma sqrt(2 pi))``. is_log: its logarithm."""
    mu, sigma = _aligned("normal", sample, mu=mu, sigma=sigma)
    exponent = F.square((sample - mu) / sigma) * -0.5
    if is_log:
        return exponent - F.log(sigma) - 0.5 * math.log(2.0 * math.pi)
    return F.exp(exponent) / (sigma * math.sqrt(2.0 * math.pi))


@op(aliases=["random_pdf_exponential"])
def _random_pdf_exponential(F, sample: Tensor, lam: Tensor, *, is_log: bool = False) -> Tensor:
    """``lam exp(-lam x)``. is_log: its logarithm."""
    lam = _aligned("exponential", sample, lam=lam)
    return F.log(lam) - lam * sample if is_log else lam * F.exp(-(lam * sample))


@op(aliases=["random_pdf_gamma"])
def _random_pdf_gamma(F, sample: Tensor, alpha: Tensor, beta: Tensor, *, is_log: bool = False) -> Tensor:
    """``beta^alpha x^(alpha - 1) exp(-beta x) / Gamma(alpha)``. is_log: its logarithm. beta is the rate, not the scale."""
    alpha, beta = _aligned("gamma", sample, alpha=alpha, beta=beta)
    log_density = alpha * F.log(beta) + (alpha - 1.0) * F.log(sample) - beta * sample - F.gammaln(alpha)
    return log_density if is_log else F.exp(log_density)


@op(aliases=["random_pdf_poisson"])
def _random_pdf_poisson(F, sample: Tensor, lam: Tensor, *, is_log: bool = False) -> Tensor:
    """``lam^x exp(-lam) / x!``, the probability of a count. is_log: its logarithm."""
    lam = _aligned("poisson", sample, lam=lam)
    count = F.BlockGrad(sample)
    log_density = count * F.log(lam) - F.gammaln(count + 1.0) - lam
    return log_density if is_log else F.exp(log_density)


def _log_negative_binomial(F, count, k, p):
    chosen = F.gammaln(count + k) - F.gammaln(count + 1.0) - F.gammaln(k)
    return chosen + k * F.log(p) + count * F.log1p(-p)


@op(aliases=["random_pdf_negative_binomial"])
def _random_pdf_negative_binomial(F, sample: Tensor, k: Tensor, p: Tensor, *, is_log: bool = False) -> Tensor:
    """``Gamma(x + k) / (x! Gamma(k)) p^k (1 - p)^x``, the probability of a count. is_log: its logarithm."""
    k, p = _aligned("negative_binomial", sample, k=k, p=p)
    log_density = _log_negative_binomial(F, F.BlockGrad(sample), k, p)
    return log_density if is_log else F.exp(log_density)


@op(aliases=["random_pdf_generalized_negative_binomial"])
def _random_pdf_generalized_negative_binomial(
    F, sample: Tensor, mu: Tensor, alpha: Tensor, *, is_log: bool = False
) -> Tensor:
    """The negative binomial probability with k = 1 / alpha and p = 1 / (mu alpha + 1). is_log: its logarithm."""
    mu, alpha = _aligned("generalized_negative_binomial", sample, mu=mu, alpha=alpha)
    log_density = _log_negative_binomial(F, F.BlockGrad(sample), 1.0 / alpha, 1.0 / (mu * alpha + 1.0))
    return log_density if is_log else F.exp(log_density)


@op(aliases=["random_pdf_dirichlet"])
def _random_pdf_dirichlet(F, sample: Tensor, alpha: Tensor, *, is_log: bool = False) -> Tensor:
    """``Gamma(sum alpha) / prod Gamma(alpha) * prod x^(alpha - 1)``, products and sums over the last axis.

    sample: (..., k).  alpha: (..., k), whose leading dimensions are sample's first ones.  Returns sample.shape without
    the last axis; (1,) for a single sample.
    """
    require_float("_random_pdf_dirichlet", sample, "sample")
    require_float("_random_pdf_dirichlet", alpha, "alpha")
    lead = alpha.shape[:-1]
    if (
        not alpha.ndim
        or not sample.ndim
        or (alpha.shape[-1], lead) != (sample.shape[-1], sample.shape[:-1][: len(lead)])
    ):
        msg = (
            f"[_random_pdf_dirichlet] alpha must have the last and the first dimensions of sample {sample.shape}, "
            f"got {alpha.shape}"
        )
        raise ShapeError(msg)
    alpha = alpha.reshape((*lead, *(1,) * (sample.ndim - alpha.ndim), alpha.shape[-1]))
    log_density = (
        F.sum((alpha - 1.0) * F.log(sample), axis=(-1,))
        + F.gammaln(F.sum(alpha, axis=(-1,)))
        - F.sum(F.gammaln(alpha), axis=(-1,))
    )
    return log_density if is_log else F.exp(log_density)
