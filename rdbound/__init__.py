"""How far is a lossy codec from Shannon's rate–distortion limit, and why.

    import rdbound

    table = rdbound.bound(image, lmbdas=[0.0067], steps=100)  # uint8 [h, w, 3]
    table += rdbound.code(image, lmbdas=[0.0067])
    print(table)

    checkpoint = rdbound.load("res-context-4-codec")
    codec = rdbound.Codec(checkpoint.model, checkpoint.tables)
    data = codec.encode(image, lmbda=0.0067).data  # bytes
    image = codec.decode(data).datum

A latent model and a channel give R, D and J = R + λ·D of one datum
(:func:`objective`); everything else is that function at other arguments: averaged
over data in training, minimized over one datum's variational parameters by :func:`refine`.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rdbound.analysis.gaps import gaps
    from rdbound.api import bd_rate, bound, code, plot
    from rdbound.channels import make_channel
    from rdbound.checkpoints.checkpoint import load
    from rdbound.coding import Codec
    from rdbound.models import make_model
    from rdbound.objective.objective import objective
    from rdbound.optimization.refinement import refine
    from rdbound.tables.rd import read_table

__all__ = [
    "Codec",
    "bd_rate",
    "bound",
    "code",
    "gaps",
    "load",
    "make_channel",
    "make_model",
    "objective",
    "plot",
    "read_table",
    "refine",
]

_HOMES = {
    "Codec": "rdbound.coding",
    "bd_rate": "rdbound.api",
    "bound": "rdbound.api",
    "code": "rdbound.api",
    "gaps": "rdbound.analysis.gaps",
    "load": "rdbound.checkpoints.checkpoint",
    "make_channel": "rdbound.channels",
    "make_model": "rdbound.models",
    "objective": "rdbound.objective.objective",
    "plot": "rdbound.api",
    "read_table": "rdbound.tables.rd",
    "refine": "rdbound.optimization.refinement",
}


class _Package(ModuleType):
    """The package, whose names are imported when they are asked for: JAX alone takes seconds.

    They are properties, since importing a module of a name, ``rdbound.objective``, would
    otherwise put it in the function's place.
    """


def _offered(name: str) -> property:
    return property(lambda _: getattr(import_module(_HOMES[name]), name), lambda *_: None)


for _name in _HOMES:
    setattr(_Package, _name, _offered(_name))
sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return sorted(__all__)
