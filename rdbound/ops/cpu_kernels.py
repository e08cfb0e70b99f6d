"""Convolutions and dense layers whose gradients are as fast as their values on a CPU.

They are JAX primitives: under ``vmap`` a batch becomes one long input *before* anything is
differentiated. JAX's own operations are differentiated as they stand, and XLA's CPU backend then
computes the kernel's gradient slowly, as a product over three axes or one datum at a time, and
does without its fast kernels inside ``lax`` loops.

JAX's extension interface may change, so there is one switch: the environment variable
``RDBOUND_CPU_KERNELS``, 1 for these primitives or 0 for ``jax.lax``'s own operations, with the
same values. Without it the primitives are used if JAX's default backend is a CPU.
"""

import os
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

__all__ = ["PRIMITIVES", "convolution", "dense"]

_LAYOUT = ("NHWC", "HWIO", "NHWC")
_SWITCH = "RDBOUND_CPU_KERNELS"

_Precision: TypeAlias = str | jax.lax.Precision | None


def dense(x: Float[Array, "*rows C"], kernel: Float[Array, "C D"]) -> Float[Array, "*rows D"]:
    """Return the product of the last axis of ``x`` with a kernel."""
    rows = _called(_DENSE, _product, x.reshape(-1, x.shape[-1]), kernel)
    return rows.reshape(*x.shape[:-1], kernel.shape[1])


def convolution(x: Float[Array, "H W C"], kernel: Float[Array, "h w C D"]) -> Float[Array, "H W D"]:
    """Return the convolution of stride 1 with an odd kernel and zero padding."""
    return _called(_CONVOLUTION, _same, x[None], kernel)[0]


def _called(primitive: Primitive, plain: Callable, x: jax.Array, kernel: jax.Array) -> jax.Array:
    # That of the context here, which is left by the time the primitive is lowered.
    precision = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    switch = os.environ.get(_SWITCH) or str(int(jax.default_backend() == "cpu"))
    if switch not in ("0", "1"):
        raise ValueError(f"the environment variable {_SWITCH} is {switch!r}: set it to 0 or 1")
    if switch == "0":
        return plain(x, kernel, precision)
    return primitive.bind(x, kernel, precision=precision)


def _product(x: jax.Array, kernel: jax.Array, precision: _Precision) -> jax.Array:
    return jax.lax.dot_general(x, kernel, (((1,), (0,)), ((), ())), precision)


def _product_to_input(
    g: jax.Array, _: object, kernel: jax.Array, precision: _Precision
) -> jax.Array:
    return jax.lax.dot_general(g, kernel, (((1,), (1,)), ((), ())), precision)


def _product_to_kernel(g: jax.Array, x: jax.Array, _: object, precision: _Precision) -> jax.Array:
    return jax.lax.dot_general(x, g, (((0,), (0,)), ((), ())), precision)


def _same(x: jax.Array, kernel: jax.Array, precision: _Precision) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=_LAYOUT, precision=precision
    )


def _same_to_input(g: jax.Array, _: object, kernel: jax.Array, precision: _Precision) -> jax.Array:
    # Without the barrier XLA folds the turning back into the layout.
    turned = jax.lax.optimization_barrier(kernel[::-1, ::-1].swapaxes(2, 3))
    return _CONVOLUTION.bind(g, turned, precision=precision)


def _same_to_kernel(g: jax.Array, x: jax.Array, kernel: Any, precision: _Precision) -> jax.Array:
    # ``kernel`` is a placeholder of JAX's own type with the shape.
    (gradient,) = jax.linear_transpose(lambda k: _same(x, k, precision), kernel.aval)(g)
    return gradient


def _primitive(name: str, function: Callable, to_input: Callable, to_kernel: Callable) -> Primitive:
    """Return the primitive of a function ([N, …, C], [..., C, D]) → [N, …, D], linear in each."""
    primitive = Primitive(name)

    def batched(
        arguments: tuple[jax.Array, jax.Array],
        axes: tuple[int | None, int | None],
        precision: _Precision,
    ) -> tuple[jax.Array, int]:
        """Make a batch of inputs one long input; a batch of kernels is left to JAX."""
        (x, kernel), (x_axis, kernel_axis) = arguments, axes
        if kernel_axis is not None or x_axis is None:
            return jax.vmap(lambda x, k: function(x, k, precision), axes)(x, kernel), 0
        x = jnp.moveaxis(x, x_axis, 0)
        y = primitive.bind(x.reshape(-1, *x.shape[2:]), kernel, precision=precision)
        return y.reshape(*x.shape[:2], *y.shape[1:]), 0

    primitive.def_impl(jax.jit(function, static_argnames="precision"))
    primitive.def_abstract_eval(
        lambda x, kernel, precision: x.update(shape=(*x.shape[:-1], kernel.shape[-1]))
    )
    ad.defbilinear(primitive, to_input, to_kernel)
    batching.primitive_batchers[primitive] = batched
    mlir.register_lowering(primitive, mlir.lower_fun(function, multiple_results=False))
    return primitive


_DENSE = _primitive("folded_dense", _product, _product_to_input, _product_to_kernel)
_CONVOLUTION = _primitive("folded_convolution", _same, _same_to_input, _same_to_kernel)

PRIMITIVES = (_DENSE, _CONVOLUTION)
"""The primitives in a traced program, of an input [N, …, C] and a kernel [..., C, D]."""
