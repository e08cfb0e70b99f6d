"""How few bits does a word embedding need? Bayesian skip-gram, trained and quantized.

After Yang, Bamler & Mandt 2020 (arXiv 2002.08158, section 5.1 and Figure 3); the model is that of
Barkan 2017 and Bamler & Mandt 2017: every word has a vector and a context vector with a Gaussian
prior and posterior, pairs from the text have the likelihood σ(u·v), sampled pairs σ(−u·v).

    python experiments/skip_gram.py TEXT [--analogies questions-words.txt]

TEXT has one sentence a line, in lower case, words apart by spaces (``.xz``, ``.gz`` and ``.bz2``
are read). The means of all vectors are quantized by code points, bytes and all, as the paper
chooses them and by what their codes cost, and by a uniform grid, whose indexes an entropy code,
gzip, bzip2 and lzma compress. Measured against bits a latent: the mean log-likelihood of held-out
pairs, how often a word's nearest neighbour is among the ten nearest after quantization, and
analogies answered.
"""

import argparse
import bz2
import csv
import gzip
import lzma
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
from matplotlib.figure import Figure

from rdbound.coding.coders.vbq.mean_field import compress_posterior, decompress_posterior
from rdbound.report.document import Table
from rdbound.report.figures.style import STYLE
from rdbound.report.markdown import block_lines

OPENERS = {".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}
PENALTIES = (0.02, 0.05, 0.12, 0.3, 0.7, 1.7, 4.0, 10.0, 25.0, 60.0)
ROUNDS = 2  # of choosing points again by what their codes cost
STEPS = (0.05, 0.1, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5, 2.2, 3.2)  # in standard deviations of all means
PACKERS = {
    "gzip": lambda data: gzip.compress(data, 9),
    "bzip2": bz2.compress,
    "lzma": lambda data: lzma.compress(data, preset=9),
}
HELD_OUT = 20  # every how many-th sentence
ASKED = 5_000  # most frequent words that are asked for their neighbours


class Corpus(NamedTuple):
    """Words by falling frequency, and sentences as numbers of words.

    Attributes:
      words: the vocabulary.
      counts: of each word.
      tokens: of all sentences, one after the other.
      sentence: the number of each token's.
    """

    words: list[str]
    counts: np.ndarray
    tokens: np.ndarray
    sentence: np.ndarray


class Posterior(NamedTuple):
    """Means and log-scales of word and context vectors, [2, words, dimension] each."""

    mu: jax.Array
    log_sigma: jax.Array


class Point(NamedTuple):
    """One compressed embedding."""

    method: str
    setting: float
    bits: float
    log_likelihood: float
    hits: float
    analogies: float


def read_corpus(path: Path, fewest: int) -> Corpus:
    """The words that occur ``fewest`` times or more; raises ValueError where there is none."""
    with OPENERS.get(path.suffix, open)(path, "rt", encoding="utf-8") as file:
        sentences = [line.split() for line in file]
    counted = Counter(word for sentence in sentences for word in sentence)
    words = [word for word, count in counted.most_common() if count >= fewest]
    if not words:
        raise ValueError(f"{path}: no word occurs {fewest} times")
    number = {word: place for place, word in enumerate(words)}
    known = [[number[w] for w in sentence if w in number] for sentence in sentences]
    lengths = np.array([len(sentence) for sentence in known])
    return Corpus(
        words,
        np.array([counted[word] for word in words]),
        np.array([w for sentence in known for w in sentence], np.int32),
        np.repeat(np.arange(len(known), dtype=np.int32), lengths),
    )


def pairs(corpus: Corpus, window: int, threshold: float, rng: np.random.Generator) -> np.ndarray:
    """Word and context, int32 [n, 2]: frequent words thinned, windows of 1 to ``window``."""
    share = corpus.counts / corpus.counts.sum()
    kept = rng.random(len(corpus.tokens)) < np.sqrt(threshold / share)[corpus.tokens]
    tokens, sentence = corpus.tokens[kept], corpus.sentence[kept]
    reach = rng.integers(1, window + 1, len(tokens))
    found = []
    for off in range(1, window + 1):
        near = np.flatnonzero((sentence[:-off] == sentence[off:]) & (reach[:-off] >= off))
        one, other = tokens[near], tokens[near + off]
        found += [np.stack([one, other], 1), np.stack([other, one], 1)]
    everything = np.concatenate(found)
    rng.shuffle(everything)
    return everything


def negatives(corpus: Corpus, count: int, rng: np.random.Generator) -> np.ndarray:
    """Context words by the power ¾ of their frequency, int32 [count]."""
    weights = corpus.counts**0.75
    cumulative = np.cumsum(weights / weights.sum())
    return np.searchsorted(cumulative, rng.random(count)).astype(np.int32).clip(0, len(weights) - 1)


def log_likelihoods(u: jax.Array, v: jax.Array, away: jax.Array) -> jax.Array:
    """Of pairs [n] and one sampled pair each: ln σ(u·v) + ln σ(−u·v′)."""
    return jax.nn.log_sigmoid((u * v).sum(-1)) + jax.nn.log_sigmoid(-(u * away).sum(-1))


def objective(
    posterior: Posterior, batch: jax.Array, total: float, spread: float, key: jax.Array
) -> jax.Array:
    """−ELBO over the number of pairs, of pairs and their sampled contexts [n, 3].

    Noise is drawn for each pair: the gradient has less variance than with one draw for all.
    """
    side = jnp.array([0, 1, 1])
    mu = posterior.mu[side, batch]
    noise = jax.random.normal(key, mu.shape)
    z = mu + jnp.exp(posterior.log_sigma[side, batch]) * noise
    fit = log_likelihoods(z[:, 0], z[:, 1], z[:, 2]).mean()
    log_ratio = posterior.log_sigma - jnp.log(spread)
    kl = 0.5 * (jnp.exp(2 * log_ratio) + (posterior.mu / spread) ** 2 - 1) - log_ratio
    return kl.sum() / total - fit


def trained(corpus: Corpus, arguments: argparse.Namespace) -> Posterior:
    """The posterior after some epochs of Adam."""
    rng = np.random.default_rng(0)
    shape = (2, len(corpus.words), arguments.dimension)
    start = rng.normal(size=shape) * 0.5 / arguments.dimension**0.5
    params = Posterior(jnp.asarray(start, jnp.float32), jnp.full(shape, -2.0))
    count = len(pairs(corpus, arguments.window, arguments.threshold, np.random.default_rng(1)))
    steps = arguments.epochs * (count // arguments.batch)
    optimizer = optax.adam(optax.cosine_decay_schedule(arguments.learning_rate, steps, 0.02))
    state = optimizer.init(params)

    @jax.jit
    def step(params, state, batch, key):
        loss, slope = jax.value_and_grad(objective)(
            params, batch, float(count), arguments.spread, key
        )
        updates, state = optimizer.update(slope, state)
        return optax.apply_updates(params, updates), state, loss

    began = time.perf_counter()
    for epoch in range(arguments.epochs):
        told, losses = pairs(corpus, arguments.window, arguments.threshold, rng), []
        for number in range(count // arguments.batch):
            own = told[number * arguments.batch : (number + 1) * arguments.batch]
            batch = np.column_stack([own, negatives(corpus, len(own), rng)])
            params, state, loss = step(params, state, batch, jax.random.key(rng.integers(2**31)))
            losses.append(loss)
        print(
            f"epoch {epoch + 1}: {float(np.mean(losses)):.4f} nats a pair, "
            f"{time.perf_counter() - began:.0f} s",
            flush=True,
        )
    return params


class Judge:
    """What quantized vectors are worth, beside those that they were made of.

    Args:
      corpus: of the sentences held out.
      means: of the posterior, [2, words, dimension].
      questions: numbers of the words of analogies, [n, 4].
    """

    def __init__(self, corpus: Corpus, means: np.ndarray, questions: np.ndarray):
        rng = np.random.default_rng(2)
        told = pairs(corpus, 5, 1e-4, rng)[:200_000]
        self._pairs = np.column_stack([told, negatives(corpus, len(told), rng)])
        self._asked = np.arange(min(ASKED, means.shape[1]))
        self._questions = questions
        self._nearest = self._ranked(means[0], 1)[:, 0]

    def __call__(self, means: np.ndarray) -> tuple[float, float, float]:
        """(mean log-likelihood of a held-out pair, Hits@10, analogies answered)."""
        u, v, away = (means[side][self._pairs[:, k]] for k, side in enumerate((0, 1, 1)))
        fit = float(log_likelihoods(*(jnp.asarray(x) for x in (u, v, away))).mean())
        hits = (self._ranked(means[0], 10) == self._nearest[:, None]).any(1).mean()
        return fit, float(hits), self._answered(means[0])

    def _ranked(self, vectors: np.ndarray, count: int) -> np.ndarray:
        """The nearest other words of the asked ones, by the cosine."""
        unit = _unit(vectors)
        found = []
        for start in range(0, len(self._asked), 1000):
            own = self._asked[start : start + 1000]
            near = unit[own] @ unit.T
            near[np.arange(len(own)), own] = -np.inf
            part = np.argpartition(-near, count, axis=1)[:, :count]
            found.append(part)
        return np.concatenate(found)

    def _answered(self, vectors: np.ndarray) -> float:
        """The share of a : b = c : ? whose answer is the nearest to b − a + c."""
        if not len(self._questions):
            return float("nan")
        unit, right = _unit(vectors), 0
        for start in range(0, len(self._questions), 1000):
            a, b, c, d = self._questions[start : start + 1000].T
            near = (unit[b] - unit[a] + unit[c]) @ unit.T
            for given in (a, b, c):
                near[np.arange(len(a)), given] = -np.inf
            right += int((near.argmax(1) == d).sum())
        return right / len(self._questions)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def read_questions(path: Path | None, words: list[str]) -> np.ndarray:
    """Analogies of known words, [n, 4]; none where there is no file."""
    number = {word: place for place, word in enumerate(words)}
    lines = [] if path is None else path.read_text().lower().splitlines()
    asked = [line.split() for line in lines if line and not line.startswith(":")]
    known = [
        [number[w] for w in question] for question in asked if all(w in number for w in question)
    ]
    return np.array(known, np.int64).reshape(-1, 4)


def compressed(means: np.ndarray, scales: np.ndarray, judge: Judge) -> Iterator[Point]:
    """Every method at every setting, and the means as they are."""
    yield Point("uncompressed", 0.0, 32.0, *judge(means))
    for penalty in PENALTIES:
        data = compress_posterior(means, scales, penalty)
        yield Point(
            "code points", penalty, 8 * len(data) / means.size, *judge(decompress_posterior(data))
        )
    for penalty in PENALTIES[1::2]:
        data = compress_posterior(means, scales, penalty, ROUNDS)
        yield Point(
            "code points by their codes",
            penalty,
            8 * len(data) / means.size,
            *judge(decompress_posterior(data)),
        )
    for step in STEPS:
        width = step * means.std()
        index = np.rint(means / width)
        worth = judge((index * width).astype(np.float32))
        counts = np.unique(index, return_counts=True)[1]
        p = counts / counts.sum()
        yield Point("grid, entropy code", step, float(-(p * np.log2(p)).sum()), *worth)
        small = np.abs(index).max() < 128
        data = index.astype(np.int8 if small else np.int16).tobytes()
        for name, pack in PACKERS.items():
            yield Point(f"grid, {name}", step, 8 * len(pack(data)) / means.size, *worth)


def figure_of(points: list[Point]) -> Figure:
    """Three panels, what is kept by bits a latent."""
    panels = {
        "log_likelihood": "log-likelihood of a held-out pair (nats)",
        "hits": "Hits@10",
        "analogies": "analogies answered",
    }
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.0, 3.4), layout="constrained")
        for axes, (what, label) in zip(figure.subplots(1, 3), panels.items(), strict=True):
            for name in dict.fromkeys(p.method for p in points[1:]):
                own = sorted((p.bits, getattr(p, what)) for p in points if p.method == name)
                axes.plot(*zip(*own, strict=True), "o-", ms=2.5, lw=1.1, label=name)
            axes.axhline(getattr(points[0], what), color="black", lw=0.7, ls="--")
            axes.set(xlabel="bits a latent", ylabel=label, xscale="log")
            worst = min(getattr(p, what) for p in points if p.bits < 8)
            if what == "log_likelihood":
                axes.set_ylim(bottom=max(worst, 2.5 * points[0].log_likelihood))
        figure.axes[0].legend(frameon=False, fontsize=7)
    return figure


def at_hits(points: list[Point], share: float = 0.9) -> Table:
    """Bits a latent that each method needs to keep a share of Hits@10, by interpolation."""
    rows = []
    for name in dict.fromkeys(p.method for p in points[1:]):
        own = sorted((p.hits, p.bits) for p in points if p.method == name)
        hits, bits = (np.array(x) for x in zip(*own, strict=True))
        cells = [
            f"{np.interp(level, hits, bits):.2f}" if hits[0] <= level <= hits[-1] else "–"
            for level in (0.5, 0.8, share, 0.95)
        ]
        rows.append((name, *cells))
    return Table(("bits a latent for Hits@10 of", "0.5", "0.8", f"{share:g}", "0.95"), rows)


def main() -> None:
    """Train, or take what was trained; quantize, measure, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path)
    parser.add_argument("--analogies", type=Path, help="in the format of questions-words.txt")
    parser.add_argument("--output", type=Path, default=Path("runs/skip_gram"))
    parser.add_argument("--dimension", type=int, default=100)
    parser.add_argument("--fewest", type=int, default=5, help="occurrences of a word")
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--threshold", type=float, default=1e-4, help="frequency that is thinned")
    parser.add_argument("--spread", type=float, default=0.6, help="of the prior")
    parser.add_argument("--batch", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    corpus = read_corpus(arguments.text, arguments.fewest)
    held = corpus.sentence % HELD_OUT == 0
    training, rest = (
        corpus._replace(tokens=corpus.tokens[own], sentence=corpus.sentence[own])
        for own in (~held, held)
    )
    print(f"{len(corpus.words)} words, {len(training.tokens)} tokens to train on", flush=True)
    file = arguments.output / "posterior.npz"
    if not file.is_file():
        found = trained(training, arguments)
        np.savez(file, mu=found.mu, sigma=np.exp(found.log_sigma))
    with np.load(file) as saved:
        means, scales = saved["mu"], saved["sigma"]
    judge = Judge(rest, means, read_questions(arguments.analogies, corpus.words))
    points = []
    for point in compressed(means, scales, judge):
        points.append(point)
        print(*point, flush=True)
    with (arguments.output / "points.csv").open("w", newline="") as table:
        csv.writer(table).writerows([Point._fields, *points])
    figure_of(points).savefig(arguments.output / "skip_gram.png", dpi=150)
    print("\n".join(block_lines(at_hits(points))))


if __name__ == "__main__":
    main()
