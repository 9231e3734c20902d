"""What to do next after an audit, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from keras_mixup_gan.auditing.verdict import Leak

if TYPE_CHECKING:
    from keras_mixup_gan.auditing.report import AuditReport

LEAKS = frozenset({Leak.LITTLE, Leak.FEW, Leak.CLEAR, Leak.SEVERE, Leak.COPIED})


def next_steps(report: AuditReport) -> Iterator[str]:
    """The most urgent first."""
    leak, verdicts = report.verdict.leak, report.verdicts
    if leak is Leak.UNDECIDED:
        if report.copies is not None and report.copies.found:
            yield (
                "Do not publish the model or images of it before its copies of members "
                "were looked at: more members are copied than chance explains, though "
                "perhaps for what sets the parts apart."
            )
        yield (
            "Draw members and non-members by one random permutation of one set of "
            "images, train again, and audit again: nothing else can be learned here."
        )
        return
    if leak is Leak.COPIED:
        yield (
            "Do not publish the model or images of it: whoever sees them sees training "
            "images. Train on more images or for fewer steps."
        )
    elif leak in LEAKS:
        lesser = [r for r in verdicts if report.release.covers(r)]
        for release in reversed(lesser):
            found = verdicts[release]
            if found.leak is Leak.NOT_FOUND and not found.epsilon:
                untried = not _has_shadows(report)
                yield (
                    f"Release only {release}, if that suffices: there no leak was found"
                    f"{', though not by shadow models, which find more' * untried}."
                )
                break
    if leak in LEAKS and report.augment is None and report.privacy is None:
        yield (
            'Train with augmented mixup, `mixup="augmented"`, and audit again: on '
            "digits it left the least of the leak, though not none, of what makes "
            "images as good as an undefended model's."
        )
    if leak in LEAKS and report.privacy is None:
        yield (
            "Where persons must be protected for certain, train with differential "
            "privacy, `dp=DPSGD(...)`: nothing else bounds what an attack can find."
        )
    if leak is Leak.NOT_FOUND and not _has_shadows(report):
        yield (
            "Before anything is released, audit with shadow models, `shadows=16` or "
            "more with the training's `shadow_fit`, or `--shadows 16`: the strongest "
            "attacks need them, and a model that can be trained again."
        )
    if leak is Leak.NOT_FOUND and report.privacy is None:
        yield (
            "That no leak was found is no guarantee. Where one is needed, train with "
            "differential privacy, `dp=DPSGD(...)`."
        )
    if leak is Leak.UNKNOWN:
        yield (
            "Pass what the attacks need and did not get, a model or images that it "
            "generated, or ask for other attacks."
        )


def _has_shadows(report: AuditReport) -> bool:
    """Whether an attack by shadow models ran, and not only could have."""
    return any("shadows" in each.requires for each in report.done)
