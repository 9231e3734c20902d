"""What is said of one arm, sentence by sentence."""

from typing import Any

from keras_mixup_gan.experiments import versus_undefended as versus
from keras_mixup_gan.reports import compare_words, render
from keras_mixup_gan.reports import grid_numbers as numbers
from keras_mixup_gan.statistics.over_seeds import LESS, MIN_SEEDS, MORE, SAME

Row = dict[str, Any]

VERDICTS = {
    LESS: "leaks less",
    SAME: "cannot be told from it",
    MORE: "leaks more",
    None: "is not judged",
}
SHADOWS = {"plain": "undefended", "adaptive": "with the same defense"}
BLENDING = {
    LESS: "blending lowers the leak",
    SAME: "blending cannot be shown to change the leak",
    MORE: "blending raises the leak",
    None: "no verdict",
}


def after_training(arm: Row) -> str:
    """Leakage and quality after training."""
    steps = " or ".join(f"{step:,}" for step in arm["d_steps"])
    return (
        f"After {steps} discriminator steps the strongest attack reaches AUC "
        f"{numbers.mean_text(arm['auc'], arm['auc_of_queries'])} at FID "
        f"{numbers.range_text(arm['fid'])}, "
        f"{numbers.count_seeds(arm['fid']['num_seeds'])}"
    )


def quality_sentences(row: Row) -> list[str]:
    """Beside the undefended model at the same quality, and what is in the way."""
    sentences = []
    if row["difference"] is not None:
        corrected = row["p_value_holm"]
        p_value = (
            "" if corrected is None else f", corrected {numbers.p_text(corrected)}"
        )
        sentences.append(
            "When first as good as it is then, the undefended model was at AUC "
            f"{row['undefended']['mean']:.3f} and it at {row['arm']['mean']:.3f}: the "
            f"undefended model leaked {numbers.signed(row['difference'])}{p_value}."
        )
        low, high = row["difference"]["interval"]
        if row["verdict"] == SAME and row["reason"] is None and not low <= 0 <= high:
            sentences.append(
                "The interval alone leaves out 0; corrected for the number of arms, "
                "the difference cannot be told from 0."
            )
    reason = reason_text(row)
    return [*sentences, reason] if reason else sentences


def steps_sentences(row: Row) -> list[str]:
    """Beside the undefended model after as many steps."""
    if row["difference"] is None:
        return []
    return [
        f"At equal steps ({row['d_steps']:,}) the undefended model leaks "
        f"{numbers.signed(row['difference'])}: the defense "
        f"{VERDICTS[row['verdict']]}."
    ]


def shadow_sentences(arm: Row) -> list[str]:
    """Whether shadow models find more, if that can be told from chance."""
    rows = [row for row in arm["shadow_attacks"] if row["auc"] is not None]
    if not rows or arm["auc"] is None:
        return []
    best = max(rows, key=lambda row: row["auc"]["mean"])
    low, _ = best["auc"]["interval"] or (1.0, 1.0)
    if best["auc"]["mean"] <= arm["auc"]["mean"] or low <= 0.5:
        return []
    return [
        f"Shadow models find more: {compare_words.short_title(best)} with shadow "
        f"models trained {SHADOWS.get(best['kind'], best['kind'])} reaches AUC "
        f"{numbers.mean_text(best['auc'])}."
    ]


def noise_sentences(row: Row | None) -> list[str]:
    """Beside noise without blending at the same quality."""
    if row is None or row["difference"] is None:
        return []
    return [
        "Noise alone, when first as good as it is after training, was at AUC "
        f"{row['undefended']['mean']:.3f} and it at {row['arm']['mean']:.3f}: noise "
        f"alone leaked {numbers.signed(row['difference'])}; {BLENDING[row['verdict']]}."
    ]


def bound_sentences(arm: Row) -> list[str]:
    """What the guarantee says of any attack, and which of the measured keep to it."""
    bounds, steps = arm["bounds"], arm["at_equal_steps"]
    if bounds is None or arm["auc"] is None:
        return []
    limit = numbers.rounded_up(bounds["auc"])
    if limit == 1:
        return ["With it an attack may still come as close to AUC 1 as 0.999."]
    shadow = [row["auc"] for row in arm["shadow_attacks"] if row["auc"] is not None]
    strongest = max([arm["auc"], *shadow], key=lambda auc: float(auc["mean"]))
    parts = [
        f"With it no attack exceeds AUC {limit:.3f}, nor finds more than "
        f"{render.percent(numbers.rounded_up(bounds['tpr']))} of the members at "
        f"{render.percent(bounds['fpr'], 0)} false positives, where coins decide who "
        f"is one: the strongest here, {strongest['mean']:.3f}, "
        f"{_beside_bound(strongest, limit)}"
    ]
    if steps["undefended"] is not None and arm["d_steps"] == [steps["d_steps"]]:
        undefended = steps["undefended"]
        parts.append(
            "the strongest against the undefended model after as many steps, "
            f"{undefended['mean']:.3f}, {_beside_bound(undefended, limit)}"
        )
    return [f"{'; '.join(parts)}."]


def _beside_bound(auc: Row, limit: float) -> str:
    if auc["mean"] <= limit:
        return "does not"
    clearly = auc["interval"] is not None and auc["interval"][0] > limit
    return "does" if clearly else "does, but the interval does not leave the bound out"


def reason_text(row: Row) -> str:
    """What stands in the way of a verdict, or weakens it; empty where nothing does."""
    number = len(row["seeds"])
    reason = row["reason"]
    if reason == versus.NO_BASELINE:
        return "There is no undefended model with the same seeds to compare it with."
    if reason == versus.NO_COMMON_STEPS:
        return "The two were measured at no checkpoint in common."
    sentences = []
    if row["undefended_never"]:
        sentences.append(
            f"In {row['undefended_never']} of {numbers.count_seeds(number)} the "
            "undefended model never was as good, so there is nothing to stop early "
            "at: no verdict."
        )
    if row["arm_never"]:
        sentences.append(
            f"In {row['arm_never']} of {numbers.count_seeds(number)} the defended "
            "model never was as good: no verdict."
        )
    if row["undefended_before_start"]:
        sentences.append(
            f"In {row['undefended_before_start']} of {numbers.count_seeds(number)} "
            "the undefended model was better at its first checkpoint already, with "
            "which it is "
            'compared; stopped before, it may have leaked less, so "leaks less" is not '
            "claimed."
        )
    if row["arm_before_start"]:
        sentences.append(
            f"In {row['arm_before_start']} of {numbers.count_seeds(number)} the "
            "defended model was better at its first checkpoint already, with which it "
            "is compared; "
            'stopped before, it may have leaked less, so "leaks more" is not claimed.'
        )
    if reason == versus.FEW_SEEDS:
        sentences.append(
            f"With {numbers.count_seeds(row['difference']['num_seeds'])} there is no "
            f"verdict; it takes {MIN_SEEDS}."
        )
    return " ".join(sentences)
