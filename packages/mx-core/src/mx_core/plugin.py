"""Finds the plug-ins, asks their hooks, and names the one to blame when something goes wrong.

Plug-ins are the entry points of the group ``mxnet``; mx-core itself is the first of them (`core_plugin.py`).
They are loaded at the first question to a hook: the first operator or device looked up, or the first name
of ``mxnet`` that mx-core lacks. `hookspecs.py` describes the hooks.
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

from mx_core import hookspecs
from mx_core.errors import PluginError
from mx_core.hookspecs import PROJECT

if TYPE_CHECKING:
    import importlib.metadata

__all__ = [
    "DISABLE_VARIABLE",
    "Plugin",
    "PluginError",
    "PluginWarning",
    "ask",
    "ask_core",
    "distribution_of",
    "hookimpl",
    "is_complete",
    "load_device_type",
    "lock",
    "named_by_plugins",
    "plugins",
    "register",
    "report",
    "resolve",
    "unregister",
]

Take = Callable[[str, Any], None]
Within = Callable[[str], AbstractContextManager[Any]]

hookimpl = pluggy.HookimplMarker(PROJECT)
DISABLE_VARIABLE = "MX_DISABLE_PLUGINS"
CORE = "mx-core"

# MXNet's device numbers, which files contain, and the names kernel packages know them by. Pinned and
# shared memory is host memory: the kernels of cpu serve it.
_DEVICE_NAMES = {1: "cpu", 2: "gpu", 3: "cpu", 5: "cpu"}


class PluginWarning(UserWarning):
    """A plug-in that was left out, and why."""


@dataclasses.dataclass
class Plugin:
    """One plug-in: what it is called, where it comes from, and how loading it went."""

    name: str
    module: str
    distribution: str = ""
    version: str = ""
    state: str = "loaded"  # or "disabled", "failed"
    error: str = ""
    answers: Any = None  # the module or object with the hook implementations


# One lock for finding plug-ins, operators and devices: each leads to the others, and two locks would be taken in
# either order by two threads that use MX for the first time.
lock = threading.RLock()


class _Plugins:
    """All plug-ins of this process. One exists; tests make others."""

    def __init__(self) -> None:
        self.found: dict[str, Plugin] = {}
        self.lock = lock
        self.complete = False
        self._loading = False
        self._seen: set[tuple[str, str]] = set()
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)

    # ---- finding ---------------------------------------------------------------------------------------

    def load_all(self) -> None:
        """Loads mx-core's own plug-in and every installed one; the second call does nothing."""
        if self.complete:
            return
        with self.lock:
            if self.complete or self._loading:  # a plug-in that asks a hook while it loads sees those before it
                return
            self._loading = True
            try:
                self._load_core()
                disabled = _disabled_names()
                for name, entry in _entry_points():
                    if (name, entry.value) not in self._seen:
                        self._seen.add((name, entry.value))  # once, even if warnings are errors and this one raises
                        self._load_entry_point(name, entry, disabled)
                self.complete = True
            finally:
                self._loading = False

    def _load_core(self) -> None:
        from mx_core import __version__, core_plugin, registry

        registry.define_core()
        if CORE not in self.found:
            self.add(Plugin(CORE, core_plugin.__name__, CORE, __version__, answers=core_plugin))

    def _load_entry_point(self, name: str, entry: importlib.metadata.EntryPoint, disabled: set[str]) -> None:
        distribution = entry.dist.name if entry.dist else ""
        version = entry.dist.version if entry.dist else ""
        plugin = Plugin(name, entry.value, distribution, version)
        if {_canonical(name), _canonical(distribution)} & disabled:
            plugin.state = "disabled"
            self.found.setdefault(name, plugin)
            return
        from mx_core.registry import all_or_nothing

        try:
            with all_or_nothing(name):  # the module may define operators when it is imported
                plugin.answers = entry.load()
            self.add(plugin)
        except Exception as error:  # whatever a third party's module raises must not break this import
            self.fail(plugin, error)

    def add(self, plugin: Plugin) -> None:
        """Takes a loaded plug-in in. Raises PluginError when its name is taken or its hooks are wrong."""
        taken = self.found.get(plugin.name)
        if taken is not None and taken.state == "loaded":
            msg = (
                f"two plug-ins are called {plugin.name!r}: {_origin(taken)} and {_origin(plugin)}; "
                f"uninstall one, or let its author rename the entry point"
            )
            raise PluginError(msg)
        _check_hooks(plugin)
        try:
            self._manager.register(plugin.answers, name=plugin.name)
        except (pluggy.PluginValidationError, ValueError) as error:
            self._forget(plugin)
            msg = f"plug-in {plugin.name!r} ({_origin(plugin)}) does not fit the hooks of mx-core: {error}"
            raise PluginError(msg) from error
        self.found[plugin.name] = plugin

    def fail(self, plugin: Plugin, error: BaseException) -> None:
        """Leaves a plug-in out: one warning that says which, why, and how to keep it out silently."""
        plugin.state, plugin.error = "failed", " ".join(f"{type(error).__name__}: {error}".split())
        self._forget(plugin)
        if self.found.get(plugin.name, plugin).state == "loaded":  # a namesake works: list the failed one apart
            self.found[f"{plugin.name} ({plugin.distribution or plugin.module})"] = plugin
        else:
            self.found[plugin.name] = plugin
        msg = (
            f"the plug-in {plugin.name!r} ({_origin(plugin)}) is left out: {plugin.error}. "
            f"Repair or uninstall it, or set {DISABLE_VARIABLE}={plugin.name} to leave it out without this warning"
        )
        warnings.warn(msg, PluginWarning, stacklevel=2)

    def _forget(self, plugin: Plugin) -> None:
        if plugin.answers is not None and self._manager.is_registered(plugin.answers):
            self._manager.unregister(plugin.answers)

    def remove(self, name: str) -> None:
        """Takes a plug-in out again; what it has already given to mx-core stays."""
        self._forget(self.found.pop(name))

    # ---- asking ----------------------------------------------------------------------------------------

    def ask(self, hook: str, take: Take | None, within: Within, arguments: dict[str, Any]) -> list[tuple[str, Any]]:
        """Asks one hook of every plug-in, in the order they were loaded; see the module's `ask`."""
        self.load_all()
        caller = getattr(self._manager.hook, hook)
        answers: list[tuple[str, Any]] = []
        for answer in sorted(caller.get_hookimpls(), key=lambda a: (not a.tryfirst, a.trylast)):
            plugin = self.found[answer.plugin_name]
            try:
                with within(plugin.name):
                    value = answer.function(*(arguments[name] for name in answer.argnames))
                    if value is not None and take is not None:
                        take(plugin.name, value)
            except Exception as error:  # as in _load_entry_point: one plug-in must not break the others
                if plugin.name == CORE:
                    raise
                self.fail(plugin, error)
            else:
                if value is not None:
                    answers.append((plugin.name, value))
        return answers


_all = _Plugins()


def plugins() -> list[Plugin]:
    """Every plug-in found, the disabled and the failed ones too, in the order of loading.

    >>> plugins()[0].name
    'mx-core'
    """
    _all.load_all()
    return list(_all.found.values())


def ask(
    hook: str, take: Take | None = None, *, within: Within = nullcontext, **arguments: Any
) -> list[tuple[str, Any]]:
    """Asks one hook of every plug-in: ``[(plug-in name, its answer), ...]``, those that answer None left out.

    take: called with (plug-in name, answer) for each; an exception in it is that plug-in's failure, as one in
    the hook itself: a `PluginWarning`, and the plug-in is left out from then on.
    within: makes, from the plug-in's name, a context around the call of the hook and of `take`.

    >>> dict(ask("mx_namespaces"))["mx-core"]["nd"]
    'mx_core.ndarray'
    """
    return _all.ask(hook, take, within, arguments)


def named_by_plugins(hook: str) -> dict[str, Any]:
    """The answers to a hook of names, put together: name -> object or "module:attribute".

    A name that two plug-ins bring is the later one's failure.
    """
    found: dict[str, Any] = {}
    origin: dict[str, str] = {}

    def take(source: str, answer: Any) -> None:
        for name, value in answer.items():
            if found.get(name, value) is not value:
                msg = f"{hook}: {name!r} of plug-in {source} is there already, from {origin[name]}"
                raise PluginError(msg)
        found.update(answer)
        origin.update(dict.fromkeys(answer, source))

    ask(hook, take)
    return found


def resolve(value: Any) -> Any:
    """What "module" or "module:attribute" stands for; other objects are themselves.

    >>> resolve("mx_core.data:DataDesc").__name__
    'DataDesc'
    """
    if not isinstance(value, str):
        return value
    module, _, attribute = value.partition(":")
    loaded = importlib.import_module(module)
    return getattr(loaded, attribute) if attribute else loaded


def ask_core(hook: str, **arguments: Any) -> Any:
    """The answer of mx-core's own plug-in alone, without looking for others."""
    from mx_core import core_plugin

    return getattr(core_plugin, hook)(**arguments)


def register(answers: Any, name: str) -> None:
    """Adds a plug-in of this process: a module or object with hook implementations.

    For notebooks and tests; packages use the entry point. To be called before what it brings is first looked
    up. Raises PluginError when the name is taken or a hook is misspelt.
    """
    _all.load_all()
    module = answers.__name__ if isinstance(answers, ModuleType) else type(answers).__module__
    _all.add(Plugin(name, module, answers=answers))


def unregister(name: str) -> None:
    """Takes a plug-in out: its hooks are asked no more. What it has already given stays."""
    _all.load_all()
    if name not in _all.found:
        msg = f"there is no plug-in {name!r}; there are {', '.join(_all.found)}"
        raise PluginError(msg)
    _all.remove(name)


def is_complete() -> bool:
    """False until every plug-in has been loaded: while they are being loaded, `ask` reaches the first ones only."""
    return _all.complete


def distribution_of(name: str) -> str:
    """What to pip install or uninstall to get or lose the plug-in: its distribution, or else its own name."""
    found = _all.found.get(name)
    return found.distribution if found and found.distribution else name


# ---- devices ---------------------------------------------------------------------------------------------

_devices_asked = False
_kernels_asked: set[str] = set()


def load_device_type(device_type: int) -> None:
    """Gives mx-core's C++ side the devices, and the kernels for this kind of device. C++ calls it at the
    first use of a kind; every plug-in is asked once.

    device_type: MXNet's number: cpu 1, gpu 2, cpu_pinned 3, cpu_shared 5.

    A capsule for another version of the ABI, or a device that another package has already, is a PluginError
    inside mx-core; here it becomes the warning that leaves the plug-in out.
    """
    global _devices_asked
    import mx_core._core as _core

    with _all.lock:
        if not _devices_asked:
            _devices_asked = True
            ask("mx_devices", lambda _, capsules: _hand_over(_core.add_device, capsules))
        name = _DEVICE_NAMES.get(device_type)
        if name is not None and name not in _kernels_asked:
            _kernels_asked.add(name)
            ask("mx_kernels", lambda _, capsules: _hand_over(_core.add_kernels, capsules), device=name)


def _hand_over(receive: Callable[[Any], object], capsules: Iterable[Any]) -> None:
    for capsule in capsules:
        receive(capsule)


# ---- what is there ---------------------------------------------------------------------------------------


def report() -> str:
    """A table of the plug-ins: name, distribution, version, state, numbers of operators; then devices and graph passes."""
    import mx_core._core as _core
    from mx_core import registry

    registry.list_ops()  # first: asking for the operators is what shows a broken plug-in
    rows = [("plug-in", "package", "version", "operators", "state")]
    for found in plugins():
        state = f"{found.state}: {found.error}" if found.error else found.state
        number = str(len(registry.operators_of(found.name)) or "")
        rows.append((found.name, found.distribution or found.module, found.version, number, state))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[4]]) for row in rows]
    devices = [f"{name}: {_core.num_devices(number)}" for number, name in ((1, "cpu"), (2, "gpu"))]
    from mx_core.graph.passes import rewriting_rules

    rules = [f"passes   {', '.join(rewriting_rules())}"] if rewriting_rules() else []
    return "\n".join([*lines, "", f"devices  {', '.join(devices)}", *rules])


# ---- checks ----------------------------------------------------------------------------------------------


def _disabled_names() -> set[str]:
    return {_canonical(name) for name in os.environ.get(DISABLE_VARIABLE, "").split(",") if name.strip()}


def _canonical(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def _entry_points() -> Iterator[tuple[str, importlib.metadata.EntryPoint]]:
    """(name, entry point) of the group, ordered by distribution, each once."""
    metadata = importlib.import_module("importlib.metadata")
    seen = set()
    for entry in sorted(metadata.entry_points(group=PROJECT), key=_distribution_and_name):
        key = (entry.name, entry.value, entry.dist.name if entry.dist else "")
        if key not in seen:  # an editable install beside a wheel's metadata shows one package twice
            seen.add(key)
            yield entry.name, entry


def _distribution_and_name(entry: importlib.metadata.EntryPoint) -> tuple[str, str]:
    return (entry.dist.name if entry.dist else "", entry.name)


def _check_hooks(plugin: Plugin) -> None:
    """Raises PluginError for ``mx_...`` functions that no specification knows or that lack the mark."""
    known = hookspecs.__all__
    for attribute in dir(plugin.answers):
        if not attribute.startswith("mx_") or not callable(getattr(plugin.answers, attribute)):
            continue
        function = getattr(plugin.answers, attribute)
        marked = getattr(function, f"{PROJECT}_impl", None)
        if attribute not in known:
            import difflib

            near = difflib.get_close_matches(attribute, known, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            hooks = ", ".join(name for name in known if name.startswith("mx_"))
            msg = (
                f"plug-in {plugin.name!r} ({_origin(plugin)}) implements the unknown hook {attribute}: "
                f"{meant}The hooks are {hooks}"
            )
            raise PluginError(msg)
        if not marked:
            msg = (
                f"plug-in {plugin.name!r} ({_origin(plugin)}): {attribute} is not marked as a hook and would never be "
                f"called; write @hookimpl above it (from mx_core.plugin import hookimpl)"
            )
            raise PluginError(msg)
        if marked.get("wrapper") or marked.get("hookwrapper"):
            msg = f"plug-in {plugin.name!r}: {attribute} is a hook wrapper; the hooks of mx-core are plain functions"
            raise PluginError(msg)


def _origin(plugin: Plugin) -> str:
    """Where a plug-in comes from, for messages: "mx-ops-foo 1.2", or its module where nothing installed it."""
    return f"{plugin.distribution} {plugin.version}".strip() or plugin.module
