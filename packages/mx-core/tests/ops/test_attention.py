"""Rows of the interleaved attention products and div_sqrt_dim."""

from __future__ import annotations

import numpy as np

from mx_core.testing import OpCase, check_op, empty, normal, op_cases

HEADS = 2


def heads_of(x, parts):
    """(length, batch, heads * parts * d) as parts arrays (batch * heads, length, d)."""
    length, batch, features = x.shape
    d = features // (HEADS * parts)
    split = x.reshape(length, batch, HEADS, parts, d)
    return [split[:, :, :, i].transpose(1, 2, 0, 3).reshape(batch * HEADS, length, d) for i in range(parts)]


def scores(q, k):
    return q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[2])


def weighted(attention, v):
    product = attention @ v
    batch, length, d = product.shape[0] // HEADS, product.shape[1], product.shape[2]
    return product.reshape(batch, HEADS, length, d).transpose(2, 0, 1, 3).reshape(length, batch, HEADS * d)


QKV, KV, Q = normal((5, 3, 24)), normal((7, 3, 16)), normal((5, 3, 8))
P = {"heads": HEADS}

CASES = [
    OpCase("_contrib_interleaved_matmul_selfatt_qk", lambda x, heads: scores(*heads_of(x, 3)[:2]), [QKV, empty((0, 3, 24))], [P], second_order=True, errors=[
        ({"heads": 5}, "queries_keys_values must be (length, batch, features) with features a multiple of 15 = heads * 3, got (5, 3, 24)"),
        ({"heads": 0}, "heads must be > 0"), ((normal((5, 24)),), P, "must be (length, batch, features)")]),
    OpCase("_contrib_interleaved_matmul_selfatt_valatt", lambda x, a, heads: weighted(a, heads_of(x, 3)[2]), [(QKV, normal((6, 5, 5)))], [P], errors=[
        ((QKV, normal((5, 5, 5))), P, "attention must be (batch * heads, length, length of keys) = (6, ?, 5), got (5, 5, 5)")]),
    OpCase("_contrib_interleaved_matmul_encdec_qk", lambda q, kv, heads: scores(heads_of(q, 1)[0], heads_of(kv, 2)[0]), [(Q, KV)], [P], errors=[
        ((normal((5, 3, 12)), KV), P, "must have one batch and d"), ((normal((5, 3, 7)), KV), P, "a multiple of heads = 2")]),
    OpCase("_contrib_interleaved_matmul_encdec_valatt", lambda kv, a, heads: weighted(a, heads_of(kv, 2)[1]), [(KV, normal((6, 5, 7)))], [P], errors=[
        ((KV, normal((6, 5, 5))), P, "(6, ?, 7), got (6, 5, 5)")]),
    OpCase("_contrib_div_sqrt_dim", lambda x: x / np.sqrt(x.shape[-1]), [normal((3, 8)), empty((3, 0))]),
]  # fmt: skip


@op_cases(CASES)
def test_attention(case, ctx):
    check_op(case, ctx)
