import keras
import numpy as np
import scipy.stats
import tensorflow as tf

from keras_mixup_gan.data.batches import (
    poisson_batches,
    shuffled_indices,
    step_counter,
)


def take(dataset, count):
    return [batch.numpy() for batch in dataset.take(count)]


def indices(start, num_examples=10, batch_size=3, seed=0):
    return shuffled_indices(
        num_examples, batch_size, lambda: tf.constant(start, tf.int64), seed
    )


def test_counter_reads_its_start_when_iteration_begins():
    steps = tf.Variable(5, dtype=tf.int64)
    counter = step_counter(lambda: steps)
    assert take(counter, 3) == [5, 6, 7]
    steps.assign(100)
    assert take(counter, 2) == [100, 101]


def test_an_epoch_draws_no_example_twice():
    epochs = np.reshape(take(indices(0), 3 * 20), (20, 9))
    for epoch in epochs:
        assert len(set(epoch)) == 9
    # The remainder that is left out changes with the permutation.
    left_out = [set(range(10)) - set(epoch) for epoch in epochs]
    assert len(set().union(*left_out)) > 4


def test_epochs_are_permuted_anew_by_a_seed():
    first, second = np.reshape(take(indices(0, 12), 8), (2, 12))
    np.testing.assert_array_equal(np.sort(first), np.arange(12))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(
        np.ravel(take(indices(0, 12), 8)), np.concatenate([first, second])
    )
    other = np.reshape(take(indices(0, 12, seed=1), 8), (2, 12))
    assert not np.array_equal(other[0], first)
    assert not np.array_equal(other[0], second)


def test_batch_n_is_a_function_of_n_alone():
    everything = take(indices(0), 12)
    for start in (1, 3, 4, 8):
        np.testing.assert_array_equal(take(indices(start), 4), everything[start:][:4])


def test_order_does_not_depend_on_the_global_seed():
    keras.utils.set_random_seed(0)
    first = take(indices(0), 6)
    keras.utils.set_random_seed(1)
    np.testing.assert_array_equal(first, take(indices(0), 6))


def test_permutations_are_uniform():
    epochs = np.reshape(take(indices(0, 4, 4), 600), (600, 4))
    counts = np.array([np.bincount(column, minlength=4) for column in epochs.T])
    assert scipy.stats.chisquare(counts.ravel()).pvalue > 1e-4


# === Poisson sampling ===


def poisson(rate, num_examples=50, start=0, seed=0):
    arrays = {"images": np.arange(num_examples, dtype="float32")[:, None]}
    return poisson_batches(arrays, rate, lambda: tf.constant(start, tf.int64), seed)


def draws(dataset, count, num_examples=50):
    """Boolean `(count, num_examples)`: which examples entered which step."""
    entered = np.zeros((count, num_examples), bool)
    for row, batch in zip(entered, dataset.take(count), strict=True):
        chosen = batch["images"].numpy()[batch["mask"].numpy(), 0].astype(int)
        assert len(set(chosen)) == len(chosen)
        row[chosen] = True
    return entered


def test_poisson_steps_are_independent_coin_flips():
    rate, steps, num_examples = 0.2, 1500, 50
    entered = draws(poisson(rate), steps)
    # Every example: how often it entered is binomial.
    times = entered.sum(axis=0)
    low, high = scipy.stats.binom.interval(1 - 1e-5, steps, rate)
    assert np.all((times > low) & (times < high))
    # Every step: how many entered is binomial, so batch sizes vary as they must.
    sizes = entered.sum(axis=1)
    variance = num_examples * rate * (1 - rate)
    assert abs(sizes.mean() - num_examples * rate) < 5 * np.sqrt(variance / steps)
    spread = (steps - 1) * sizes.var(ddof=1) / variance
    assert 1e-5 < scipy.stats.chi2.cdf(spread, steps - 1) < 1 - 1e-5
    # No memory from step to step, and examples do not move together.
    assert abs(np.corrcoef(sizes[1:], sizes[:-1])[0, 1]) < 5 / np.sqrt(steps)
    again = (entered[1:] & entered[:-1]).mean()
    assert abs(again - rate**2) < 5 * rate / np.sqrt(steps * num_examples)
    pairs = np.corrcoef(entered.T)[np.triu_indices(num_examples, 1)]
    assert np.abs(pairs).max() < 6 / np.sqrt(steps)


def test_rows_of_a_poisson_batch_stay_together():
    arrays = {
        "images": np.arange(30, dtype="float32").reshape(30, 1),
        "labels": np.arange(30, dtype="float32").reshape(30, 1) * 2,
    }
    dataset = poisson_batches(arrays, 0.3, lambda: tf.constant(0, tf.int64), 0)
    for batch in dataset.take(20):
        np.testing.assert_array_equal(batch["labels"], 2 * batch["images"])


def test_an_empty_poisson_batch_is_one_absent_zero_row():
    empty = 0
    for batch in poisson(0.01).take(40):
        assert len(batch["images"]) == len(batch["mask"]) >= 1
        if not batch["mask"].numpy().any():
            empty += 1
            np.testing.assert_array_equal(batch["images"], [[0.0]])
    assert 10 < empty < 38  # (1 - 0.01)^50 = 0.6 of the steps


def test_rate_one_takes_everything():
    assert draws(poisson(1.0), 2).all()


def test_seeded_poisson_sampling_resumes_at_a_step():
    everything = draws(poisson(0.3), 9)
    np.testing.assert_array_equal(draws(poisson(0.3, start=4), 5), everything[4:])
    assert not np.array_equal(draws(poisson(0.3, seed=1), 9), everything)


def test_poisson_sampling_without_a_seed_is_unpredictable():
    samples = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        samples.append(draws(poisson(0.3, seed=None), 5))
    assert not np.array_equal(*samples)
