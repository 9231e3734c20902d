import copy

import pytest

from keras_mixup_gan.defenses import Undefended
from keras_mixup_gan.experiments import suite as suites
from keras_mixup_gan.experiments.results import cell_key
from keras_mixup_gan.experiments.suite import SUITES, Suite
from keras_mixup_gan.privacy import epsilon

TEXT = """
title = "Two arms"
seeds = [0, 5]
batch_size = 20
delta = 1e-3

[data]
data = "digits"
non_members = 60
reference = 60

[arms.undefended]

[arms.private]
group = "DP"
defense = "dp-sgd"
noise_multiplier = 8.0

[[blocks]]
model = "dcgan"
members = [40]
arms = ["undefended", "private"]
checkpoints = [2, 4]

[[blocks]]
model = "wgan_gp"
num_classes = 10
width = 8
members = [40, 50]
arms = ["private"]
checkpoints = [3]
"""


@pytest.fixture
def written(tmp_path):
    def write(text=TEXT, name="mine.toml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def cells_of(suite):
    return [cell for block in suite.blocks for cell in suite.cells(block)]


def test_a_suite_is_the_product_of_models_arms_members_and_seeds(written):
    suite = Suite.read(written())
    assert suite.name == "mine"
    names = [cell.name for cell in cells_of(suite)]
    assert names == [
        "dcgan/40/undefended/0",
        "dcgan/40/private/0",
        "dcgan/40/undefended/5",
        "dcgan/40/private/5",
        "wgan_gp/40/private/0",
        "wgan_gp/40/private/5",
        "wgan_gp/50/private/0",
        "wgan_gp/50/private/5",
    ]
    first, second, *_ = cells_of(suite)
    assert first.defense == Undefended()
    assert (first.group, second.group) == ("undefended", "DP")
    assert first.checkpoints == (2, 4)
    assert cells_of(suite)[-1].num_classes == 10
    assert cells_of(suite)[-1].seed == 5


@pytest.mark.long
def test_a_target_epsilon_becomes_the_noise_that_all_updates_need(written):
    text = TEXT.replace("noise_multiplier", "target_epsilon")
    suite = Suite.read(written(text.replace("[40, 50]", "[20]")))
    cells = {cell.name: cell for cell in cells_of(suite)}
    for name, members, updates in [
        ("dcgan/40/private/0", 40, 4),
        ("wgan_gp/20/private/0", 20, 15),  # five critic updates a step
    ]:
        dp = cells[name].defense.dp
        spent = epsilon(20 / members, dp.noise_multiplier, updates, 1e-3)
        assert 0.95 * 8.0 < spent <= 8.0
        assert dp.num_examples == members
        assert dp.noise_seed == 0


def test_the_key_follows_settings_and_version_but_not_the_group(written, monkeypatch):
    suite = Suite.read(written())
    cell = cells_of(suite)[1]
    regrouped = Suite.read(written(TEXT.replace('group = "DP"', ""), "other.toml"))
    assert cell_key(cells_of(regrouped)[1]) == cell_key(cell)
    for change in (("8.0", "4.0"), ("[2, 4]", "[2, 3]"), ("= 60", "= 70")):
        changed = Suite.read(written(TEXT.replace(*change, 1), "other.toml"))
        assert cell_key(cells_of(changed)[1]) != cell_key(cell)
    key = cell_key(cell)
    with monkeypatch.context() as other:
        module = "keras_mixup_gan.versions"
        other.setattr(f"{module}.__version__", "9.0")  # which has the same numbers
        assert cell_key(cell) == key
        other.setattr(f"{module}.software_versions", lambda: {"keras": "2.0"})
        assert cell_key(cell) != key
    monkeypatch.setattr("keras_mixup_gan.experiments.results.RESULTS_VERSION", 0)
    assert cell_key(cell) != key


def test_a_block_may_have_seeds_of_its_own(written):
    more = TEXT.replace("checkpoints = [3]", "checkpoints = [3]\nseeds = [7]")
    suite = Suite.read(written(more))
    seeds = [[cell.seed for cell in suite.cells(block)] for block in suite.blocks]
    assert seeds == [[0, 0, 5, 5], [7, 7]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("checkpoints = [3]", "checkpoints = [3]\nseeds = [-1]"), "`seeds` must be"),
        (("model = ", "modell = "), "unknown key 'modell', no key 'model'"),
        (("members = [40]", "members = 40"), "members: expected .*received 40"),
        (
            ("noise_multiplier = 8.0", "target_epsilon = -8.0"),
            "`target_epsilon` must be a finite number above 0",
        ),
        # What becomes the name of a folder.
        (
            ("[arms.un", '[arms."../x"]\n[arms.un'),
            r"Names of suites.*Received: '\.\./x'",
        ),
        (("title = ", 'name = "../x"\ntitle = '), "Names of suites and arms become"),
        (("title = ", 'name = "/tmp/x"\ntitle = '), "Names of suites and arms become"),
        (("title = ", 'name = "a\\u0000"\ntitle = '), "Names of suites and arms be"),
        (('"Two arms"', '"Two\\u001b[31m"'), "`title` must be text without control"),
        # Settings of other types, or out of range.
        (('group = "DP"', "group = 3"), "`group` must be text"),
        (('"dp-sgd"', "3"), "Unknown `defense`.*defense='3'"),
        (("= 8.0", "= 'big'"), "`noise_multiplier` must be a finite.*='big'"),
        (("noise_multiplier = 8.0", "noise = 8.0"), "'dp-sgd' takes other settings"),
        (("= 8.0", "= 8.0\ntarget_epsilon = 1.0"), "noise is given or follows from"),
        (("= 8.0", "= 8.0\nnoise_seed = 1"), "`noise_seed` follows from the suite"),
        (
            ("[arms.un", "[arms.noise]\nnoise_stddev = 'x'\n[arms.un"),
            "'noise' takes oth",
        ),
        (("[arms.un", "[arms.mixup]\nalpha = true\n[arms.un"), "'mixup' takes other"),
        (("[arms.undefended]", "[arms.undefended]\nx = 1"), "'undefended' takes other"),
        (("delta = 1e-3", "delta = nan"), "`delta` must be a finite number"),
        (("delta = 1e-3", "delta = 5.0"), r"`delta` must be a number in \[0, 1\]"),
        (("seeds = [0, 5]", "seeds = []"), "`seeds` must name at least one"),
        (("members = [40]\n", "members = []\n"), "`members` must name at least one"),
        (("num_classes = 10", "num_classes = 0"), "`num_classes` must be an integer"),
        (("width = 8", "width = -1"), "`width` must be an integer of at least 1"),
        (("width = 8", "width = 8\nnon_members = 0"), "`non_members` must be an integ"),
        (("[data]", "[data]\nimage_shape = [0, 8, 1]"), "`height` must be an integer"),
        (("title = ", f"x = {'[' * 9999}{']' * 9999}\ntitle = "), "is no TOML"),
        (("delta", "draw = 'x'\ndelta"), "unknown key 'draw'"),
        (("seeds = ", "seed = "), "unknown key 'seed'"),
        (('title = "Two arms"', ""), "no key 'title'"),
        (('["private"]', '["privat"]'), "Unknown `arms`.*arms='privat'"),
        (('"wgan_gp"', '"wgan"'), "Unknown `model`.*model='wgan'"),
        (("[2, 4]", "[4, 2]"), "`checkpoints` of a block must be ascending"),
        (("members = [40]", "members = [10]"), "must fill at least one batch"),
        (("= [0, 5]", "= ["), "is no TOML"),
        (("[2, 4]", "[2, 4]\nshadows = 16"), r"Expected both.*shadow_arms=\[\]"),
        (("[2, 4]", '[2, 4]\nshadow_arms = ["private"]'), "both settings, or neither"),
        (
            ("[2, 4]", '[2, 4]\nshadows = 1\nshadow_arms = ["private"]'),
            "Shadow models are at least two",
        ),
        (
            (
                "[3]",
                '[3]\nshadows = 2\nshadow_arms = ["other"]\n[arms.other]\n'
                'defense = "noise"\nnoise_stddev = 1.0',
            ),
            "Unknown `shadow_arms`.*'other'",
        ),
        (("delta = 1e-3", "num_generated = 2"), "`num_generated` must be an integer"),
        (("reference = 60", "reference = 9"), "`reference` must be.*at least 10"),
        # What pages call an arm, and compare it with.
        (("[arms.undefended]", '[arms.undefended]\ndefense = "mixup"'), "Rename it"),
        (
            ("[arms.private]", '[arms.base]\ndefense = "undefended"\n[arms.private]'),
            "'base' with defense='undefended'",
        ),
        (
            ("[arms.private]", '[arms.noise]\ndefense = "mixup"\n[arms.private]'),
            "like a defense that it has not",
        ),
        (('group = "DP"', 'title = "Undefended"'), "'Undefended' more than once"),
        (
            ('model = "wgan_gp"\nnum_classes = 10\n', 'model = "dcgan"\n'),
            "Two blocks train 'dcgan/40' in different ways",
        ),
        (
            ('"wgan_gp"\nnum_classes = 10\nwidth = 8\n', '"dcgan"\n'),
            "Two blocks train 'dcgan/40/private' in different ways",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(written, change, message):
    with pytest.raises(ValueError, match=message):
        Suite.read(written(TEXT.replace(*change)))


def test_an_unknown_suite_names_the_known_ones():
    with pytest.raises(ValueError, match=r"no suite 'smok'.*'paper'.*'smoke'"):
        Suite.read("smok")


@pytest.mark.parametrize("path", sorted(SUITES.glob("*.toml")), ids=lambda p: p.stem)
def test_the_suites_that_come_with_it_can_be_read(path, monkeypatch):
    # The noise itself takes seconds to find.
    monkeypatch.setattr(suites, "noise_multiplier_for", lambda *target: 1.0)
    suite = Suite.read(path.stem)
    for block in suite.blocks:
        for members in block.members:
            assert suite.data_of(block).non_members >= members
            for arm in block.arms:
                cell = suite.cell(block, members, arm, suite.seeds[0])
                assert cell.defense.describe(block.model)
    assert len(suite.seeds) >= 3 or path.stem in ("compare", "quick")
    assert copy.deepcopy(suite) == suite


def test_make_compare_is_a_suite_of_one_network_and_one_seed():
    suite = Suite.read("compare")
    (block,) = suite.blocks
    assert (block.model, block.members, suite.seeds) == ("dcgan", (500,), (0,))
    assert block.arms == ("undefended", "mixup-paper", "mixup", "dp-sgd")
    quick = Suite.read("quick")
    assert (quick.arms, quick.blocks[0].arms) == (suite.arms, block.arms)
    assert suite.command == "keras-mixup-gan compare"
    assert suite.one_seed and not Suite.read("paper").one_seed


def test_options_change_all_blocks_and_are_part_of_the_command():
    suite = Suite.read("quick").changed(
        members=300, steps=150, noise_multiplier=2.0, seed=4, data="patches"
    )
    (block,) = suite.blocks
    assert (block.members, block.checkpoints) == ((300,), (100, 150))
    assert (suite.seeds, suite.data.data) == ((4,), "patches")
    assert suite.arms["dp-sgd"] == {"noise_multiplier": 2.0}
    assert suite.command == (
        "keras-mixup-gan compare --quick --data=patches --members=300 "
        "--noise-multiplier=2.0 --steps=150 --seed=4"
    )
    faces = Suite.read("compare").changed(image_size=64, non_members=9, reference=8)
    assert faces.data.image_shape == (64, 64, 3)
    assert (faces.data.non_members, faces.data.reference) == (9, 8)
    assert Suite.read("quick").changed() == Suite.read("quick")
    mine = Suite.read("quick").changed(seed=4, plugins=["mine", "my.other"])
    assert mine.command == (
        "keras-mixup-gan --plugin=mine --plugin=my.other compare --quick --seed=4"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": 10}, "must fill at least one batch"),
        ({"steps": 0}, "`steps` must be an integer of at least 1"),
        ({"noise_multiplier": 0.0}, "`noise_multiplier` must be a finite number above"),
        ({"seed": -1}, "`seed` must be an integer"),
        ({"seed": 10**20}, "`seed` must be a number in"),
        ({"noise_multiplier": 2.0, "suite": "paper"}, r"targets of \['dp-epsilon-1', "),
    ],
)
def test_options_are_checked_before_anything_runs(changes, message):
    with pytest.raises(ValueError, match=message):
        Suite.read(changes.pop("suite", "compare")).changed(**changes)


def test_one_seed_is_that_of_all_blocks():
    paper = Suite.read("paper").changed(seed=7)
    assert {seed for block in paper.blocks for seed in paper.seeds_of(block)} == {7}


def test_shadow_models_need_coins(written):
    fixed = TEXT.replace("[data]", '[data]\ndraw = "fixed"')
    with pytest.raises(ValueError, match="Expected draw='coins'"):
        Suite.read(
            written(
                fixed.replace(
                    "[2, 4]", '[2, 4]\nshadows = 2\nshadow_arms = ["undefended"]'
                )
            )
        )


def test_arms_are_called_by_their_titles(written):
    suite = Suite.read(written(TEXT.replace('group = "DP"', 'title = "Private"')))
    titles = [cell.title for cell in suite.cells(suite.blocks[0])]
    assert titles[:2] == ["Undefended", "Private"]
