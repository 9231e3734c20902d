"""The report of an audit as plain text, for `print`."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from keras_mixup_gan.auditing.results import CONFIDENCE, TARGET_FPR, AttackResult
from keras_mixup_gan.auditing.verdict import (
    at_least,
    percent_with_interval,
    probability,
    with_interval,
)
from keras_mixup_gan.rounding import rounded_up, upper_text
from keras_mixup_gan.statistics.power import SetInference

if TYPE_CHECKING:
    from keras_mixup_gan.auditing.report import AuditReport


SET_ERROR = 0.01  # as in dataset inference


def as_text(report: AuditReport) -> str:
    """About 90 columns wide, with everything that counts."""
    columns = f"AUC [{CONFIDENCE:.0%}]", f"TPR at {TARGET_FPR:.0%} FPR", "FPR"
    attacks = [("attack", *columns, "needs"), *map(_row, report.done)]
    lines = [
        f"Audit of {report.model}: {report.num_members} members, "
        f"{report.num_non_members} non-members, {report.num_reference} reference "
        f"images, seed {report.seed}",
        *guarantee(report),
        "",
        str(report.verdict),
        *(f"Warning: {warning}" for warning in report.warnings),
        "",
        *_table([_RELEASE_COLUMNS, *releases(report)]),
        "",
        *_table(attacks),
        *(
            f"{entry.title}: {entry.status}. {entry.reason}"
            for entry in report.attacks
            if entry.status != "done"
        ),
        "",
        *_facts(report),
        "",
        *(f"Next: {step}" for step in report.advice),
        "",
        *(f"* {caveat}" for caveat in report.caveats),
    ]
    return "\n".join(lines)


_RELEASE_COLUMNS = ("released", "verdict", "strongest attack", "AUC", "members found")


def releases(report: AuditReport) -> Iterator[tuple[str, ...]]:
    """For each release: what it is, what it gives away, and by which attack."""
    for release, found in report.verdicts.items():
        if found.point is None:
            yield release.value, found.leak.name.lower(), "none could be run", "", ""
            continue
        leak = found.leak.name.lower().replace("_", " ")
        if found.epsilon:
            leak += f", epsilon above {at_least(found.epsilon)}"
        rate = percent_with_interval(found.point.tpr, found.point.tpr_interval)
        yield release.value, leak, found.attack, f"{found.auc:.3f}", rate


def guarantee(report: AuditReport) -> Iterator[str]:
    """What differential privacy guarantees, or which defenses the attacker knew of."""
    privacy = report.privacy
    if privacy is None:
        yield f"Defense: {defense(report)}."
        return
    yield (
        f"Trained with differential privacy: epsilon {upper_text(privacy.epsilon)} at "
        f"delta {upper_text(privacy.delta)}, for {privacy.unit} ({privacy.adjacency})."
    )
    coins = "as it was here" if report.coins else "which was not so here"
    yield (
        "Where a fair coin decided who is a member, "
        f"{coins}, no attack whatsoever exceeds AUC "
        f"{rounded_up(privacy.auc_bound):.3f}, "
        f"or finds more than {100 * rounded_up(privacy.tpr_bound(TARGET_FPR)):.1f} % "
        f"of the members at {100 * TARGET_FPR:g} % false positives."
    )
    for sentence in privacy.not_covered:
        yield f"Not covered: {sentence}"


def defense(report: AuditReport) -> str:
    """The defenses that the model was trained with, as far as the audit knows."""
    named = []
    if report.privacy is not None:
        epsilon = upper_text(report.privacy.epsilon)
        named.append(f"differential privacy, epsilon {epsilon}")
    if report.mixup is not None:
        settings = ", ".join(f"{name}={value}" for name, value in report.mixup.items())
        named.append(f"MixUp({settings})")
    if report.augment is not None:
        named.append(f"augmentation ({report.augment})")
    return "; ".join(named) or "none is known to the audit"


def of_the_set(found: SetInference) -> str:
    """What attacks tell of the members as a set, in a sentence."""
    p_value = probability(found.p_value)
    if found.p_value > SET_ERROR:
        return f"As a set the members are not told from non-members ({p_value})."
    said = f"As a set the members are told from non-members ({p_value})"
    if found.num_needed is None:
        return f"{said}."
    return (
        f"{said}; who holds some {found.num_needed:,} of them, and as many others "
        "drawn alike, could prove that they were trained on."
    )


def _facts(report: AuditReport) -> Iterator[str]:
    if report.copies is not None:
        yield str(report.copies)
    if report.copying is not None:
        yield str(report.copying)
    if report.set_inference is not None:
        yield of_the_set(report.set_inference)
    yield from map(str, report.canaries)
    if report.blind is not None:
        area = with_interval(report.blind.auc, report.blind.interval)
        yield f"Without any model, from the pixels alone: AUC {area}."
    if report.null_target is not None:
        yield str(report.null_target)
    yield f"Smallest AUC that this audit can detect: {report.detectable_auc:.3f}."


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows = [rows[0], tuple("-" * width for width in widths), *rows[1:]]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _row(result: AttackResult) -> tuple[str, ...]:
    point = result.operating_point
    return (
        result.title,
        with_interval(result.auc, result.auc_interval),
        percent_with_interval(point.tpr, point.tpr_interval),
        f"{100 * point.realized_fpr:.1f} %",
        result.release.value,
    )


def as_html(report: AuditReport) -> str:
    """The verdict and the table of attacks, for a notebook."""
    rows = "".join(
        f"<tr><td>{escape(each.title)}</td><td>{each.auc:.3f}</td>"
        f"<td>{each.operating_point.tpr:.1%}</td></tr>"
        for each in report.done
    )
    found = f"members found at {TARGET_FPR:.0%} false positives"
    cautions = "".join(f"<li>{escape(str(each))}</li>" for each in report.warnings)
    return (
        f"<p><b>{escape(str(report.verdict))}</b></p><table><thead><tr><th>attack</th>"
        f"<th>AUC</th><th>{found}</th></tr></thead><tbody>{rows}</tbody></table>"
        f"<ul>{cautions}</ul>"
    )
