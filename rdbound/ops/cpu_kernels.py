"""Convolutions and dense layers that are as quick backwards as forwards on a CPU, batched or not.

They are primitives: under ``vmap`` a batch becomes one long input *before* anything is
differentiated. JAX's own are differentiated as they stand, and XLA's CPU backend then
computes the kernel's gradient slowly (measured on one core):

- of a dense layer of batched pixels it contracts over three axes, for which XLA makes a
  transposed copy and a product at half the speed: 36 to 48 GFLOP/s at 8×32×32×112 to 8×16×16×192,
  here 75 to 97;
- of a convolution written as a ``custom_vjp`` it goes a datum at a time, 1.6 to 4 times as
  long; and without one, what automatic differentiation leaves inside a ``lax`` loop is
  computed without the fast kernels: a refinement step took 3.5 times as long.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

__all__ = ["PRIMITIVES", "convolution", "dense"]

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def dense(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """[..., C] and [C, D] → [..., D]."""
    rows = _bind(_DENSE, x.reshape(-1, x.shape[-1]), kernel)
    return rows.reshape(*x.shape[:-1], kernel.shape[1])


def convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Stride 1, odd kernel, zero padding: [H, W, C] and [h, w, C, D] → [H, W, D]."""
    return _bind(_CONVOLUTION, x[None], kernel)[0]


def _bind(primitive: Primitive, x: Any, kernel: Any) -> Any:
    # What the context asks for here; by the time the primitive is lowered it is left.
    precision = jax.config.jax_default_matmul_precision  # type: ignore[attr-defined]
    return primitive.bind(x, kernel, precision=precision)


def _product(x: Any, kernel: Any, precision: Any) -> Any:
    return jax.lax.dot_general(x, kernel, (((1,), (0,)), ((), ())), precision)


def _product_to_input(g: Any, _: Any, kernel: Any, precision: Any) -> Any:
    return jax.lax.dot_general(g, kernel, (((1,), (1,)), ((), ())), precision)


def _product_to_kernel(g: Any, x: Any, _: Any, precision: Any) -> Any:
    return jax.lax.dot_general(x, g, (((0,), (0,)), ((), ())), precision)


def _same(x: Any, kernel: Any, precision: Any) -> Any:
    return jax.lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=_LAYOUT, precision=precision
    )


def _same_to_input(g: Any, _: Any, kernel: Any, precision: Any) -> Any:
    # Without the barrier XLA folds the turning back into the layout.
    turned = jax.lax.optimization_barrier(kernel[::-1, ::-1].swapaxes(2, 3))
    return _CONVOLUTION.bind(g, turned, precision=precision)


def _same_to_kernel(g: Any, x: Any, kernel: Any, precision: Any) -> Any:
    (gradient,) = jax.linear_transpose(lambda k: _same(x, k, precision), kernel.aval)(g)
    return gradient


def _primitive(name: str, function: Callable, to_input: Callable, to_kernel: Callable) -> Primitive:
    """A primitive of a function of ([N, …, C], [..., C, D]) → [N, …, D], linear in each."""
    primitive = Primitive(name)

    def batched(arguments: Any, axes: Any, precision: Any) -> tuple[Any, int]:
        """A batch of inputs is one long input; kernels of their own are left to JAX."""
        (x, kernel), (x_axis, kernel_axis) = arguments, axes
        if kernel_axis is not None:
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
"""As they stand in a traced program: of an input [N, …, C] and a kernel [..., C, D]."""
