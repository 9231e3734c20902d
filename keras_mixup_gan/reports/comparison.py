"""The page of a comparison: one seed or many, one family or many."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_mixup_gan import storage
from keras_mixup_gan.attacks.release import Release
from keras_mixup_gan.data import source_title
from keras_mixup_gan.experiments.analysis.findings import (
    FamilyFindings,
    Finding,
    Findings,
    analyze,
)
from keras_mixup_gan.experiments.analysis.verdicts import (
    Comparison,
    Reason,
    Verdict,
)
from keras_mixup_gan.experiments.results import SCORES, SuiteResults, place
from keras_mixup_gan.reports import figures, render
from keras_mixup_gan.reports import tables as text
from keras_mixup_gan.rounding import rounded_up, upper_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from keras_mixup_gan.typing import FloatArray

KINDS = {"mixup": "Mixup", "dp-sgd": "DP-SGD"}
OTHER = "The other defenses"
PAGE, HTML_PAGE, NUMBERS = "report.md", "report.html", "report.json"
PICTURE = "report.png"
MAX_TILE = 64  # pixels of a generated image's longer side
MAX_BYTES = 900_000  # of all generated images
# A bound above this is as good as none.
_VACUOUS = 0.999


def to_text(results: SuiteResults) -> str:
    """The outcome and the main tables as plain text, about 100 columns wide."""
    findings = analyze(results)
    parts = [headline(findings)]
    for family in findings.families:
        table = text.main_table(family)
        parts += [text.family_title(family), plain_table(table), table.note]
    parts.append("\n".join(f"{title}: {meaning}" for title, meaning in text.COLUMNS))
    return "\n\n".join(parts)


def to_markdown(
    results: SuiteResults, picture: str | None = None, web: str = HTML_PAGE
) -> str:
    """The page as Markdown; `picture` and the HTML page `web` are files beside it."""
    return render.render_template(
        "comparison.md.j2", **_values(analyze(results)), picture=picture, web=web
    )


def to_html(results: SuiteResults, folder: Path | None = None) -> str:
    """The page as HTML that needs no other file.

    Raw scores in `folder` add ROC curves and generated images.
    """
    findings = analyze(results)
    scores = load_scores(results, folder)
    titles = {arm.arm: arm.title for f in findings.families for arm in f.arms}
    samples = {name: arrays["samples"] for name, arrays in scores.items()}
    groups = figures.groups(findings) if findings.families else []
    leakage = [_svg(figures.leakage_over_quality(findings, group)) for group in groups]
    attacked = any(arm.attacks for one in findings.families for arm in one.arms)
    roc = [
        _svg(figures.roc(findings, scores, group))
        for group in groups
        if scores and attacked
    ]
    return render.render_template(
        "comparison.html.j2",
        **_values(findings),
        leakage=leakage,
        roc=roc,
        along=[
            [
                _svg(figures.along_training(findings, family, group))
                for group in groups
                if family in figures.families_with(findings, group)
            ]
            for family in findings.families
        ],
        samples={
            titles[name]: base64.b64encode(png).decode()
            for name, png in sample_pngs(samples).items()
        },
    )


def to_json(results: SuiteResults) -> str:
    """All findings as JSON, verdicts by their names."""
    found = dataclasses.asdict(analyze(results), dict_factory=_plain)
    return json.dumps(found, indent=1, allow_nan=False) + "\n"


def _plain(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {k: v.name if isinstance(v, Enum) else v for k, v in fields}


def to_png(results: SuiteResults) -> bytes | None:
    """The picture of leakage over quality, if there is anything to show."""
    if not results.cells:
        return None
    return render.figure_to_png(figures.leakage_over_quality(analyze(results)))


def save(results: SuiteResults, folder: Path) -> list[Path]:
    """Writes the page beside the results, twice, with its numbers and its picture."""
    # Numbers first: they need no extra.
    numbers = storage.write_text(folder / NUMBERS, to_json(results))
    drawn = to_png(results)
    pages = {
        PAGE: to_markdown(results, PICTURE if drawn else None),
        HTML_PAGE: to_html(results, folder),
    }
    written = [storage.write_text(folder / name, text) for name, text in pages.items()]
    if drawn is not None:
        written.append(storage.write_file(folder / PICTURE, drawn))
    return [numbers, *written]


def load_scores(
    results: SuiteResults, folder: Path | None
) -> dict[str, dict[str, FloatArray]]:
    """Raw scores and samples of the first cell of each arm, of a single family."""
    if folder is None or len({(c.model, c.members) for c in results.cells}) != 1:
        return {}
    found: dict[str, dict[str, FloatArray]] = {}
    for cell in results.cells:
        path = place(folder, cell.name, cell.key) / SCORES
        if cell.arm not in found and path.exists():
            remedy = "Delete its folder and run the comparison again."
            found[cell.arm] = storage.read_arrays(path, "raw scores", remedy)
    return found


def sample_pngs(samples: Mapping[str, Any]) -> dict[str, bytes]:
    """Generated images of each arm as a PNG file, together small enough for a page."""
    small = {name: _shrunk(np.asarray(images)) for name, images in samples.items()}
    for rows, side in ((8, 448), (8, 1), (4, 1), (2, 1), (1, 1)):
        files = {
            name: render.png(render.tile(images[: rows * render.COLUMNS]), side)
            for name, images in small.items()
        }
        if sum(map(len, files.values())) <= MAX_BYTES:
            break
    return files


def _shrunk(images: Any) -> Any:
    """Images no larger than a tile may be."""
    from PIL import Image

    height, width, channels = images.shape[1:]
    scale = MAX_TILE / max(height, width)
    if scale >= 1:
        return images
    size = (max(round(scale * width), 1), max(round(scale * height), 1))
    planes = images if channels == 3 else images[..., 0]
    shrunk = [np.asarray(Image.fromarray(image).resize(size)) for image in planes]
    return np.stack(shrunk).reshape(len(images), size[1], size[0], -1)


def headline(findings: Findings) -> str:
    """The outcome for a reader who is no statistician."""
    if not any(family.defended for family in findings.families):
        return "No defended model is finished: nothing is compared yet."
    parts = [_leak(findings)]
    if len(findings.families) == 1:
        groups = text.verdict_groups(findings.families[0])
        said = [f"{v.value}: {', '.join(arms)}" for v, arms in groups.items()]
        parts.append(
            "Compared with simply stopping the undefended model when its images were "
            f"as good – {'; '.join(said)}."  # noqa: RUF001
        )
        return " ".join(parts)
    for kind in (*KINDS.values(), OTHER):
        verdicts = Counter(
            arm.at_final_quality.verdict
            for family in findings.families
            for arm in family.defended
            if KINDS.get(arm.kind, OTHER) == kind and arm.at_final_quality is not None
        )
        if verdicts:
            less, more, same, unknown = (verdicts[verdict] for verdict in Verdict)
            parts.append(
                f"{kind}: leaks less in {less} of {verdicts.total()} comparisons, more "
                f"in {more}; {same} not distinguishable, {unknown} not judged."
            )
    parts.insert(
        1,
        "Each defense is compared with simply stopping the undefended model when its "
        "images were as good.",
    )
    return " ".join(parts)


def _leak(findings: Findings) -> str:
    """What there is to defend, in the family that leaks most."""
    found = [
        (_leaks(family.baseline), family.baseline.strongest.auc.mean, family)
        for family in findings.families
        if family.baseline and family.baseline.strongest
    ]
    if not found:
        return "No attack ran on an undefended model."
    leaks, area, family = max(found, key=lambda each: each[:2])
    title = text.family_title(family).replace(",", " of", 1)
    if not leaks:
        return f"No attack proves that an undefended {title} leaks: AUC {area:.2f}."
    return (
        f"Whether an image was trained on can be told from an undefended {title} with "
        f"AUC {area:.2f} (0.5 is guessing, 1 is certainty)."
    )


def _leaks(arm: Finding) -> bool:
    """Whether attackers who have everything prove a leak in some seed."""
    return text.of_release(arm, Release.EVERYTHING).leaks


def verdict_sentences(family: FamilyFindings) -> str:
    """What is said of all arms of a family at equal quality, verdict by verdict."""
    said_first = []
    if family.baseline is None:
        said_first = ["There is no undefended model to compare with."]
    elif family.baseline.strongest is None:
        said_first = ["No attack ran on the undefended model."]
    elif not _leaks(family.baseline):
        said_first = ["No attack proves that the undefended model leaks."]
    groups = text.verdict_groups(family)
    said = [f"{v.value.capitalize()}: {', '.join(arms)}." for v, arms in groups.items()]
    for verdict in (Verdict.LEAKS_LESS, Verdict.LEAKS_MORE):
        levels = {
            arm.title: [
                f"{one.fid:g}" for one in arm.at_quality if one.verdict is verdict
            ]
            for arm in family.defended
        }
        arms = [f"{arm} (at {', '.join(at)})" for arm, at in levels.items() if at]
        if arms:
            said.append(f"At given FIDs, {verdict.value}: {', '.join(arms)}.")
    said += [one for arm in family.defended if (one := bound_sentence(arm))]
    return " ".join(said_first + said)


def bound_sentence(arm: Finding) -> str | None:
    """Whether attacks on the arm, and on the undefended one, exceed what ε allows."""
    check, bounds = arm.bound_check, arm.bounds
    if check is None or bounds is None or bounds.auc > _VACUOUS:
        return None
    said = (
        f"By its ε no attack on {arm.title} exceeds AUC "
        f"{rounded_up(bounds.auc):.3f}: the strongest, with LiRA where it ran, is "
        f"{check.side.value} ({check.auc:.3f})"
    )
    if check.undefended_auc is not None and check.undefended_side is not None:
        said += (
            f"; on the undefended model it is {check.undefended_side.value} "
            f"({check.undefended_auc:.3f})"
        )
    return f"{said}."


def facts(arm: Finding) -> dict[str, str]:
    """All that is known of an arm, for those who want it: labels and sentences."""
    found = {"Settings": arm.defense}
    if arm.strongest is not None:
        seeds = f"{len(arm.seeds)} seed{'s' if len(arm.seeds) > 1 else ''}"
        steps = " to ".join(f"{n:,}" for n in sorted({arm.steps[0], arm.steps[-1]}))
        rates = arm.strongest.realized_fpr or (0.0, 0.0)
        realized = " to ".join(dict.fromkeys(render.percent(r, 2) for r in rates))
        found[f"After {steps} steps"] = (
            f"{arm.strongest.title}: AUC {text.leakage_text(arm.strongest)}, "
            f"{text.rate_text(arm.strongest)} of the members found at {realized} "
            f"false positives; FID {text.range_text(arm.fid)}; {seeds}."
        )
    if arm.at_final_quality is not None:
        found["At its final quality"] = _compared(arm.at_final_quality)
    if (between := arm.between_curves) is not None:
        high, low = (f"{end:.1f}" for end in reversed(between.fid_range))
        shown = text.difference_text(between.difference)
        found[f"On average, FID {high} to {low}"] = f"difference {shown}."
    if arm.at_equal_steps is not None:
        found["At equal steps"] = _compared(arm.at_equal_steps)
    if arm.against_noise is not None:
        found["Compared with noise alone"] = _compared(arm.against_noise, "noise alone")
    if (shadow := arm.strongest_shadow) is not None:
        found["Shadow models"] = (
            f"{shadow.title}, trained {text.SHADOWS.get(shadow.kind, shadow.kind)}"
            f": AUC {text.leakage_text(shadow)}."
        )
    found |= {title: f"{why.rstrip('.')}." for title, why in arm.not_run.items()}
    if arm.epsilon is not None:
        found["Guarantee"] = _guarantee(arm, arm.epsilon)
    return found


def _guarantee(arm: Finding, epsilon: float) -> str:
    shown = f"ε = {upper_text(epsilon)} at δ = {upper_text(arm.delta)}"
    if arm.noise_is_known:
        shown += ", were its noise secret: here it is drawn from a known seed"
    if arm.bounds is not None and arm.bounds.auc < _VACUOUS:
        shown += (
            f". No attack then exceeds AUC {rounded_up(arm.bounds.auc):.3f} or "
            f"finds more than {render.percent(rounded_up(arm.bounds.tpr))} of the "
            f"members at {render.percent(arm.bounds.fpr, 0)} false positives"
        )
    return f"{shown}."


def _compared(one: Comparison, other: str = "undefended") -> str:
    """Both leakages, their difference, the verdict and what weakens it."""
    said = one.verdict.value
    if one.difference is not None and one.other and one.arm:
        said = (
            f"{other} {one.other.mean:.3f}, defended {one.arm.mean:.3f}, difference "
            f"{text.difference_text(one.difference)}: {said}"
        )
        if one.p_value_holm is not None:
            p_value = one.p_value_holm
            said += (
                f", corrected p {f'= {p_value:.3f}' if p_value >= 0.001 else '< 0.001'}"
            )
    return f"{said}.{reasons(one)}"


def reasons(one: Comparison) -> str:
    """What stands in the way of a verdict or weakens it; empty where nothing does."""
    counts = {
        Reason.OTHER_NEVER: one.other_never,
        Reason.ARM_NEVER: one.arm_never,
        Reason.OTHER_EARLIER: one.other_before_start,
        Reason.ARM_EARLIER: one.arm_before_start,
        Reason.ATTACK_FAILED: one.attack_failed,
    }
    said = [
        f"In {count} of {len(one.seeds)} seeds {reason.value}"
        for reason, count in counts.items()
        if count
    ]
    if one.reason is not None and one.reason not in counts:
        said.append(one.reason.value[:1].upper() + one.reason.value[1:])
    return "".join(f" {sentence}." for sentence in said)


def plain_table(table: text.Table) -> str:
    """A table as aligned text."""
    lines = [table.columns, *table.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    ]
    return "\n".join(line.rstrip() for line in shown)


def missing_text(missing: Sequence[str]) -> str:
    """Names of cells, their seeds drawn together: `model/members/arm/0+1+2`."""
    seeds: dict[str, list[str]] = {}
    for name in missing:
        cell, _, seed = name.rpartition("/")
        seeds.setdefault(cell, []).append(seed)
    return ", ".join(f"{cell}/{'+'.join(of_it)}" for cell, of_it in seeds.items())


def _values(findings: Findings) -> dict[str, Any]:
    """What both templates need."""
    return {
        "findings": findings,
        "headline": headline(findings),
        "data": source_title(findings.data),
        "hours": sum(family.cpu_seconds for family in findings.families) / 3600,
        "has_shadows": any(
            arm.shadow_attacks for family in findings.families for arm in family.arms
        ),
        "missing": missing_text(findings.missing),
        "facts": facts,
        "tables": text,
        "verdict_sentences": verdict_sentences,
    }


def _svg(figure: Figure) -> Any:
    return render.figure_to_svg(figure, "AUC of attacks, a line for each arm")
