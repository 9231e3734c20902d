import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mixup_gan.validation import (
    check_choice,
    check_images,
    check_in_range,
    check_integer,
    check_positive,
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
        (images(dtype="uint8"), "uint8.*127.5"),
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
