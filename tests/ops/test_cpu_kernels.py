"""Convolution and dense layer and their gradients: alone, batched, and in a loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate

from rdbound.ops.cpu_kernels import PRIMITIVES, convolution, dense

LAYOUT = ("NHWC", "HWIO", "NHWC")


def _their_convolution(x, kernel):
    """JAX's own, of one datum."""
    return jax.lax.conv_general_dilated(
        x[None], kernel, (1, 1), "SAME", dimension_numbers=LAYOUT, precision="highest"
    )[0]


def _their_product(x, kernel):
    return jnp.einsum("hwc,cd->hwd", x, kernel, precision="highest")


FUNCTIONS = pytest.mark.parametrize(
    ("ours", "theirs", "kernel"),
    [(convolution, _their_convolution, (3, 3, 6, 7)), (dense, _their_product, (6, 7))],
    ids=["convolution", "dense"],
)


def _arrays(rng, *shapes):
    return [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (2, 3)])
def test_convolution_is_a_zero_padded_correlation(rng, shape):
    x, kernel = rng.normal(size=(*shape, 3)), rng.normal(size=(3, 3, 3, 4))
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    # "valid" over height, width and the input channels at once.
    expected = np.concatenate(
        [correlate(padded, kernel[..., d], mode="valid") for d in range(4)], axis=-1
    )
    ours = convolution(jnp.asarray(x, jnp.float32), jnp.asarray(kernel, jnp.float32))
    np.testing.assert_allclose(ours, expected, atol=1e-5)


@FUNCTIONS
def test_every_way_to_differentiate_and_batch_is_jaxs_own(rng, ours, theirs, kernel):
    x, kernel, target = _arrays(rng, (4, 9, 5, 6), kernel, (4, 9, 5, 7))
    kernels = jnp.stack([kernel, 2.0 * kernel, -kernel, 0.5 * kernel])

    def loss(f, x, kernel, target):
        return jnp.sum((f(x, kernel) - target) ** 2)

    def of_batch(f):
        one = lambda x, k, t: loss(f, x, k, t)  # noqa: E731
        return jax.grad(lambda x, k: jnp.sum(jax.vmap(one, (0, None, 0))(x, k, target)), (0, 1))(
            x, kernel
        )

    def of_each(f):
        gradient = jax.grad(lambda k, x, t: loss(f, x, k, t))
        return jax.vmap(gradient, (None, 0, 0))(kernel, x, target)

    def in_loop(f):
        step = lambda _, k: k - 1e-3 * jax.grad(lambda k: loss(f, x[0], k, target[0]))(k)  # noqa: E731
        return jax.lax.fori_loop(0, 5, step, kernel)

    def curvature(f):
        return jax.hessian(lambda s: loss(f, s * x[0], s * kernel, target[0]))(1.5)

    def ways(f):
        return (
            of_batch(f),
            of_each(f),
            in_loop(f),
            curvature(f),
            jax.vmap(f)(x, kernels),
            jax.vmap(f, (2, None))(jnp.moveaxis(x, 0, 2), kernel),
            jax.jvp(lambda k: f(x[0], k), (kernel,), (kernel,)),
        )

    for a, b in zip(
        *(jax.tree.leaves(jax.jit(lambda f=f: ways(f))()) for f in (ours, theirs)), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * np.abs(b).max())


@pytest.mark.parametrize("axis", range(5))
def test_a_batch_may_lie_along_any_axis(rng, axis):
    x, kernel = _arrays(rng, (4, 2, 9, 5, 6), (3, 3, 6, 7))
    _, primitive = PRIMITIVES
    ours = jax.vmap(lambda x: primitive.bind(x, kernel, precision=None), axis)(
        jnp.moveaxis(x, 0, axis)
    )
    theirs = jax.vmap(jax.vmap(lambda x: _their_convolution(x, kernel)))(x)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def _gradient_equations(function, x, kernel):
    loss = lambda k: jnp.sum(jax.vmap(lambda x: function(x, k))(x) ** 2)  # noqa: E731
    return jax.make_jaxpr(jax.grad(loss))(kernel).jaxpr.eqns


def test_a_batch_is_one_input_before_it_is_differentiated(rng):
    """What they are primitives for: no kernel's gradient is computed a datum at a time."""
    x, kernel, matrix = _arrays(rng, (8, 4, 4, 3), (3, 3, 3, 3), (3, 5))
    equations = _gradient_equations(convolution, x, kernel)
    convolutions = [e for e in equations if e.primitive.name == "conv_general_dilated"]
    assert [e.params["feature_group_count"] for e in convolutions] == [1]
    inputs = [e.invars[0].aval.shape for e in equations if e.primitive in PRIMITIVES]
    assert inputs == [(8, 4, 4, 3)]
    equations = _gradient_equations(dense, x, matrix)
    (product,) = (e for e in equations if e.primitive.name == "dot_general")
    assert product.params["dimension_numbers"] == (((0,), (0,)), ((), ()))
    assert [v.aval.shape for v in product.invars] == [(128, 3), (128, 5)]


@FUNCTIONS
def test_the_switch_takes_jaxs_own_operations(rng, monkeypatch, ours, theirs, kernel):
    x, kernel = _arrays(rng, (4, 9, 5, 6), kernel)
    monkeypatch.setenv("RDBOUND_CPU_KERNELS", "0")
    equations = _gradient_equations(ours, x, kernel)
    assert not any(e.primitive in PRIMITIVES for e in equations)
    np.testing.assert_allclose(ours(x[0], kernel), theirs(x[0], kernel), rtol=1e-4, atol=1e-4)
    monkeypatch.setenv("RDBOUND_CPU_KERNELS", "no")
    with pytest.raises(ValueError, match=r"RDBOUND_CPU_KERNELS is 'no': set it to 0 or 1"):
        ours(x[0], kernel)


@pytest.mark.parametrize(("function", "kernel"), [(convolution, (3, 3, 2, 2)), (dense, (2, 2))])
def test_the_precision_is_that_of_the_context_that_traces(function, kernel):
    """A context inside a compiled function is left before its program is lowered."""

    def precise(x, k):
        with jax.default_matmul_precision("highest"):
            return jnp.sum(function(x, k) ** 2)

    arrays = jnp.ones((4, 4, 2)), jnp.ones(kernel)
    for run, count in ((precise, 1), (jax.grad(precise, (0, 1)), 3)):
        text = jax.jit(run).lower(*arrays).as_text()
        asked = [line for line in text.splitlines() if "HIGHEST" in line]
        assert len(asked) == count, text
