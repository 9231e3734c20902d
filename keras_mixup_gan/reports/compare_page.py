"""What only the HTML page of a comparison has: drawings, bars, links."""

import base64
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_mixup_gan.experiments.frontier import fid_of
from keras_mixup_gan.reports import compare_figures as draw
from keras_mixup_gan.reports import compare_samples as samples
from keras_mixup_gan.reports import compare_table as table
from keras_mixup_gan.reports import compare_words as words
from keras_mixup_gan.reports import render

# The markers of the figures, in a box of 24 by 10.
MARKER_PATHS = {
    "o": "M9 5a3 3 0 1 0 6 0a3 3 0 1 0-6 0Z",
    "s": "M9 2H15V8H9Z",
    "^": "M12 1.5L15.5 8H8.5Z",
    "D": "M12 1L16 5L12 9L8 5Z",
    "v": "M12 8.5L8.5 2H15.5Z",
    "P": "M11 1H13V4H16V6H13V9H11V6H8V4H11Z",
}


def values(
    results: dict[str, Any], scores: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """What the HTML template needs beside what it shares with Markdown.

    Args:
        results: Content of `results.json`.
        scores: For each arm the arrays of its last checkpoint.
    """
    cells = results["cells"]
    pngs, num_samples = samples.sample_pngs(
        {name: arrays["samples"] for name, arrays in scores.items()}
    )
    return {
        "styles": draw.styles(cells),
        "markers": MARKER_PATHS,
        "bars": _bars(cells),
        "pngs": {name: base64.b64encode(png).decode() for name, png in pngs.items()},
        "num_samples": num_samples,
        "linked": _linked,
        **_drawings(cells, scores),
    }


def _drawings(
    cells: Sequence[dict[str, Any]], scores: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """All figures as SVG; those of single attacks with the attack's title."""
    last = f"after {cells[0]['d_steps']:,} steps"
    fids = _each(cells, lambda cell: f"{fid_of(cell):.1f}")
    limits = draw.auc_limits(cells)
    leakage, rocs = [], []
    for name, title in words.attack_titles(cells).items():
        if not any(f"{name}/members" in arrays for arrays in scores.values()):
            continue
        areas = _each(cells, functools.partial(table.auc, name=name))
        rates = _each(cells, functools.partial(table.tpr, name=name))
        svg = render.figure_to_svg(
            draw.leakage_figure(cells, name, limits),
            f"AUC of {title} over steps; {last}: {areas}",
        )
        leakage.append((title, svg))
        svg = render.figure_to_svg(
            draw.roc_figure(cells, scores, name),
            f"ROC curves of {title}; members found at 1 % false positives: {rates}",
        )
        rocs.append((title, svg))
    frontier = draw.frontier_figure(cells, legend=False)
    return {
        "frontier": render.figure_to_svg(frontier, _frontier_in_words(cells)),
        "fids": render.figure_to_svg(
            draw.fid_figure(cells), f"FID over steps; {last}: {fids}"
        ),
        "leakage": leakage,
        "rocs": rocs,
    }


def _frontier_in_words(cells: Sequence[dict[str, Any]]) -> str:
    """Where each arm begins and ends."""

    def place(point: dict[str, Any]) -> str:
        attack = words.strongest(point)
        area = "none" if attack is None else f"{attack['auc']:.3f}"
        return f"FID {fid_of(point):.1f}, AUC {area}"

    ends = _each(
        cells,
        lambda cell: f"{place(cell['curve'][0])} to {place(cell['curve'][-1])}",
    )
    return f"AUC of the strongest attack over FID along training: {ends}"


def _each(
    cells: Sequence[dict[str, Any]], tell: Callable[[dict[str, Any]], str]
) -> str:
    return "; ".join(f"{words.arm_title(cell)} {tell(cell)}" for cell in cells)


def _bars(cells: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What each finding compares, as places on a common scale of AUCs in percent."""
    compared: dict[str, list[tuple[str, Any, Any, bool]]] = {}
    for number, cell in enumerate(cells):
        candidates = (
            ("defended" if number else "to the end", cell, True),
            ("undefended, as good", cell["undefended_at_same_quality"], False),
        )
        compared[cell["name"]] = [
            (label, point, attack, own)
            for label, point, own in candidates
            if point is not None and (attack := words.strongest(point)) is not None
        ]
    lowest = [
        attack["auc_ci"][0] for bars in compared.values() for *_, attack, _ in bars
    ]
    low = float(np.floor(10 * min([0.45, *lowest]))) / 10

    def place(area: float) -> float:
        return 100 * (area - low) / (1 - low)

    drawn = {
        name: [
            {
                "label": f"{label}: step {point['d_steps']:,}, FID {fid_of(point):.1f}",
                "attack": attack,
                "places": [place(at) for at in (*attack["auc_ci"], attack["auc"])],
                "own": own,
            }
            for label, point, attack, own in bars
        ]
        for name, bars in compared.items()
    }
    return {"low": low, "chance": place(0.5), "of": drawn}


def _linked(text: str) -> Any:
    """The text escaped, with its arXiv numbers as links."""
    import markupsafe

    return markupsafe.Markup(
        re.sub(
            r"arXiv:(\d{4}\.\d{4,5})",
            r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>',
            str(markupsafe.escape(text)),
        )
    )
