import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan.models.style_layers import (
    ConstantRows,
    EqualizedConv,
    EqualizedDense,
    MinibatchStddev,
    PixelNorm,
    StyledConv,
    ToImage,
    modulated_conv,
)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def test_equalized_layers_keep_the_variance():
    dense, conv = EqualizedDense(200, seed=1), EqualizedConv(200, 3, seed=1)
    for outputs in (dense(normal(500, 40)), conv(normal(4, 16, 16, 20))[:, 2:-2, 2:-2]):
        np.testing.assert_allclose(np.var(outputs), 1, rtol=0.05)
    for layer in (dense, conv):  # the scale is in the layer, not in its weights
        np.testing.assert_allclose(np.var(layer.kernel), 1, rtol=0.05)


def test_rectified_outputs_keep_the_mean_square():
    outputs = EqualizedDense(200, activate=True, seed=1)(normal(500, 40))
    np.testing.assert_allclose(np.mean(np.square(outputs)), 1 + 0.2**2, rtol=0.05)


def test_learning_rate_multiplier_slows_a_layer_without_changing_it():
    def trained(multiplier):
        layer = EqualizedDense(3, learning_rate_multiplier=multiplier, bias=1, seed=1)
        before = np.array(layer(normal(5, 4)))
        optimizer = keras.optimizers.Adam(1e-3)
        optimizer.build(layer.trainable_variables)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(normal(5, 4)))
        weights = layer.trainable_variables
        optimizer.apply(tape.gradient(loss, weights), weights)
        return before, np.array(layer(normal(5, 4))) - before

    (outputs, change), (slow_outputs, slow_change) = trained(1), trained(0.01)
    np.testing.assert_allclose(slow_outputs, outputs, rtol=1e-5)
    np.testing.assert_allclose(slow_change, 0.01 * change, rtol=0.02, atol=1e-6)


@pytest.mark.parametrize("upsample", [False, True])
def test_modulated_convolution_is_one_of_a_kernel_for_each_image(upsample):
    maps, scales = normal(3, 4, 4, 5), 1 + normal(3, 5, seed=1)
    kernel = normal(4, 4, 5, 6, seed=2)
    expected = []
    for image, scale in zip(maps, scales, strict=True):
        own = kernel * scale[:, None]
        own /= np.sqrt((own**2).sum((0, 1, 2)) / (4 if upsample else 1) + 1e-8)
        if upsample:
            turned = own.transpose(0, 1, 3, 2)
            shape = (1, 8, 8, 6)
            expected.append(
                tf.nn.conv2d_transpose(image[None], turned, shape, 2, "SAME")
            )
        else:
            expected.append(tf.nn.conv2d(image[None], own, 1, "SAME"))
    actual = modulated_conv(maps, kernel, scales, upsample)
    np.testing.assert_allclose(actual, np.concatenate(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("upsample", [False, True])
def test_demodulation_gives_unit_variance_for_any_style(upsample):
    scales = np.exp(2 * normal(6, 32, seed=1))
    side = 4 if upsample else 3
    kernel = 7 * normal(side, side, 32, 64, seed=2)
    outputs = modulated_conv(normal(6, 12, 12, 32), kernel, scales, upsample)
    inner = np.array(outputs)[:, 2:-2, 2:-2]
    np.testing.assert_allclose(inner.var(axis=(1, 2, 3)), 1, rtol=0.15)
    louder = modulated_conv(normal(6, 12, 12, 32), kernel, scales, upsample, gain=3.0)
    np.testing.assert_allclose(louder, 3 * outputs, rtol=1e-4, atol=1e-5)


def test_noise_begins_without_strength():
    layer = StyledConv(6, upsample=True, seed=0)
    maps, styles = normal(2, 4, 4, 3), normal(2, 5)
    quiet = np.array(layer([maps, styles, np.zeros((2, 64), "float32")]))
    noise = normal(2, 64, seed=3)
    np.testing.assert_array_equal(layer([maps, styles, noise]), quiet)
    layer.strength.assign(0.5)
    moved = np.array(layer([maps, styles, noise])) - quiet
    same_sign = (quiet > 0) == (quiet + moved > 0)
    slope = np.where(quiet > 0, 1, 0.2) * np.sqrt(2)
    expected = 0.5 * slope * noise.reshape(2, 8, 8, 1)
    np.testing.assert_allclose(moved[same_sign], expected[same_sign], atol=1e-5)


def test_image_layer_weighs_channels_by_style():
    layer = ToImage(2, seed=0)
    maps, styles = normal(3, 4, 4, 5), normal(3, 6)
    images = layer([maps, styles])
    scales = np.array(layer.affine(styles))[:, None, None]
    expected = (maps * scales) @ np.array(layer.kernel) / np.sqrt(5)
    np.testing.assert_allclose(images, expected, rtol=1e-4, atol=1e-5)


def test_pixel_norm():
    rows = np.array(PixelNorm()(100 * normal(4, 9)))
    np.testing.assert_allclose((rows**2).mean(axis=1), 1, rtol=1e-5)


def test_constant_rows_are_the_same_for_all():
    rows = np.array(ConstantRows((2, 3), seed=0)(normal(4, 7)))
    assert rows.shape == (4, 2, 3)
    np.testing.assert_array_equal(rows, np.broadcast_to(rows[0], rows.shape))


def test_groups_of_training_are_an_image_and_the_next_ones():
    maps = normal(7, 2, 3, 4)
    channel = np.array(MinibatchStddev(3)(maps, training=True))[..., -1]
    for n in range(7):
        group = maps[[n, (n + 1) % 7, (n + 2) % 7]]
        np.testing.assert_allclose(channel[n], group.std(axis=0).mean(), rtol=1e-5)


def test_groups_of_inference_are_completed_by_the_last_rows():
    maps, last = normal(5, 2, 3, 4), normal(2, 2, 3, 4, seed=1)
    layer = MinibatchStddev(3)
    outputs = np.array(layer(np.concatenate([maps, last]), training=False))
    np.testing.assert_array_equal(outputs[:5, ..., :-1], maps)
    for n in range(5):
        group = np.concatenate([maps[n : n + 1], last])
        expected = group.std(axis=0).mean()
        np.testing.assert_allclose(outputs[n, ..., -1], expected, rtol=1e-5)


def test_equal_images_have_no_spread_and_finite_gradients():
    maps = tf.ones((4, 2, 2, 3))
    layer = MinibatchStddev(4)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        channel = layer(maps, training=True)[..., -1]
        loss = tf.reduce_sum(channel)
    np.testing.assert_allclose(channel, 0, atol=1e-3)
    assert np.isfinite(tape.gradient(loss, maps)).all()


@pytest.mark.parametrize(
    "layer",
    [
        EqualizedDense(3, activate=True, learning_rate_multiplier=0.1, bias=1, seed=5),
        EqualizedConv(3, 3, strides=2, seed=5),
        StyledConv(3, upsample=True, seed=5),
        ToImage(3, seed=5),
        PixelNorm(),
        ConstantRows((3,), seed=5, trainable=False),
        MinibatchStddev(3),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_survive_saving(layer):
    serialize, restore = (
        keras.saving.serialize_keras_object,
        keras.saving.deserialize_keras_object,
    )
    copy = restore(serialize(layer))
    assert copy.get_config() == layer.get_config()
    assert type(copy) is type(layer)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (EqualizedDense(5), [(2, 3, 4)]),
        (EqualizedConv(5, 3), [(2, 7, 6, 4)]),
        (EqualizedConv(5, 3, strides=2), [(2, 7, 6, 4)]),
        (StyledConv(5), [(2, 7, 6, 4), (2, 8), (2, 42)]),
        (StyledConv(5, upsample=True), [(2, 7, 6, 4), (2, 8), (2, 168)]),
        (ToImage(3), [(2, 7, 6, 4), (2, 8)]),
        (PixelNorm(), [(2, 4)]),
        (ConstantRows((3, 4)), [(2, 8)]),
        (MinibatchStddev(2), [(2, 7, 6, 4)]),
    ],
)
def test_layers_know_the_shape_of_what_they_return(layer, shapes):
    inputs = [normal(*shape) for shape in shapes]
    symbolic = [keras.Input(shape[1:]) for shape in shapes]
    if len(shapes) == 1:
        inputs, symbolic = inputs[0], symbolic[0]
    known = layer(symbolic)
    returned = layer(inputs)
    assert known.shape[1:] == returned.shape[1:]
    shape = shapes if len(shapes) > 1 else shapes[0]
    assert tuple(layer.compute_output_shape(shape)) == tuple(returned.shape)
    half = type(layer).from_config(layer.get_config() | {"dtype": "mixed_float16"})
    assert half(symbolic).dtype == half(inputs).dtype.name == "float16"
