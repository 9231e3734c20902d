import dataclasses
from itertools import pairwise

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_mixup_gan import MixUp
from keras_mixup_gan.augment import augment
from keras_mixup_gan.mixup import is_mixed
from keras_mixup_gan.models.inputs import InputPipeline


def key(number=0):
    return tf.constant([7, number], tf.int64)


def identity_images(num_images):
    """Image `i` has a one in channel `i`: a mixture shows its own weights."""
    return np.eye(num_images, dtype="float32")[:, None, None, :]


def mix_matrix(mixup, num_images, step=0, labels=None):
    """The weights of one mixed batch, read off the mixed images themselves."""
    batch = {"images": identity_images(num_images)}
    if labels is not None:
        batch["labels"] = labels
    return mixup.mix_batch((batch,), (1, step))["images"].numpy()[:, 0, 0]


def epochs(dataset, count):
    return [
        np.concatenate([batch.numpy()[:, 0, 0] for batch in dataset])
        for _ in range(count)
    ]


def assert_distributed(samples, cdf, resolution=1e-6):
    """Kolmogorov-Smirnov, leaving out what float32 cannot tell from 0 and 1."""
    samples = np.sort(samples)
    inside = (samples > resolution) & (samples < 1 - resolution)
    expected = cdf(samples)
    rank = np.arange(len(samples))
    above = (rank + 1) / len(samples) - expected
    below = expected - rank / len(samples)
    distance = max(above[inside].max(), below[inside].max())
    assert distance < scipy.stats.kstwo.isf(1e-6, len(samples))


# === The weights ===


@pytest.mark.parametrize("alpha", [0.05, 0.4, 1.0, 8.0])
@pytest.mark.parametrize("num_samples", [2, 3])
def test_weights_are_dirichlet_distributed(alpha, num_samples):
    mixup = MixUp(alpha=alpha, num_samples=num_samples)
    shares = mixup.draw_shares(20_000, key()).numpy().astype("float64")
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    marginal = scipy.stats.beta(alpha, (num_samples - 1) * alpha)
    for column in shares.T:
        assert_distributed(column, marginal.cdf)
    expected = scipy.stats.dirichlet([alpha] * num_samples).cov()
    np.testing.assert_allclose(np.cov(shares.T), expected, atol=0.01)


def test_rows_draw_their_weights_independently():
    first = MixUp().draw_shares(20_000, key()).numpy()[:, 0]
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < 5 / np.sqrt(len(first))


def test_weights_once_a_batch():
    draws = []
    for number in range(300):
        shares = MixUp(per="batch").draw_shares(16, key(number)).numpy()
        assert shares.shape == (16, 2)
        assert np.all(shares == shares[0])
        draws.append(shares[0, 0])
    assert_distributed(np.array(draws), scipy.stats.uniform.cdf)


@pytest.mark.parametrize(
    ("num_samples", "max_weight"), [(2, 0.8), (2, 0.5), (3, 0.6), (3, 1 / 3)]
)
def test_max_weight_binds_where_it_is_exceeded_and_nowhere_else(
    num_samples, max_weight
):
    free = MixUp(alpha=0.3, num_samples=num_samples)
    limited = dataclasses.replace(free, max_weight=max_weight)
    before = free.draw_shares(5000, key()).numpy()
    after = limited.draw_shares(5000, key()).numpy()
    exceeds = before.max(axis=1) > max_weight
    assert exceeds.mean() > 0.3
    np.testing.assert_array_equal(after[~exceeds], before[~exceeds])
    np.testing.assert_allclose(after[exceeds].max(axis=1), max_weight, rtol=1e-6)
    np.testing.assert_allclose(after.sum(axis=1), 1, atol=1e-6)
    assert after.min() >= 0
    largest = before[exceeds].argmax(axis=1)
    if max_weight > 1 / num_samples:
        np.testing.assert_array_equal(after[exceeds].argmax(axis=1), largest)


@pytest.mark.parametrize("num_samples", [2, 3, 5])
def test_each_mixture_blends_so_many_distinct_images(num_samples):
    mixup = MixUp(num_samples=num_samples)
    for step in range(5):
        weights = mix_matrix(mixup, 16, step)
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
        assert np.all((weights > 0).sum(axis=1) == num_samples)
        # Every image of the batch is used equally often.
        assert np.all((weights > 0).sum(axis=0) == num_samples)


def test_the_smallest_batch_still_mixes():
    assert np.all((mix_matrix(MixUp(), 2) > 0).sum(axis=1) == 2)


def test_partners_differ_from_step_to_step():
    matrices = [mix_matrix(MixUp(), 16, step) > 0 for step in range(10)]
    assert len({matrix.tobytes() for matrix in matrices}) == 10


def test_no_raw_image_remains_under_a_maximal_weight():
    images = np.random.default_rng(0).uniform(-1, 1, (64, 4, 4, 1)).astype("float32")
    mixup = MixUp(alpha=0.05, max_weight=0.8)
    for step in range(20):
        mixed = mixup.mix_batch(({"images": images},), (0, step))["images"].numpy()
        gaps = np.abs(mixed[:, None] - images[None]).max(axis=(2, 3, 4))
        assert gaps.min() > 0.05


# === Same class ===


def test_same_class_blends_one_class_and_replaces_singletons():
    classes = np.array([0, 1, 0, 2, 1, 0, 1, 0])  # class 2 has one image only
    labels = np.eye(3, dtype="float32")[classes]
    anchors = []
    for step in range(30):
        weights = mix_matrix(MixUp(same_class=True), 8, step, labels)
        assert np.all((weights > 0).sum(axis=1) == 2)
        assert np.all(weights[:, 3] == 0)
        for row in weights:
            assert len(set(classes[row > 0])) == 1
        anchors.append(weights > 0)
    used = np.mean(anchors, axis=0).mean(axis=0)
    assert np.all(used[np.arange(8) != 3] > 0.05)


def test_same_class_with_more_partners_than_a_class_has():
    classes = np.array([0, 0, 1, 1, 1, 1])
    labels = np.eye(2, dtype="float32")[classes]
    weights = mix_matrix(MixUp(same_class=True, num_samples=3), 6, 0, labels)
    assert np.all((weights > 0).sum(axis=1) == 3)
    assert np.all(weights[:, :2] == 0)


def test_same_class_where_no_class_has_a_pair():
    labels = np.eye(4, dtype="float32")
    with pytest.raises(tf.errors.InvalidArgumentError, match="any class of the batch"):
        mix_matrix(MixUp(same_class=True), 4, 0, labels)


# === Images and labels ===


def test_labels_are_mixed_by_the_same_matrix():
    random = np.random.default_rng(1)
    images = random.uniform(-1, 1, (10, 4, 6, 3)).astype("float32")
    labels = random.dirichlet(np.ones(4), 10).astype("float32")
    batch = {"images": images, "labels": labels}
    mixed = MixUp(num_samples=3).mix_batch((batch,), (0, 0))
    weights = mixed["weights"].numpy()
    assert weights.shape == (10, 10)
    np.testing.assert_allclose(mixed["labels"], weights @ labels, atol=1e-6)
    expected = np.einsum("mi,ihwc->mhwc", weights, images)
    np.testing.assert_allclose(mixed["images"], expected, atol=1e-6)
    np.testing.assert_array_equal(mixed["source_labels"], labels)


def test_noise_is_gaussian_of_the_given_size_and_fresh_each_time():
    zeros = {"images": np.zeros((50, 20, 20, 1), "float32")}
    mixup = MixUp(noise_stddev=0.5)
    mixed = [mixup.mix_batch((zeros,), (0, step)) for step in (0, 1)]
    noise = [part["images"].numpy().ravel() for part in mixed]
    for draw in noise:
        assert scipy.stats.kstest(draw, scipy.stats.norm(0, 0.5).cdf).pvalue > 1e-4
    assert abs(np.corrcoef(*noise)[0, 1]) < 5 / np.sqrt(noise[0].size)
    rows = noise[0].reshape(50, -1)
    assert abs(np.corrcoef(rows[0], rows[1])[0, 1]) < 0.25


@pytest.mark.parametrize("alpha", [0.3, 1.0, 8.0])
def test_mixtures_keep_the_mean_and_shrink_the_covariance(alpha):
    # E[l^2 + (1 - l)^2] = (alpha + 1) / (2 alpha + 1) for l ~ Beta(alpha, alpha).
    random = np.random.default_rng(2)
    mean = np.array([0.3, -0.2, 0.1])
    root = np.array([[1, 0, 0], [0.5, 1, 0], [0, 0, 2]])
    images = mean + random.standard_normal((40_000, 3)) @ root.T
    images = images.astype("float32")[:, None, None] / 16
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(500)
    [mixed] = epochs(dataset.apply(MixUp(alpha=alpha, seed=0)), 1)
    mixed *= 16
    np.testing.assert_allclose(mixed.mean(axis=0), mean, atol=0.05)
    expected = (alpha + 1) / (2 * alpha + 1) * root @ root.T
    np.testing.assert_allclose(np.cov(mixed.T), expected, atol=0.09)


# === The transform ===


def twelve(batch_size=4):
    return tf.data.Dataset.from_tensor_slices(identity_images(12)).batch(batch_size)


@pytest.mark.parametrize(
    "mixup", [MixUp(seed=3, noise_stddev=0.1), MixUp.paper(seed=3)]
)
def test_new_mixtures_every_epoch_yet_reproducible(mixup):
    first = epochs(twelve().apply(mixup), 3)
    again = epochs(twelve().apply(mixup), 3)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[1], first[2])
    other = epochs(twelve().apply(dataclasses.replace(mixup, seed=4)), 3)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("global_seed", [0, 1])
def test_passes_work_whatever_the_global_seed(global_seed):
    keras.utils.set_random_seed(global_seed)
    [mixed] = epochs(twelve().apply(MixUp.paper(seed=0)), 1)
    np.testing.assert_allclose(mixed.sum(axis=1), 1, atol=1e-6)


def test_steps_of_an_epoch_mix_differently():
    [mixed] = epochs(twelve().apply(MixUp(seed=0)), 1)
    blocks = [mixed[at : at + 4, at : at + 4] for at in (0, 4, 8)]
    assert not np.allclose(blocks[0], blocks[1])
    assert not np.allclose(blocks[1], blocks[2])


def test_without_a_seed_the_operating_system_draws_one():
    keras.utils.set_random_seed(0)
    first = epochs(twelve().apply(MixUp()), 1)
    keras.utils.set_random_seed(0)
    assert not np.array_equal(first, epochs(twelve().apply(MixUp()), 1))


def test_parallel_maps_do_not_change_the_mixtures():
    images = np.random.default_rng(3).uniform(-1, 1, (120, 5, 5, 1)).astype("float32")
    mixup = MixUp(num_samples=3, noise_stddev=0.3)
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(4)
    # A slow, uneven source lets the parallel map overtake itself if it can.
    dataset = dataset.map(lambda x: {"images": x}, num_parallel_calls=4)
    mixed = mixup.mixed_batches(dataset, tf.data.Dataset.counter(10), seed=5)
    for number, batch in enumerate(mixed):
        raw = {"images": images[4 * number : 4 * number + 4]}
        expected = mixup.mix_batch((raw,), (5, 10 + number))
        np.testing.assert_array_equal(batch["images"], expected["images"])
        np.testing.assert_array_equal(batch["weights"], expected["weights"])
    assert number == 29


@pytest.mark.parametrize(
    "names", [None, ("images",), ("image", "label"), ("images", "labels"), (0, 1)]
)
def test_structure_and_length_are_kept(names):
    images, labels = identity_images(12), np.eye(12, dtype="float32")
    source = images
    if names == (0, 1):
        source = (images, labels)
    elif names:
        source = dict(zip(names, (images, labels), strict=False))
    dataset = tf.data.Dataset.from_tensor_slices(source).batch(4)
    mixed = dataset.apply(MixUp(seed=0))
    assert mixed.cardinality() == 3
    tf.nest.assert_same_structure(mixed.element_spec, dataset.element_spec)
    for batch in mixed:
        parts = tf.nest.flatten(batch)
        assert parts[0].shape[0] == 4
        if len(parts) == 2:
            # Labels equal the images' own weights here: both mixed alike.
            flat = [np.reshape(part, (4, 12)) for part in parts]
            np.testing.assert_allclose(*flat, atol=1e-6)


def test_an_endless_data_set_stays_endless():
    mixed = twelve().repeat().apply(MixUp(seed=0))
    assert len(list(mixed.take(7))) == 7


# === The published rule ===


@pytest.fixture(scope="module")
def published_epochs():
    """For 40 epochs: weights of the first pass, and whom each member met."""
    result = []
    for matrix in epochs(twelve().apply(MixUp.paper(seed=1)), 40):
        shares, partners = np.empty(12), np.empty(12, int)
        for row in range(12):
            others = np.flatnonzero(matrix[row] * (np.arange(12) != row))
            assert len(others) <= 1
            partners[row] = others[0] if len(others) else row
            shares[row] = matrix[row, row] if len(others) else np.nan
        result.append((shares.reshape(3, 4), partners))
    return result


@pytest.mark.long
def test_paper_rule_uses_one_weight_a_batch_and_all_members_once_a_pass(
    published_epochs,
):
    weights, meetings, orders = [], 0, set()
    for shares, partners in published_epochs:
        np.testing.assert_array_equal(np.sort(partners), np.arange(12))
        meetings += np.sum(partners == np.arange(12))
        orders.add(tuple(partners))
        for batch in shares:
            known = batch[~np.isnan(batch)]
            if len(known):
                np.testing.assert_allclose(known, known[0], rtol=1e-6)
                weights.append(known[0])
    assert len(orders) == 40
    # A member meets itself once an epoch on average: 40 expected, Poisson spread.
    assert 15 < meetings < 75
    assert_distributed(np.array(weights), scipy.stats.uniform.cdf)


@pytest.mark.long
def test_paper_rule_partners_come_from_the_whole_data_set(published_epochs):
    met = np.zeros((12, 12))
    for _, partners in published_epochs:
        met[np.arange(12), partners] += 1
    # 40 / 12 = 3.3 meetings of every pair expected.
    assert np.mean(met > 0) > 0.9
    assert met.max() < 15


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([], "must fill at least one batch"),
        ([[[[3.0]]]], r"finite and lie in \[-1, 1\]"),
    ],
)
def test_paper_rule_reads_a_batch_of_unknown_size_and_checks_it(values, said):
    images = np.reshape(values, (-1, 1, 1, 1)).astype("float32")
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(4)
    with pytest.raises(ValueError, match=said):
        dataset.apply(MixUp.paper())


def test_paper_rule_mixes_labels_with_the_same_weight():
    data = identity_images(12), np.eye(12, dtype="float32")
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(4)
    for images, labels in dataset.apply(MixUp.paper(seed=0)):
        np.testing.assert_allclose(images[:, 0, 0], labels, atol=1e-6)


@pytest.mark.parametrize("num_classes", [None, 2, 20])
def test_where_fakes_are_not_blended_neighbors_share_images_by_chance(num_classes):
    same_class = num_classes is not None
    labels = np.eye(num_classes or 1, dtype="float32")[
        np.arange(64) % (num_classes or 1)
    ]
    drawn = {
        mix_fakes: MixUp(mix_fakes=mix_fakes, same_class=same_class)
        .draw_partners(tf.constant(64), tf.constant([1, 2], tf.int64), labels)
        .numpy()
        for mix_fakes in (True, False)
    }
    rows = {mix_fakes: sorted(map(tuple, drawn[mix_fakes])) for mix_fakes in drawn}
    assert rows[True] == rows[False]
    shared = {
        mix_fakes: np.mean([bool({*a} & {*b}) for a, b in pairwise(partners)])
        for mix_fakes, partners in drawn.items()
    }
    assert shared[True] > 0.5
    assert shared[False] < 0.15


def test_the_published_settings():
    paper = MixUp.paper(seed=5)
    assert paper == MixUp(
        alpha=1.0, per="batch", mix_fakes=False, pairing="passes", seed=5
    )


@pytest.mark.parametrize("num_samples", [2, 3])
def test_passes_state_the_weights_of_all_their_images(num_samples):
    mixup = MixUp(pairing="passes", num_samples=num_samples)
    random = np.random.default_rng(4)
    passes = tuple(
        {
            "images": random.uniform(-1, 1, (6, 4, 4, 1)).astype("float32"),
            "labels": np.eye(3, dtype="float32")[random.integers(3, size=6)],
        }
        for _ in range(num_samples)
    )
    mixed = mixup.mix_batch(passes, (0, 0))
    weights = mixed["weights"].numpy()
    assert weights.shape == (6, 6 * num_samples)
    images = np.concatenate([part["images"] for part in passes])
    expected = np.einsum("mi,ihwc->mhwc", weights, images)
    np.testing.assert_allclose(mixed["images"], expected, atol=1e-6)
    # Fakes generated for `source_labels` and mixed alike get the same soft labels.
    np.testing.assert_allclose(
        mixed["labels"], weights @ mixed["source_labels"].numpy(), atol=1e-6
    )


# === Mistakes ===


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 0}, "alpha"),
        ({"alpha": -1.0}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"alpha": float("inf")}, "alpha"),
        ({"num_samples": 0}, "num_samples"),
        ({"num_samples": 2.0}, "num_samples"),
        ({"max_weight": 0.49}, "max_weight"),
        ({"max_weight": 1.01}, "max_weight"),
        ({"num_samples": 3, "max_weight": 0.3}, "max_weight"),
        ({"noise_stddev": -0.1}, "noise_stddev"),
        ({"per": "image"}, "per"),
        ({"pairing": "pairs"}, "pairing"),
        ({"noise_stddev": float("inf")}, "noise_stddev"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"same_class": True, "pairing": "passes"}, "same_class"),
        ({"max_weight": 0.8, "pairing": "passes"}, "max_weight"),
        ({"max_weight": 0.9, "pairing": "passes"}, "max_weight"),
        ({"noise": "never"}, "noise"),
    ],
)
def test_bad_settings(arguments, message):
    with pytest.raises(ValueError, match=rf"`{message}`.*Received: "):
        MixUp(**arguments)


def dataset_of(*shapes_and_types):
    parts = tuple(np.zeros(shape, dtype) for shape, dtype in shapes_and_types)
    return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0])


IMAGES = ((8, 4, 4, 1), "float32")


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (dataset_of(IMAGES), r"batches of images.*\.batch\(batch_size\)"),
        (dataset_of(((8, 4, 4, 1), "int32")).batch(4), "floating point.*int32"),
        (dataset_of(IMAGES, ((8,), "int64")).batch(4), r"one-hot.*tf\.one_hot"),
        (dataset_of(IMAGES, ((8,), "float32")).batch(4), "one-hot"),
        (dataset_of(IMAGES, ((8, 3), "int32")).batch(4), "one-hot.*int32"),
        (dataset_of(IMAGES, IMAGES, IMAGES).batch(4), "tuples of 3"),
        (
            dataset_of(IMAGES, IMAGES).map(lambda a, b: {"images": a, "x": b}).batch(4),
            r"\['images', 'x'\]",
        ),
        (dataset_of(IMAGES).map(lambda a: {"pixels": a}).batch(4), "pixels"),
    ],
)
def test_unsuitable_data_sets(dataset, message):
    with pytest.raises(ValueError, match=message) as caught:
        dataset.apply(MixUp())
    assert "Received: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_same_class_without_labels():
    with pytest.raises(ValueError, match="needs labels"):
        twelve().apply(MixUp(same_class=True))


@pytest.mark.parametrize(
    "between",
    [
        lambda mixed: mixed,
        lambda mixed: mixed.prefetch(2),
        lambda mixed: mixed.map(lambda x: x * 0.5).repeat(2).take(3),
        lambda mixed: tf.data.Dataset.zip(mixed, mixed).map(lambda a, b: a + b),
    ],
)
def test_mixing_twice_is_refused(between):
    dataset = between(twelve().apply(MixUp()))
    assert is_mixed(dataset)
    with pytest.raises(ValueError, match="mixed twice"):
        dataset.apply(MixUp())


def test_raw_data_sets_are_not_taken_for_mixed():
    assert not is_mixed(twelve().map(lambda x: x).prefetch(1))


def test_a_batch_too_small_to_mix():
    with pytest.raises(tf.errors.InvalidArgumentError, match="Mixing 3 images"):
        list(twelve(batch_size=2).apply(MixUp(num_samples=3)))


@pytest.mark.parametrize(
    "mixup",
    [MixUp(), MixUp.paper(seed=3), MixUp(0.5, 3, same_class=True, max_weight=0.9)],
)
def test_config_round_trip(mixup):
    config = keras.saving.serialize_keras_object(mixup)
    assert config["registered_name"] == "keras_mixup_gan>MixUp"
    assert keras.saving.deserialize_keras_object(config) == mixup
    assert MixUp.from_config(mixup.get_config()) == mixup


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(dataclasses.FrozenInstanceError):
        MixUp().alpha = 2.0


# === Noise alone ===


def test_one_sample_is_noise_alone():
    images = np.linspace(-1, 1, 6 * 16, dtype="float32").reshape(6, 4, 4, 1)
    batch = {"images": tf.constant(images)}
    mixup = MixUp(num_samples=1, noise_stddev=0.5)
    mixed = mixup.mix_batch((batch,), (0, 3))
    weights = mixed["weights"].numpy()
    # Each image once, whole, in another order.
    np.testing.assert_array_equal(np.sort(weights, axis=1)[:, :-1], 0)
    np.testing.assert_array_equal(weights.sum(axis=0), 1)
    np.testing.assert_array_equal(weights.max(axis=1), 1)
    noise = mixed["images"].numpy() - images[weights.argmax(axis=1)]
    assert 0.4 < noise.std() < 0.6


def test_one_sample_without_noise_would_be_no_defense():
    with pytest.raises(ValueError, match=r"leaves every image as it is.*Received"):
        MixUp(num_samples=1)


# === Transforms first, and regions ===

POLICY = "color,translation,cutout"


def pictures(num_images=6, shape=(8, 8, 3), seed=0):
    random = np.random.default_rng(seed)
    return random.uniform(-1, 1, (num_images, *shape)).astype("float32")


def drawn_apart(images, mixup):
    """By other means: the sources that went into mixtures, and what noise was added."""
    seed = tf.constant([0, 3], tf.int64)
    sources = augment(images, mixup.augment, tf.random.fold_in(seed, 0)).numpy()
    noise_key = tf.random.split(seed, 3)[2]
    noise = tf.random.stateless_normal(images.shape, noise_key).numpy()
    return sources, mixup.noise_stddev * noise


def test_each_image_is_transformed_then_blended_then_made_noisy():
    images, mixup = pictures(), MixUp(alpha=8.0, noise_stddev=0.25, augment=POLICY)
    mixed = mixup.mix_batch(({"images": images},), (0, 3))
    sources, noise = drawn_apart(images, mixup)
    assert not np.allclose(sources, images)
    expected = np.einsum("mn,nhwc->mhwc", mixed["weights"], sources) + noise
    np.testing.assert_allclose(mixed["images"], expected, atol=1e-5)
    # In another order it would be another image.
    late = np.einsum("mn,nhwc->mhwc", mixed["weights"], images)
    late = augment(late.astype("float32"), POLICY, tf.constant([0, 3], tf.int64))
    assert np.abs(mixed["images"] - noise - late).max() > 0.1


def test_transforms_change_neither_partners_nor_weights_nor_noise():
    images, labels = pictures(), np.eye(6, dtype="float32")
    plain = MixUp(alpha=8.0, noise_stddev=0.5)
    mixed = [
        dataclasses.replace(plain, augment=policy).mix_batch(
            ({"images": images, "labels": labels},), (0, 3)
        )
        for policy in (None, "cutout")
    ]
    for name in ("weights", "labels", "source_labels"):
        np.testing.assert_array_equal(mixed[0][name], mixed[1][name])


def test_one_sample_without_noise_is_the_transform_alone():
    images, mixup = pictures(), MixUp(num_samples=1, augment=POLICY)
    mixed = mixup.mix_batch(({"images": images},), (0, 3))
    order = mixed["weights"].numpy().argmax(axis=1)
    np.testing.assert_array_equal(mixed["weights"], np.eye(6)[order])
    sources = drawn_apart(images, mixup)[0]
    np.testing.assert_array_equal(mixed["images"], sources[order])


def test_passes_transform_every_image_of_every_pass_by_itself():
    images = np.repeat(pictures(1), 6, axis=0)
    mixup = MixUp(pairing="passes", augment="translation")
    same = ({"images": images}, {"images": images})
    mixed = mixup.mix_batch(same, (0, 3))
    sources = drawn_apart(np.concatenate([images, images]), mixup)[0]
    expected = np.einsum("mn,nhwc->mhwc", mixed["weights"], sources)
    np.testing.assert_allclose(mixed["images"], expected, atol=1e-5)


@pytest.mark.parametrize("num_samples", [2, 3])
def test_regions_are_of_images_and_labels_have_their_areas(num_samples):
    images, labels = pictures(), np.eye(6, dtype="float32")
    mixup = MixUp(alpha=8.0, region="cutmix", num_samples=num_samples)
    mixed = mixup.mix_batch(({"images": images, "labels": labels},), (0, 3))
    origins = mixed["origins"].numpy()
    places = np.broadcast_to(origins[..., None], images.shape)
    expected = np.take_along_axis(images, places, axis=0)
    np.testing.assert_array_equal(mixed["images"], expected)
    areas = np.stack([(origins == n).mean(axis=(1, 2)) for n in range(6)], axis=1)
    np.testing.assert_allclose(mixed["weights"], areas, atol=1e-6)
    np.testing.assert_allclose(mixed["labels"], areas, atol=1e-6)
    assert np.all((areas > 0).sum(axis=1) == num_samples)


@pytest.mark.long
def test_a_data_set_is_transformed_reproducibly_and_anew_in_every_epoch():
    def transformed():
        dataset = tf.data.Dataset.from_tensor_slices(pictures()).batch(3)
        mixed = dataset.apply(MixUp(augment=POLICY, region="cutmix", seed=1))
        return [np.concatenate(list(mixed.as_numpy_iterator())) for _ in range(2)]

    first, again = transformed(), transformed()
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(*first)


def test_transforms_need_images_of_a_known_size():
    dataset = tf.data.Dataset.from_generator(
        lambda: [pictures()], output_signature=tf.TensorSpec((None, None, None, 3))
    )
    with pytest.raises(ValueError, match=r"known size.*Received: shape=\(None, None"):
        dataset.apply(MixUp(augment=POLICY))
    assert len(list(dataset.apply(MixUp()))) == 1


def test_settings_that_came_later_are_in_the_config_only_if_used():
    assert set(MixUp().get_config()).isdisjoint({"augment", "region", "noise"})
    mixup = MixUp(
        augment="cutout, color", region="cutmix", noise="once", noise_stddev=1.0
    )
    assert mixup.augment == "cutout,color"
    assert MixUp.from_config(mixup.get_config()) == mixup


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"augment": "zoom"}, "unknown transforms: 'zoom'"),
        ({"region": "squares"}, "`region`.*'squares'"),
        ({"region": "cutmix", "max_weight": 0.8}, "whole pixels.*max_weight=0.8"),
        ({"region": "cutmix", "num_samples": 1, "noise_stddev": 1.0}, "num_samples=1"),
        ({"noise": "once"}, "no noise to draw once"),
    ],
)
def test_unsuitable_transforms_and_regions(settings, message):
    with pytest.raises(ValueError, match=message):
        MixUp(**settings)


def test_a_data_set_cannot_keep_the_noise_of_an_image():
    mixup = MixUp(noise="once", noise_stddev=1.0)
    with pytest.raises(ValueError, match=r"which image is which.*Received: noise='on"):
        twelve().apply(mixup)
    images = tf.data.Dataset.from_tensor_slices(pictures()).batch(3)
    pipeline = InputPipeline((8, 8, 3), None, mixup, None, 0, 1, lambda: 0)
    with pytest.raises(ValueError, match="which image is which"):  # of `fit`
        pipeline.training_batches(images, None, None)


# === What a data set holds ===


@pytest.mark.parametrize("value", [255.0, -1.5, np.nan, np.inf])
@pytest.mark.parametrize("mixup", [MixUp(noise_stddev=1.0), MixUp.paper()])
def test_values_outside_the_range_are_refused_as_they_are_read(mixup, value):
    images = np.zeros((8, 4, 4, 1), "float32")
    images[5, 1, 2, 0] = value
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(4)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"lie in \[-1, 1\]"):
        list(dataset.apply(mixup))


@pytest.mark.parametrize("rows", [np.full((8, 3), np.nan), np.eye(8) * 2, -np.eye(8)])
def test_rows_that_are_no_shares_are_refused_as_they_are_read(rows):
    images = np.zeros((8, 4, 4, 1), "float32")
    dataset = tf.data.Dataset.from_tensor_slices((images, rows)).batch(4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="of sum 1"):
        list(dataset.apply(MixUp()))


def test_bytes_are_mapped_before_they_are_mixed():
    values = np.random.default_rng(0).integers(0, 256, (8, 4, 4, 1), dtype="uint8")
    mixup = MixUp(seed=1, noise_stddev=0.5)
    by_type = [
        epochs(tf.data.Dataset.from_tensor_slices(x).batch(4).apply(mixup), 1)
        for x in (values, (values / 127.5 - 1).astype("float32"))
    ]
    np.testing.assert_allclose(*by_type, atol=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: twelve().map(MixUp()),
        lambda: tf.data.Dataset.zip(twelve(), twelve()).map(MixUp()),
        lambda: MixUp()(identity_images(4)),
    ],
)
def test_a_transform_of_data_sets_says_so(call):
    with pytest.raises(ValueError, match=r"dataset\.apply\(MixUp\(\)\)"):
        call()


def test_a_data_set_without_a_shape():
    dataset = tf.data.Dataset.from_generator(
        lambda: iter([identity_images(4)]), tf.float32
    )
    with pytest.raises(ValueError, match="output_signature"):
        dataset.apply(MixUp())
