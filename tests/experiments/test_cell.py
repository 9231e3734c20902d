import copy
import dataclasses

import numpy as np
import pytest

from keras_mixup_gan import MixUp
from keras_mixup_gan.data import extractor_name
from keras_mixup_gan.defenses import Mixing
from keras_mixup_gan.experiments import run_cell
from keras_mixup_gan.experiments.results import cell_key
from keras_mixup_gan.metrics import extractor_for
from keras_mixup_gan.models import recipes


def run(suite, folder, progress=None, arm="undefended"):
    cell = suite.cell(suite.blocks[0], suite.blocks[0].members[0], arm, suite.seeds[0])
    split = cell.data.split(cell.members, cell.seed)
    return run_cell(cell, split, folder, progress)


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return folder, run(tiny(), folder)


def test_a_result_holds_what_a_reader_needs_to_check_it(finished):
    _, cell = finished
    assert (cell.model, cell.arm, cell.seed, cell.members) == (
        *("dcgan", "undefended", 0, 40),
    )
    assert [point.steps for point in cell.curve] == [2, 4]
    assert {"python", "tensorflow", "keras"} <= set(cell.versions)
    assert (cell.last.epsilon, cell.num_pool, cell.last.bounds) == (None,) * 3
    assert set(cell.last.done) == {"logan", "logan_mixup", "gan_leaks"}
    for attack in cell.last.attacks:
        low, high = attack.auc_interval
        assert low <= attack.auc <= high
        assert attack.at_fpr.num_members == attack.at_fpr.num_non_members == 40
    assert [metric.name for metric in cell.last.quality] == ["FID", "KID"]
    assert {m.label for m in cell.last.quality} == {"pixels-8x8x1, 64 vs 60"}


def test_raw_scores_give_the_published_statistics(finished):
    from sklearn.metrics import roc_auc_score

    folder, cell = finished
    with np.load(folder / "scores-4.npz", allow_pickle=False) as scores:
        assert scores["samples"].shape == (64, 8, 8, 1)
        for attack in cell.last.attacks:
            parts = [
                scores[f"{attack.name}/{role}"] for role in ("members", "non_members")
            ]
            truth = np.repeat([1, 0], list(map(len, parts)))
            area = roc_auc_score(truth, np.concatenate(parts))
            assert attack.auc == pytest.approx(area)


@pytest.mark.long
@pytest.mark.parametrize("at", [(2, "attacking and measuring"), (2, "training")])
def test_a_stopped_run_continues_and_gives_the_same_numbers(
    tiny, finished, tmp_path, at
):
    def stop(cell, step, message):
        if (step, message) == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tiny(), tmp_path, stop)
    done = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("scores-*.npz")}
    assert len(done) == (at[1] == "training")
    found = dataclasses.replace(run(tiny(), tmp_path), cpu_seconds=0.0)
    assert found == dataclasses.replace(finished[1], cpu_seconds=0.0)
    assert all(path.stat().st_mtime_ns == then for path, then in done.items())


def test_another_seed_gives_other_numbers(tiny, finished, tmp_path):
    found, first = run(tiny(seeds=(1,)), tmp_path), finished[1]
    assert found.split_hash != first.split_hash
    assert found.last.attacks != first.last.attacks
    assert found.last.quality != first.last.quality


def test_other_settings_neither_reuse_nor_delete_old_results(tiny, finished):
    folder, _ = finished
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ValueError, match="holds results of other settings"):
        run(tiny(checkpoints=(3,)), folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_the_key_follows_the_recipe(tiny, monkeypatch):
    suite = tiny(arms=("undefended", "mixup-noise"))
    cell = suite.cell(suite.blocks[0], 40, "mixup-noise", 0)
    key = cell_key(cell)
    assert cell_key(cell) == key
    recipe = copy.deepcopy(recipes.load_recipe("dcgan"))
    recipe["noisy"]["alpha"] = 0.5
    monkeypatch.setattr(recipes, "load_recipe", lambda name: recipe)
    assert cell_key(cell) != key


def test_the_key_knows_of_transforms_where_they_are_used(tiny, monkeypatch):
    suite = tiny(arms=("mixup-noise",))
    cell = suite.cell(suite.blocks[0], 40, "mixup-noise", 0)
    mixings = "noisy", MixUp(alpha=8.0), MixUp(augment="cutout"), "augmented"
    cells = [dataclasses.replace(cell, defense=Mixing(one)) for one in mixings]
    keys = [cell_key(one) for one in cells]
    assert len(set(keys)) == 4
    assert cell_key(dataclasses.replace(cell, defense=Mixing(True))) == keys[3]
    recipe = copy.deepcopy(recipes.load_recipe("dcgan"))
    recipe["augmented"]["noise_stddev"] = 0.5
    monkeypatch.setattr(recipes, "load_recipe", lambda name: recipe)
    assert [cell_key(one) == key for one, key in zip(cells, keys, strict=True)] == [
        *(True, True, True, False)
    ]


@pytest.mark.parametrize("content", ["[]", "{", "3", '{"key": 3}'])
def test_a_foreign_state_file_is_one_sentence(tiny, tmp_path, content):
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(ValueError, match=r"cannot be read.*state of a cell"):
        run(tiny(), tmp_path)


@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_damaged_checkpoint_is_named_and_the_rest_kept(
    tiny, finished, tmp_path, damage
):
    def stop(cell, step, message):
        if (step, message) == (2, "training"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tiny(), tmp_path, stop)
    path = tmp_path / "model-2.keras"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    else:
        path.unlink()
    with pytest.raises(ValueError, match=r"model-2\.keras.* is truncated or damaged"):
        run(tiny(), tmp_path)


def test_digit_shaped_images_are_compared_by_the_digit_network(tiny):
    cell = next(tiny().cells(tiny().blocks[0]))
    shape = cell.data.split(40, 0).image_shape
    name = extractor_name(cell.data.data, shape)
    assert extractor_for(shape, name).name == "pixels-8x8x1"
    assert extractor_name("digits", (28, 28, 1)) == "digits"
    assert extractor_for((28, 28, 1), "digits").name == "digits-cnn-v1"


def test_more_images_than_there_are_is_one_sentence(tiny):
    cell = next(tiny(members=500).cells(tiny(members=500).blocks[0]))
    with pytest.raises(ValueError, match="needs 600 images and there are 140"):
        cell.data.split(500, 0)
