"""Registries of named classes, as optimizers, metrics and programs with classes of their own use them."""

from __future__ import annotations

import pytest

from mx_core import class_registry
from mx_core.errors import ParameterError


class Shape:
    def __init__(self, size=1):
        self.size = size


register = class_registry.get_register_func(Shape, "shape")
alias = class_registry.get_alias_func(Shape, "shape")
create = class_registry.get_create_func(Shape, "shape")


@alias("box")
@register
class Square(Shape):
    pass


@pytest.mark.parametrize(
    "spec", ["square", "SQUARE", "box", '["square", {"size": 3}]', '{"shape": "square"}', {"shape": "box"}]
)
def test_specifications(spec):
    assert type(create(spec)) is Square


def test_arguments():
    assert create("square", 2).size == create("box", size=2).size == create('["box", {"size": 2}]').size == 2
    square = Square()
    assert create(square) is square
    assert class_registry.get_registry(Shape) == {"square": Square, "box": Square}


def test_errors():
    with pytest.raises(ParameterError, match="Cannot find shape circle. Registered: box, square"):
        create("circle")
    with pytest.raises(ParameterError, match="shape is already an instance"):
        create(Square(), 3)
    with pytest.raises(ParameterError, match="must be a name, a JSON text or an instance of Shape, got 3"):
        create(3)
    with pytest.raises(ParameterError, match="expects a subclass of Shape"):
        register(int)
    with pytest.warns(UserWarning, match="overriding existing shape"):
        register(type("Square", (Shape,), {}))
