"""The size of a model: parameters, and multiply–accumulates per pixel.

    cost(load("res-context-4-codec").model)  # Cost(parameters=…, encoder=…, decoder=…)

A product of [a, b] and [b, c] counts a·b·c, a convolution its outputs times the kernel's
height, width and inputs. A decoder's cost includes every level's prior.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.extend.core import ClosedJaxpr, Jaxpr

from rdbound.models.base import LatentModel, level_model
from rdbound.objective.levels import latent_shapes, walk
from rdbound.ops.cpu_kernels import PRIMITIVES

__all__ = ["Cost", "cost"]

SIDE = 256


class Cost(NamedTuple):
    """The size of a model.

    Attributes:
      parameters: number of parameters.
      encoder: MAC per pixel of ``infer``. A real encoder pays the priors too.
      decoder: MAC per pixel of all priors and of the synthesis.
    """

    parameters: int
    encoder: float
    decoder: float


def cost(model: LatentModel) -> Cost:
    """Count parameters and operations on a 256×256 image, from the traced program.

    The model may be abstract (``nnx.eval_shape``): nothing is run. Matrix products and
    convolutions count; activations and the entropy coder do not, nor do depth-wise
    convolutions, which are written as shifted products.
    """
    graphdef, state = nnx.split(model)
    image = jax.ShapeDtypeStruct((SIDE, SIDE, 3), jnp.float32)
    lmbda = jax.ShapeDtypeStruct((), jnp.float32)
    shapes = latent_shapes(model, image.shape)
    latents = tuple(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)

    def encode(state, x, lmbda):
        return nnx.merge(graphdef, state).infer(x, lmbda)

    def decode(state, latents, lmbda):
        def step(level, prior, _):
            return latents[level], prior

        levels = level_model(nnx.merge(graphdef, state))
        walked = walk(levels, lmbda, len(latents), step)
        return levels.synthesize(walked.state), walked.kept

    parameters = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(state))
    encoder = _macs(jax.make_jaxpr(encode)(state, image, lmbda).jaxpr)
    decoder = _macs(jax.make_jaxpr(decode)(state, latents, lmbda).jaxpr)
    return Cost(parameters, encoder / SIDE**2, decoder / SIDE**2)


def _macs(jaxpr) -> int:
    total = 0
    for equation in jaxpr.eqns:
        total += sum(map(_macs, _programs_in(equation.params)))
        out = equation.outvars[0].aval
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            total += math.prod(out.shape) * math.prod(shape[d] for d in contracted)
        elif equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape
            features = equation.params["dimension_numbers"].rhs_spec[0]
            total += math.prod(out.shape) * math.prod(kernel) // kernel[features]
        elif equation.primitive in PRIMITIVES:
            kernel = equation.invars[1].aval.shape
            total += math.prod(out.shape) * math.prod(kernel[:-1])
    return total


def _programs_in(params: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the traced programs of a loop, a branch or a call, from its parameters."""
    for value in jax.tree.leaves(dict(params), is_leaf=_is_program):
        if _is_program(value):
            yield getattr(value, "jaxpr", value)


def _is_program(value: Any) -> bool:
    return isinstance(value, Jaxpr | ClosedJaxpr)
