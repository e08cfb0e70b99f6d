"""The names at the top: what they are, and that asking for the package costs nothing."""

import subprocess
import sys

import rdbound
from rdbound.checkpoints.checkpoint import load
from rdbound.objective.objective import objective

LIGHT = """
import sys, rdbound
heavy = {"jax", "flax", "scipy", "matplotlib", "orbax"} & set(sys.modules)
assert not heavy, heavy
import rdbound.objective.objective
assert rdbound.objective is sys.modules["rdbound.objective.objective"].objective
assert callable(rdbound.refine)
"""


def test_names_are_functions_whatever_was_imported_before():
    assert rdbound.objective is objective
    assert rdbound.load is load
    assert set(rdbound.__all__) <= set(dir(rdbound))
    assert len(rdbound.__all__) <= 12
    for name in rdbound.__all__:
        assert callable(getattr(rdbound, name))


def test_the_package_alone_imports_nothing_heavy():
    subprocess.run([sys.executable, "-c", LIGHT], check=True)


def test_a_name_that_is_not_there_is_an_attribute_error():
    assert not hasattr(rdbound, "nothing")
