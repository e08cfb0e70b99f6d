"""What a named model costs."""

from typing import Any

__all__ = ["cost_of"]


def cost_of(architecture: str) -> Any:
    """The cost of a named model; raises ValueError for an unknown one.

    Of variable rate, but for lossless ones, which serve λ = 1.
    """
    from flax import nnx

    from rdbound.cost import cost
    from rdbound.models import make_model
    from rdbound.models.lossless_vae import LOSSLESS

    lossless = architecture.removeprefix("resnet-vae-") in LOSSLESS
    lmbda = 1.0 if lossless else (0.0009, 0.0966)
    return cost(nnx.eval_shape(lambda: make_model(architecture, "bound", lmbda)))
