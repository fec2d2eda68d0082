"""Drawing: a graph as DOT text and as SVG, with the methods of graphviz.Digraph, for machines without graphviz."""

from __future__ import annotations

import html
import os
import re
import warnings
import webbrowser
from typing import Any

from mx_core.serialize import atomic_write

__all__ = ["Drawing"]

_INCH = 72.0
_GAP = 24.0


class Drawing:
    """Boxes in layers, every one above those that its edges lead to.

    name: of the graph and its file.  format: "svg" is drawn whatever is asked for.

    >>> drawing = Drawing("two")
    >>> drawing.node("a", label="first")
    >>> drawing.node("b")
    >>> drawing.edge("b", "a", label="3x4")
    >>> drawing._repr_svg_().count("<rect")
    2
    """

    def __init__(self, name: str = "plot", format: str = "svg") -> None:  # noqa: A002 - graphviz's name
        self.name = name
        self.format = format
        self.filename = f"{name}.gv"
        self._nodes: dict[str, dict[str, str]] = {}
        self._edges: list[tuple[str, str, dict[str, str]]] = []

    def node(self, name: str, label: str | None = None, **attrs: str) -> None:
        """Adds a box, or an oval for ``shape="oval"``."""
        self._nodes[name] = {"label": name if label is None else label, **attrs}

    def edge(self, tail_name: str, head_name: str, label: str | None = None, **attrs: str) -> None:
        """Adds an edge; nodes that it names are added where they are missing."""
        self._edges.append((tail_name, head_name, {"label": label or "", **attrs}))

    # -- text --------------------------------------------------------------------------------------------------------

    @property
    def source(self) -> str:
        """The graph in the DOT language."""
        lines = [f"digraph {_quoted(self.name)} {{"]
        lines += [f"\t{_quoted(name)} {_attributes(attrs)}" for name, attrs in self._nodes.items()]
        lines += [f"\t{_quoted(tail)} -> {_quoted(head)} {_attributes(attrs)}" for tail, head, attrs in self._edges]
        return "\n".join([*lines, "}"])

    def __str__(self) -> str:
        return self.source

    def save(self, filename: str | None = None, directory: str | None = None) -> str:
        """Writes the DOT text; returns the file's path."""
        path = self._path(filename, directory)
        with atomic_write(path) as out:
            out.write(self.source.encode())
        return path

    def _path(self, filename: str | None, directory: str | None) -> str:
        path = os.path.join(directory or "", filename or self.filename)
        if os.path.dirname(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    # -- picture -----------------------------------------------------------------------------------------------------

    def render(
        self,
        filename: str | None = None,
        directory: str | None = None,
        view: bool = False,
        cleanup: bool = False,
        format: str | None = None,  # noqa: A002
    ) -> str:
        """Writes the picture beside the DOT text (unless ``cleanup``); returns the picture's path.

        view: also open it. A format other than svg is drawn as svg, with a warning: that needs the program dot.
        """
        wanted = format or self.format
        if wanted != "svg":
            warnings.warn(
                f"[Drawing] {wanted} needs graphviz (pip install graphviz, and the program dot); drawing svg instead",
                UserWarning,
                stacklevel=2,
            )
        path = f"{self._path(filename, directory)}.svg"
        if not cleanup:
            self.save(filename, directory)
        with atomic_write(path) as out:
            out.write(self._repr_svg_().encode())
        if view:
            webbrowser.open(f"file://{os.path.abspath(path)}")
        return path

    def view(self, filename: str | None = None, directory: str | None = None, cleanup: bool = False) -> str:
        """``render`` and open the picture."""
        return self.render(filename, directory, view=True, cleanup=cleanup)

    def pipe(self, format: str | None = None) -> bytes:  # noqa: A002
        """The picture as bytes."""
        return self._repr_svg_().encode()

    def _layers(self) -> list[list[str]]:
        """Names from the top layer to the bottom: a node lies above all that its edges lead to."""
        names = [*self._nodes, *(end for edge in self._edges for end in edge[:2])]
        below: dict[str, list[str]] = {name: [] for name in names}
        for tail, head, _ in self._edges:
            below[tail].append(head)
        height = _heights(below)
        layers: list[list[str]] = [[] for _ in range(1 + max(height.values(), default=0))]
        for name in below:
            layers[height[name]].append(name)
        place: dict[str, float] = {}
        for layer in layers:  # each in the middle of those below it
            middle = {
                name: sum(place.get(other, number) for other in below[name]) / len(below[name])
                if below[name]
                else number
                for number, name in enumerate(layer)
            }
            layer.sort(key=middle.__getitem__)
            place.update({name: number - len(layer) / 2 for number, name in enumerate(layer)})
        return layers[::-1]

    def _repr_svg_(self) -> str:
        width = max((float(attrs.get("width", 1.3)) for attrs in self._nodes.values()), default=1.3) * _INCH
        height = max((float(attrs.get("height", 0.8034)) for attrs in self._nodes.values()), default=0.8034) * _INCH
        layers = self._layers()
        widest = max((len(layer) for layer in layers), default=1)
        whole = widest * (width + _GAP) + _GAP, len(layers) * (height + 2 * _GAP) + _GAP
        center = {
            name: (whole[0] / 2 + (number - (len(layer) - 1) / 2) * (width + _GAP),
                   _GAP + height / 2 + level * (height + 2 * _GAP))
            for level, layer in enumerate(layers)
            for number, name in enumerate(layer)
        }  # fmt: skip
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole[0]:.0f}" height="{whole[1]:.0f}" '
            f'font-family="Times,serif" font-size="12" text-anchor="middle">',
            f"<title>{html.escape(self.name)}</title>",
            '<defs><marker id="open" markerWidth="9" markerHeight="9" refX="8" refY="4.5" orient="auto">'
            '<path d="M0,0 L9,4.5 L0,9" fill="none" stroke="black"/></marker></defs>',
        ]
        parts += [_svg_edge(center[tail], center[head], height, attrs["label"]) for tail, head, attrs in self._edges]
        parts += [_svg_node(at, width, height, self._nodes.get(name, {"label": name})) for name, at in center.items()]
        return "\n".join([*parts, "</svg>"])


def _heights(below: dict[str, list[str]]) -> dict[str, int]:
    """The longest way down from each node. Edges that lead in a circle count as none."""
    height: dict[str, int] = {}
    for start in below:
        stack = [(start, iter(below[start]))]
        open_nodes = {start}
        while stack and start not in height:
            name, rest = stack[-1]
            following = next((other for other in rest if other not in height and other not in open_nodes), None)
            if following is not None:
                open_nodes.add(following)
                stack.append((following, iter(below[following])))
                continue
            height[name] = 1 + max((height.get(other, -1) for other in below[name]), default=-1)
            stack.pop()
    return height


def _quoted(text: str) -> str:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*|-?(\.\d+|\d+(\.\d*)?)", text):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def _attributes(attrs: dict[str, str]) -> str:
    """The label first, then by name, as graphviz writes them."""
    ordered = ["label", *sorted(key for key in attrs if key != "label")]
    return "[" + " ".join(f"{key}={_quoted(str(attrs[key]))}" for key in ordered) + "]"


def _svg_text(x: float, y: float, text: str) -> str:
    lines = text.split("\n")
    first = y + 4 - 7 * (len(lines) - 1)
    spans = "".join(
        f'<tspan x="{x:.1f}" y="{first + 14 * i:.1f}">{html.escape(line)}</tspan>' for i, line in enumerate(lines)
    )
    return f"<text>{spans}</text>"


def _svg_node(at: tuple[float, float], width: float, height: float, attrs: dict[str, Any]) -> str:
    x, y = at
    fill = html.escape(str(attrs.get("fillcolor", "none")), quote=True)
    paint = f'fill="{fill}" stroke="black"'
    if attrs.get("shape") == "oval":
        form = f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{width / 2:.1f}" ry="{height / 2:.1f}" {paint}/>'
    else:
        corner = f'x="{x - width / 2:.1f}" y="{y - height / 2:.1f}"'
        form = f'<rect {corner} width="{width:.1f}" height="{height:.1f}" {paint}/>'
    return form + _svg_text(x, y, str(attrs["label"]))


def _svg_edge(tail: tuple[float, float], head: tuple[float, float], height: float, label: str) -> str:
    """From the lower node's top to the upper one's bottom, where the arrow is: data flows upwards."""
    (x1, y1), (x0, y0) = (tail[0], tail[1] + height / 2), (head[0], head[1] - height / 2)
    bend = (y0 - y1) / 2
    path = f"M{x0:.1f},{y0:.1f} C{x0:.1f},{y0 - bend:.1f} {x1:.1f},{y1 + bend:.1f} {x1:.1f},{y1:.1f}"
    line = f'<path d="{path}" fill="none" stroke="black" marker-end="url(#open)"/>'
    return line + (_svg_text((x0 + x1) / 2 + 4 * len(label), (y0 + y1) / 2, label) if label else "")
