"""The facade `mxnet`: the names of MXNet, lazily, each the very same object as in the package that serves it."""

from __future__ import annotations

import importlib
import pickle
import sys

import pytest
from plugin_maker import expect, run_program

import mxnet as mx
from mx_core import core_plugin

NAMES = core_plugin.mx_namespaces()


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_mx_core_is_there(name):
    module, _, member = NAMES[name].partition(":")
    real = importlib.import_module(module)
    if member:
        assert getattr(mx, name) is getattr(real, member)
    else:
        assert importlib.import_module(f"mxnet.{name}") is real
        assert real.__spec__.name == real.__name__ == module
        assert sys.modules[f"mxnet.{name}"] is sys.modules[module]


def test_submodules_are_the_same_objects():
    import mx_gluon.nn
    import mxnet.gluon.data.vision as vision
    import mxnet.gluon.nn as nn
    from mxnet import gluon
    from mxnet.gluon.data.vision import transforms

    assert nn is mx_gluon.nn is mx.gluon.nn is gluon.nn
    assert mx.gluon.nn.Dense is mx_gluon.nn.Dense
    assert transforms is vision.transforms
    assert nn.__name__ == nn.__spec__.name == "mx_gluon.nn"


def test_two_spellings_of_one_module():
    assert mx.nd is mx.ndarray
    assert mx.init is mx.initializer
    assert mx.kv is mx.kvstore
    assert mx.rnd is mx.random


def test_importing_imports_next_to_nothing():
    program = """
    import sys
    import mxnet
    print(sorted(name for name in sys.modules if name.split(".")[0] in ("mx_core", "mx_gluon", "mx_io", "numpy")))
    """
    loaded = expect(run_program(program))
    assert "mx_core.plugin" in loaded
    for name in ("mx_core.ndarray", "mx_core.op", "mx_core.ops", "mx_core._core", "mx_gluon", "mx_io"):
        assert f"'{name}'" not in loaded


def test_dir_lists_what_is_installed_without_importing_it():
    program = "import mxnet, sys; print(dir(mxnet)); print('mx_gluon.nn' in sys.modules)"
    names, imported = expect(run_program(program)).splitlines()
    assert "'nd'" in names
    assert "'gluon'" in names
    assert imported == "False"


def test_the_version_is_that_of_the_api():
    assert mx.__version__ == "1.9.1"


def test_an_unknown_name():
    with pytest.raises(AttributeError, match="module 'mxnet' has no attribute 'nothing_like_this'"):
        _ = mx.nothing_like_this
    assert not hasattr(mx, "nothing_like_this")
    with pytest.raises(ModuleNotFoundError, match="mxnet.nothing_like_this"):
        importlib.import_module("mxnet.nothing_like_this")
    with pytest.raises(ModuleNotFoundError, match="mxnet.nd.nothing_like_this"):
        importlib.import_module("mxnet.nd.nothing_like_this")


@pytest.mark.parametrize("statement", ["import mxnet.gluon.nn", "from mxnet import gluon", "mxnet.gluon"])
def test_a_package_that_is_missing_is_named_with_its_pip_line(tmp_path, statement):
    # Hides mx-gluon: its plug-in, its module and its metadata.
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.metadata as m, sys\n"
        "real = m.entry_points\n"
        "m.entry_points = lambda **kw: [e for e in real(**kw) if e.name != 'gluon']\n"
        "sys.modules['mx_gluon'] = None\n"
    )
    done = run_program(f"import mxnet\n{statement}", tmp_path)
    assert done.returncode != 0
    assert "mxnet.gluon is not installed. pip install mx-gluon" in done.stderr
    kind = "AttributeError" if statement == "mxnet.gluon" else "PluginError"
    assert kind in done.stderr


@pytest.mark.parametrize("name", ["mxnet", "mxnet_cu112", "mxnet_native"])
def test_apaches_distribution_in_the_same_environment_is_said_at_once(tmp_path, name):
    folder = tmp_path / "site-packages"
    (folder / f"{name}-1.9.1.dist-info").mkdir(parents=True)
    done = run_program("import mxnet", folder)
    assert done.returncode != 0
    assert f"Apache's {name.replace('_', '-')} 1.9.1 is installed" in done.stderr
    assert "pip uninstall -y" in done.stderr


def test_other_distributions_called_mxnet_something_are_no_reason(tmp_path):
    folder = tmp_path / "site-packages"
    (folder / "mxnet_model_server-1.0.dist-info").mkdir(parents=True)
    expect(run_program("import mxnet", folder))


def test_classes_pickle_under_their_own_names():
    assert pickle.loads(pickle.dumps(mx.gluon.nn.Dense)) is mx.gluon.nn.Dense
