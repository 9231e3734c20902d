from keras_mixup_gan.experiments.frontier import fid_of, matched_checkpoint


def point(steps, fid):
    return {"d_steps": steps, "quality": {"KID[x]": 1.0, "FID[x, 10 vs 10]": fid}}


CURVE = [point(1, 50.0), point(2, 20.0), point(3, 10.0), point(4, 15.0)]


def test_reads_the_frechet_distance_whatever_its_extractor():
    assert fid_of(point(1, 7.5)) == 7.5


def test_matches_the_earliest_checkpoint_that_is_at_least_as_good():
    assert matched_checkpoint(CURVE, 20.0)["d_steps"] == 2
    assert matched_checkpoint(CURVE, 14.0)["d_steps"] == 3
    assert matched_checkpoint(CURVE, 100.0)["d_steps"] == 1


def test_no_match_where_the_model_never_was_as_good():
    assert matched_checkpoint(CURVE, 9.9) is None
