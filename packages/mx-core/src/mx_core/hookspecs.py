"""The hooks of MX: everything a plug-in can add, one function each. This module is the extension manual.

A plug-in is a module that a package announces in its pyproject.toml:

    [project.entry-points.mxnet]
    foo = "mx_ops_foo.plugin"

and that answers the hooks it knows, each marked with ``hookimpl``:

    from mx_core.plugin import hookimpl

    @hookimpl
    def mx_ops():
        from mx_ops_foo import operators
        return [operators]

A hook returns values; it changes nothing by itself. It may leave out arguments it does not read. Import what
is heavy inside the hook, not at the top of the module: plug-in modules are imported by everyone who uses MX.
Nothing here is called per operator call: `plugin.py` asks each hook once, at the first use of what it brings.

A plug-in that fails is left out with one warning that names it; ``MX_DISABLE_PLUGINS=foo`` keeps it out
silently. Names that two plug-ins bring are refused, with both named.
"""

# mypy: disable-error-code="empty-body"
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pluggy

__all__ = [
    "PROJECT",
    "mx_augmenters",
    "mx_classes",
    "mx_data_iters",
    "mx_data_readers",
    "mx_devices",
    "mx_formats",
    "mx_graph_passes",
    "mx_kernels",
    "mx_namespaces",
    "mx_op_cases",
    "mx_ops",
]

PROJECT = "mxnet"
_hookspec = pluggy.HookspecMarker(PROJECT)


@_hookspec
def mx_ops() -> Iterable[Any]:
    """Operators, as modules whose import defines them with ``@op`` or as the OpDefs that ``@op`` made.

    Asked at the first look-up of an operator (the first ``mx.nd.<name>``). The names, aliases and methods
    appear in ``mx.nd``, in ``mx.sym`` and on NDArray. An operator that another plug-in has already is
    refused, unless it is declared with ``@op(overrides="plug-in:operator")``.

    >>> from mx_core import hookspecs
    >>> hookspecs.mx_ops.__annotations__["return"]
    'Iterable[Any]'
    """


@_hookspec
def mx_devices() -> Iterable[Any]:
    """Kinds of devices, as capsules named "mx.device.v1" that hold an ``mx_device`` (include/mx/abi.h).

    Asked when an array is first made on any device. The capsule's device must live as long as the process.
    Two packages that bring one device name are refused, both named. A device that is not there now (no GPU
    in this machine) is returned nevertheless: its ``count`` says 0.
    """


@_hookspec
def mx_kernels(device: str) -> Iterable[Any] | None:
    """Kernels for a kind of device, as capsules named "mx.kernel_table.v1" that hold an ``mx_kernel_table``.

    device: "cpu", "gpu" or the name another device plug-in chose. Asked once for each, when it is first used.
    Return None where the package has no kernels for it. Kernels of one operator are tried from the highest
    priority down; one that answers MX_UNSUPPORTED passes the call on, at last to the operator's composition.
    """


@_hookspec
def mx_namespaces() -> Mapping[str, str]:
    """Attributes and submodules of ``mxnet``: the name behind ``mxnet.`` -> what it stands for.

    A value is a module, "mx_gluon", or an attribute of one, "mx_core.context:cpu". Modules serve their
    submodules too: with ``{"gluon": "mx_gluon"}``, ``import mxnet.gluon.nn`` is the module ``mx_gluon.nn``, the
    very same object. Asked at the first name that mx-core itself does not have; imported at its first use.
    """


@_hookspec
def mx_classes() -> Iterable[type]:
    """Optimizers, metrics, initializers and key-value stores: classes that derive from those of MX.

    They are found where MXNet takes names: ``mx.optimizer.create("lamb2")`` finds the class ``Lamb2``, whatever
    the case. The decorators of MXNet (``@mx.optimizer.register``) do the same inside one program. Asked when
    a name is not among those that mx-core registers itself.
    """


@_hookspec
def mx_augmenters() -> Mapping[str, Any]:
    """Changes of images by name: name -> what makes one, itself or as "module:attribute".

    What makes one is called with the augmenter's parameters and returns a function from an image to an image,
    NDArrays of shape (h, w, c), channels in the order red, green, blue. Classes derived from
    ``mx.image.Augmenter`` do this, and may define ``apply`` on NumPy arrays instead, which costs less. The names are
    found, whatever the case, by ``mx.image.CreateAugmenter(aug_seq=...)`` and ``ImageRecordIter(aug_seq=...)``. Asked
    when a name is not among mx-io's own.
    """


@_hookspec
def mx_data_iters() -> Mapping[str, Any]:
    """Data iterators: the name behind ``mx.io.`` -> the class or function, itself or as "module:attribute".

    Asked at the first name of ``mx.io`` that mx-io itself does not have. They should derive from
    ``mx_core.data.DataIter``.
    """


@_hookspec
def mx_data_readers() -> Mapping[str, str]:
    """What packages that may not import each other read files with: a name -> "module:attribute".

    mx-io serves "record_file" (opens a record file for reading) and "image" (the module ``mx.image``) to the data sets
    of mx-gluon, through ``mx_core.data.reader``. Asked at the first of these look-ups.
    """


@_hookspec
def mx_graph_passes() -> Mapping[str, Callable[..., Any]]:
    """Rewriting rules for graphs, by name, which the compiler applies to every plan before it chooses kernels.

    A rule is a function ``(F, node, inputs)``: it is asked for each node in running order, and returns None to leave it,
    or the values that replace the node's outputs, made with ``F`` (the operators) of ``inputs``, its operands.
    ``node.op.name`` and ``node.params`` say what it is; a replacement of another shape or element type is refused. Asked
    at the first compiled plan. ``MX_DISABLE_PASSES=name`` switches a rule off; ``python -m mxnet.plugins`` lists them.

    An exponential of a logarithm is what the logarithm was taken of:

        def exp_of_log(F, node, inputs):
            made_by = inputs[0].node if node.op.name == "exp" else None
            return made_by.inputs[0] if made_by is not None and made_by.op.name == "log" else None
    """


@_hookspec
def mx_formats() -> Mapping[str, Any]:
    """File formats for ``mx.nd.save`` and ``mx.nd.load``: the ending of a file's name, ".safetensors", -> an object with

    ``load(path)``, which returns a dict or a list of NDArrays, and ``save(path, arrays)`` of a dict or a list; either may
    be missing. ``save`` writes to a temporary path, which takes the file's place when it is done. Asked at the first
    file whose name does not end in ``.params``. Two plug-ins with one ending are refused.
    """


@_hookspec
def mx_op_cases() -> Iterable[Any]:
    """Rows of the operator suite: ``mx_core.testing.OpCase`` objects for the plug-in's operators.

    Asked by the test suite only, never by programs. Each row is run on every device present: values against
    the row's oracle, inference, gradients, ``out=``, empty arrays, error texts.
    """
