"""Lower bounds on epsilon from attacks on canaries; each is wrong at most as stated.

Two ways are sound. One training run with many canaries, each put in by its own fair
coin: `epsilon_one_run`. Scores of independent trials: `epsilon_clopper_pearson`. Both
pay for choosing a threshold. The largest log ratio of the two rates over all
thresholds, uncorrected, is no bound: it is above 0 for most models that leak nothing.

A lower bound of 0 proves nothing, and no bound from above follows from any attack.
Unusable scores and arguments out of range raise a `ValueError`.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from keras_mixup_gan.typing import FloatArray, IntArray
from keras_mixup_gan.validation import (
    check_choice,
    check_in_range,
    check_integer,
    finite_scores,
)

_MAX_EPSILON = 50.0
_COIN_ERROR = 1e-6


def epsilon_one_run(
    in_scores: ArrayLike,
    out_scores: ArrayLike,
    num_guesses: int | Sequence[int] | None = None,
    delta: float = 0.0,
    significance: float = 0.05,
    seed: int = 0,
) -> float:
    """Lower bound on epsilon from one training run with many canaries.

    Each canary must have been put into the training set, or left out, by its own
    fair coin. The attacker guesses "in" for the canaries of the highest scores and
    abstains on the others. If the training is (epsilon, delta)-differentially
    private, the number of right guesses is hardly larger than that of coins which
    fall right with probability `e^epsilon / (1 + e^epsilon)`; the bound is the
    largest epsilon that the count rejects.

    Args:
        in_scores: Scores `(num_in,)` of the canaries that were in, higher = "in".
        out_scores: Scores `(num_out,)` of the canaries that were left out.
        num_guesses: How many guesses are made. One number, if it was fixed before
            the scores were seen; several share the error (Bonferroni). By default
            seven numbers, from the square root of the number of canaries to a half
            of it.
        delta: Delta of the claim, in `[0, 1]`.
        significance: Largest probability that the bound is wrong, in `(0, 1)`.
        seed: Seed of the order in which canaries of the same score are taken.

    Returns:
        The bound, 0 if nothing can be said.

    Raises:
        ValueError: Also if the numbers of canaries in and out are not those of coins.

    Source: Steinke, Nasr and Jagielski, "Privacy Auditing with One (1) Training Run",
    NeurIPS 2023, Theorem 5.2 with guesses on one side.

    Example:
    >>> rng = np.random.default_rng(0)
    >>> included = rng.random(1000) < 0.5  # fair coins, before training
    >>> scores = rng.normal(size=1000) + 2 * included  # of the trained model
    >>> bound = epsilon_one_run(scores[included], scores[~included], delta=1e-5)
    >>> 1 < bound < 4
    True
    """
    ins = finite_scores(in_scores, "in_scores")
    outs = finite_scores(out_scores, "out_scores")
    _check_rates(delta, significance)
    num_canaries = len(ins) + len(outs)
    check_coins(len(ins), len(outs))
    sizes = _candidates(num_guesses, num_canaries)
    right = _right_guesses(ins, outs, seed)
    error = significance / len(sizes)
    return max(
        _one_run_bound(size, int(right[size - 1]), num_canaries, delta, error)
        for size in sizes
    )


def check_coins(num_in: int, num_out: int) -> None:
    """Raises a `ValueError` if fair coins do not put so many in and so many out."""
    from scipy.stats import binomtest  # slow to import

    if binomtest(num_in, num_in + num_out).pvalue < _COIN_ERROR:
        raise ValueError(
            "Images that bound epsilon must be put in by fair coins. Received: "
            f"{num_in} in and {num_out} out, which fair coins do not give. "
            "Draw each one's membership with probability 1/2 before training."
        )


def epsilon_clopper_pearson(
    in_scores: ArrayLike,
    out_scores: ArrayLike,
    delta: float = 0.0,
    significance: float = 0.05,
    method: Literal["bonferroni", "split"] = "bonferroni",
    seed: int = 0,
) -> float:
    """Lower bound on epsilon from the rates of true and false positives.

    The bound is `ln((tpr - delta) / fpr)` with the lower Clopper-Pearson bound of the
    true-positive rate and the upper one of the false-positive rate, each at half the
    error. Scores must be independent trials, e.g. of one canary against many models
    that were trained with and without it; scores of many images against one model are
    not, for which see `epsilon_one_run`.

    Thresholds are the scores of non-members at ranks that are fixed in advance, 1, 2,
    4, ...: the false-positive rate above the k-th highest of n is Beta(k, n - k + 1)
    distributed, whatever the scores, and above a given threshold the true positives
    are binomial.

    With `method="bonferroni"` all ranks share the error; with `"split"` a random half
    of the scores chooses the threshold, and the other half alone is judged. All other
    arguments are as in `epsilon_one_run`.

    Source: Jagielski, Ullman and Oprea, "Auditing Differentially Private Machine
    Learning", NeurIPS 2020, with the choice of the threshold corrected for.
    """
    ins = finite_scores(in_scores, "in_scores")
    outs = finite_scores(out_scores, "out_scores")
    _check_rates(delta, significance)
    check_choice(method, ("bonferroni", "split"), "method")
    if method == "split":
        return _split_bound(ins, outs, delta, significance, seed)
    ranks = _ranks(len(outs))
    ordered = np.sort(outs)[::-1]
    error = significance / (2 * len(ranks))
    bounds = []
    for rank in ranks:
        found = int((ins > ordered[rank - 1]).sum())
        fpr = float(special.betainccinv(rank, len(outs) - rank + 1, error))
        bounds.append(_log_ratio(_lower(found, len(ins), error), fpr, delta))
    return max(bounds)


def _split_bound(
    ins: FloatArray, outs: FloatArray, delta: float, significance: float, seed: int
) -> float:
    """The bound at a threshold that the other half of the scores chose."""
    if min(len(ins), len(outs)) < 2:
        return 0.0
    rng = np.random.default_rng(seed)
    ins, outs = rng.permutation(ins), rng.permutation(outs)
    middle_in, middle_out = len(ins) // 2, len(outs) // 2
    error = significance / 2
    chosen_on = ins[:middle_in], outs[:middle_out]
    ordered = np.sort(outs[:middle_out])[::-1]
    thresholds = [float(ordered[rank - 1]) for rank in _ranks(middle_out)]
    best = max(thresholds, key=lambda at: _bound_at(at, *chosen_on, delta, error))
    return _bound_at(best, ins[middle_in:], outs[middle_out:], delta, error)


def _bound_at(
    threshold: float, ins: FloatArray, outs: FloatArray, delta: float, error: float
) -> float:
    """The bound at a threshold that these scores had no part in."""
    tpr = _lower(int((ins > threshold).sum()), len(ins), error)
    missed = int((outs <= threshold).sum())
    return _log_ratio(tpr, 1 - _lower(missed, len(outs), error), delta)


def _lower(successes: int, trials: int, error: float) -> float:
    """One-sided lower Clopper-Pearson bound of a rate."""
    if successes == 0:
        return 0.0
    return float(special.betaincinv(successes, trials - successes + 1, error))


def _log_ratio(tpr: float, fpr: float, delta: float) -> float:
    if tpr - delta <= fpr:
        return 0.0
    return float(np.log(tpr - delta) - np.log(fpr))


def _ranks(number: int) -> list[int]:
    """1, 2, 4, ... up to half of the non-members."""
    return [2**power for power in range(max(1, number.bit_length() - 1))]


def _candidates(
    num_guesses: int | Sequence[int] | None, num_canaries: int
) -> list[int]:
    """The numbers of guesses to try; they depend on the number of canaries alone."""
    if num_guesses is None:
        spaced = np.geomspace(np.sqrt(num_canaries), num_canaries / 2, 7)
        return sorted({max(1, int(size)) for size in spaced})
    given = np.atleast_1d(np.asarray(num_guesses)).tolist()
    for size in given:
        check_integer(1, num_guesses=size)
    if not given or max(given) > num_canaries:
        raise ValueError(
            "`num_guesses` must hold at least one number and not exceed the "
            f"{num_canaries} canaries. Received: num_guesses={num_guesses}."
        )
    return sorted(set(given))


def _right_guesses(ins: FloatArray, outs: FloatArray, seed: int) -> IntArray:
    """How many of the first 1, 2, ... canaries by score were in; ties by lot."""
    scores = np.concatenate([ins, outs])
    lots = np.random.default_rng(seed).permutation(len(scores))
    order = np.lexsort((lots, -scores))
    return np.cumsum(order < len(ins))


def _one_run_bound(
    guesses: int, right: int, num_canaries: int, delta: float, error: float
) -> float:
    """The largest epsilon that this many right guesses reject at this error."""
    from scipy.optimize import brentq  # slow to import

    def excess(epsilon: float) -> float:
        return _p_value(epsilon, guesses, right, num_canaries, delta) - error

    if excess(0.0) > 0:
        return 0.0
    return float(brentq(excess, 0.0, _MAX_EPSILON, xtol=1e-6))


def _p_value(
    epsilon: float, guesses: int, right: int, num_canaries: int, delta: float
) -> float:
    """Probability of as many right guesses at this epsilon, at most."""
    rate = 1 / (1 + np.exp(-epsilon))
    beta = float(_at_least(np.array(right), guesses, rate))
    if delta == 0 or right == 0:
        return beta
    fewer = np.arange(1, right + 1)
    gains = (_at_least(right - fewer, guesses, rate) - beta) / fewer
    return float(min(1.0, beta + 2 * num_canaries * delta * gains.max()))


def _at_least(successes: IntArray, trials: int, rate: float) -> FloatArray:
    """Probability of so many successes or more, of a binomial count."""
    tail = special.betainc(np.maximum(successes, 1), trials - successes + 1, rate)
    return np.where(successes == 0, 1.0, tail)


def _check_rates(delta: float, significance: float) -> None:
    check_in_range(0, 1, delta=delta)
    if not 0 < significance < 1:
        raise ValueError(
            "`significance` must lie in (0, 1). Received: "
            f"significance={significance!r}. Use .05 for a 95 % bound."
        )
