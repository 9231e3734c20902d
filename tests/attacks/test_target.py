import keras
import numpy as np
import pytest
from PIL import Image

from keras_mixup_gan.attacks import LOGAN, AttackTarget, ReferenceData
from keras_mixup_gan.attacks.access import function_sampler, is_ours
from keras_mixup_gan.data.classes import Images
from keras_mixup_gan.data.splits import MembershipSplit
from keras_mixup_gan.models.networks import latents_and_classes
from tests.attacks.fakes import SHAPE, FakeGAN, defense, images
from tests.models.tiny import make


def test_a_model_grants_everything_but_reference_images():
    model = FakeGAN(num_classes=4, mixup=defense())
    target = AttackTarget.from_model(model, seed=3)
    assert target.access == {"samples", "discriminator"}
    assert target.image_shape == SHAPE
    assert target.num_classes == 4
    assert target.mixup is model.mixup
    assert target.name == "FakeGAN"


def test_an_array_or_a_function_grants_samples_only():
    assert AttackTarget.from_model(images(5, 0)).access == {"samples"}
    target = AttackTarget.from_model(lambda n: images(n, 0), image_shape=SHAPE)
    assert target.access == {"samples"}


def test_reference_images_are_an_access_of_their_own():
    split = MembershipSplit.from_parts(
        images(5, 0), images(5, 1), (images(6, 2), np.arange(6))
    )
    for reference in (
        images(6, 2),
        (images(6, 2), np.arange(6)),
        ReferenceData(images(6, 2)),
        split.reference,
    ):
        target = AttackTarget.from_model(images(5, 9), reference)
        assert target.access == {"samples", "reference"}
        np.testing.assert_array_equal(target.reference.images, images(6, 2))
    np.testing.assert_array_equal(target.reference.labels, np.arange(6))


def test_sampling_in_parts_is_sampling_at_once():
    target = AttackTarget.from_model(FakeGAN(), seed=2)
    parts = np.concatenate([target.sampler(0, 3), target.sampler(3, 10)])
    np.testing.assert_array_equal(parts, target.sampler(0, 10))
    other = AttackTarget.from_model(FakeGAN(), seed=4).sampler(0, 10)
    assert np.abs(parts - other).max() > 0.1


def test_a_sorted_array_is_not_looked_at_in_its_order():
    """The first so many of images sorted by class would be of few classes."""
    samples = np.repeat(np.linspace(-1, 1, 10, dtype="float32"), 50)
    samples = np.broadcast_to(samples[:, None, None, None], (500, *SHAPE))
    target = AttackTarget.from_model(samples, seed=1)
    first = target.sampler(0, 100)[:, 0, 0, 0]
    assert len(np.unique(first)) == 10
    assert abs(first.mean()) < 0.25
    every = target.sampler(0, 500)[:, 0, 0, 0]
    np.testing.assert_array_equal(np.sort(every), samples[:, 0, 0, 0])
    np.testing.assert_array_equal(every[:100], first)
    other = AttackTarget.from_model(samples, seed=2).sampler(0, 500)[:, 0, 0, 0]
    assert (other != every).any()


def test_the_target_shows_no_more_than_its_fields():
    model = FakeGAN(images(5, 0))
    target = AttackTarget.from_model(model)
    assert not any(value is model for value in vars(target).values())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AttackTarget.from_model("model.keras"), "must be a model with"),
        (lambda: AttackTarget.from_model(lambda n: n), "`image_shape` is needed"),
        (lambda: AttackTarget.from_model(images(5, 0) * 9), "must lie in"),
        (
            lambda: AttackTarget.from_model(FakeGAN(), images(5, 0, (3, 3, 1))),
            "`reference` must hold images of shape",
        ),
        (
            lambda: AttackTarget.from_model(FakeGAN(), (images(5, 0), np.zeros(5))),
            "`reference labels` must",
        ),
        (lambda: AttackTarget.from_model(FakeGAN(), seed=-1), "`seed` must be"),
    ],
)
def test_unusable_targets_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# === Generators that can be queried ===


def network(num_classes=None):
    keras.utils.set_random_seed(1)
    inputs = latents = keras.Input((3,))
    if num_classes:
        labels = keras.Input((num_classes,))
        inputs = [latents, labels]
        latents = keras.layers.Concatenate()(inputs)
    flat = keras.layers.Dense(16, activation="tanh")(latents)
    return keras.Model(inputs, keras.layers.Reshape(SHAPE)(flat), name="painter")


def judge(num_classes=None):
    inputs = x = keras.Input(SHAPE)
    x = keras.layers.Flatten()(x)
    if num_classes:
        labels = keras.Input((num_classes,))
        inputs, x = [inputs, labels], keras.layers.Concatenate()([x, labels])
    x = keras.layers.Dropout(0.5)(x)
    return keras.Model(inputs, keras.layers.Dense(1)(x))


def test_a_model_of_the_zoo_can_be_queried_and_differentiated():
    import tensorflow as tf

    model = make(num_classes=3)
    target = AttackTarget.from_model(model, seed=2)
    assert target.access == {
        *("samples", "discriminator", "layers", "queries", "generator")
    }
    assert target.latent_dim == 4
    latents = np.random.default_rng(0).standard_normal((5, 4)).astype("float32")
    rows = np.eye(3, dtype="float32")[[0, 1, 2, 0, 1]]
    made = target.queries(latents, rows)
    assert made.shape == (5, 8, 8, 1)
    np.testing.assert_allclose(made, target.generator(latents, rows), atol=1e-6)
    with tf.GradientTape() as tape:
        variable = tf.Variable(latents)
        total = tf.reduce_sum(target.generator(variable, rows) ** 2)
    assert np.abs(tape.gradient(total, variable)).min() > 0
    np.testing.assert_array_equal(made, model.decode(latents, [0, 1, 2, 0, 1]))


def test_generating_is_decoding_of_drawn_latents():
    model = make()
    latents, _ = latents_and_classes(6, 3, 2, model.latent_dim, model.num_classes)
    generated = model.generate(6, seed=3, start=2, dtype="float32")
    np.testing.assert_array_equal(generated, model.decode(latents))
    with pytest.raises(ValueError, match=r"must be an array \(num_images, 4\)"):
        model.decode(latents[:, :3])


@pytest.mark.parametrize("num_classes", [None, 2])
def test_a_pair_of_networks_grants_everything(num_classes):
    generator, discriminator = network(num_classes), judge(num_classes)
    target = AttackTarget.from_networks(
        generator, discriminator, reference=images(6, 2), seed=3
    )
    assert target.access == {
        *("samples", "discriminator", "layers", "queries", "generator", "reference")
    }
    assert (target.latent_dim, target.image_shape) == (3, SHAPE)
    assert (target.num_classes, target.name) == (num_classes, "painter")
    parts = np.concatenate([target.sampler(0, 3), target.sampler(3, 400)])
    np.testing.assert_allclose(parts, target.sampler(0, 400), atol=1e-6)
    assert len(np.unique(parts.round(5), axis=0)) == 400
    rows = None if num_classes is None else np.eye(2, dtype="float32")[[0, 1, 1]]
    scores = target.discriminator(parts[:3], rows)
    np.testing.assert_array_equal(scores, target.discriminator(parts[:3], rows))
    assert LOGAN().fit(target).score(parts[:3], rows).shape == (3,)


@keras.saving.register_keras_serializable("test_target")
class BatchSpread(keras.layers.Layer):
    """Adds the standard deviation over the batch, as discriminators of StyleGAN do."""

    def call(self, inputs):
        spread = keras.ops.std(inputs, axis=0, keepdims=True)
        return inputs + keras.ops.mean(spread)


@pytest.mark.parametrize("batch_size", [2, 300])
def test_a_discriminator_that_compares_images_of_a_batch_is_refused(batch_size):
    """Its scores would depend on who else is queried."""
    pixels = keras.Input(SHAPE)
    flat = keras.layers.Flatten()(pixels)
    plain = keras.Model(pixels, keras.layers.Dense(1)(flat))
    comparing = keras.Model(pixels, keras.layers.Dense(1)(BatchSpread()(flat)))
    queries = images(batch_size, 1)
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(16)])
    for network, refused in ((plain, False), (comparing, True)):
        target = AttackTarget.from_networks(generator, network, image_shape=SHAPE)
        attack = LOGAN().fit(target)
        if refused:
            with pytest.raises(ValueError, match="must score each image by itself"):
                attack.score(queries)
        else:
            assert np.isfinite(attack.score(queries)).all()


def test_networks_that_do_not_tell_their_sizes_need_them():
    def generator(latents, training):
        return np.zeros((len(latents), *SHAPE), "float32")

    with pytest.raises(ValueError, match="does not tell its sizes"):
        AttackTarget.from_networks(generator)
    target = AttackTarget.from_networks(generator, latent_dim=2, image_shape=SHAPE)
    assert target.access == {"samples", "queries", "generator"}


def test_a_folder_of_images_grants_samples(tmp_path):
    pixels = np.random.default_rng(0).integers(256, size=(3, 4, 4), dtype="uint8")
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    for folder in (tmp_path, str(tmp_path)):
        target = AttackTarget.from_model(folder)
        assert target.access == {"samples"}
        assert target.num_samples == 3
        expected = pixels[..., None] / 127.5 - 1
        np.testing.assert_allclose(target.sampler(0, 3), expected, atol=1e-6)
    assert AttackTarget.from_model(tmp_path, image_shape=(8, 8, 1)).image_shape == (
        8,
        8,
        1,
    )


def test_queries_need_the_latent_dimensions():
    with pytest.raises(ValueError, match="`latent_dim` is needed"):
        AttackTarget(image_shape=SHAPE, queries=lambda z, labels: z)


def test_reference_models_and_shadows_are_accesses_of_their_own():
    other = AttackTarget.from_model(FakeGAN(), seed=9)
    target = AttackTarget.from_model(
        FakeGAN(), reference_models=[FakeGAN(), other], shadows=object()
    )
    assert target.access >= {"reference_models", "shadows"}
    assert target.reference_models[1] is other


def test_a_function_that_repeats_itself_is_noticed_in_a_shorter_batch():
    sampler = function_sampler(lambda number: images(5000, 0)[:number])
    sampler(0, 2048)
    with pytest.raises(ValueError, match="the same images twice"):
        sampler(2048, 3000)


def test_a_decoder_of_others_is_no_model_of_ours():
    class Decoder:
        def generate(self, latents):
            return latents

        decode = generate

    assert not is_ours(Decoder())
    assert is_ours(FakeGAN())


def test_names_of_classes_number_the_images_that_are_scored():
    model = FakeGAN(num_classes=2)
    model.class_names = ("cat", "dog")
    attack = LOGAN().fit(AttackTarget.from_model(model))
    dogs = Images(images(4, 1), np.zeros(4, "int64"), ("dog",))
    attack.score(dogs)
    asked = model.seen_labels[-1]
    attack.score(images(4, 1), np.ones(4, "int64"))
    np.testing.assert_array_equal(asked, model.seen_labels[-1])


def test_generators_that_take_numbers_of_classes_are_refused():
    latents, label = keras.Input((4,)), keras.Input((1,), dtype="int32")
    shown = keras.layers.Flatten()(keras.layers.Embedding(10, 4)(label))
    images = keras.layers.Dense(64)(keras.layers.Concatenate()([latents, shown]))
    images = keras.layers.Reshape((8, 8, 1))(images)
    with pytest.raises(
        ValueError, match=r"one-hot rows.*Received: one of shape \(None, 1"
    ):
        AttackTarget.from_networks(keras.Model([latents, label], images))
