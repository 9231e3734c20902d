import numpy as np
import pytest

from keras_mixup_gan.experiments.pool import COINS, FIXED, Data, draw_by_coins


def game(path, seed=0, members=30, non_members=60, reference=20):
    return draw_by_coins(Data(str(path), None, non_members, reference), members, seed)


def indices(split, role):
    return set(getattr(split, role).indices.tolist())


def test_every_seed_throws_coins_over_the_same_pool(small_images):
    splits = {seed: game(small_images, seed) for seed in range(60)}
    pools, outsiders = set(), set()
    inside = np.zeros(140)
    for split, (num_in, num_out) in splits.values():
        assert num_in + num_out == 60
        assert len(split.members.images) == num_in
        assert len(split.non_members.images) == num_out + 30
        rest = split.non_members.indices
        pools.add(frozenset(indices(split, "members") | set(rest[:num_out].tolist())))
        outsiders.add(frozenset(rest[num_out:].tolist()))
        inside[split.members.indices] += 1
    assert len(pools) == len(outsiders) == 1
    assert not next(iter(pools)) & next(iter(outsiders))
    assert len({frozenset(indices(s, "reference")) for s, _ in splits.values()}) == 1
    # A fair coin for each image: 60 throws, five standard deviations.
    share = inside[sorted(next(iter(pools)))] / 60
    assert np.all(np.abs(share - 0.5) < 5 * 0.5 / np.sqrt(60))
    assert len({num_in for _, (num_in, _) in splits.values()}) > 5


@pytest.mark.long
def test_memberships_are_independent(small_images):
    draws = np.zeros((400, 140))
    for seed in range(400):
        split, _ = game(small_images, seed)
        draws[seed, split.members.indices] = 1
    pool = draws[:, draws.any(axis=0)]
    correlations = np.corrcoef(pool.T)[np.triu_indices(60, 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(400)
    # With a fixed number of members they would add up to a constant.
    assert 0.7 < pool.sum(axis=1).var() / (60 / 4) < 1.4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"non_members": 20}, "Expected at least 30"),
        ({"members": 70, "non_members": 70}, "needs 161 images and there are 140"),
    ],
)
def test_impossible_games(small_images, changes, message):
    with pytest.raises(ValueError, match=message):
        game(small_images, **changes)


def test_a_fixed_number_of_members_is_drawn_anew_for_each_seed(small_images):
    data = Data(str(small_images), None, 60, 20, draw=FIXED)
    one, other = (data.split(30, seed) for seed in (0, 1))
    for split in (one, other):
        assert len(split.members.images) == 30
        assert len(split.non_members.images) == 60
        assert len(split.reference.images) == 20
    assert indices(one, "members") != indices(other, "members")
    assert data.num_pool(30, 0) is None
    assert (
        Data(str(small_images), None, 60, 20).num_pool(30, 0) == game(small_images)[1]
    )


def test_both_ways_of_drawing_crop_what_is_not_square(tmp_path):
    path, size = tmp_path / "wide.npz", (4, 4, 1)
    wide = np.random.default_rng(0).uniform(-1, 1, (16, 4, 8, 1)).astype("float32")
    np.savez(path, images=wide)
    for way in (COINS, FIXED):
        members = Data(str(path), size, 6, 2, draw=way).split(4, 0).members
        expected = wide[members.indices, :, 2:6]
        np.testing.assert_allclose(members.images, expected, atol=1e-6)


def test_an_unknown_way_of_drawing_is_refused():
    with pytest.raises(ValueError, match=r"Unknown `draw`.*draw='dice'"):
        Data(draw="dice")
