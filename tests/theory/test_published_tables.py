"""What the published tables must show, whatever they are computed with."""

import json
from pathlib import Path

import pytest

from keras_mixup_gan import theory

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


@pytest.fixture(scope="module")
def published():
    return json.loads((RESULTS / "theory.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def tables(published):
    return published["tables"]


def test_closed_forms_still_give_the_published_numbers(published, tables):
    members = published["num_members"]
    for row in tables["gaussian_mean"]:
        area = theory.gaussian_mean_auc(members, row["dim"], row["noise_stddev"])
        assert area == pytest.approx(row["auc"], abs=1e-9)
    for row in tables["noisy_blends"]:
        exact = theory.gaussian_epsilon(row["mu"], published["delta"])
        assert exact == pytest.approx(row["exact_epsilon"], rel=1e-9)
        assert row["exact_epsilon"] <= row["epsilon"] * (1 + 1e-6)
    for row in tables["noise_once"]:
        terms = row["noise_stddev"], row["diameter"], published["delta"]
        found = theory.noisy_image_guarantee(*terms, published["fpr"])
        assert found == pytest.approx(tuple(row[name] for name in found._fields))


def test_blends_hide_members_of_a_kernel_density_in_low_dimension_only(tables):
    areas = {(row["dim"], row["alpha"]): row["auc"] for row in tables["kernel_density"]}
    assert areas[2, None] - areas[2, 4.0] > 0.2
    assert areas[32, 16.0] > 0.999


def test_blends_hide_nothing_of_a_linear_generator(tables):
    for row in tables["linear_generator"]:
        assert row["largest_change_by_mixup"] < 1e-9
        assert row["auc"] <= row["bound"] + 4 * row["standard_error"]


def test_a_mean_of_blends_hides_about_as_a_random_subset_of_equal_error(tables):
    for row in tables["mean_of_blends"]:
        assert row["auc"] == pytest.approx(row["auc_of_subset"], abs=0.025)


def test_noise_in_the_range_of_pixels_proves_nothing(tables):
    for row in tables["noisy_blends"]:
        if row["noise_stddev"] <= 1.0:
            assert row["epsilon"] > 100
            assert row["largest_auc"] > 0.999


def test_noise_drawn_once_proves_nothing_while_images_can_be_seen(published, tables):
    for row in tables["noise_once"]:
        assert row["guaranteed"] == (row["diameter"] == published["diameter"])
        assert row["diameter"] <= published["diameter"]
        if row["noise_stddev"] <= 1.0:
            assert row["epsilon"] > 500
            assert row["largest_auc"] > 0.999
