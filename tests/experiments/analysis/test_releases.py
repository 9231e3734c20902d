"""What each release of a model gives away, told from results."""

import dataclasses

import pytest

from keras_mixup_gan.attacks import ATTACKS, Release
from keras_mixup_gan.experiments.analysis.findings import analyze
from keras_mixup_gan.experiments.analysis.releases import release_for
from keras_mixup_gan.experiments.analysis.verdicts import Verdict
from keras_mixup_gan.reports.tables import leaks_text, main_table
from tests.experiments import fake_results as fake
from tests.experiments.fake_results import FakeArm, attack, changed_last, results

QUIET = FakeArm("quiet", (0.5, 0.5, 0.51))


def found_in(*arms, change=lambda cell: cell):
    cells = [change(cell) for cell in fake.family(*arms)]
    (family,) = analyze(results(*cells)).families
    return family


def by_release(finding):
    return {one.release: one for one in finding.releases}


def test_each_release_has_a_verdict_of_the_attacks_it_allows():
    family = found_in(fake.UNDEFENDED, fake.PROTECTIVE)
    undefended, protective = map(by_release, family.arms)
    everything, images = Release.EVERYTHING, Release.SAMPLES
    assert undefended[everything].strongest.auc.mean == pytest.approx(0.9)
    assert undefended[images].strongest.auc.mean == pytest.approx(0.52)
    assert undefended[images].num_attacks == 1
    assert undefended[everything].num_attacks == 2
    assert undefended[everything].leaks
    assert not undefended[images].leaks
    assert undefended[images].at_final_quality is None
    matched = protective[everything].at_final_quality
    assert matched == family.arms[1].at_final_quality
    assert matched.verdict is Verdict.LEAKS_LESS
    alone = protective[images].at_final_quality
    assert alone.verdict is Verdict.NOT_DISTINGUISHABLE


def test_images_that_leak_are_seen_where_the_discriminator_does_not_leak():
    def leaky_images(cell):
        figures = (attack("gan_leaks", 0.64), attack("logan", 0.5))
        return changed_last(cell, attacks=figures)

    arm = found_in(QUIET, change=leaky_images).arms[0]
    assert [one.leaks for one in arm.releases] == [True, True, True]


def test_few_members_found_for_certain_are_a_leak():
    def few(cell):
        (images, critic) = cell.last.attacks
        point = dataclasses.replace(critic.at_fpr, true_positives=60, tpr=0.24)
        return changed_last(
            cell, attacks=(images, dataclasses.replace(critic, at_fpr=point))
        )

    arm = found_in(QUIET, change=few).arms[0]
    assert [one.leaks for one in arm.releases] == [False, False, True]
    assert not by_release(found_in(QUIET).arms[0])[Release.EVERYTHING].leaks


def test_attacks_with_shadow_models_prove_leaks_too():
    def shadowed(cell):
        return dataclasses.replace(cell, shadow_attacks=(fake.shadow(0.8),))

    arm = found_in(QUIET, change=shadowed).arms[0]
    assert [one.leaks for one in arm.releases] == [False, False, True]


def test_the_main_table_tells_of_images_alone():
    family = found_in(fake.UNDEFENDED, fake.PROTECTIVE)
    table = main_table(family)
    at = table.columns.index("leaks: images / all")
    assert [row[at] for row in table.rows] == ["no / yes", "no / yes"]
    nothing = dataclasses.replace(family.arms[0], releases=())
    assert leaks_text(nothing) not in ("no", "yes")


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("gan_leaks", "samples"),
        ("gan_leaks_2", "samples"),
        ("latent_search", "generator"),
        ("lira", "everything"),
        ("of_somebody_else", "everything"),
    ],
)
def test_attacks_in_results_need_what_they_need_in_audits(name, release):
    assert release_for(name) is Release(release)


def test_an_attack_that_is_registered_later_is_known_then(monkeypatch):
    assert release_for("mine") is Release.EVERYTHING
    mine = type("Mine", (), {"requires": frozenset({"samples"})})
    monkeypatch.setitem(ATTACKS, "mine", mine)
    assert release_for("mine") is Release.SAMPLES
