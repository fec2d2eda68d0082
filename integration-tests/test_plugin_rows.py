"""The rows that installed plug-ins bring, in the operator suite like mx-core's own."""

from __future__ import annotations

from mx_core.testing import check_op, op_cases, plugin_cases


@op_cases(plugin_cases())
def test_rows_of_plugins(case, ctx):
    check_op(case, ctx)
