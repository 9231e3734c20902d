import base64
import dataclasses
import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from keras_mixup_gan.attacks import Attack, AttackTarget, GANLeaks
from keras_mixup_gan.auditing import Concern, audit
from keras_mixup_gan.privacy.accounting import PrivacyReport
from keras_mixup_gan.reports import save_audit
from keras_mixup_gan.reports.audit import exposed_members, roc_figure
from tests.attacks.fakes import SHAPE, FakeGAN, images
from tests.reports.pages import flat, outline_of

HOSTILE = '<script>alert("x")</script> & | `'


class Hostile(Attack):
    name, requires, paper = "hostile", frozenset(), HOSTILE
    title = HOSTILE

    @property
    def settings(self):
        return {"note": HOSTILE}

    def _score(self, images, labels):
        return images.mean(axis=(1, 2, 3))


class Broken(Hostile):
    name, title = "broken", "Broken"

    def _score(self, images, labels):
        raise RuntimeError(HOSTILE)


@pytest.fixture(scope="module")
def report():
    members = images(60, 1)
    target = AttackTarget.from_model(FakeGAN(members), images(40, 3))
    attacks = ["logan", GANLeaks(100), Hostile(), Broken()]
    return audit(target, members, images(50, 2), attacks=attacks)


@pytest.fixture(scope="module")
def page(report, tmp_path_factory):
    path = save_audit(report, tmp_path_factory.mktemp("report") / "audit.html")
    return path.read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_needs_nothing_else(page):
    outline = outline_of(page)
    assert outline.open == []
    inside = ("#", "data:image/png;base64,")
    assert all(address.startswith(inside) for address in outline.addresses)
    assert not {"script", "link", "iframe"} & set(outline.tags)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_the_page_shows_every_result(page, report):
    words = flat(" ".join(outline_of(page).words))
    assert flat(str(report.verdict)) in words
    for text in (*report.warnings, *report.caveats, report.split_hash):
        assert flat(str(text).replace("`", " ")) in words.replace("`", " ")
    for result in report.attacks:
        assert flat(result.title) in words
        assert flat(result.paper) in words
    logan = report["logan"]
    assert f"{logan.auc:.3f}" in words
    assert f"{logan.operating_point.true_positives} of 60" in words
    assert "Failed. RuntimeError" in words
    assert page.count("<figure") == 1 + len(report.done)


def test_the_page_says_what_the_audit_could_see(page, report):
    words = flat(" ".join(outline_of(page).words))
    assert f"AUC of the pixels alone, without a model {report.blind.auc:.3f} [" in words
    assert f"this audit can detect {report.detectable_auc:.3f}" in words
    assert "0.1 % false positives is withheld: it needs 10,000 non-members" in words
    assert "110 discriminator scores" in words
    assert "100 generated images" in words
    assert "Strongest attack, chosen on one random half" in words
    advantage = report["logan"].advantage
    assert f"{advantage.advantage:.3f} [{advantage.interval[0]:.3f}" in words


def test_what_is_code_is_shown_as_code(page):
    assert "<code>null_target</code>" in page
    assert "`null_target`" not in page


def test_the_markdown_twin_shows_code_as_code_too(markdown):
    assert " `null_target`" in markdown


@pytest.mark.parametrize(
    ("names", "called"),
    [
        (None, "by number"),
        ([f"no. {number}" for number in range(5, 300, 2)], "by number"),
        ([f"no. {number}.png" for number in range(300)], "by file name"),
    ],
)
def test_rows_are_not_called_files(report, tmp_path, names, called):
    named = names and tuple(names[: report.num_members])
    other = dataclasses.replace(report, member_names=named)
    page = save_audit(other, tmp_path / "audit.html").read_text(encoding="utf-8")
    captions = re.findall(r"by (?:file name|number)", page)
    assert set(captions) == {called}


def test_six_curves_are_drawn_at_most_each_in_a_color_of_its_own(report):
    more = dataclasses.replace(report, attacks=report.done * 5)
    figure = roc_figure(more)
    drawn = figure.legends[0].get_lines()
    assert len(more.done) > len(drawn) == 6
    assert len({line.get_color() for line in drawn}) == 6
    assert "#000000" not in {line.get_color() for line in drawn}  # on dark pages


def test_members_are_shown_only_if_asked_for(page, report, tmp_path):
    assert 'alt="Member' not in page
    exposed = page[page.index("<h2>The m") :]
    assert exposed.count('alt="Nearest generated image"') == 24
    path = save_audit(report, tmp_path / "audit.html", show_members=True)
    shown = path.read_text(encoding="utf-8")
    assert "publishing this page publishes them" in shown
    shown = shown[shown.index("<h2>The m") :]
    pictures = re.findall(
        r'src="data:image/png;base64,([^"]*)" alt="Member (\d+)"', shown
    )
    strongest = np.argsort(-report.strongest.member_scores, kind="stable")[:24]
    assert [int(index) for _, index in pictures] == strongest.tolist()
    for encoded, index in pictures:
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))
        expected = np.rint((report.member_images[int(index)][..., 0] + 1) * 127.5)
        np.testing.assert_array_equal(pixels, expected)
    for suffix in (".md", ".json"):
        path = save_audit(report, tmp_path / f"audit{suffix}", show_members=True)
        assert "base64" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_pictures_are_made_of_any_channels(channels):
    members = images(5, 1, (4, 4, channels))
    target = AttackTarget.from_model(FakeGAN(members, (4, 4, channels)))
    others = images(5, 2, (4, 4, channels))
    report = audit(
        *(target, members, others),
        attacks="logan",
        blind=False,
        release="everything",
    )
    shown = exposed_members(report, number=3)
    assert len(shown) == 3
    assert all(member.picture.startswith("data:image/png") for member in shown)
    assert {member.note for member in shown} == {"0.0 % of non-members"}


def test_low_rates_are_shown_where_there_are_non_members_enough(tmp_path):
    rng = np.random.default_rng(0)
    members, others = (rng.uniform(-1, 1, (n, 1, 1, 1)) for n in (50, 10_000))
    target = AttackTarget(image_shape=(1, 1, 1))
    report = audit(target, members, others, attacks=Hostile(), blind=False)
    page = save_audit(report, tmp_path / "audit.html").read_text(encoding="utf-8")
    words = flat(" ".join(outline_of(page).words))
    assert "Members found at 0.1 % false positives" in words
    assert "10 of 10,000 non-members" in words
    assert "withheld: it" not in words


def test_a_title_is_no_formula_and_is_never_left_out(tmp_path):
    class Formula(Hostile):
        name, title = "formula", r"_$\nonsense{$ of 5 $"

    members = images(60, 1)
    report = audit(FakeGAN(members), members, images(50, 2), attacks=Formula())
    page = save_audit(report, tmp_path / "audit.html").read_text(encoding="utf-8")
    legend = page[page.index("<svg") :]
    assert r"$\nonsense{$ of 5 $, AUC" in legend


def test_everything_shown_is_escaped(page, markdown):
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<script" not in markdown
    assert "&lt;script&gt;" in markdown


@pytest.fixture(scope="module")
def markdown(report, tmp_path_factory):
    path = save_audit(report, tmp_path_factory.mktemp("report") / "audit.md")
    return path.read_text(encoding="utf-8")


def test_the_markdown_twin_has_one_row_per_attack(report, markdown):
    lines = markdown.splitlines()
    rows = [line for line in lines if line.startswith("|")]
    main, more = rows[: 2 + len(report.attacks)], rows[2 + len(report.attacks) :]
    assert len(more) == 2 + len(report.done)
    for table in (main, more):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table}) == 1
    assert "\n\n\n" not in "\n".join(lines)


def test_printing_shows_a_readable_table(report, tmp_path):
    text = str(report)
    path = save_audit(report, tmp_path / "audit.txt")
    assert path.read_text(encoding="utf-8") == text + "\n"
    lines = text.splitlines()
    assert "60 members, 50 non-members" in lines[0]
    row = next(line for line in lines if line.startswith("LOGAN"))
    assert f"{report['logan'].auc:.3f} [" in row
    assert "Broken: failed. RuntimeError" in text
    assert str(report.verdict) in text
    assert all(f"Warning: {warning}" in text for warning in report.warnings)
    assert len(repr(report)) < 100


def test_json_is_the_dictionary(report, tmp_path):
    path = save_audit(report, str(tmp_path / "deep" / "audit.json"))
    assert json.loads(path.read_text(encoding="utf-8")) == report.to_dict()


def test_scores_are_kept_in_the_order_of_the_images(report, tmp_path):
    path = save_audit(report, tmp_path / "scores.npz")
    with np.load(path, allow_pickle=False) as scores:
        assert set(scores) == {
            "split_hash",
            *(
                f"{name}/{part}"
                for name in ("logan", "gan_leaks", "hostile")
                for part in ("members", "non_members")
            ),
        }
        expected = images(60, 1).mean(axis=(1, 2, 3))
        np.testing.assert_array_equal(scores["hostile/members"], expected)
        assert scores["split_hash"] == report.split_hash


@pytest.mark.parametrize("name", ["audit", "audit.pdf", "audit.HTM"])
def test_an_unknown_suffix_is_refused(report, tmp_path, name):
    with pytest.raises(ValueError, match=r"one of \.html, \.md, \.txt, \.json, \.npz"):
        save_audit(report, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_folder_is_refused(report, tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("audit.html", "audit.md", "audit.json", "audit.npz"):
        with pytest.raises(ValueError, match="cannot be written"):
            save_audit(report, tmp_path / "file" / name)


def test_the_same_report_gives_the_same_page(report, page, tmp_path):
    again = save_audit(report, tmp_path / "again.html").read_text(encoding="utf-8")
    assert again == page


@pytest.mark.parametrize(
    "scores", [lambda x: np.zeros(len(x)), lambda x: x.mean(axis=(1, 2, 3)) > 0]
)
def test_scores_without_spread_and_releases_without_attack_make_pages(scores, tmp_path):
    target = AttackTarget(image_shape=SHAPE, discriminator=lambda x, labels: scores(x))
    parts = images(60, 1), images(50, 2)
    for release in ("samples", "everything"):
        options = {"attacks": "logan", "blind": False, "release": release}
        report = audit(target, *parts, **options)
        page = save_audit(report, tmp_path / "audit.html").read_text(encoding="utf-8")
        assert outline_of(page).open == []
        assert flat(str(report.verdict)) in flat(" ".join(outline_of(page).words))


@pytest.mark.long
def test_audits_are_run_and_printed_without_matplotlib_and_jinja2():
    code = """
import sys
sys.modules.update(matplotlib=None, jinja2=None)
import numpy as np
from keras_mixup_gan import audit
parts = np.random.default_rng(0).uniform(-1, 1, (3, 20, 2, 2, 1))
report = audit(parts[0], parts[1], parts[2], blind=False)
print(report)
report.to_dict()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "GAN-Leaks" in done.stdout


@pytest.fixture(scope="module")
def leaky():
    """Members in the samples, coins, and a guarantee that cannot hold."""
    members, others = images(60, 1), images(60, 2)
    generated = np.concatenate([images(200, 3), members[:20]])
    report = audit(
        *(generated, members, others),
        attacks=GANLeaks(300),
        blind=False,
        membership="coin",
        release="samples",
    )
    guarantee = PrivacyReport(
        statement="",
        epsilon=0.01,
        epsilon_rdp=0.02,
        epsilon_no_amplification=1.0,
        delta=1e-4,
        noise_multiplier=9.0,
        l2_norm_clip=1.0,
        sampling_rate=0.1,
        d_steps=10,
        noise_source="operating-system entropy",
        epsilons=np.array([0.0, 0.01, 0.1]),
        deltas=np.array([0.01, 1e-4, 0.0]),
    )
    names = tuple(f"person-{number:02d}.png" for number in range(60))
    return dataclasses.replace(
        report,
        privacy=guarantee,
        member_names=names,
        model_file="runs/x/model.keras",
        num_steps=1234,
        augment="color",
    )


def test_the_page_begins_with_what_was_attacked_and_what_is_guaranteed(leaky, tmp_path):
    for suffix in (".html", ".md", ".txt"):
        page = save_audit(leaky, tmp_path / f"a{suffix}").read_text(encoding="utf-8")
        words = page
        if suffix == ".html":
            words = flat(" ".join(outline_of(page).words))
        top = flat(words)[: flat(words).index("The model copies 20 of 60 members")]
        assert "epsilon 0.01 at delta 0.0001" in top
        assert f"AUC {leaky.privacy.auc_bound:.3f}" in top
        assert all(
            sentence in top.replace("\\", "") for sentence in leaky.privacy.not_covered
        )
        if suffix != ".txt":
            plain = top.replace("\\", "")
            assert leaky.date in plain
            assert "runs/x/model.keras" in plain
            assert "augmentation (color)" in plain


def test_copied_members_are_named_with_the_image_that_copies_them(leaky, tmp_path):
    page = save_audit(leaky, tmp_path / "a.html").read_text(encoding="utf-8")
    copies = page[page.index("<h2>Copies") : page.index("<h2>The most exposed")]
    assert copies.count('alt="Nearest generated image"') == 20
    assert all(f"person-{number:02d}.png" in copies for number in range(20))
    assert 'alt="Member' not in page
    shown = save_audit(leaky, tmp_path / "b.html", show_members=True).read_text("utf-8")
    assert shown.count('alt="Member') == 20 + 24


def test_a_guarantee_that_the_attacks_refute_is_warned_about(leaky):
    assert leaky.verdict.epsilon > leaky.privacy.epsilon
    assert leaky.warnings[0].concern is Concern.EPSILON_EXCEEDED
    assert leaky.to_dict()["privacy"]["epsilon"] == 0.01


def test_names_that_are_not_utf_8_are_escaped(leaky, tmp_path):
    names = tuple(f"person-\udce4-{number}.png" for number in range(60))
    report = dataclasses.replace(leaky, member_names=names)
    for suffix in (".html", ".md", ".txt", ".json", ".npz"):
        path = save_audit(report, tmp_path / f"a{suffix}")
        if suffix == ".html":
            assert "person-\\udce4-" in path.read_text("utf-8")
