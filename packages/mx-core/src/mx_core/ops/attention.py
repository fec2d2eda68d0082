"""Attention on interleaved projections, as GluonNLP's transformers call it: div_sqrt_dim, interleaved_matmul_*.

Arrays are (length, batch, features). The features of one head lie together, and in it those of the query, the key and
the value one after another. Attention weights are (batch * heads, length of queries, length of keys).
"""

from __future__ import annotations

import math

from ..errors import ShapeError
from ..op import Positive, Tensor, op


def _heads(F, name, what, data, heads, parts):
    """data (length, batch, heads * parts * d) -> its ``parts`` arrays (batch * heads, length, d)."""
    if data.ndim != 3 or data.shape[2] % (heads * parts):
        unit = f"{heads * parts} = heads * {parts}" if parts > 1 else f"heads = {heads}"
        msg = f"[{name}] {what} must be (length, batch, features) with features a multiple of {unit}, got {data.shape}"
        raise ShapeError(msg)
    length, batch, features = data.shape
    d = features // (heads * parts)
    split = F._view(data, shape=(length, batch * heads, parts, d))
    found = []
    for i in range(parts):
        part = F._slice(split, begin=(0, 0, i, 0), step=(1, 1, 1, 1), shape=(length, batch * heads, 1, d))
        found.append(F._transpose(F._view(part, shape=(length, batch * heads, d)), axes=(1, 0, 2)))
    return found


def _scores(F, queries, keys):
    """``q k^T / sqrt(d)``."""
    return F._matmul(queries * (1.0 / math.sqrt(max(queries.shape[2], 1))), keys, transpose_b=True)


def _weighted(F, name, attention, values, heads):
    """attention times values, as (length of queries, batch, features)."""
    rows, length, d = values.shape
    if attention.ndim != 3 or (attention.shape[0], attention.shape[2]) != (rows, length):
        msg = (
            f"[{name}] attention must be (batch * heads, length, length of keys) = ({rows}, ?, {length}), "
            f"got {attention.shape}"
        )
        raise ShapeError(msg)
    product = F._transpose(F._matmul(attention, values), axes=(1, 0, 2))
    return F._view(product, shape=(attention.shape[1], rows // heads, heads * d))


@op(name="_contrib_interleaved_matmul_selfatt_qk")
def interleaved_matmul_selfatt_qk(F, queries_keys_values: Tensor, *, heads: Positive[int]) -> Tensor:
    """``q k^T / sqrt(d)`` of each head of a self-attention: (batch * heads, length, length).

    queries_keys_values: (length, batch, heads * 3 * d), interleaved by head.
    """
    q, k, _ = _heads(F, "interleaved_matmul_selfatt_qk", "queries_keys_values", queries_keys_values, heads, 3)
    return _scores(F, q, k)


@op(name="_contrib_interleaved_matmul_selfatt_valatt")
def interleaved_matmul_selfatt_valatt(
    F, queries_keys_values: Tensor, attention: Tensor, *, heads: Positive[int]
) -> Tensor:
    """The values of a self-attention weighted by ``attention``: (length, batch, heads * d).

    queries_keys_values: (length, batch, heads * 3 * d), interleaved by head.  attention: (batch * heads, length, length).
    """
    name = "interleaved_matmul_selfatt_valatt"
    _, _, v = _heads(F, name, "queries_keys_values", queries_keys_values, heads, 3)
    return _weighted(F, name, attention, v, heads)


@op(name="_contrib_interleaved_matmul_encdec_qk")
def interleaved_matmul_encdec_qk(F, queries: Tensor, keys_values: Tensor, *, heads: Positive[int]) -> Tensor:
    """``q k^T / sqrt(d)`` of each head of an encoder-decoder attention: (batch * heads, length, length of keys).

    queries: (length, batch, heads * d).  keys_values: (length of keys, batch, heads * 2 * d), interleaved by head.
    """
    name = "interleaved_matmul_encdec_qk"
    (q,) = _heads(F, name, "queries", queries, heads, 1)
    k, _ = _heads(F, name, "keys_values", keys_values, heads, 2)
    if (q.shape[0], q.shape[2]) != (k.shape[0], k.shape[2]):
        msg = (
            f"[{name}] queries (length, batch, heads * d) and keys_values (length, batch, heads * 2 * d) must have one batch "
            f"and d, got {queries.shape} and {keys_values.shape} for {heads} heads"
        )
        raise ShapeError(msg)
    return _scores(F, q, k)


@op(name="_contrib_interleaved_matmul_encdec_valatt")
def interleaved_matmul_encdec_valatt(F, keys_values: Tensor, attention: Tensor, *, heads: Positive[int]) -> Tensor:
    """The values of an encoder-decoder attention weighted by ``attention``: (length, batch, heads * d).

    keys_values: (length of keys, batch, heads * 2 * d), interleaved by head.
    attention: (batch * heads, length, length of keys).
    """
    name = "interleaved_matmul_encdec_valatt"
    _, v = _heads(F, name, "keys_values", keys_values, heads, 2)
    return _weighted(F, name, attention, v, heads)


@op(name="_contrib_div_sqrt_dim")
def div_sqrt_dim(F, data: Tensor) -> Tensor:
    """``data / sqrt(d)`` with d the size of its last axis."""
    if not data.ndim:
        msg = "[_contrib_div_sqrt_dim] data must have at least one dimension, got ()"
        raise ShapeError(msg)
    return data * (1.0 / math.sqrt(max(data.shape[-1], 1)))
