"""Parts: primitives that only the bodies and gradient rules of other operators call.

A part gets what its owner's inference has validated and does not validate again, so no door that users come through
leads to it: ``mx.nd._internal`` does not show parts, and files must not name them.
"""

from __future__ import annotations

from .definition import OpDef

__all__ = ["is_part"]

# Primitives of MXNet 1.x's own whose names begin with an underscore too; they validate all that they are given.
_PUBLIC = frozenset(
    "_copy _eye _full _grad_add _identity_with_attr_like_rhs _linalg_det _linalg_gelqf _linalg_potrf _linalg_potri "
    "_linalg_slogdet _linalg_syevd _linalg_syrk _linalg_trmm _linalg_trsm _sample_unique_zipfian _shuffle".split()
)


def is_part(opdef: OpDef) -> bool:
    """True for a primitive of mx-core that is no operator of MXNet's.

    >>> from mx_core.op import get_op
    >>> is_part(get_op("_matmul")), is_part(get_op("dot")), is_part(get_op("_plus_scalar")), is_part(get_op("_copy"))
    (True, False, False, False)
    """
    named = opdef.name.startswith("_") and opdef.name not in _PUBLIC and opdef.plugin == "mx-core"
    return named and opdef.opcode is None and not opdef.has_body
