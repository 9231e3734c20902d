"""What a training step computes, and what reaches the discriminator."""

import itertools
import tracemalloc

import keras
import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf

from keras_mixup_gan import DPSGD, MixUp
from keras_mixup_gan.data.batches import shuffled_indices
from keras_mixup_gan.models import DCGAN
from tests.models.tiny import (
    NUM_CLASSES,
    assert_same_state,
    make,
    random_images,
    random_labels,
    state,
)


def eager(**arguments):
    """A model whose steps run as plain Python."""
    model = make(compile=False, **arguments)
    rate = 0.05
    model.compile(
        keras.optimizers.SGD(rate), keras.optimizers.SGD(rate), run_eagerly=True
    )
    return model


def softplus(x):
    return tf.math.log(1 + tf.exp(x))


# === The step ===


def test_training_without_defense_is_the_textbook_loop():
    model, twin = eager(), eager()
    images = random_images(10)
    model.fit(images, batch_size=4, epochs=2, verbose=0)

    order = shuffled_indices(
        10, 4, lambda: tf.constant(0, tf.int64), twin.seed + 0x5EED
    )
    averages = [np.array(weight) for weight in twin.ema_generator.weights]
    d_losses = []
    for step, rows in enumerate(order.take(4)):
        reals, latents = images[rows.numpy()], twin.latents(4, draw=0)
        with tf.GradientTape() as g_tape:
            fakes = twin.generator(latents, training=True)
            with tf.GradientTape() as d_tape:
                real = twin.discriminator(reals, training=True)
                fake = twin.discriminator(tf.stop_gradient(fakes), training=True)
                d_loss = tf.reduce_mean(softplus(-real) + softplus(fake))
            descend(twin.discriminator, d_tape, d_loss)
            updated = twin.discriminator(fakes, training=True)
            g_loss = tf.reduce_mean(softplus(-updated))
        descend(twin.generator, g_tape, g_loss)
        d_losses.append(float(d_loss))
        momentum = min(twin.ema_momentum, (1 + step) / (10 + step))
        for at, weight in enumerate(twin.generator.weights):
            new = np.array(weight)
            share = momentum if weight.trainable else 0
            averages[at] = share * averages[at] + (1 - share) * new
        twin.steps.assign_add(1)
    expected = [*twin.generator.weights, *twin.discriminator.weights, *averages]
    trained = (model.generator, model.discriminator, model.ema_generator)
    weights = [weight for network in trained for weight in network.weights]
    for ours, theirs in zip(weights, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        model.history.history["d_loss"],
        [np.mean(d_losses[:2]), np.mean(d_losses[2:])],
        rtol=1e-5,
    )


def descend(network, tape, loss):
    variables = network.trainable_variables
    for variable, gradient in zip(
        variables, tape.gradient(loss, variables), strict=True
    ):
        variable.assign_sub(0.05 * gradient)


class Recorder(DCGAN):
    """Keeps every gradient of a step that runs eagerly."""

    def minimize(self, tape, loss, network, optimizer):
        gradients = tape.gradient(loss, network.trainable_variables)
        records.append((network.name, gradients))
        optimizer.apply(gradients, network.trainable_variables)


records = []


@pytest.mark.parametrize("norm", ["layer", "group", "batch", None])
@pytest.mark.parametrize(
    ("image_shape", "conditional"), [((16, 16, 1), False), ((16, 12, 3), True)]
)
def test_every_weight_learns_in_every_variant(norm, image_shape, conditional):
    classes = NUM_CLASSES if conditional else None
    model = Recorder(image_shape, 4, 8, norm, num_classes=classes, seed=0)
    model.compile("sgd", "sgd", run_eagerly=True)
    records.clear()
    labels = random_labels(4) if conditional else None
    model.fit(random_images(4, image_shape), labels, batch_size=4, verbose=0)
    assert [name for name, _ in records] == ["discriminator", "generator"]
    for _, gradients in records:
        for gradient in gradients:
            assert np.all(np.isfinite(gradient))
            assert np.abs(gradient).max() > 0


@pytest.mark.parametrize(
    "image_shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3), (64, 64, 3), (20, 8, 2)]
)
def test_image_shapes(image_shape):
    model = make(image_shape=image_shape, compile=False)
    images = model.generate(2, dtype="float32")
    assert images.shape == (2, *image_shape)
    assert model.score(images).shape == (2,)


def test_the_generator_starts_like_its_average_and_unlike_the_discriminator():
    model = make()
    for average, weight in zip(
        model.ema_generator.weights, model.generator.weights, strict=True
    ):
        np.testing.assert_array_equal(average, weight)
    assert not model.ema_generator.trainable_variables


@pytest.mark.long
@pytest.mark.parametrize(
    "mixup",
    [True, *(pytest.param(m, marks=pytest.mark.slow) for m in (False, "paper"))],
)
def test_compiled_by_xla(mixup):
    model = make(mixup=mixup)
    model.compile("adam", "adam", jit_compile=True)
    history = model.fit(random_images(12), batch_size=4, verbose=0)
    assert int(model.steps) == 3
    assert np.all(np.isfinite([*history.history["d_loss"], *history.history["g_loss"]]))
    assert all(np.all(np.isfinite(part)) for part in state(model))


def test_fit_accepts_data_sets_of_every_structure():
    images, labels = random_images(12), random_labels(12)
    rows = np.eye(NUM_CLASSES, dtype="float32")[labels]
    models = []
    for element in (
        (images, labels),
        (images, labels.astype("uint8")),
        (images, rows),
        {"images": images, "labels": rows},
        {"label": labels, "image": images},
    ):
        model = eager(num_classes=NUM_CLASSES)
        dataset = tf.data.Dataset.from_tensor_slices(element).batch(4)
        model.fit(dataset, verbose=0)
        assert int(model.steps) == 3
        models.append(model)
    for model in models[1:]:
        assert_same_state(model, models[0])


def test_fit_reads_an_endless_data_set_for_so_many_steps():
    model = eager()
    dataset = tf.data.Dataset.from_tensor_slices(random_images(12)).batch(4).repeat()
    model.fit(dataset, steps_per_epoch=2, epochs=2, verbose=0)
    assert int(model.steps) == 4


def test_train_on_batch_equals_fit_on_one_batch():
    images = random_images(4)
    model, twin = eager(), eager()
    model.train_on_batch(images)
    twin.fit(tf.data.Dataset.from_tensors(images), verbose=0)
    assert_same_state(model, twin)


# === What the discriminator sees ===


class Spy(DCGAN):
    """Writes down what passes through a step that runs eagerly."""

    def train_step(self, data):
        [batch] = data if len(data) == 1 else [data]
        log.append({"batch": batch, "discriminated": [], "clean": []})
        return super().train_step(data)

    def discriminate_both(self, reals, fakes, labels):
        real = self.discriminate(reals, labels)
        return real, self.discriminate(fakes, labels)

    def discriminate(self, images, labels, training=True):
        if training:
            log[-1]["discriminated"].append((images.numpy(), labels))
        return super().discriminate(images, labels, training)

    def synthesize(self, network, latents, labels=None, draw=None, truncation=1.0):
        images = super().synthesize(network, latents, labels, draw, truncation)
        if draw is not None:
            log[-1]["clean"].append((images.numpy(), labels))
        return images


log = []


def spy_on(mixup, x, y=None, *, discriminator_steps=1, **arguments):
    log.clear()
    model = Spy(
        (8, 8, 1),
        4,
        8,
        mixup=mixup,
        num_classes=None if y is None else NUM_CLASSES,
        discriminator_steps=discriminator_steps,
        seed=0,
    )
    model.compile("sgd", "sgd", run_eagerly=True)
    model.fit(x, y, verbose=0, **arguments)
    return model


def blend_of(image, originals):
    """The convex combination of originals that an image is."""
    columns = originals.reshape(len(originals), -1).T.astype("float64")
    weights, residual = scipy.optimize.nnls(columns, image.ravel().astype("float64"))
    assert residual < 1e-3
    assert abs(weights.sum() - 1) < 1e-3
    return np.where(weights < 1e-4, 0, weights)


MIXUPS = [
    MixUp(alpha=8.0, max_weight=0.8),
    MixUp(alpha=1.0, num_samples=3, max_weight=0.6, mix_fakes=False),
    MixUp(alpha=8.0, per="batch", pairing="passes"),
]


@pytest.mark.parametrize("mixup", MIXUPS)
@pytest.mark.parametrize("as_dataset", [False, True])
def test_the_discriminator_sees_blends_and_never_a_raw_image(mixup, as_dataset):
    originals = random_images(12)
    if as_dataset:
        spy_on(mixup, tf.data.Dataset.from_tensor_slices(originals).batch(4), epochs=2)
    else:
        spy_on(mixup, originals, batch_size=4, epochs=2)
    assert len(log) == 6
    raw = {image.tobytes() for image in originals}
    self_meetings = 0
    for step in log:
        for images, _ in step["discriminated"]:
            if mixup.pairing == "batch":
                assert not raw & {image.tobytes() for image in images}
        reals = step["discriminated"][0][0]
        for image in reals:
            weights = blend_of(image, originals)
            if mixup.pairing == "passes" and (weights > 0).sum() == 1:
                self_meetings += 1  # an image may meet itself in another pass
            else:
                assert (weights > 0).sum() == mixup.num_samples
                assert weights.max() <= mixup.max_weight + 1e-3
    assert self_meetings < 12


def test_paper_rule_blends_two_shuffled_passes_with_one_weight_a_batch():
    originals = random_images(12)
    spy_on(MixUp.paper(), originals, batch_size=4, epochs=3)
    used = np.zeros((3, 12))
    shares = set()
    for number, step in enumerate(log):
        blends = np.array([blend_of(x, originals) for x in step["discriminated"][0][0]])
        used[number // 3] += (blends > 0).sum(axis=0) + (blends > 0.999).sum(axis=0)
        largest = blends.max(axis=1)
        paired = largest[largest < 0.999]
        if len(paired):
            np.testing.assert_allclose(paired, paired[0], atol=2e-3)
            shares.add(round(paired[0], 3))
    # Both passes use every member once, so each enters two mixtures of an epoch.
    np.testing.assert_array_equal(used, 2)
    assert len(shares) > 5
    # Not the data set's own order: both passes are shuffled.
    first = [blend_of(x, originals) > 0 for x in log[0]["discriminated"][0][0]]
    assert not all(row[at] for at, row in enumerate(first))


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize(
    "mixup", [MixUp(alpha=1.0), MixUp(num_samples=3), MixUp(pairing="passes")]
)
def test_two_sided_fakes_are_mixed_by_the_weights_of_the_reals(mixup, conditional):
    originals = random_images(12)
    labels = random_labels(12) if conditional else None
    spy_on(mixup, originals, labels, batch_size=4)
    for step in log:
        weights = step["batch"]["weights"].numpy()
        real, *fakes = step["discriminated"]
        for weight, image in zip(weights, real[0], strict=True):
            # Self-meetings merge two weights in the image: compare what is left.
            blend = np.sort(blend_of(image, originals))[::-1]
            if (blend > 0).sum() == mixup.num_samples:
                np.testing.assert_allclose(
                    blend[: mixup.num_samples],
                    np.sort(weight)[::-1][: mixup.num_samples],
                    atol=2e-3,
                )
        [(clean, clean_labels)] = step["clean"]
        assert len(fakes) == 2  # for the discriminator, then for the generator
        for mixed, mixed_labels in fakes:
            expected = np.einsum("mi,ihwc->mhwc", weights, clean)
            np.testing.assert_allclose(mixed, expected, atol=1e-5)
            if conditional:
                # The discriminator is told the labels that the fakes really have.
                np.testing.assert_allclose(
                    mixed_labels, weights @ clean_labels.numpy(), atol=1e-5
                )


def test_two_sided_noise_reaches_both_sides_but_not_as_the_same_draw():
    spy_on(MixUp(noise_stddev=3.0), random_images(40), batch_size=40)
    [step] = log
    weights = step["batch"]["weights"].numpy()
    real, *fakes = (images for images, _ in step["discriminated"])
    [(clean, _)] = step["clean"]
    for fake in fakes:
        noise = fake - np.einsum("mi,ihwc->mhwc", weights, clean)
        assert abs(noise.std() - 3) < 5 * 3 / np.sqrt(2 * noise.size)
        assert abs(np.corrcoef(noise.ravel(), real.ravel())[0, 1]) < 0.1
    assert abs(real.std() - 3) < 0.3


@pytest.mark.parametrize("rounds", [1, 3])
def test_latents_are_fresh_for_each_discriminator_update(rounds):
    spy_on(None, random_images(36), batch_size=4, discriminator_steps=rounds)
    assert len(log) == 9 // rounds
    fakes = [clean for step in log for clean, _ in step["clean"]]
    assert len({image.tobytes() for fake in fakes for image in fake}) == 9 * 4
    for step in log:
        images = [images for images, _ in step["discriminated"]]
        assert len(images) == 2 * rounds + 1
        np.testing.assert_array_equal(images[-1], step["clean"][-1][0])


def test_one_sided_fakes_are_left_clean_and_labels_are_soft():
    labels = random_labels(12)
    spy_on(MixUp.paper(), random_images(12), labels, batch_size=4)
    for step in log:
        real, *fakes = step["discriminated"]
        [(clean, clean_labels)] = step["clean"]
        for seen, seen_labels in fakes:
            np.testing.assert_array_equal(seen, clean)
            np.testing.assert_array_equal(seen_labels, real[1])
            np.testing.assert_array_equal(clean_labels, real[1])


def test_without_mixup_the_discriminator_sees_the_images():
    originals = random_images(12)
    spy_on(None, originals, batch_size=4)
    seen = np.concatenate([step["discriminated"][0][0] for step in log])
    assert {x.tobytes() for x in seen} == {x.tobytes() for x in originals}


def test_the_same_mixtures_are_drawn_for_a_seed_of_the_transform():
    images = random_images(12)
    batches = []
    for model_seed, mixup_seed in ((0, 5), (1, 5), (0, 6), (0, None)):
        model = make(mixup=MixUp(seed=mixup_seed), seed=model_seed, compile=False)
        prepared, *_ = model.pipeline.training_batches(images, None, 4)
        batches.append([batch["weights"].numpy() for [batch] in prepared.take(2)])
    np.testing.assert_array_equal(batches[0], batches[1])
    assert not np.array_equal(batches[0], batches[2])
    assert not np.array_equal(batches[0], batches[3])


def test_evaluate_and_score_see_raw_images():
    images = random_images(10)
    model = eager(mixup=MixUp(noise_stddev=2.0))
    model.fit(images, batch_size=4, verbose=0)
    raw = np.array(model.discriminator(images, training=False))[:, 0]
    np.testing.assert_allclose(model.score(images), raw, rtol=1e-5, atol=1e-6)
    fakes = model.ema_generator(model.latents(10), training=False)
    fake = np.array(model.discriminator(fakes, training=False))[:, 0]
    result = model.evaluate(images, batch_size=10, verbose=0, return_dict=True)
    expected = np.mean(np.logaddexp(0, -raw)) + np.mean(np.logaddexp(0, fake))
    np.testing.assert_allclose(result["d_loss"], expected, rtol=1e-4)
    np.testing.assert_allclose(
        result["g_loss"], np.mean(np.logaddexp(0, -fake)), rtol=1e-4
    )


def test_evaluate_takes_labels_and_validation_data():
    images, labels = random_images(8), random_labels(8)
    model = eager(num_classes=NUM_CLASSES, mixup=True)
    history = model.fit(
        images, labels, batch_size=4, validation_data=(images, labels), verbose=0
    )
    assert {"val_d_loss", "val_g_loss", "d_loss", "g_loss"} == set(history.history)


def test_training_moves_every_weight_matrix():
    model, fresh = eager(), eager()
    model.fit(random_images(8), batch_size=4, verbose=0)
    for name in ("generator", "discriminator", "ema_generator"):
        trained, before = getattr(model, name).weights, getattr(fresh, name).weights
        for weight, start in zip(trained, before, strict=True):
            assert not np.array_equal(weight, start), weight.path


# === Sampling and scores ===


@pytest.fixture(scope="module")
def unconditional():
    return make()


@pytest.fixture(scope="module")
def conditional():
    return make(num_classes=NUM_CLASSES)


def test_generated_images_by_type(unconditional):
    floats = unconditional.generate(5, dtype="float32")
    assert floats.shape == (5, 8, 8, 1)
    assert floats.dtype == np.float32
    assert np.abs(floats).max() <= 1
    pixels = unconditional.generate(5)
    assert pixels.dtype == np.uint8
    np.testing.assert_allclose(pixels, (floats + 1) * 127.5, atol=0.5001)
    assert unconditional.generate(0).shape == (0, 8, 8, 1)


def test_no_more_than_a_portion_of_many_images_is_held_as_floats(unconditional):
    unconditional.generate(4096)  # traced by TensorFlow
    tracemalloc.start()
    images = unconditional.generate(4096)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * images.nbytes  # all of them as floats would be four times


def test_generated_image_depends_on_seed_and_index_alone(unconditional):
    whole = unconditional.generate(600, seed=3)
    parts = itertools.pairwise([0, 4, 10, 255, 257, 513, 600])
    portions = [unconditional.generate(b - a, seed=3, start=a) for a, b in parts]
    np.testing.assert_array_equal(whole, np.concatenate(portions))
    np.testing.assert_array_equal(
        whole, unconditional.generate(600, seed=3, batch_size=7)
    )
    assert not np.array_equal(whole[:64], unconditional.generate(64, seed=4))
    assert len(np.unique(whole.reshape(600, -1), axis=0)) > 500


def test_generated_classes(conditional):
    chosen = conditional.generate(30, labels=np.full(30, 1), seed=2)
    other = conditional.generate(30, labels=np.full(30, 2), seed=2)
    assert not np.array_equal(chosen, other)
    soft = conditional.generate(30, labels=np.eye(3)[np.full(30, 1)], seed=2)
    np.testing.assert_array_equal(chosen, soft)
    drawn = conditional.generate(300, seed=2)
    np.testing.assert_array_equal(
        drawn[100:], conditional.generate(200, seed=2, start=100)
    )
    # Without labels each image has one of the classes, all of them used.
    matches = [
        np.all(drawn == conditional.generate(300, np.full(300, c), 2), axis=(1, 2, 3))
        for c in range(NUM_CLASSES)
    ]
    assert np.all(np.sum(matches, axis=0) >= 1)
    assert min(np.sum(matches, axis=1)) > 50


def test_the_average_generator_is_called_and_sampled():
    model = make(compile=False)
    latents = np.random.default_rng(0).standard_normal((3, 4)).astype("float32")
    images, sampled = np.array(model(latents)), model.generate(3)
    for weight in model.generator.trainable_variables:
        weight.assign(2 * weight)
    np.testing.assert_array_equal(model(latents), images)
    np.testing.assert_array_equal(model.generate(3), sampled)
    for weight in model.ema_generator.weights:
        weight.assign(2 * weight)
    assert not np.array_equal(model(latents), images)
    assert not np.array_equal(model.generate(3), sampled)


def test_scores_do_not_depend_on_the_batch(unconditional):
    images = random_images(10)
    scores = unconditional.score(images)
    assert scores.dtype == np.float64
    assert scores.shape == (10,)
    np.testing.assert_allclose(
        scores, unconditional.score(images, batch_size=3), atol=1e-6
    )


def test_conditional_scores_take_classes_or_rows(conditional):
    images, labels = random_images(6), random_labels(6)
    scores = conditional.score(images, labels)
    np.testing.assert_array_equal(scores, conditional.score(images, np.eye(3)[labels]))
    assert not np.allclose(scores, conditional.score(images, (labels + 1) % 3))


# === Mistakes ===


def check_one_sentence(error):
    text = str(error.value)
    assert "\n" not in text
    assert "Received: " in text or "Mixing" in text
    assert "Traceback" not in text


def spoiled(value):
    images = random_images(8)
    images[5, 2, 3, 0] = value
    return images


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((8, 8, 8, 1), "int32"), "floating point.*int32"),
        (spoiled(1.5), r"lie in \[-1, 1\]"),
        (spoiled(-1.01), r"lie in \[-1, 1\]"),
        (spoiled(np.nan), "finite"),
        (spoiled(np.inf), "finite"),
        (random_images(8, (8, 8, 3)), r"\(8, 8, 1\).*\(8, 8, 3\)"),
        (random_images(8, (12, 12, 1)), "shape"),
        (random_images(8)[..., 0], "shape"),
        (random_images(0), "at least one image"),
        (random_images(3), "fewer images than a batch"),
    ],
)
@pytest.mark.parametrize("defense", [{}, {"dp": DPSGD()}])
def test_unsuitable_arrays(images, message, defense):
    with pytest.raises(ValueError, match=message) as caught:
        make(**defense).fit(images, batch_size=4, verbose=0)
    check_one_sentence(caught)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((8, 8, 8, 1), "int32"), "floating point.*int32"),
        (random_images(8, (8, 8, 3)), r"\(8, 8, 1\).*\(8, 8, 3\)"),
        (random_images(0), "empty data set"),
    ],
)
def test_unsuitable_data_sets(images, message):
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(4)
    with pytest.raises(ValueError, match=message) as caught:
        make().fit(dataset, verbose=0)
    check_one_sentence(caught)


@pytest.mark.parametrize(("value", "mixup"), [(1.5, False), (np.nan, True)])
def test_data_sets_with_values_out_of_range(value, mixup):
    dataset = tf.data.Dataset.from_tensor_slices(spoiled(value)).batch(4)
    with pytest.raises(ValueError, match=r"lie in \[-1, 1\]") as caught:
        make(mixup=mixup).fit(dataset, verbose=0)
    check_one_sentence(caught)


@pytest.mark.parametrize("size", [5, 4])
def test_batches_too_small_to_mix(size):
    # Five images in batches of four leave a batch of one.
    dataset = tf.data.Dataset.from_tensor_slices(random_images(size)).batch(4)
    model = make(mixup=MixUp(num_samples=2 if size == 5 else 5))
    with pytest.raises(ValueError, match=r"^Mixing \d images needs.*\.$") as caught:
        model.fit(dataset, verbose=0)
    check_one_sentence(caught)


def test_mixing_twice_through_the_model():
    dataset = tf.data.Dataset.from_tensor_slices(random_images(8)).batch(4)
    mixed = dataset.apply(MixUp()).prefetch(1)
    with pytest.raises(ValueError, match="mixed twice") as caught:
        make(mixup=True).fit(mixed, verbose=0)
    check_one_sentence(caught)


def test_a_mixed_data_set_trains_a_model_without_mixup():
    dataset = tf.data.Dataset.from_tensor_slices(random_images(8)).batch(4)
    model = eager()
    with pytest.warns(UserWarning, match="the model knows nothing of it"):
        model.fit(dataset.apply(MixUp(noise_stddev=1.0)), verbose=0)
    assert int(model.steps) == 2


@pytest.mark.parametrize("defense", [{"mixup": True}, {"dp": DPSGD()}])
def test_raw_batches_are_refused(defense):
    with pytest.raises(ValueError, match="through `fit`") as caught:
        make(**defense).train_on_batch(random_images(4))
    check_one_sentence(caught)


@pytest.mark.parametrize(
    ("num_classes", "labels", "message"),
    [
        (None, np.zeros(8, int), "unconditional"),
        (3, None, "conditional"),
        (3, np.arange(8), "0 to 2.*7"),
        (3, np.full(8, -1), "0 to 2.*-1"),
        (3, np.zeros(7, int), "8 integers"),
        (3, np.zeros(8), "integers"),
        (3, np.zeros((8, 4)), r"\(8, 3\)"),
    ],
)
def test_unsuitable_labels(num_classes, labels, message):
    model = make(num_classes=num_classes)
    with pytest.raises(ValueError, match=message) as caught:
        model.fit(random_images(8), labels, batch_size=4, verbose=0)
    check_one_sentence(caught)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "conditional"),
        (np.arange(8), r"0 to 2.*[37]$"),
        (np.full(8, -1), "0 to 2"),
        (np.zeros((8, 2), int), r"\(None, 2\)"),
        (np.zeros(8, "float32"), "float32"),
        (np.zeros((8, 4), "float32"), r"\(batch, 3\)"),
    ],
)
def test_unsuitable_labels_in_a_data_set(labels, message):
    element = random_images(8) if labels is None else (random_images(8), labels)
    dataset = tf.data.Dataset.from_tensor_slices(element).batch(4)
    with pytest.raises(ValueError, match=message) as caught:
        make(num_classes=3).fit(dataset, verbose=0)
    check_one_sentence(caught)


@pytest.mark.parametrize("beside", [{"y": np.zeros(8, int)}, {"batch_size": 4}])
def test_nothing_beside_a_data_set(beside):
    dataset = tf.data.Dataset.from_tensor_slices(random_images(8)).batch(4)
    with pytest.raises(ValueError, match="Leave them out"):
        make(num_classes=3).fit(dataset, **beside)


@pytest.mark.parametrize("image_shape", [(30, 30, 1), (4, 4, 1), (28, 28), (8, 10, 1)])
def test_unsuitable_image_shapes(image_shape):
    with pytest.raises(ValueError, match="`image_shape` must be"):
        make(image_shape=image_shape)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"norm": "layr"}, "norm.*'layer'"),
        ({"latent_dim": 0}, "latent_dim"),
        ({"width": 1.5}, "width"),
        ({"ema_momentum": 1.5}, "ema_momentum"),
        ({"seed": -1}, "seed"),
    ],
)
def test_unsuitable_settings(arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        make(**arguments)
    check_one_sentence(caught)


def test_unsuitable_requests_to_generate(unconditional, conditional):
    with pytest.raises(ValueError, match="unconditional"):
        unconditional.generate(2, labels=np.zeros(2, int))
    with pytest.raises(ValueError, match="2 integers"):
        conditional.generate(2, labels=np.zeros(3, int))
    with pytest.raises(ValueError, match="dtype"):
        unconditional.generate(2, dtype="float64")
    with pytest.raises(ValueError, match="num_images"):
        unconditional.generate(-1)


def test_unsuitable_requests_to_score(unconditional, conditional):
    with pytest.raises(ValueError, match="unconditional"):
        unconditional.score(random_images(2), np.zeros(2, int))
    with pytest.raises(ValueError, match="conditional"):
        conditional.score(random_images(2))
    with pytest.raises(ValueError, match="lie in"):
        unconditional.score(2 * random_images(2))
    loose = unconditional.score(2 * random_images(2), check_range=False)
    assert np.all(np.isfinite(loose))


def test_one_batch_may_come_in_any_structure():
    images, labels = random_images(4), np.eye(3, dtype="float32")[[0, 1, 2, 0]]
    batches = [
        (images, labels),
        [images, labels],
        {"images": images, "labels": labels},
        (images, np.array([0, 1, 2, 0])),
    ]
    pipeline = make(num_classes=3).pipeline
    for batch in batches:
        (received,) = pipeline.prepared(tf.nest.map_structure(tf.constant, batch))
        np.testing.assert_array_equal(received.images, images)
        np.testing.assert_array_equal(received.labels, labels)


def test_labels_of_unknown_shape_are_refused():
    labels = tf.data.Dataset.from_generator(
        lambda: iter([np.zeros((4, 3), "float32")]), tf.float32
    )
    images = tf.data.Dataset.from_tensors(random_images(4))
    with pytest.raises(ValueError, match="must be integers of shape"):
        make(num_classes=3).fit(tf.data.Dataset.zip(images, labels), verbose=0)


def test_single_batches_may_have_labels_without_a_graph_too():
    model = eager(num_classes=NUM_CLASSES)
    images, classes = random_images(8), random_labels(8)
    rows = np.eye(NUM_CLASSES, dtype="float32")[classes]
    for labels in (classes, classes[:, None], rows):
        assert np.isfinite(model.train_on_batch(images, labels)).all()


def test_data_without_end_need_a_number_of_steps():
    dataset = tf.data.Dataset.from_tensor_slices(random_images(8)).batch(4).repeat()
    with pytest.raises(ValueError, match="Expected `steps_per_epoch` with it"):
        make().fit(dataset, verbose=0)
