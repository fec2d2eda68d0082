"""Plug-ins as third parties install them: found, listed, refused with a clear message, switched off."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from plugin_maker import expect, make_plugin, run_program, run_python

import mxnet as mx
from mx_core import hookspecs, plugin

RELU_AND_LIST = """
import mxnet as mx
print(mx.nd.relu(mx.nd.array([-1, 2])).asnumpy().tolist())
"""

OPERATOR = """
from mx_core.op import Tensor, op
from mx_core.plugin import hookimpl

@op
def {name}(F, data: Tensor) -> Tensor:
    '''Twice data.'''
    return data + data

@hookimpl
def mx_ops():
    return [{name}]
"""

# A capsule made by hand: what a package compiled against another version of abi.h would hand over.
FOREIGN_CAPSULE = """
import ctypes
from mx_core.plugin import hookimpl

class Table(ctypes.Structure):
    _fields_ = [("abi_version", ctypes.c_uint32), ("size", ctypes.c_uint32), ("package", ctypes.c_char_p),
                ("device", ctypes.c_char_p), ("n_kernels", ctypes.c_int32), ("kernels", ctypes.c_void_p)]

new = ctypes.pythonapi.PyCapsule_New
new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
table, name = Table(99, ctypes.sizeof(Table), b"mx-foreign", b"cpu", 0, None), b"{capsule}"

@hookimpl
def {hook}:
    return [new(ctypes.addressof(table), name, None)]
"""


def warnings_in(text: str) -> list[str]:
    """The plug-in warnings that a program wrote to stderr."""
    return [line for line in text.splitlines() if "PluginWarning" in line]


def test_a_plugin_that_cannot_be_imported_is_left_out_with_one_warning(tmp_path):
    make_plugin(tmp_path, "broken", "import a_module_that_is_missing")
    done = run_program(RELU_AND_LIST, tmp_path)
    assert expect(done) == "[0.0, 2.0]\n"
    (warning,) = warnings_in(done.stderr)
    for part in ("'broken'", "mx-broken 1.0", "a_module_that_is_missing", "MX_DISABLE_PLUGINS=broken"):
        assert part in warning


@pytest.mark.parametrize("name", ["broken", "mx-broken", "MX_Broken", "other, broken"])
def test_the_switch_keeps_a_plugin_out_silently(tmp_path, name):
    make_plugin(tmp_path, "broken", "import a_module_that_is_missing")
    done = run_program(RELU_AND_LIST, tmp_path, MX_DISABLE_PLUGINS=name)
    assert expect(done) == "[0.0, 2.0]\n"
    assert not warnings_in(done.stderr)


def test_a_hook_that_raises_leaves_the_plugin_out(tmp_path):
    source = "from mx_core.plugin import hookimpl\n@hookimpl\ndef mx_ops():\n    raise ValueError('no licence')"
    make_plugin(tmp_path, "raising", source)
    done = run_program(RELU_AND_LIST, tmp_path)
    assert expect(done) == "[0.0, 2.0]\n"
    (warning,) = warnings_in(done.stderr)
    assert "ValueError: no licence" in warning
    assert "'raising'" in warning


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("@hookimpl\ndef mx_op(): return []", "unknown hook mx_op: did you mean mx_ops?"),
        ("def mx_ops(): return []", "mx_ops is not marked as a hook"),
        ("@hookimpl\ndef mx_kernels(devise): return []", "devise"),
        ("@hookimpl(wrapper=True)\ndef mx_ops(): yield", "hook wrapper"),
        ("@hookimpl\ndef mx_ops(): return ['relu']", "mx_ops must return modules or operators made by @op, got 'relu'"),
    ],
)
def test_misspelt_hooks_are_named(tmp_path, source, message):
    make_plugin(tmp_path, "misspelt", "from mx_core.plugin import hookimpl\n" + source)
    done = run_program(RELU_AND_LIST, tmp_path)
    expect(done)
    (warning,) = warnings_in(done.stderr)
    assert message in warning
    assert "'misspelt'" in warning


def test_an_operator_that_exists_is_refused_and_all_of_its_plugin_with_it(tmp_path):
    make_plugin(tmp_path, "taken", OPERATOR.format(name="relu") + OPERATOR.format(name="fine").split("\n\n", 1)[1])
    done = run_program(RELU_AND_LIST + "print(hasattr(mx.nd, 'fine'))", tmp_path)
    assert expect(done) == "[0.0, 2.0]\nFalse\n"
    (warning,) = warnings_in(done.stderr)
    assert "relu" in warning
    assert "mx-core" in warning
    assert "'taken'" in warning


def test_two_plugins_with_one_operator_are_both_named(tmp_path):
    make_plugin(tmp_path, "first", OPERATOR.format(name="twice"))
    make_plugin(tmp_path, "second", OPERATOR.format(name="twice"))
    done = run_program("import mxnet as mx; print(mx.nd.twice(mx.nd.ones(1)).asscalar())", tmp_path)
    assert expect(done) == "2.0\n"
    (warning,) = warnings_in(done.stderr)
    assert "first" in warning
    assert "'second'" in warning


def test_an_operator_is_replaced_on_purpose(tmp_path):
    source = OPERATOR.format(name="relu").replace("@op\n", "@op(overrides='mx-core:relu')\n")
    make_plugin(tmp_path, "replacing", source)
    done = run_program(RELU_AND_LIST, tmp_path)
    assert expect(done) == "[-2.0, 4.0]\n"
    assert not warnings_in(done.stderr)


def test_two_plugins_of_one_name_are_both_named(tmp_path):
    for distribution in ("mx-one", "mx-two"):
        make_plugin(tmp_path, "same", "", distribution=distribution)
    done = run_program(RELU_AND_LIST, tmp_path)
    expect(done)
    (warning,) = warnings_in(done.stderr)
    assert "mx-one 1.0" in warning
    assert "mx-two 1.0" in warning


@pytest.mark.parametrize(
    ("hook", "capsule"),
    [("mx_kernels(device)", "mx.kernel_table.v1"), ("mx_devices()", "mx.device.v1")],
)
def test_a_table_of_another_abi_version_is_refused(tmp_path, hook, capsule):
    make_plugin(tmp_path, "foreign", FOREIGN_CAPSULE.format(hook=hook, capsule=capsule))
    done = run_program(RELU_AND_LIST, tmp_path)
    assert expect(done) == "[0.0, 2.0]\n"
    (warning,) = warnings_in(done.stderr)
    assert "PluginError" in warning
    assert "mx-foreign" in warning
    assert "99" in warning


def test_a_capsule_of_another_kind_is_refused(tmp_path):
    make_plugin(tmp_path, "foreign", FOREIGN_CAPSULE.format(hook="mx_devices()", capsule="dltensor"))
    done = run_program(RELU_AND_LIST, tmp_path)
    assert expect(done) == "[0.0, 2.0]\n"
    (warning,) = warnings_in(done.stderr)
    assert "'foreign'" in warning


def test_a_namespace_that_is_taken_is_refused(tmp_path):
    source = "from mx_core.plugin import hookimpl\n@hookimpl\ndef mx_namespaces(): return {'nd': 'json'}"
    make_plugin(tmp_path, "grabbing", source)
    done = run_program("import mxnet as mx; print(hasattr(mx, 'nothing'), mx.nd.__name__)", tmp_path)
    assert expect(done) == "False mx_core.ndarray\n"
    (warning,) = warnings_in(done.stderr)
    assert "mxnet.nd is mx_core.ndarray already" in warning


def test_a_plugin_serves_a_namespace_and_its_submodules(tmp_path):
    source = "from mx_core.plugin import hookimpl\n@hookimpl\ndef mx_namespaces(): return {'extra': 'json'}"
    make_plugin(tmp_path, "extra", source)
    program = "import mxnet as mx, json; import mxnet.extra.decoder as d; print(mx.extra is json, d is json.decoder)"
    assert expect(run_program(program, tmp_path)) == "True True\n"


def test_a_plugin_brings_classes(tmp_path):
    source = """
    from mx_core.plugin import hookimpl

    @hookimpl
    def mx_classes():
        import mxnet as mx

        class Doubled(mx.metric.Accuracy):
            pass

        return [Doubled]
    """
    make_plugin(tmp_path, "classes", source)
    assert expect(run_program("import mxnet as mx; print(type(mx.metric.create('doubled')).__name__)", tmp_path)) == (
        "Doubled\n"
    )


def test_the_list_of_plugins(tmp_path):
    make_plugin(tmp_path, "broken", "import a_module_that_is_missing")
    make_plugin(tmp_path, "twice", OPERATOR.format(name="twice"))
    make_plugin(tmp_path, "off", "")
    listing = expect(run_python(["-W", "ignore", "-m", "mxnet.plugins"], tmp_path, MX_DISABLE_PLUGINS="off"))
    rows = {line.split()[0]: line for line in listing.splitlines() if line}
    assert re.search(r"mx-core +\d+\.\d+\.\d+ +\d{2,} +loaded", rows["mx-core"])
    assert re.search(r"mx-ops-cpu +\d+\.\d+\.\d+ +loaded", rows["cpu"])
    assert re.search(r"mx-twice +1\.0 +1 +loaded", rows["twice"])
    assert "failed: ModuleNotFoundError" in rows["broken"]
    assert rows["off"].endswith("disabled")
    assert re.search(r"cpu: 1, gpu: \d", rows["devices"])


def test_a_plugin_of_this_process():
    class Answers:
        @plugin.hookimpl
        def mx_op_cases(self):
            return ["a row"]

    answers = Answers()
    plugin.register(answers, "in-process")
    try:
        assert ("in-process", ["a row"]) in plugin.ask("mx_op_cases")
        with pytest.raises(plugin.PluginError, match="two plug-ins are called 'in-process'"):
            plugin.register(Answers(), "in-process")
    finally:
        plugin.unregister("in-process")
    assert "in-process" not in dict(plugin.ask("mx_op_cases"))
    with pytest.raises(plugin.PluginError, match="there is no plug-in 'in-process'"):
        plugin.unregister("in-process")


def test_hooks_are_documented_with_their_signatures():
    manual = (Path(__file__).parent.parent / "docs" / "plugins.md").read_text()
    hooks = [name for name in hookspecs.__all__ if name.startswith("mx_")]
    assert hooks
    for name in hooks:
        specification = getattr(hookspecs, name)
        signature = inspect.signature(specification)
        assert specification.__doc__, name
        assert f"`{name}({', '.join(signature.parameters)})`" in manual, name
        for parameter in signature.parameters:
            assert f"{parameter}:" in specification.__doc__, f"{name} does not describe {parameter}"
        assert signature.return_annotation is not inspect.Signature.empty, name
    assert set(re.findall(r"`(mx_\w+)\(", manual)) == set(hooks)


def test_the_examples_are_found_where_they_are_installed():
    pytest.importorskip("mx_ops_example", reason="pip install examples/mx-ops-example (nox -s tests does)")
    x = mx.nd.array([[1.0, 2.0, 4.0]])
    x.attach_grad()
    with mx.autograd.record():
        y = mx.nd.ema(x, decay=0.5)
    y.backward()
    assert y.asnumpy().tolist() == [[0.5, 1.25, 2.625]]
    assert x.grad.asnumpy().tolist() == [[0.875, 0.75, 0.5]]
    assert "Exponential moving average" in mx.nd.ema.__doc__
    assert [str(name) for name in inspect.signature(mx.nd.ema).parameters][:3] == ["data", "decay", "reverse"]
    rows = dict(plugin.ask("mx_op_cases"))["example"]
    assert {row.name for row in rows} == {"swish", "ema"}


def test_many_threads_use_mx_for_the_first_time_at_once():
    program = """
    import faulthandler, sys, threading
    faulthandler.dump_traceback_later(100, exit=True)  # a deadlock shows where
    import mxnet as mx
    done = []

    def use(number):
        if number % 3 == 0:
            mx.nd.relu
        elif number % 3 == 1:
            mx.gluon.nn.Dense(3)
        done.append((mx.nd.array([1, 2, 3]) + 1).sum().asscalar())

    sys.setswitchinterval(1e-6)
    threads = [threading.Thread(target=use, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(done == 12 * [9])
    """
    assert expect(run_program(program)) == "True\n"
