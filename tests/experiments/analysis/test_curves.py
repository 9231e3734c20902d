import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_mixup_gan.experiments.analysis.curves import (
    Curve,
    common_range,
    fid_before,
    leakage_at,
    mean_leakage,
)

# From FID 100 over 10 to 1 while the AUC rises from .5 over .6 to .9.
STRAIGHT = Curve((100.0, 10.0, 1.0), (0.5, 0.6, 0.9), (0.01, 0.02, 0.04))
# Quality is lost on the way and comes back.
BACK = Curve((100.0, 10.0, 50.0, 1.0), (0.5, 0.6, 0.8, 0.9), (0.0,) * 4)

fids = st.floats(0.5, 500.0)
areas = st.floats(0.4, 1.0)
curves = st.integers(1, 6).flatmap(
    lambda number: st.builds(
        Curve,
        st.tuples(*[fids] * number),
        st.tuples(*[areas] * number),
        st.tuples(*[st.floats(0.0, 0.1)] * number),
    )
)


@pytest.mark.parametrize(
    ("fid", "leakage", "error"),
    [
        (100.0, 0.5, 0.01),
        (10 * 10**0.5, 0.55, 0.015),  # half-way in the logarithm
        (10.0, 0.6, 0.02),
        (10**0.25, 0.825, 0.035),
        (1.0, 0.9, 0.04),
    ],
)
def test_leakage_is_read_off_a_line_in_the_logarithm_of_the_distance(
    fid, leakage, error
):
    found = leakage_at(STRAIGHT, fid)
    assert found.leakage == pytest.approx(leakage)
    assert found.standard_error == pytest.approx(error)
    assert not found.before_start


def test_a_quality_is_reached_the_first_time_it_is_passed():
    assert leakage_at(BACK, 20.0).leakage < 0.6
    # Below the record of 10 the way leads from (50, .8) to (1, .9).
    share = np.log(50 / 5) / np.log(50 / 1)
    assert leakage_at(BACK, 5.0).leakage == pytest.approx(0.8 + 0.1 * share)


def test_no_reading_of_a_quality_that_is_never_reached():
    assert leakage_at(STRAIGHT, 0.99) is None


def test_a_reading_says_that_the_first_checkpoint_was_good_enough_already():
    found = leakage_at(STRAIGHT, 200.0)
    assert (found.leakage, found.before_start) == (0.5, True)


@given(curves)
def test_a_reading_lies_within_what_the_curve_leaked_and_exists_iff_reached(curve):
    for fid in (0.1, *curve.fid, 1000.0):
        found = leakage_at(curve, fid)
        assert (found is not None) == (min(curve.fid) <= fid)
        if found is not None:
            margin = 1e-12
            assert min(curve.leakage) - margin <= found.leakage
            assert found.leakage <= max(curve.leakage) + margin


@given(curves, st.floats(0.1, 10.0))
def test_the_unit_of_the_distance_does_not_matter(curve, unit):
    scaled = Curve(
        tuple(unit * fid for fid in curve.fid), curve.leakage, curve.standard_error
    )
    for fid in (0.25, 0.7 * curve.fid[-1], 1.3 * curve.fid[0]):
        ours, theirs = leakage_at(curve, fid), leakage_at(scaled, unit * fid)
        assert (ours is None) == (theirs is None)
        if ours is not None:
            assert theirs.leakage == pytest.approx(ours.leakage, abs=1e-9)


@given(curves)
def test_checkpoints_after_a_quality_was_reached_do_not_change_its_reading(curve):
    fid = curve.fid[-1]
    longer = Curve(
        (*curve.fid, fid / 2), (*curve.leakage, 1.0), (*curve.standard_error, 0.1)
    )
    assert leakage_at(longer, fid) == leakage_at(curve, fid)


def test_the_best_quality_before_leaking_too_much():
    assert fid_before(STRAIGHT, 0.55) == pytest.approx(10 * 10**0.5)
    assert fid_before(STRAIGHT, 0.6) == pytest.approx(10.0)
    assert fid_before(STRAIGHT, 0.75) == pytest.approx(10**0.5)
    assert fid_before(STRAIGHT, 0.95) == 1.0
    assert fid_before(STRAIGHT, 0.49) is None


def test_the_best_quality_may_lie_before_the_last_that_is_allowed():
    # Up to .75 the curve went from FID 10 back to 35.
    assert fid_before(BACK, 0.75) == 10.0


@given(curves, areas, areas)
def test_allowing_more_leakage_never_costs_quality(curve, one, other):
    less, more = (fid_before(curve, level) for level in sorted((one, other)))
    assert less is None or more <= less * (1 + 1e-12)


def test_the_mean_leakage_of_straight_curves_in_closed_form():
    # From 100 to 10 the mean is .55, from 10 to 1 it is .75.
    found = mean_leakage(STRAIGHT, 1.0, 100.0)
    assert found.leakage == pytest.approx(0.65)
    assert found.standard_error == pytest.approx((0.015 + 0.03) / 2)
    assert mean_leakage(STRAIGHT, 10.0, 100.0).leakage == pytest.approx(0.55)


@given(curves)
def test_the_mean_leakage_agrees_with_a_fine_sum(curve):
    low, high = min(curve.fid), curve.fid[0]
    if high / low < 1.01:
        return
    logs = np.linspace(np.log(low), np.log(high), 4001)
    fine = np.exp((logs[1:] + logs[:-1]) / 2)
    readings = [leakage_at(curve, fid).leakage for fid in fine]
    assert mean_leakage(curve, low, high).leakage == pytest.approx(
        np.mean(readings), abs=2e-3
    )


def test_the_common_range_begins_after_every_first_checkpoint():
    assert common_range([STRAIGHT, Curve((50.0, 2.0), (0.5, 0.6), (0, 0))]) == (2, 50)
    assert common_range([STRAIGHT, Curve((0.9, 0.5), (0.5, 0.6), (0, 0))]) is None


def test_distances_without_a_logarithm_are_refused():
    with pytest.raises(ValueError, match="above 0"):
        Curve((0.0,), (0.5,), (0.1,))
