import numpy as np
import pytest

from keras_mixup_gan.metrics import (
    frechet_distance,
    kernel_distance,
    pixel_features,
    quality,
)

EXTRACTOR = pixel_features((3, 3, 1))


def images_of(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (count, 3, 3, 1)).astype("float32")


def test_every_figure_is_named_after_extractor_and_counts():
    figures = quality(images_of(30), images_of(20, seed=1), EXTRACTOR)
    assert [figure.name for figure in figures] == ["FID", "KID"]
    for figure in figures:
        assert (figure.extractor, figure.num_generated, figure.num_real) == (
            *("pixels-3x3x1", 30, 20),
        )
        assert figure.label == "pixels-3x3x1, 30 vs 20"
        assert str(figure).startswith(f"{figure.name}[pixels-3x3x1, 30 vs 20]: ")
        assert type(figure.value) is float


def test_figures_are_the_distances_of_the_features():
    generated, real = images_of(30), images_of(20, seed=1)
    fid, kid = quality(generated, real, EXTRACTOR)
    fake_features, real_features = EXTRACTOR(generated), EXTRACTOR(real)
    assert fid.value == frechet_distance(real_features, fake_features)
    assert (kid.value, kid.standard_error) == kernel_distance(
        real_features, fake_features
    )


def test_features_stand_in_for_images():
    generated, real = images_of(30), images_of(20, seed=1)
    expected = quality(generated, real, EXTRACTOR)
    assert quality(generated, EXTRACTOR(real), EXTRACTOR) == expected
    assert quality(EXTRACTOR(generated), EXTRACTOR(real), EXTRACTOR) == expected


def test_the_first_generated_images_are_used():
    generated, real = images_of(30), images_of(20, seed=1)
    figures = quality(generated, real, EXTRACTOR, num_generated=12)
    assert figures == quality(generated[:12], real, EXTRACTOR)
    assert figures[0].label == "pixels-3x3x1, 12 vs 20"


def test_too_few_generated_images_are_refused():
    with pytest.raises(ValueError, match=r"at least 31 images\. Received: 30"):
        quality(images_of(30), images_of(20), EXTRACTOR, num_generated=31)
    with pytest.raises(ValueError, match="`num_generated` must be an integer"):
        quality(images_of(30), images_of(20), EXTRACTOR, num_generated=0)


@pytest.mark.parametrize(
    ("held_out", "message"),
    [
        (np.zeros((20, 8)), "`held_out` must have 9 features"),
        (np.zeros((20, 3, 3)), "`held_out` must be features"),
        (np.zeros((20, 3, 2, 1)), r"images of shape \(3, 3, 1\)"),
        (np.full((20, 3, 3, 1), 2.0), r"must lie in \[-1, 1\]"),
    ],
)
def test_unfit_held_out_images_are_refused(held_out, message):
    with pytest.raises(ValueError, match=message):
        quality(images_of(30), held_out, EXTRACTOR)


def test_two_ranges_are_refused_or_mapped():
    generated, held_out = images_of(30), images_of(20, seed=1)
    with pytest.raises(ValueError, match="`generated` and `held_out` look like"):
        quality(generated / 2 + 0.5, held_out, EXTRACTOR)
    expected = [figure.value for figure in quality(generated, held_out, EXTRACTOR)]
    mapped = (generated / 2 + 0.5, held_out / 2 + 0.5, EXTRACTOR)
    found = [figure.value for figure in quality(*mapped, value_range=(0, 1))]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_eight_bits_on_one_side_do_not_hide_the_range_of_the_other():
    eight_bits = ((images_of(30) + 1) * 127.5).astype("uint8")
    half = (images_of(20, seed=1) + 1) / 2
    for sides in ((eight_bits, half), (half, eight_bits)):
        with pytest.raises(ValueError, match="two ranges"):
            quality(*sides, EXTRACTOR)
    bright = np.full_like(eight_bits, 200)  # states that it is bright
    quality(bright, images_of(20), EXTRACTOR)
