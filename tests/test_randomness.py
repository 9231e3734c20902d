import numpy as np

from keras_mixup_gan.randomness import StepStream, Stream, derived_seed, generator

# Told apart by further parts of the seed, or used for what cannot be compared.
SHARED = {Stream.BLENDS, Stream.FOLDS, Stream.SETS}


def test_streams_have_numbers_of_their_own():
    numbers = [stream.number for stream in Stream if stream not in SHARED]
    assert len(set(numbers)) == len(numbers)
    assert len({int(stream) for stream in StepStream}) == len(StepStream)


def test_a_generator_is_that_of_seed_stream_and_parts():
    received = generator(5, Stream.PAIRS, 2).random(4)
    np.testing.assert_array_equal(received, np.random.default_rng([5, 50, 2]).random(4))
    assert (received != generator(5, Stream.PAIRS, 3).random(4)).all()
    assert (received != generator(6, Stream.PAIRS, 2).random(4)).all()


def test_derived_seeds_fit_other_software():
    seeds = [derived_seed(seed, Stream.FUSION_TREES) for seed in range(50)]
    assert len(set(seeds)) == 50
    assert 0 <= min(seeds) and max(seeds) < 2**31
