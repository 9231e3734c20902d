import numpy as np
import pytest
import tensorflow as tf

from keras_mixup_gan import augment as module
from keras_mixup_gan.augment import (
    augment,
    check_policy,
    cut_out,
    recolor,
    translate,
)
from tests.models.tiny import random_images

EVERYTHING = "color,translation,cutout"
KEY = tf.constant([3, 5], tf.int64)


def shifted(image, down, right):
    """A shift by slices, one pixel at a time."""
    result = np.zeros_like(image)
    height, width = image.shape[:2]
    for row in range(height):
        for column in range(width):
            if 0 <= row - down < height and 0 <= column - right < width:
                result[row, column] = image[row - down, column - right]
    return result


# === Policies ===


def test_a_policy_is_names_in_the_order_given():
    assert check_policy(EVERYTHING) == ("color", "translation", "cutout")
    assert check_policy("cutout, color") == ("cutout", "color")
    strengths = "translation = .250, cutout=1"
    assert check_policy(strengths) == ("translation=0.25", "cutout=1")


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("color,flip,zoom", "unknown transforms: 'flip', 'zoom'. Expected some of"),
        ("color,", "unknown transforms: ''"),
        ("cutout,color,cutout", "repeats cutout"),
        ("", "names no transform.*or None for no augmentation"),
        (" ", "names no transform"),
        ("color=0.5", "gives 'color' a strength.*only for 'translation' and 'cutout'"),
        ("translation=0", "Expected a share of the image's side above 0 and up to 1"),
        ("translation=1.5", "Received: augment='translation=1.5'"),
        ("cutout=", "gives 'cutout' a strength"),
        ("cutout=nan", "gives 'cutout' a strength"),
        (("color",), r"names no transform.*Received: augment=\('color',\)"),
    ],
)
def test_any_other_policy_is_refused_in_a_sentence(policy, message):
    with pytest.raises(ValueError, match=message):
        check_policy(policy)
    with pytest.raises(ValueError, match=message):
        augment(random_images(2), policy, KEY)


# === What every policy must hold ===


@pytest.mark.parametrize("policy", [*module.TRANSFORMS, EVERYTHING])
def test_an_image_does_not_depend_on_its_batch_mates(policy):
    images, others = random_images(6, (8, 12, 3)), random_images(6, (8, 12, 3), seed=1)
    mixed = np.where(np.arange(6)[:, None, None, None] == 2, images, others)
    alone, among_others = augment(images, policy, KEY), augment(mixed, policy, KEY)
    np.testing.assert_array_equal(alone[2], among_others[2])


@pytest.mark.parametrize("policy", [*module.TRANSFORMS, EVERYTHING])
def test_images_of_a_batch_get_parameters_of_their_own_by_the_key(policy):
    images = np.repeat(random_images(1, (16, 16, 3)), 8, axis=0)
    augmented = augment(images, policy, KEY).numpy()
    assert len({image.tobytes() for image in augmented}) > 4
    np.testing.assert_array_equal(augment(images, policy, KEY), augmented)
    assert not np.array_equal(augment(images, policy, KEY + 1), augmented)


@pytest.mark.parametrize("policy", [*module.TRANSFORMS, EVERYTHING])
def test_one_draw_can_serve_all_images(policy):
    images = np.repeat(random_images(1, (16, 16, 3)), 8, axis=0)
    augmented = augment(images, policy, KEY, shared=True).numpy()
    np.testing.assert_array_equal(augmented, np.repeat(augmented[:1], 8, axis=0))
    alone = augment(images[:1], policy, KEY).numpy()
    np.testing.assert_array_equal(augmented[:1], alone)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_stays_half_and_agrees_with_single(dtype):
    images = tf.cast(random_images(4, (16, 16, 3)), dtype)
    augmented = augment(images, EVERYTHING, KEY)
    assert augmented.dtype == dtype
    exact = augment(tf.cast(images, tf.float32), EVERYTHING, KEY)
    atol = 0.02 if dtype == "bfloat16" else 0.002
    np.testing.assert_allclose(tf.cast(augmented, tf.float32), exact, atol=atol)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_gradients_reach_the_images_also_under_xla(dtype):
    @tf.function(jit_compile=True, input_signature=[tf.TensorSpec((4, 8, 8, 3), dtype)])
    def gradient(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            augmented = augment(images, EVERYTHING, KEY)
            loss = tf.reduce_sum(tf.square(tf.cast(augmented, tf.float32)))
        return augmented, tape.gradient(loss, images)

    images = tf.cast(random_images(4, (8, 8, 3)), dtype)
    augmented, slopes = gradient(images)
    assert augmented.shape == slopes.shape == images.shape
    assert augmented.dtype == slopes.dtype == images.dtype
    for values in (augmented, slopes):
        assert np.isfinite(tf.cast(values, tf.float32)).all()
    assert (
        np.count_nonzero(tf.cast(slopes, tf.float32)) > slopes.shape.num_elements() // 4
    )


@pytest.mark.parametrize("policy", ["translation", "cutout"])
def test_pixels_that_are_lost_have_no_gradient_and_the_others_gradient_one(policy):
    images = tf.constant(random_images(5, (16, 16, 1)))
    with tf.GradientTape() as tape:
        tape.watch(images)
        augmented = augment(images, policy, KEY)
    slopes = tape.gradient(augmented, images).numpy()
    assert set(np.unique(slopes)) == {0.0, 1.0}
    # As many pixels are lost as are left empty.
    np.testing.assert_array_equal(
        (slopes == 0).sum(axis=(1, 2, 3)), (augmented.numpy() == 0).sum(axis=(1, 2, 3))
    )


def test_a_second_derivative_passes_through():
    images = tf.constant(random_images(2, (8, 8, 3)))
    with tf.GradientTape() as outer:
        outer.watch(images)
        with tf.GradientTape() as tape:
            tape.watch(images)
            cubes = tf.reduce_sum(augment(images, EVERYTHING, KEY) ** 3)
        slope = tf.reduce_sum(tape.gradient(cubes, images) ** 2)
    second = outer.gradient(slope, images).numpy()
    assert np.isfinite(second).all() and np.count_nonzero(second) > 32


def test_graph_and_xla_transform_alike_by_the_same_parameters():
    images = tf.constant(random_images(4, (10, 14, 3)))
    parts = tf.random.stateless_uniform((3, 4), (0, 1))
    rows = tf.constant([-2, 0, 1, 2])

    def everything(images, parts, rows):
        images = recolor(images, *tf.unstack(parts))
        return cut_out(translate(images, rows, -rows), rows + 2, rows + 7)

    results = [
        tf.function(everything, jit_compile=jit)(images, parts, rows)
        for jit in (False, True)
    ]
    np.testing.assert_allclose(*results, atol=1e-6)


def test_a_graph_serves_batches_of_any_size():
    signature = [tf.TensorSpec((None, 8, 8, 1))]
    graph = tf.function(lambda images: augment(images, EVERYTHING, KEY), signature)
    images = random_images(5)
    np.testing.assert_array_equal(graph(images), augment(images, EVERYTHING, KEY))
    assert graph(images[:0]).shape == (0, 8, 8, 1)


# === Translation ===


def test_translation_is_an_exact_shift_with_zeros():
    images = random_images(5, (6, 9, 2))
    down, right = [0, 2, -1, -2, 6], [0, -3, 4, -4, 1]
    moved = translate(images, tf.constant(down), tf.constant(right)).numpy()
    for image, *shift, result in zip(images, down, right, moved, strict=True):
        np.testing.assert_array_equal(result, shifted(image, *shift))


def test_translation_goes_up_to_an_eighth_of_each_side_all_shifts_alike_often():
    images = np.zeros((4000, 16, 32, 1), "float32")
    images[:, 8, 16] = 1
    moved = augment(images, "translation", KEY).numpy()[..., 0]
    rows, columns = moved.max(axis=2).argmax(axis=1), moved.max(axis=1).argmax(axis=1)
    np.testing.assert_array_equal(moved.sum(axis=(1, 2)), np.ones(4000))
    for shifts, largest in ((rows - 8, 2), (columns - 16, 4)):
        found, counts = np.unique(shifts, return_counts=True)
        np.testing.assert_array_equal(found, np.arange(-largest, largest + 1))
        expected = 4000 / len(found)
        assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)
        assert abs(shifts.mean()) < 5 * largest / np.sqrt(4000)
    assert abs(np.corrcoef(rows, columns)[0, 1]) < 5 / np.sqrt(4000)


def test_translation_goes_as_far_as_it_is_told():
    images = np.zeros((500, 16, 32, 1), "float32")
    images[:, 8, 16] = 1
    moved = augment(images, "translation=0.25", KEY).numpy()[..., 0]
    rows, columns = moved.max(axis=2).argmax(axis=1), moved.max(axis=1).argmax(axis=1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 12, 8, 24)
    usual = augment(images, "translation=0.125", KEY)
    np.testing.assert_array_equal(usual, augment(images, "translation", KEY))


# === Cutout ===


@pytest.mark.parametrize("side", [8, 9, 28])
def test_cutout_removes_half_of_each_side_and_changes_nothing_else(side):
    images = random_images(2, (side, side, 3)) + 2
    middle = tf.constant([side // 2, 0])
    cut = cut_out(images, middle, middle).numpy()
    length = int(side / 2 + 0.5)
    # In a corner only the part of the square that is inside the image is lost.
    lost = [length**2, (length - length // 2) ** 2]
    np.testing.assert_array_equal((cut == 0).all(axis=3).sum(axis=(1, 2)), lost)
    np.testing.assert_array_equal(cut[cut != 0], images[cut != 0])


def test_cutout_takes_as_much_as_it_is_told():
    ones = np.ones((200, 8, 8, 1), "float32")
    kept = augment(ones, "cutout=0.25", KEY).numpy()[..., 0]
    assert (kept == 0).sum(axis=(1, 2)).max() == 4
    assert augment(ones, "cutout=1", KEY).numpy().min() == 0


def test_cutout_takes_every_pixel_of_the_middle_half_alike_often():
    ones = np.ones((4000, 8, 8, 1), "float32")
    lost = 1 - augment(ones, "cutout", KEY).numpy()[..., 0]
    assert 4 <= lost.sum(axis=(1, 2)).min() and lost.sum(axis=(1, 2)).max() == 16
    # Nine middles along a side, of which four cover a pixel of the inner half.
    share = lost.mean(axis=0)[2:6, 2:6]
    expected = (4 / 9) ** 2
    error = np.sqrt(expected * (1 - expected) / 4000)
    np.testing.assert_allclose(share, np.full((4, 4), expected), atol=5 * error)


# === Color ===


def test_neutral_colors_change_nothing():
    images, half = random_images(3, (4, 4, 3)), tf.fill((3,), 0.5)
    np.testing.assert_allclose(recolor(images, half, half, half), images, atol=1e-6)


def test_each_color_parameter_does_its_own():
    images, half = random_images(2, (4, 4, 3)), tf.fill((2,), 0.5)
    ends = tf.constant([0.0, 1.0])
    brighter = recolor(images, ends, half, half)
    shift = np.array([-0.5, 0.5]).reshape(2, 1, 1, 1)
    np.testing.assert_allclose(brighter, images + shift, atol=1e-6)

    gray = images.mean(axis=3, keepdims=True)
    factors = np.array([0, 2]).reshape(2, 1, 1, 1)
    saturated = gray + factors * (images - gray)
    np.testing.assert_allclose(recolor(images, half, ends, half), saturated, atol=1e-6)

    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    factors = np.array([0.5, 1.5]).reshape(2, 1, 1, 1)
    contrasted = mean + factors * (images - mean)
    np.testing.assert_allclose(recolor(images, half, half, ends), contrasted, atol=1e-6)


def test_colors_are_drawn_from_the_ranges_of_the_paper():
    images = np.zeros((4000, 2, 1, 3), "float32")
    images[:, 0] = [-0.5, 0, 0.5]  # two pixels: one red, one of the opposite color
    images[:, 1] = [0.5, 0, -0.5]
    seen = augment(images, "color", KEY).numpy()
    brightness = seen.mean(axis=(1, 2, 3))
    factor = seen[:, 1, 0, 0] - seen[:, 0, 0, 0]  # saturation times contrast
    assert -0.5 <= brightness.min() < -0.49 and 0.49 < brightness.max() <= 0.5
    assert abs(brightness.mean()) < 5 * np.sqrt(1 / 12 / 4000)
    assert 0 <= factor.min() < 0.01 and 2.9 < factor.max() <= 3
    spread = np.sqrt(4 / 3 * 13 / 12 - 1)
    assert abs(factor.mean() - 1) < 5 * spread / np.sqrt(4000)


def test_gray_images_have_no_saturation():
    images = random_images(2, (4, 4, 1))
    half = tf.fill((2,), 0.5)
    ends = tf.constant([0.0, 1.0])
    np.testing.assert_allclose(recolor(images, half, ends, half), images, atol=1e-6)


@pytest.mark.parametrize("policy", ["translation=0.01", "color,cutout=0.01"])
def test_shares_that_leave_images_as_they_are_are_refused(policy):
    with pytest.raises(ValueError, match="leaves images of 28 x 28 pixels as they are"):
        augment(tf.zeros((1, 28, 28, 1)), policy, KEY)
