from dataclasses import dataclass
from functools import partial
from typing import Annotated, NamedTuple

import pytest
from pydantic import Field

from rdbound.models import make_model
from rdbound.utils.registry import build, checked_options, find, import_outside, refuse_outside
from tests.toy import Toy


class Box:
    def __init__(self, size: int, sides: tuple[int, ...] = (), scale: float = 0.5, loose=None):
        self.given = (size, sides, scale, loose)


@dataclass(frozen=True)
class Record:
    width: int
    name: str = "record"


class Broken:
    def __init__(self, size: int):
        len(size)


class Refusing:
    def __init__(self, size: int):
        raise ValueError(f"size {size} is odd")


class Pair(NamedTuple):
    one: int


KNOWN = {
    "box": Box,
    "record": Record,
    "broken": Broken,
    "refusing": Refusing,
    "large": partial(Box, 100),
}


def test_a_constructor_is_called_with_its_options():
    assert build("thing", KNOWN, "box", {"size": 3, "loose": [1]}).given == (3, (), 0.5, [1])
    assert build("thing", KNOWN, "record", {"width": 3}) == Record(3, "record")


def test_an_unknown_name_lists_the_choices():
    with pytest.raises(ValueError, match=r"^unknown thing 'bix': choose one of box, record, brok"):
        build("thing", KNOWN, "bix", {})
    with pytest.raises(ValueError, match=r"^unknown letter 'c': choose one of a, b$"):
        find("letter", {"a": 1, "b": 2}, "c")
    assert find("letter", {"a": 1, "b": 2}, "b") == 2


def test_an_option_that_is_not_taken_is_named():
    with pytest.raises(ValueError, match=r"^thing 'box': .*unexpected keyword argument 'sise'"):
        build("thing", KNOWN, "box", {"size": 1, "sise": 3})


def test_an_option_that_is_missing_is_named():
    with pytest.raises(ValueError, match=r"^thing 'box': missing a required argument: 'size'"):
        build("thing", KNOWN, "box", {"scale": 1.0})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("box", {"size": "wide"}, r"^thing 'box': size = 'wide': .*integer"),
        ("box", {"size": 2.5}, r"^thing 'box': size = 2\.5: .*integer"),
        ("box", {"size": 1, "sides": [1, "b"]}, r"^thing 'box': sides = \[1, 'b'\]: .*integer"),
        ("box", {"size": 1, "scale": None}, r"^thing 'box': scale = None: .*number"),
        ("record", {"width": "x"}, r"^thing 'record': width = 'x': "),
        ("record", {"width": 1, "name": 3}, r"^thing 'record': name = 3: .*string"),
        ("large", {"scale": "big"}, r"^thing 'large': scale = 'big': "),
    ],
)
def test_an_option_of_another_type_is_named_with_its_value(name, options, message):
    with pytest.raises(ValueError, match=message):
        build("thing", KNOWN, name, options)


def test_a_list_serves_for_a_tuple_and_an_integer_for_a_float():
    checked = checked_options("box", Box, {"size": 1, "sides": [2, 3], "scale": 1})
    assert checked == {"size": 1, "sides": (2, 3), "scale": 1.0}
    assert type(checked["sides"]) is tuple
    assert type(checked["scale"]) is float
    assert list(checked) == ["size", "sides", "scale"], "defaults are the constructor's to fill in"


def test_what_has_no_annotation_is_passed_on_as_it_is():
    token = object()
    assert checked_options("box", Box, {"size": 1, "loose": token})["loose"] is token


def test_what_a_partial_has_been_given_is_no_option():
    assert build("thing", KNOWN, "large", {"sides": [4]}).given == (100, (4,), 0.5, None)
    with pytest.raises(ValueError, match=r"multiple values|unexpected keyword"):
        build("thing", {"fixed": partial(Box, 100)}, "fixed", {"size": 3})


def test_an_object_of_a_class_that_yaml_does_not_know_passes_where_it_is_asked_for():
    def make(box: Box):
        return box

    box = Box(1)
    assert build("thing", {"make": make}, "make", {"box": box}) is box
    with pytest.raises(ValueError, match=r"thing 'make': box = 3: .*Box"):
        build("thing", {"make": make}, "make", {"box": 3})


def test_a_mistake_inside_a_constructor_passes_through_as_it_is():
    with pytest.raises(TypeError, match=r"object of type 'int' has no len"):
        build("thing", KNOWN, "broken", {"size": 3})
    with pytest.raises(ValueError, match=r"^size 3 is odd$"):
        build("thing", KNOWN, "refusing", {"size": 3})


def test_a_class_from_outside_is_imported_by_its_name():
    assert import_outside("model", "tests.toy:Toy") is Toy
    model = build("model", {}, "tests.toy:Toy", {"form": "bound", "lmbda_range": [0.1, 0.2]})
    assert type(model) is Toy
    assert (model.form, model.lmbda_range) == ("bound", (0.1, 0.2))
    assert build("pair", KNOWN, f"{__name__}:Pair", {"one": 2}) == Pair(2)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("res-hyper-1", {"latent": "wide"}, r"latent = 'wide': .*integer"),
        ("res-hyper-1", {"compute": "int8"}, r"compute = 'int8': .*'float32' or 'bfloat16'"),
        ("res-context-1", {"mse_per_unit": 0}, r"mse_per_unit = 0: .*greater than 0"),
        ("tests.toy:Toy", {"depth": 3}, r"unexpected keyword argument 'depth'"),
        ("mlp", {"dimension": 3, "wide": 3}, r"unexpected keyword argument 'wide'"),
        ("mlp", {}, r"missing a required argument: 'dimension'"),
        ("res-hyper-1", {"depth": 3}, r"unexpected keyword argument 'depth'"),
    ],
)
def test_options_of_a_model_are_checked_like_those_of_anything(name, options, message):
    with pytest.raises(ValueError, match=f"^model '{name}': .*{message}"):
        make_model(name, "bound", 1.0, **options)


@pytest.mark.parametrize(
    "name", ["nowhere.at.all:M", "tests.toy:Nothing", ":Toy", "tests.toy:", ".toy:Toy"]
)
def test_what_cannot_be_imported_is_a_mistake_in_the_name(name):
    with pytest.raises(ValueError, match=f"^model '{name}' cannot be imported: "):
        build("model", {}, name, {})


def test_what_cannot_be_called_is_no_class():
    with pytest.raises(ValueError, match=r"^thing 'math:pi' is no class or function, but 3\.14"):
        import_outside("thing", "math:pi")


def test_a_name_from_outside_must_be_the_users():
    refuse_outside("model", "mlp", ())
    refuse_outside("model", "a.b:C", ["a.b:C"])
    with pytest.raises(
        ValueError, match=r"'a\.b:C'.*--model a\.b:C .*evaluation\.outside=\['a\.b:C'"
    ):
        refuse_outside("model", "a.b:C", ["a.b:D"])


def test_the_bounds_of_an_annotation_are_kept():
    def make(unit: Annotated[float, Field(gt=0)]):
        return unit

    assert build("thing", {"make": make}, "make", {"unit": 1}) == 1.0
    with pytest.raises(ValueError, match=r"^thing 'make': unit = 0: .*greater than 0"):
        build("thing", {"make": make}, "make", {"unit": 0})


def test_a_class_written_in_c_judges_by_itself():
    assert build("thing", {"dict": dict}, "dict", {"a": 1}) == {"a": 1}
