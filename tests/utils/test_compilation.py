from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rdbound.coding import Codec
from rdbound.utils import compilation
from rdbound.utils.compilation import ahead, compiled_call, run
from tests.toy import Toy

TRACED = []


@dataclass(frozen=True)
class Power:
    exponent: int

    def __call__(self, x):
        TRACED.append(self.exponent)
        return x**self.exponent


@pytest.mark.parametrize("call", [run, compiled_call])
def test_equal_functions_share_a_program_and_others_do_not(call):
    jax.clear_caches()
    TRACED.clear()
    x = np.arange(4, dtype=np.float32)
    np.testing.assert_array_equal(call(Power(3), x), x**3)
    np.testing.assert_array_equal(call(Power(3), 2 * x), 8 * x**3)
    assert TRACED == [3]
    np.testing.assert_array_equal(call(Power(2), x), x**2)
    np.testing.assert_array_equal(call(Power(3), x[:3]), x[:3] ** 3)
    assert TRACED == [3, 2, 3]


def test_what_is_compiled_ahead_is_not_compiled_again():
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, _, **__: compiled.append(event) if "backend_compile" in event else None
    )
    x = jnp.arange(5.0)
    before = len(compiled)
    ahead(compiled_call, Power(5), x)
    assert len(compiled) == before + 1
    np.testing.assert_array_equal(run(Power(5), x), x**5)
    assert len(compiled) <= before + 2, "one of ours, and one of the expected value's"


def test_numbers_are_arguments_too():
    assert float(run(Power(2), 3.0)) == 9.0


def test_codecs_of_one_architecture_share_programs_and_not_weights(rng):
    traced = []

    class Traced(Toy):
        def infer(self, x, lmbda):
            traced.append("infer")
            return super().infer(x, lmbda)

        def synthesize(self, latents, lmbda):
            traced.append("synthesize")
            return super().synthesize(latents, lmbda)

    image = rng.integers(0, 256, (8, 12, 3)).astype(np.uint8)
    first, second = Traced(form="codec"), Traced(form="codec")
    second.encode.kernel[...] = 1.5 * second.encode.kernel[...]
    tables = Codec(first).tables
    stream = Codec(first, tables).encode(image).data
    traced.clear()
    codec = Codec(second, tables)
    assert codec.encode(image).data != stream
    assert traced == []
    assert codec.decode(codec.encode(image).data).datum.shape == image.shape
    assert Codec(first, tables).encode(image).data == stream
    assert traced.count("synthesize") == 1, "which only a decoder calls"


def test_what_needs_more_memory_than_there_is_is_refused_beforehand(monkeypatch):
    x = jnp.zeros(1000, jnp.float32)
    outer = lambda x: jnp.outer(x, x).at[0].add(1.0)  # noqa: E731
    monkeypatch.setattr(compilation, "available_memory", lambda: 3_900_000)
    with pytest.raises(compilation.TooLargeError, match=r"0\.0 GB of memory") as refused:
        run(outer, x)
    # The result alone has four million bytes.
    assert 0.3 < refused.value.share <= 0.975
    monkeypatch.setattr(compilation, "available_memory", lambda: 100_000_000)
    assert run(outer, x).shape == (1000, 1000)


def test_memory_that_is_there_is_known():
    there = compilation.available_memory()
    assert there is None or 1e7 < there < 1e14


def test_what_a_program_needs_is_known_ahead():
    """A matrix of 1000² floats, two products of it and theirs; an output in the place of an
    argument is counted once.
    """
    x = jnp.ones((1000, 1000))
    program, gigabytes = ahead(jax.jit(lambda x: (x @ x) @ (x @ x.T)), x, advice="less")
    assert float(program(x)[0, 0]) == 1e9
    assert 0.012 <= gigabytes <= 0.021
    _, gigabytes = ahead(jax.jit(lambda x: x + 1.0, donate_argnums=0), x, advice="less")
    assert gigabytes == pytest.approx(0.004, rel=0.01)
