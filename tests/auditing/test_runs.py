"""Attacks on generated images in one pass, alone, failing and interrupted."""

from dataclasses import replace

import numpy as np
import pytest

from keras_mixup_gan import attacks
from keras_mixup_gan.attacks import AttackTarget, ReferenceData
from keras_mixup_gan.attacks.samples.nearest import Search
from keras_mixup_gan.attacks.samples.streaming import StreamedAttack, Watcher
from keras_mixup_gan.auditing import runs
from tests.attacks.fakes import SHAPE, images
from tests.auditing.audits import MEMBERS, NON_MEMBERS, OUTSIDE, audit, comparable

NUM_SAMPLES = 5_000
CHUNKS = [(0, 2048), (2048, 4096), (4096, NUM_SAMPLES)]
NAMES = ("gan_leaks", "gan_leaks_data", "monte_carlo", "parzen_window")


def streamed():
    """Attacks of each kind of state, one of which looks at fewer images."""
    return [
        attacks.GANLeaks(NUM_SAMPLES),
        attacks.DataCalibratedGANLeaks(NUM_SAMPLES),
        attacks.MonteCarlo(NUM_SAMPLES, eps=10, features="pixels"),
        attacks.ParzenWindow(NUM_SAMPLES, features="pixels"),
    ]


class Stream:
    """Generated images by number, which are counted and may break off."""

    def __init__(self, stop_at=None, error=None):
        self.samples = images(NUM_SAMPLES, 9)
        self.samples[:60] = np.clip(MEMBERS[:60] + 0.01, -1, 1)
        self.asked = []
        self.stop_at, self.error = stop_at, error

    def __call__(self, start, stop):
        if (start, stop) == self.stop_at:
            raise self.error
        self.asked.append((start, stop))
        return self.samples[start:stop]

    @property
    def target(self):
        return AttackTarget(image_shape=SHAPE, sampler=self, seed=3)


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    """No generated image is remembered, and every chunk is told and kept."""
    monkeypatch.setattr("keras_mixup_gan.auditing.run.cached", lambda sampler: sampler)
    monkeypatch.setattr(runs, "SECONDS", 0.0)


def report(stream, **options):
    options = {"attacks": streamed(), "release": "samples", **options}
    return audit(stream.target, MEMBERS, NON_MEMBERS, OUTSIDE, **options)


def kill(folder, **options):
    """An audit that is killed before the last chunk."""
    with pytest.raises(KeyboardInterrupt):
        report(Stream(CHUNKS[2], KeyboardInterrupt()), folder=folder, **options)


def same_scores(one, other):
    for name in NAMES:
        for side in ("member_scores", "non_member_scores"):
            found, expected = getattr(one[name], side), getattr(other[name], side)
            np.testing.assert_array_equal(found, expected)


def test_attacks_share_one_pass_and_score_as_each_does_alone():
    stream = Stream()
    together = report(stream)
    assert [ends for ends in stream.asked if ends in CHUNKS[1:]] == CHUNKS[1:]
    for attack in streamed():
        alone = report(Stream(), attacks=attack)[attack.name]
        found = together[attack.name]
        np.testing.assert_array_equal(found.member_scores, alone.member_scores)
        np.testing.assert_array_equal(found.non_member_scores, alone.non_member_scores)
        assert found.num_queries == alone.num_queries
        assert found.settings == alone.settings
        attack.fit(replace(stream.target, reference=ReferenceData(OUTSIDE)))
        np.testing.assert_array_equal(attack.score(MEMBERS), found.member_scores)


class Breaking(StreamedAttack):
    """Watches generated images and fails at the second chunk."""

    name, title, requires, paper = "breaking", "Breaking", frozenset({"samples"}), "-"

    def _watch(self, target, queries):
        return Watcher(Fragile(queries), np.asarray, lambda: np.zeros(len(queries)))


class Fragile(Search):
    def see(self, chunk):
        if self.num_seen == 2048:
            raise OSError("the disk is full")
        super().see(chunk)


def test_an_attack_that_fails_does_not_stop_those_that_share_its_pass():
    found = report(Stream(), attacks=[Breaking(NUM_SAMPLES), *streamed()])
    assert found["breaking"].status == "failed"
    assert found["breaking"].reason == "OSError: the disk is full"
    same_scores(found, report(Stream()))


def test_no_more_is_generated_once_nobody_is_left():
    stream = Stream()
    with pytest.raises(ValueError, match="OSError: the disk is full"):
        report(stream, attacks=Breaking(NUM_SAMPLES))
    assert stream.asked == CHUNKS[:2]


def test_a_generator_that_fails_is_what_all_say_that_need_more_of_it():
    stream = Stream(CHUNKS[2], ValueError("It has diverged."))
    short = attacks.GANLeaks(2_000)
    found = report(stream, attacks=[*streamed(), short, Brightness()])
    for name in ("gan_leaks", "monte_carlo", "parzen_window"):
        assert found[name].status == "failed"
        assert found[name].reason == "It has diverged."
    alone = report(Stream(), attacks=short)["gan_leaks"]
    assert found["gan_leaks_2"].auc == alone.auc
    # Which looks at as many generated images as there are reference images.
    assert found["gan_leaks_data"].status == "done"


class Brightness(attacks.Attack):
    name, title, requires, paper = "bright", "Brightness", frozenset(), "-"

    def _score(self, queries, labels):
        return queries.mean(axis=(1, 2, 3))


def test_a_pass_that_is_killed_continues_where_it_was(tmp_path):
    whole = report(Stream())
    kill(tmp_path)
    assert list(tmp_path.glob("pass-*.npz"))
    told, again = [], Stream()
    resumed = report(again, folder=tmp_path, progress=lambda *words: told.append(words))
    assert [ends for ends in again.asked if ends in CHUNKS[1:]] == CHUNKS[2:]
    same_scores(resumed, whole)
    assert comparable(resumed)["attacks"] == comparable(whole)["attacks"]
    assert not list(tmp_path.glob("pass-*.npz"))


def test_a_pass_continues_with_the_attacks_in_another_order(tmp_path):
    kill(tmp_path)
    again = Stream()
    found = report(again, folder=tmp_path, attacks=streamed()[::-1])
    same_scores(found, report(Stream()))
    assert [ends for ends in again.asked if ends in CHUNKS[1:]] == CHUNKS[2:]


class Unready(attacks.GANLeaks):
    """Cannot be prepared."""

    name = "unready"

    def _fit(self, target):
        raise ValueError("It is not ready.")


def test_a_pass_continues_although_an_attack_beside_it_cannot_be_fitted(tmp_path):

    def asked():
        return [Unready(NUM_SAMPLES), *streamed()]

    kill(tmp_path, attacks=asked())
    again = Stream()
    found = report(again, folder=tmp_path, attacks=asked())
    same_scores(found, report(Stream()))
    assert found["unready"].reason == "It is not ready."
    assert [ends for ends in again.asked if ends in CHUNKS[1:]] == CHUNKS[2:]


def test_where_an_attack_had_failed_all_begin_anew(tmp_path):

    def asked():
        return [Breaking(NUM_SAMPLES), *streamed()]

    kill(tmp_path, attacks=asked())
    again = Stream()
    found = report(again, folder=tmp_path, attacks=asked())
    assert found["breaking"].reason == "OSError: the disk is full"
    same_scores(found, report(Stream()))
    assert [ends for ends in again.asked if ends in CHUNKS[1:]] == CHUNKS[1:]


def test_what_a_finished_pass_found_is_kept_when_the_next_is_killed(tmp_path):

    def asked():
        return [attacks.GANLeaks(NUM_SAMPLES, chunk_size=1000), *streamed()]

    kill(tmp_path, attacks=asked())
    again = Stream()
    report(again, folder=tmp_path, attacks=asked())
    assert (4000, 5000) not in again.asked


def test_a_pass_continues_where_the_generator_failed(tmp_path):

    def asked():
        return [*streamed(), Brightness()]

    failing = Stream(CHUNKS[2], OSError("The connection broke."))
    report(failing, folder=tmp_path, attacks=asked())
    again = Stream()
    same_scores(
        report(again, folder=tmp_path, attacks=asked()),
        report(Stream(), attacks=asked()),
    )
    assert [ends for ends in again.asked if ends in CHUNKS[1:]] == CHUNKS[2:]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no archive"])
def test_a_pass_whose_file_is_damaged_begins_anew(tmp_path, damage):
    kill(tmp_path)
    (path,) = tmp_path.glob("pass-*.npz")
    path.write_bytes(damage)
    again = Stream()
    same_scores(report(again, folder=tmp_path), report(Stream()))
    assert [ends for ends in again.asked if ends in CHUNKS[1:]] == CHUNKS[1:]


def test_a_pass_whose_numbers_were_changed_begins_anew(tmp_path):
    kill(tmp_path)
    (path,) = tmp_path.glob("pass-*.npz")
    arrays = dict(np.load(path))
    name = next(name for name in arrays if name.endswith("squares"))
    arrays[name] = arrays[name] + 1
    np.savez(path, **arrays)
    same_scores(report(Stream(), folder=tmp_path), report(Stream()))


def test_a_long_pass_tells_how_far_it_is():
    told = []
    report(Stream(), progress=lambda *words: told.append(words))
    seen = [words[1:] for words in told if words[0] == "generated images"]
    assert seen == [(2048, NUM_SAMPLES), (4096, NUM_SAMPLES)]
