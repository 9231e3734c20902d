import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mixup_gan.validation import (
    check_choice,
    check_classes,
    check_images,
    check_in_range,
    check_integer,
    check_labels,
    check_positive,
    check_same_range,
)


def images(value=0.0, shape=(2, 4, 4, 1), dtype="float32"):
    return np.full(shape, value, dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_good_images_become_float32(dtype):
    checked = check_images(images(-1.0, dtype=dtype))
    assert checked.dtype == np.float32
    np.testing.assert_array_equal(checked, -1)


def test_good_images_are_not_copied():
    original = images(1.0)
    assert np.shares_memory(check_images(original), original)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (images(shape=(4, 4, 1)), r"shape=\(4, 4, 1\).*axes"),
        (images(shape=(0, 4, 4, 1)), "at least one"),
        (images(dtype="int32"), "int32.*127.5"),
        (images(dtype="bool"), "bool"),
        (images(1.001), r"\[-1, 1\]"),
        (images(-255.0), "-255"),
        (images(np.nan), "finite.*32 values"),
        (images(-np.inf), "finite"),
        (None, "shape"),
        ("digits", "shape"),
    ],
)
def test_bad_images(bad, message):
    with pytest.raises(ValueError, match=f"`members` must.*{message}") as caught:
        check_images(bad, "members")
    assert "Received: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_images_of_another_shape():
    assert check_images(images(), image_shape=(4, 4, 1)).shape == (2, 4, 4, 1)
    with pytest.raises(ValueError, match=r"shape \(4, 4, 3\). Received: \(4, 4, 1\)"):
        check_images(images(), image_shape=(4, 4, 3))


def test_choices():
    check_choice("pld", ("pld", "rdp"), "accountant")
    check_choice(None, ("layer", None), "norm")
    with pytest.raises(ValueError, match=r"`norm`.*'layer', None.*norm='laye'.*mean"):
        check_choice("laye", ("layer", None), "norm")
    with pytest.raises(ValueError, match=r"Received: norm=None\.$"):
        check_choice(None, ("layer", "group"), "norm")


@settings(max_examples=50, deadline=None)
@given(st.floats(allow_nan=True, allow_infinity=True))
def test_numbers(value):
    def accepts(check, *limits):
        try:
            check(*limits, value=value)
        except ValueError as error:
            assert f"value={value!r}" in str(error)
            return False
        return True

    assert accepts(check_positive) == (0 < value < np.inf)
    assert accepts(check_in_range, -1, 2) == (-1 <= value <= 2)
    assert not accepts(check_integer, 0)


@pytest.mark.parametrize("value", [True, "1", None, [1]])
def test_what_is_no_number(value):
    for check in (
        lambda: check_positive(value=value),
        lambda: check_in_range(0, 2, value=value),
        lambda: check_integer(0, value=value),
    ):
        with pytest.raises(ValueError, match="`value` must be"):
            check()


def test_integers():
    check_integer(3, first=3, second=np.int64(4))
    with pytest.raises(ValueError, match="`second` must be an integer of at least 3"):
        check_integer(3, first=3, second=2)


def test_bytes_and_stated_ranges_are_mapped():
    values = np.arange(256, dtype="uint8").reshape(1, 16, 16, 1)
    expected = values / 127.5 - 1
    np.testing.assert_allclose(check_images(values), expected, atol=1e-6)
    for images, ends in (
        (values / 255, (0, 1)),
        (values.astype("int64"), (0, 255)),
        (values * np.uint16(257), (0, 65535)),
        (values / 255 + 3, (3, 4)),
    ):
        found = check_images(images, value_range=ends)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert np.abs(found).max() <= 1
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        check_images(values + 1.5, value_range=(0, 1))
    for ends in ((1, 0), (0, np.nan), "01", 1):
        with pytest.raises(ValueError, match="`value_range` must be"):
            check_images(values / 255, value_range=ends)


def test_the_advice_for_integers_is_taken():
    deep = np.full((1, 4, 4, 1), 4_000, "uint16")
    with pytest.raises(ValueError, match=r"Pass `value_range=\(low, high\)`"):
        check_images(deep)
    check_images(deep, value_range=(0, 4095))


def noise(num, low=-1.0):
    return np.random.default_rng(0).uniform(low, 1, (num, 4, 4, 1)).astype("float32")


@pytest.mark.parametrize("ends", [(-1, 1), (0, 1), (0, 255)])
def test_what_rounding_put_outside_of_the_range_is_clipped(ends):
    low, high = map(float, ends)
    span = high - low
    values = np.linspace(low, high, 16).reshape(1, 4, 4, 1)
    near = values + span * 1e-5 * np.sign(values - (low + high) / 2)
    found = check_images(near, value_range=ends)
    assert np.abs(found).max() == 1
    expected = check_images(values, value_range=ends)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    with pytest.raises(ValueError, match="must lie in"):
        check_images(values + span * 1e-3, value_range=ends)
    with pytest.raises(ValueError, match="must lie in"):  # integers are not rounded
        check_images(np.full((1, 4, 4, 1), 65536), value_range=(0, 65535))


def test_two_sides_of_different_ranges_are_refused():
    with pytest.raises(ValueError, match="`samples` and `members` look like"):
        check_same_range(samples=noise(5, 0.0), members=noise(30))
    check_same_range(samples=noise(1, 0.0), members=noise(30))  # may be by chance
    check_same_range(samples=noise(30, 0.0), members=noise(30, 0.0))
    check_same_range(samples=np.zeros((30, 4, 4, 1)), members=noise(30))
    mixed = np.concatenate([noise(15), noise(15, 0.0)])
    check_same_range(samples=noise(5, 0.0), members=mixed)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, -1], "values from -1 to 1"),
        ([0.0, 1.0, 2.0], "integers"),
        ([True, False, True], "integers"),
        ([0, 1], "3 integers"),
        ([[0.5, 0.4]] * 3, "of sum 1"),
        ([[0.5, np.nan]] * 3, "of sum 1"),
        ([[1.5, -0.5]] * 3, "of sum 1"),
        ([["a", "b"]] * 3, "integers"),
    ],
)
def test_bad_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        check_classes(labels, 3)


def test_labels_in_every_form():
    for labels in (
        [2, 0, 1],
        [[2], [0], [1]],
        np.eye(3)[[2, 0, 1]],
        np.uint64([2, 0, 1]),
    ):
        np.testing.assert_array_equal(check_labels(labels, 3), [2, 0, 1])
    half = np.full((3, 3), 1 / 3, "float16")
    assert check_classes(half, 3).dtype == np.float32
