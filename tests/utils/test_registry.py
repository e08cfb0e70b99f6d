from dataclasses import dataclass
from functools import partial
from typing import Annotated, NamedTuple

import pydantic
import pytest
from pydantic import Field, validate_call

from rdbound.models import make_model
from rdbound.utils.registry import OPTIONS, build, find, import_outside, refuse_outside
from tests.toy import Toy


class Box:
    @validate_call
    def __init__(self, size: int, sides: tuple[int, ...] = (), scale: float = 0.5, loose=None):
        self.given = (size, sides, scale, loose)


@pydantic.dataclasses.dataclass(frozen=True, config=OPTIONS)
class Record:
    width: Annotated[int, Field(gt=0)]
    name: str = "record"
    box: Box | None = None

    def __post_init__(self):
        if self.width == 13:
            raise ValueError("13 brings no luck")


@dataclass(frozen=True)
class Plain:
    width: int


class Broken:
    def __init__(self, size: int):
        len(size)


class Huge:
    def __init__(self, size: int):
        float(10**size)


class Refusing:
    def __init__(self, size: int):
        raise ValueError(f"size {size} is odd")


class Pair(NamedTuple):
    one: int


KNOWN = {
    "box": Box,
    "record": Record,
    "plain": Plain,
    "broken": Broken,
    "huge": Huge,
    "refusing": Refusing,
    "large": partial(Box, 100),
}


def test_a_constructor_is_called_with_its_options():
    assert build("thing", KNOWN, "box", {"size": 3, "loose": [1]}).given == (3, (), 0.5, [1])
    assert build("thing", KNOWN, "record", {"width": 3}) == Record(3, "record")
    assert build("thing", {"dict": dict}, "dict", {"a": 1}) == {"a": 1}


def test_an_unknown_name_lists_the_choices_and_the_nearest():
    with pytest.raises(
        ValueError, match=r"^unknown thing 'bix': choose one of box, record, .*'box'\?"
    ):
        build("thing", KNOWN, "bix", {})
    with pytest.raises(ValueError, match=r"^unknown letter 'c': choose one of a, b$"):
        find("letter", {"a": 1, "b": 2}, "c")
    assert find("letter", {"a": 1, "b": 2}, "b") == 2


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("box", {"size": 1, "sise": 3}, "sise: unknown key"),
        ("record", {"width": 1, "nam": "x"}, r"nam: unknown key; did you mean 'name'\?"),
        ("record", {"width": 1, "zzz": 0}, "zzz: unknown key; valid keys: box, name, width"),
        ("plain", {"wide": 1}, r"TypeError: .*unexpected keyword argument 'wide'"),
        ("box", {"scale": 1.0}, "size: Missing required argument"),
        ("record", {}, "width: Field required"),
        ("box", {"size": "wide"}, "size: .*integer.*, found 'wide'"),
        ("box", {"size": 2.5}, r"size: .*integer.*, found 2\.5"),
        ("box", {"size": 1, "sides": [1, "b"]}, r"sides\.1: .*integer.*, found 'b'"),
        ("box", {"size": 1, "scale": None}, "scale: .*number, found None"),
        ("large", {"scale": "big"}, "scale: .*number.*, found 'big'"),
        ("large", {"size": 3}, "size: Got multiple values for argument"),
        ("record", {"width": 0}, "width: Input should be greater than 0, found 0"),
        ("record", {"width": 1, "name": 3}, "name: .*string, found 3"),
        ("record", {"width": 1, "box": 3}, r"box: .*Box, found 3"),
        ("record", {"width": 13}, "13 brings no luck"),
        ("broken", {"size": 3}, "TypeError: object of type 'int' has no len"),
        ("huge", {"size": 400}, "OverflowError: int too large to convert to float"),
    ],
)
def test_what_a_constructor_refuses_is_one_line(name, options, message):
    with pytest.raises(ValueError, match=f"^thing '{name}': {message}") as error:
        build("thing", KNOWN, name, options)
    assert "\n" not in str(error.value)
    assert error.value.__cause__ is not None, "what the constructor raised stays at hand"


def test_a_value_error_of_a_constructor_passes_as_it_is():
    with pytest.raises(ValueError, match=r"^size 3 is odd$"):
        build("thing", KNOWN, "refusing", {"size": 3})


def test_the_start_of_a_long_value_is_shown():
    with pytest.raises(ValueError, match=r", found 'x{119}…$"):
        build("thing", KNOWN, "record", {"width": 10_000 * "x"})
    with pytest.raises(ValueError, match=r"name: .*, found a huge number$"):
        build("thing", KNOWN, "record", {"width": 1, "name": 10**5000})


def test_a_list_serves_for_a_tuple_and_an_integer_for_a_float():
    size, sides, scale, _ = build(
        "box", KNOWN, "box", {"size": 1, "sides": [2, 3], "scale": 1}
    ).given
    assert (size, sides, scale) == (1, (2, 3), 1.0)
    assert type(sides) is tuple
    assert type(scale) is float


def test_what_a_partial_has_been_given_is_no_option():
    assert build("thing", KNOWN, "large", {"sides": [4]}).given == (100, (4,), 0.5, None)


def test_an_object_passes_where_its_class_is_expected():
    box = Box(1)
    assert build("thing", KNOWN, "record", {"width": 1, "box": box}).box is box


def test_a_class_from_outside_is_imported_by_its_name():
    assert import_outside("model", "tests.toy:Toy") is Toy
    model = build("model", {}, "tests.toy:Toy", {"form": "bound", "lmbda_range": (0.1, 0.2)})
    assert type(model) is Toy
    assert (model.form, model.lmbda_range) == ("bound", (0.1, 0.2))
    assert build("pair", KNOWN, f"{__name__}:Pair", {"one": 2}) == Pair(2)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("res-hyper-1", {"latent": "wide"}, r"latent: .*integer.*, found 'wide'"),
        ("res-hyper-1", {"compute": "int8"}, r"compute: .*'float32' or 'bfloat16', found 'int8'"),
        ("res-context-1", {"mse_per_unit": 0}, r"mse_per_unit: .*greater than 0, found 0"),
        ("resnet-vae-small", {"seed": "x"}, r"seed: .*integer.*, found 'x'"),
        ("resnet-vae-lossless", {"compute": "int8"}, r"compute: .*'float32' or 'bfloat16'"),
        ("tests.toy:Toy", {"depth": 3}, r"TypeError: .*unexpected keyword argument 'depth'"),
        ("mlp", {"dimension": 3, "wide": 3}, r"wide: unknown key"),
        ("mlp", {}, r"dimension: Missing required argument"),
        ("res-hyper-1", {"depth": 3}, r"depth: unknown key"),
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
