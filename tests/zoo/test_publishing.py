import inspect
import json
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from keras_mixup_gan import DPSGD, metrics, models, reports, zoo
from keras_mixup_gan.models.card import CARD, PICTURE, card
from keras_mixup_gan.models.presets import CONFIG, WEIGHTS, PresetFiles
from tests.auditing.audits import audit
from tests.guides import blocks
from tests.models import tiny
from tests.privacy.missing import without_privacy
from tests.zoo.hub import hub as hub
from tests.zoo.test_presets import rewrite

RELEASES = ("generator", "everything")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model, and the folders of its presets by what they hold."""
    place, model = tmp_path_factory.mktemp("saved"), tiny.eager(mixup=True)
    return model, {each: model.save_to_preset(place / each, each) for each in RELEASES}


@pytest.fixture(scope="module")
def report(saved):
    """An audit of the preset that holds everything."""
    parts = [tiny.random_images(60, seed=seed) for seed in (1, 2, 3)]
    model = zoo.from_preset(saved[1]["everything"])
    return audit(model, *parts, attacks=["logan", "gan_leaks"], seed=3)


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of the preset of the generator alone."""
    return shutil.copytree(saved[1]["generator"], tmp_path / "generator")


@pytest.fixture
def whole(saved, tmp_path):
    """A copy of the preset with the discriminator."""
    return shutil.copytree(saved[1]["everything"], tmp_path / "everything")


def text(folder):
    return (folder / CARD).read_text("utf-8")


# === Cards ===


def test_a_saved_preset_has_a_card_that_says_what_it_does_not_know(saved):
    cards = {release: text(folder) for release, folder in saved[1].items()}
    for release, folder in saved[1].items():
        said = cards[release]
        assert said.startswith("---\nlibrary_name: keras-mixup-gan\n")
        assert PresetFiles.read(folder).content["weights"]["sha256"] in said
        assert "MixUp(alpha=" in said
        assert "no audit was given" in said
        assert PICTURE not in said
    assert "generator alone" in cards["generator"]
    assert "and the discriminator**" in cards["everything"]


def test_the_front_matter_is_what_the_hub_reads(folder):
    yaml = pytest.importorskip("yaml")
    written = card(PresetFiles.read(folder), license="apache-2.0")
    _, front, _ = written.split("---\n", 2)
    assert yaml.safe_load(front) == {
        "library_name": "keras-mixup-gan",
        "pipeline_tag": "unconditional-image-generation",
        "license": "apache-2.0",
        "tags": ["keras", "gan", "membership-inference", "mixup"],
    }


def test_a_card_tells_epsilon_and_whether_the_noise_was_secret(tmp_path, monkeypatch):
    tiny.eager(**tiny.DEFENSES["dp"]).save_to_preset(tmp_path)
    counters = {"steps": 3, "num_examples": 400, "expected_batch_size": 20}
    rewrite(tmp_path, counters=counters, noise_was_seeded=False)
    (tmp_path / CARD).unlink()
    found = SimpleNamespace(epsilon=1.5, delta=1e-5, not_covered=["The settings."])
    with monkeypatch.context() as patch:
        patch.setattr(models.GAN, "privacy_report", lambda model: found)
        zoo.write_card(tmp_path)
    assert "no guarantee" not in text(tmp_path)
    assert "- differential-privacy\n" in text(tmp_path)
    for said in ("epsilon 1.5 at delta 1e-05", "* The settings.", "no audit was given"):
        assert said in text(tmp_path)
    without_privacy(monkeypatch)
    rewrite(tmp_path, noise_was_seeded=True)
    zoo.write_card(tmp_path)
    assert "there is no guarantee" in text(tmp_path)
    assert "at delta" not in text(tmp_path)
    assert "noise multiplier 0.5, 400 training images" in text(tmp_path)
    assert "- differential-privacy\n" not in text(tmp_path)


def test_a_card_does_not_call_clipping_without_noise_private(tmp_path):
    model = tiny.eager(dp=DPSGD(noise_multiplier=0.0))
    model.fit(tiny.random_images(8), batch_size=4, verbose=0)
    model.save_to_preset(tmp_path)
    assert "without noise: it carries no epsilon" in text(tmp_path)
    assert "- differential-privacy\n" not in text(tmp_path)


def test_a_card_tells_what_an_audit_found_with_intervals(whole, report, tmp_path):
    figures = [metrics.Metric("FID", 4.25, "pixels", 60, 60, interval=(4, 4.5))]
    zoo.write_card(whole, report, data="Leaves.", quality=figures, intended_use="Play.")
    said = text(whole)
    for release, found in report.verdicts.items():
        [row] = [line for line in said.splitlines() if f"| {release.value} |" in line]
        low, high = found.interval
        assert f"| {found.auc:.3f} [{low:.3f}, {high:.3f}] |" in row
        assert f"{100 * found.point.tpr:.1f} %" in row
    for each in ("Leaves.", "FID 4.25 \\[4, 4.5\\]", "Play.", "these very weights"):
        assert each in said
    assert (whole / PICTURE).read_bytes().startswith(b"\x89PNG")
    path = reports.save_audit(report, tmp_path / "audit.json")
    zoo.write_card(whole, path, data="Leaves.", quality=figures, intended_use="Play.")
    assert text(whole) == said


def test_a_card_does_not_take_an_audit_of_other_files_for_one_of_these(folder, report):
    zoo.write_card(folder, report)
    assert "these very weights" not in text(folder)
    assert "for whoever gets the generator:" in text(folder).lower()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image_shape": [9, 9, 1]}, "of another model"),
        ({"num_steps": 7}, "of another model"),
        ({"schema_version": 2}, "no report of an audit"),
        ({"releases": 3}, "cannot be read"),
    ],
)
def test_what_is_no_report_of_this_model_is_refused(
    folder, report, tmp_path, changes, said
):
    path = reports.save_audit(report, tmp_path / "audit.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    before = text(folder)
    with pytest.raises(ValueError, match=said):
        zoo.write_card(folder, path)
    assert text(folder) == before
    assert not (folder / PICTURE).exists()


def test_what_a_report_says_is_text_in_a_card(whole, report, tmp_path):
    path = reports.save_audit(report, tmp_path / "audit.json")
    content = json.loads(path.read_text())
    content["releases"]["everything"]["verdict"] = "<script>|\n# No leak"
    content["warnings"] = ["[a](javascript:b)"]
    path.write_text(json.dumps(content))
    zoo.write_card(whole, path)
    assert "<script>" not in text(whole)
    assert "[a](" not in text(whole)
    assert "\n# No" not in text(whole)


@pytest.mark.parametrize("license", ["", "mit\ntags: x", "a: b", "-"])
def test_a_license_is_an_identifier(folder, license):
    with pytest.raises(ValueError, match="named by its identifier"):
        zoo.write_card(folder, license=license)


def test_saving_again_replaces_no_card_that_was_made_ones_own(saved, tmp_path):
    model = saved[0]
    (tmp_path / CARD).write_text("My project.")
    model.save_to_preset(tmp_path)
    assert text(tmp_path) == "My project."
    with pytest.raises(ValueError, match="not a card that was written here"):
        zoo.write_card(tmp_path)
    (tmp_path / CARD).unlink()
    model.save_to_preset(tmp_path)
    zoo.write_card(tmp_path, data="Leaves.")
    model.save_to_preset(tmp_path, "generator")  # other weights
    assert "Leaves." not in text(tmp_path)
    assert "generator alone" in text(tmp_path)


# === There and back ===


def test_what_is_pushed_is_loaded_again(saved, folder, hub):
    zoo.write_card(folder)
    (folder / "members.npz").write_bytes(b"private")
    (folder / ".env").write_text("TOKEN=1")
    address = zoo.push_to_hub(folder, "me/leaves", token="hf_x")
    commit = address.removeprefix("hf://me/leaves@")
    repository = hub.repositories["me/leaves"]
    assert repository.private
    assert set(repository.commits[commit]) == {CONFIG, WEIGHTS, CARD, PICTURE}
    assert b'from_preset("hf://me/leaves")' in repository.commits[commit][CARD]
    assert hub.asked == [("HfApi", "hf_x")]
    expected = saved[0].generate(3, seed=4)
    for each in (address, "hf://me/leaves"):
        same = zoo.from_preset(each)
        np.testing.assert_array_equal(same.generate(3, seed=4), expected)
    taken = ("me/leaves", commit, (CONFIG, WEIGHTS))
    assert hub.asked[1:] == [taken, ("me/leaves", None, taken[2])]
    cached = hub.root / "cache" / "me/leaves" / "snapshots" / commit
    assert sorted(path.name for path in cached.iterdir()) == [CONFIG, WEIGHTS]


def test_the_discriminator_is_pushed_only_if_that_is_said(whole, hub):
    with pytest.raises(ValueError, match=r"holds the discriminator.*release='every"):
        zoo.push_to_hub(whole, "me/all")
    assert not hub.repositories
    address = zoo.push_to_hub(whole, "me/all", release="everything", private=False)
    assert not hub.repositories["me/all"].private
    assert zoo.from_preset(address).score(tiny.random_images(2)).shape == (2,)


def test_a_preset_that_only_claims_to_hold_no_discriminator_is_not_pushed(whole, hub):
    rewrite(whole, release="generator")
    with pytest.raises(ValueError, match="weights of another model"):
        zoo.push_to_hub(whole, "me/all")
    assert not hub.repositories


def test_a_private_preset_is_not_pushed_where_everyone_sees_it(folder, hub):
    hub.create_repo("me/open", private=False, exist_ok=True)
    with pytest.raises(ValueError, match="for everyone to see"):
        zoo.push_to_hub(folder, "me/open")
    assert not hub.repositories["me/open"].commits


def test_a_card_of_other_weights_is_not_pushed(folder, hub):
    (folder / CARD).write_bytes(b"My project. \xff\xfe")
    with pytest.raises(ValueError, match="does not speak of these weights"):
        zoo.push_to_hub(folder, "me/leaves")
    (folder / CARD).unlink()
    (folder / CARD).mkdir()
    with pytest.raises(ValueError, match="does not speak of these weights"):
        zoo.push_to_hub(folder, "me/leaves")
    assert not hub.repositories
    (folder / CARD).rmdir()
    zoo.push_to_hub(folder, "me/leaves")  # an old preset has none: it is written
    assert "generator alone" in text(folder)


# === What is refused ===

BAD_NAMES = ["", "leaves", "me/", "/me", "../me", "me/..", "a/b/c", "me/lea ves", "é/a"]


@pytest.mark.parametrize(
    "name", [*BAD_NAMES, "me/a..b", "a/b\n", "a/" + 95 * "b", None]
)
def test_a_repository_is_an_owner_and_a_name(folder, hub, name):
    with pytest.raises(ValueError, match="by its owner and its name"):
        zoo.push_to_hub(folder, name)
    assert not hub.asked


@pytest.mark.parametrize(
    "address",
    [*BAD_NAMES, "me/a@", "me/a@..", "me/a@../b", "me/a@a/../b", "me/a@/b", "me/a@b@c"],
)
def test_an_address_names_a_repository_and_a_revision(hub, address):
    with pytest.raises(ValueError, match=r"Expected.*Received"):
        zoo.from_preset(f"hf://{address}")
    assert not hub.asked


@pytest.mark.parametrize("missing", [CONFIG, WEIGHTS])
def test_a_repository_without_a_preset_is_one_sentence(folder, hub, missing):
    names = {CONFIG, WEIGHTS} - {missing}
    files = {name: (folder / name).read_bytes() for name in names}
    hub.commit("me/other", {**files, f"sub/{missing}": b"{}", "model.pkl": b"x"})
    with pytest.raises(ValueError, match=f"holds no preset.*Received: no {missing}"):
        zoo.from_preset("hf://me/other")


def test_a_repository_that_is_not_there_is_one_sentence(hub):
    with pytest.raises(ValueError, match="404 Client Error") as caught:
        zoo.from_preset("hf://me/none")
    assert "\n" not in str(caught.value)


def test_a_changed_preset_of_a_repository_is_refused(folder, hub):
    address = zoo.push_to_hub(folder, "me/leaves")
    [files] = hub.repositories["me/leaves"].commits.values()
    files[WEIGHTS] = files[WEIGHTS][:-1] + b"x"
    with pytest.raises(ValueError, match="not the one that was saved"):
        zoo.from_preset(address)


def test_without_the_extra_it_is_one_sentence(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for ask in (
        lambda: zoo.push_to_hub(folder, "me/leaves"),
        lambda: zoo.from_preset("hf://me/leaves"),
    ):
        with pytest.raises(ImportError, match=r"pip install 'keras-mixup-gan\[hub\]'"):
            ask()


def test_the_guide_leads_from_a_card_to_the_hub(folder, report, hub, monkeypatch):
    monkeypatch.chdir(folder.parent)
    folder.rename("my_generator")
    reports.save_audit(report, "audit.json")
    [snippet] = blocks("training.md", "py")
    names = {}
    exec(snippet, names)
    assert names["address"].startswith("hf://owner/name@")
    assert names["model"].generate(2).shape == (2, 8, 8, 1)


def test_the_client_takes_what_the_stand_in_takes():
    client = pytest.importorskip("huggingface_hub")
    from tests.zoo.hub import FakeHub

    for name in ("create_repo", "repo_info", "upload_folder"):
        taken = inspect.signature(getattr(client.HfApi, name)).parameters
        assert set(inspect.signature(getattr(FakeHub, name)).parameters) <= set(taken)
    for name in ("HfApi", "snapshot_download"):
        taken = {*inspect.signature(getattr(client, name)).parameters, "self"}
        assert set(inspect.signature(getattr(FakeHub, name)).parameters) <= taken
