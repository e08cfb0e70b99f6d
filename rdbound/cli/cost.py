"""What a named model costs."""

from typing import Any

__all__ = ["cost_of"]


def cost_of(architecture: str) -> Any:
    """The cost of a named model; raises ValueError for an unknown one.

    Of variable rate, where the model has one; lossless ones are meant for λ = 1.
    """
    from flax import nnx

    from rdbound.models import MODELS, make_model
    from rdbound.models.lossless_vae import LOSSLESS
    from rdbound.objective.complexity import cost

    def of(lmbda: float | tuple[float, float]) -> Any:
        return cost(nnx.eval_shape(lambda: make_model(architecture, "bound", lmbda)))

    lossless = architecture.removeprefix("resnet-vae-") in LOSSLESS
    if architecture in MODELS and not lossless:
        try:
            return of((0.0009, 0.0966))
        except ValueError:  # it serves one λ
            pass
    return of(1.0)
