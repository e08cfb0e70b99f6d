"""Relative entropy coding: exact where it claims to be, and how far where it does not."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from rdbound.coding.coders.rec.coder import RelativeEntropyCoder
from rdbound.coding.coders.rec.samplers import Blocks, Rule, choose, noise_of, sums
from rdbound.coding.coders.registry import make_coder
from rdbound.coding.entropy.integer_codes import write_clustered
from rdbound.coding.entropy.range_coder import Reader, UnreadableError, Writer
from rdbound.coding.entropy.shared_randomness import level_key, shared_normals
from rdbound.ops.distributions import Gaussian, Mixture
from rdbound.ops.gaussian_ratio import Tilt, divergence_of

UNIT = 2.0  # of the prior's scale
CENTRE = 0.5


def _matched(rng, rho, n):
    """Posteriors whose samples are distributed as the prior is: (ν, posterior, prior), [n, 1]."""
    nu = (np.sqrt(1 - rho**2) * rng.standard_normal((n, 1))).astype(np.float32)
    whole = lambda value: np.full((n, 1), value, np.float32)  # noqa: E731
    prior = Gaussian(whole(CENTRE), whole(np.log(UNIT)))
    return nu, Gaussian(CENTRE + UNIT * nu, whole(np.log(UNIT * rho))), prior


def _written(posterior, prior, **options):
    """(the latent in units of the prior, bits); another coder reads the same."""
    writer = Writer()
    latent = RelativeEntropyCoder({}, **options).write(0, posterior, prior, writer)
    data, reader = writer.finish(), None
    reader = Reader(data)
    coder = RelativeEntropyCoder({}, **RelativeEntropyCoder({}, **options).parameters)
    np.testing.assert_array_equal(coder.read(0, prior, posterior.mu.shape, reader), latent)
    assert reader.exhausted()
    return (latent - CENTRE) / UNIT, 8 * len(data)


def _test_of_sample(z, nu, rho):
    """The p-value of z being N(ν, ρ²)."""
    return stats.kstest(((z - nu) / rho).ravel(), stats.norm.cdf).pvalue


@pytest.mark.parametrize(
    "nats",
    [pytest.param(10.0, marks=pytest.mark.slow), 0.9],  # in one step; in two to four
)
def test_the_exact_rule_draws_from_the_posterior(nats, rng):
    nu, posterior, prior = _matched(rng, 0.6, 2000)
    z, _ = _written(posterior, prior, rule="exact", nats=nats, block=0.1)
    assert _test_of_sample(z, nu, 0.6) > 1e-3
    error = ((z - nu) / 0.6).ravel()
    assert abs(np.corrcoef(error, nu.ravel())[0, 1]) < 4 / len(error) ** 0.5


def test_the_exact_rule_costs_what_theory_allows(rng):
    """I ≤ bits ≤ I + log₂(I + 1) + 4 of each block, four latents told in one step."""
    rho, n = 0.6, 2000
    _, posterior, prior = _matched(rng, rho, n)
    _, bits = _written(posterior, prior, rule="exact", nats=20.0, block=0.1)
    told = -4 * np.log2(rho)
    assert told < 4 * bits / n < told + np.log2(told + 1) + 4


@pytest.mark.parametrize("rule", ["minimal", "ordered"])
def test_importance_sampling_comes_near_with_many_samples(rule, rng):
    nu, posterior, prior = _matched(rng, 0.6, 4000)
    z, many = _written(posterior, prior, rule=rule, bits=10, nats=20.0, block=0.1)
    assert _test_of_sample(z, nu, 0.6) > 1e-3
    few, bits = _written(posterior, prior, rule=rule, bits=1, nats=20.0, block=0.1)
    assert _test_of_sample(few, nu, 0.6) < 1e-6
    assert bits < many


def test_importance_sampling_of_few_samples_is_biased_as_computed(rng):
    """E(z·ν) of 2^bits weighted samples, against the same expectation of NumPy's own."""
    rho, n = 0.6, 8000
    nu, posterior, prior = _matched(rng, rho, n)
    z, _ = _written(posterior, prior, rule="minimal", bits=2, nats=20.0, block=0.1)
    samples = rng.standard_normal((n // 4, 4, 4))  # block, sample, latent
    means = np.sqrt(1 - rho**2) * rng.standard_normal((n // 4, 1, 4))
    weight = stats.norm.logpdf(samples, means, rho) - stats.norm.logpdf(samples)
    p = np.exp(weight.sum(-1) - weight.sum(-1).max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    expected = np.einsum("bj,bjd->bd", p, samples * means).ravel()
    found = (z * nu).ravel()
    error = (found.var() / n + expected.var() / n) ** 0.5
    assert abs(found.mean() - expected.mean()) < 4 * error
    assert expected.mean() < 0.8 * (1 - rho**2)


def test_sorted_races_make_small_indexes_likelier_and_the_file_shorter(rng):
    _, posterior, prior = _matched(rng, 0.6, 4000)
    _, ordered = _written(posterior, prior, rule="ordered", bits=10, nats=20.0, block=0.1)
    _, minimal = _written(posterior, prior, rule="minimal", bits=10, nats=20.0, block=0.1)
    told = -4 * np.log2(0.6)
    assert minimal > 10 * 4000 / 4
    assert ordered < (told + np.log2(told + 1) + 4) * 4000 / 4


def _blocks(steps, most, first=0):
    schedule = np.ones((len(steps), most + 1), np.float32)
    for row, count in zip(schedule, steps, strict=True):
        row[: count + 1] = np.linspace(0, 1, count + 1)
    number = jnp.arange(first, first + len(steps), dtype=jnp.uint32)
    return Blocks(number, jnp.asarray(steps, jnp.int32), jnp.asarray(schedule))


def _hand_sum(key, number, variances, indexes):
    total = np.zeros(4)
    for step, index in enumerate(indexes):
        place = (jnp.uint32(x).reshape(1) for x in (number, step, index))
        width = np.sqrt(variances[step + 1] - variances[step])
        total += width * np.asarray(shared_normals(key, *place, 4))[0]
    return total


def test_the_sum_is_that_of_the_named_samples():
    key, blocks = level_key(9, 2), _blocks([3, 1], 4)
    chosen = np.array([[2, 0, 7, 5], [4, 9, 9, 9]], np.uint32)
    found = np.asarray(sums(blocks, jnp.asarray(chosen), key, 4))
    expected = [
        _hand_sum(key, 0, np.asarray(blocks.variances)[0], [2, 0, 7]),
        _hand_sum(key, 1, np.asarray(blocks.variances)[1], [4]),
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_beam_that_keeps_all_finds_the_likeliest_of_all_paths(rng):
    key, blocks = level_key(1, 0), _blocks([2, 2, 2], 2)
    nu, rho = rng.normal(0, 0.8, (3, 4)), np.full((3, 4), 0.5)
    tilt = Tilt(jnp.asarray(1 / rho**2 - 1, jnp.float32), jnp.asarray(nu / rho**2, jnp.float32))
    chosen, ended = choose(tilt, blocks, key, jax.random.key(0), Rule("beam", 2, 16))
    assert ended.all()
    for block in range(3):
        paths = list(itertools.product(range(4), repeat=2))
        z = [_hand_sum(key, block, [0, 0.5, 1], path) for path in paths]
        ratios = stats.norm.logpdf(z, nu[block], rho[block]) - stats.norm.logpdf(z)
        assert tuple(chosen[block]) == paths[int(np.argmax(ratios.sum(1)))]


def test_more_beams_find_likelier_samples(rng):
    nu, posterior, prior = _matched(rng, 0.3, 4000)
    ratios = {}
    for beams in (1, 4, 32):
        z, _ = _written(posterior, prior, bits=5, nats=3.0, beams=beams, block=40.0)
        ratios[beams] = np.sum(stats.norm.logpdf(z, nu, 0.3) - stats.norm.logpdf(z))
    assert ratios[1] < ratios[4] < ratios[32]


def test_a_block_is_searched_alike_in_any_company(rng):
    nu = rng.normal(0, 0.8, (5, 4))
    tilt = Tilt(jnp.full((5, 4), 3.0), jnp.asarray(4 * nu, jnp.float32))
    for rule in (
        Rule("beam", 4, 3),
        Rule("minimal", 4, 1),
        Rule("ordered", 4, 1),
        Rule("exact", 4, 1),
    ):
        key, noise = level_key(1, 0), jax.random.key(7)
        whole, _ = choose(tilt, _blocks([2, 3, 1, 0, 2], 4), key, noise, rule)
        alone = Tilt(tilt.excess[1:2], tilt.pull[1:2])
        one, _ = choose(alone, _blocks([3], 4, first=1), key, noise, rule)
        np.testing.assert_array_equal(whole[1, :3], one[0, :3])
        assert not whole[3].any()


def test_bits_are_those_of_the_indexes_of_all_steps(rng):
    _, posterior, prior = _matched(rng, 0.3, 20_000)
    _, bits = _written(posterior, prior, bits=6, nats=3.5, block=30.0)
    nats = float(jnp.sum(divergence_of(Tilt.between(posterior, prior))))
    steps = nats / 3.5  # and half a step a block more, rounded up
    assert steps * 6 < bits < (steps + nats / 30.0 * 0.8) * 6 + nats / 30.0 * 4


def test_latents_that_say_nothing_cost_nothing_and_are_drawn_from_the_prior():
    shape = (64, 64, 8)
    prior = Gaussian(np.full(shape, 3.0, np.float32), np.full(shape, -2.0, np.float32))
    writer = Writer()
    latent = RelativeEntropyCoder({}).write(0, prior, prior, writer)
    assert len(writer.finish()) < 16
    z = (latent - 3.0) * np.exp(2.0)
    assert stats.kstest(z.ravel(), stats.norm.cdf).pvalue > 1e-3


@pytest.mark.parametrize("shape", [(1,), (3, 1), (1, 1, 5), (17, 33)])
@pytest.mark.parametrize("rule", ["beam", "minimal", "ordered", "exact"])
def test_any_shape_is_read_as_it_was_written(shape, rule, rng):
    prior = Gaussian(np.zeros(shape, np.float32), np.zeros(shape, np.float32))
    mu = rng.normal(0, 0.8, shape).astype(np.float32)
    posterior = Gaussian(mu, np.full(shape, -0.7, np.float32))
    options = {"rule": rule, "bits": 5, "nats": 3.0, "block": 2.0, "seed": 2**62 + 1}
    writer = Writer()
    coder = RelativeEntropyCoder({}, **options)
    latent = coder.write(1, posterior, prior, writer)
    found = RelativeEntropyCoder({}, **coder.parameters).read(
        1, prior, shape, Reader(writer.finish())
    )
    np.testing.assert_array_equal(found, latent)
    assert latent.dtype == np.float32


@pytest.mark.parametrize("which", ["prior", "posterior"])
def test_what_is_no_gaussian_names_the_alternative(which):
    gaussian = Gaussian(np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32))
    mixture = Mixture(*(jnp.zeros((3, 1)) for _ in range(3)), jnp.zeros(3))
    pair = {"prior": gaussian, "posterior": gaussian, which: mixture}
    with pytest.raises(ValueError, match=rf"a Gaussian {which}, not Mixture: .*coder 'dithered'"):
        RelativeEntropyCoder({}).write(0, pair["posterior"], pair["prior"], Writer())


@pytest.mark.parametrize(
    ("mu", "message"), [(np.nan, "not finite"), (1e4, "divergence .* too large")]
)
def test_what_cannot_be_told_is_refused(mu, message):
    prior = Gaussian(np.zeros(8, np.float32), np.zeros(8, np.float32))
    posterior = Gaussian(np.full(8, mu, np.float32), np.full(8, -1.0, np.float32))
    with pytest.raises(ValueError, match=message):
        RelativeEntropyCoder({}).write(0, posterior, prior, Writer())


@pytest.mark.parametrize(
    ("mean", "rho"),
    [(0.0, 1.15), pytest.param(0.2, 1.15, marks=pytest.mark.slow), (0.4, 1.0), (0.3, 1.0001)],
)
def test_a_posterior_as_wide_as_its_prior_or_wider_is_drawn_from_too(mean, rho):
    n = 600
    prior = Gaussian(np.zeros((n, 1), np.float32), np.zeros((n, 1), np.float32))
    posterior = Gaussian(
        np.full((n, 1), mean, np.float32), np.full((n, 1), np.log(rho), np.float32)
    )
    writer = Writer()
    z = RelativeEntropyCoder({}, rule="exact", nats=20.0, block=0.1).write(
        0, posterior, prior, writer
    )
    # Samples of the prior end at 4.3: of the widest of these 0.0001 is beyond.
    assert stats.kstest(((z - mean) / rho).ravel(), stats.norm.cdf).pvalue > 1e-3


def test_the_times_of_an_ordered_race_are_those_of_sorted_exponentials():
    """The k-th of J comes at 1/J + … + 1/(J − k + 1) on average (Rényi)."""
    bits, count = 5, 4000
    J = 1 << bits
    number = jnp.arange(count, dtype=jnp.uint32)
    blocks = Blocks(number, jnp.ones(count, jnp.int32), jnp.ones((count, 2)))
    found = noise_of(Rule("ordered", bits, 1), jax.random.key(3), blocks, jnp.int32(0))
    times = np.exp(-np.asarray(found, np.float64))
    assert (np.diff(times, axis=1) > 0).all()
    expected = np.cumsum(1.0 / (J - np.arange(J)))
    error = times.std(axis=0) / count**0.5
    assert (np.abs(times.mean(axis=0) - expected) < 5 * error).all()


def test_a_search_without_end_is_refused():
    prior = Gaussian(np.zeros(4, np.float32), np.zeros(4, np.float32))
    posterior = Gaussian(np.full(4, 2.5, np.float32), np.full(4, -1.0, np.float32))
    with pytest.raises(ValueError, match=r"finds no sample of a block .*'ordered'"):
        RelativeEntropyCoder({}, rule="exact", nats=20.0).write(0, posterior, prior, Writer())


def test_accurate_latents_are_told_and_narrow_priors_kept(rng):
    n = 256
    prior = Gaussian(np.zeros((n, 1), np.float32), np.zeros((n, 1), np.float32))
    nu = rng.standard_normal((n, 1)).astype(np.float32)
    posterior = Gaussian(nu, np.full((n, 1), -10.0, np.float32))
    z = RelativeEntropyCoder({}, nats=5.0).write(0, posterior, prior, Writer())
    assert np.median(np.abs(z - nu)) < 10 * np.exp(-10.0)
    narrow = Gaussian(prior.mu, np.full((n, 1), -25.0, np.float32))
    z = RelativeEntropyCoder({}).write(0, narrow, narrow, Writer())
    assert abs(np.log(z.std()) + 20.0) < 0.2


@pytest.mark.parametrize("steps", [[65, 65], [0, 257], [4000, 4000]])
def test_more_steps_than_any_writer_takes_are_refused(steps):
    """16 a latent on average, 64 a latent of a block: what the memory of a reader is for."""
    writer = Writer()
    writer.integer(0, 13)
    writer.integer(0, 64)
    write_clustered(writer, np.array(steps), 4096)
    prior = Gaussian(np.zeros(8, np.float32), np.zeros(8, np.float32))
    with pytest.raises(UnreadableError, match="more steps"):
        RelativeEntropyCoder({}).read(0, prior, (8,), Reader(writer.finish()))


@pytest.mark.parametrize(
    "options",
    [{"rule": "best"}, {"bits": 0}, {"bits": 15}, {"beams": 0}, {"nats": 0.0}, {"block": -1.0}],
)
def test_options_out_of_range_are_named(options):
    ((name, value),) = options.items()
    with pytest.raises(ValueError, match=rf"^coder 'rec': {name}: Input should .*found {value!r}$"):
        make_coder("rec", "bound", {}, **options)
