"""What the strongest attack reaches where it can be computed, with mixup and without.

    python -m benchmarks.theory [--out FILE] [--figure FILE]

Six tables: the released mean of Gaussian records, the mean of blends of them beside
defenses of equal error, the kernel-density generator, the linear generator, and the
Gaussian-mechanism epsilon of noisy blends and of noise drawn once for each image. The
AUCs are those of likelihood ratios, not of attacks that have to estimate them. About a
minute on one core. The epsilons need the `dp` extra, the figure needs the `report`
extra.
"""

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.distance import pdist

from keras_mixup_gan import data, storage, theory
from keras_mixup_gan.reports import render
from keras_mixup_gan.versions import software_versions

RESULTS = Path(__file__).parent / "results"
NUM_MEMBERS, MEAN_DIM = 100, 200
DELTA, DIAMETER = 1e-5, 2 * 784**0.5  # of 28 x 28 images in [-1, 1]
FPR = 0.01
MARKS = "os^Dv"  # of lines, for those who see no colors
DIMS = (2, 5, 10, 20, 50, 100, 200, 500, 1000)
Rows = list[dict[str, Any]]


def gaussian_mean() -> Rows:
    """The exact AUC on a released mean, and the bound of its divergence."""
    return [
        {
            "dim": dim,
            "noise_stddev": noise,
            "auc": theory.gaussian_mean_auc(NUM_MEMBERS, dim, noise),
            "bound": theory.largest_auc_from_divergence(
                theory.gaussian_mean_divergence(NUM_MEMBERS, dim, noise)
            ),
        }
        for noise in (0.0, 0.1, 0.3)
        for dim in DIMS
    ]


def mean_of_blends() -> Rows:
    """A mean of blends beside a noisy mean and a random subset's of equal error.

    The mean of `m` blends has the squared error `1 / n + (f - 1 / n) / m` in each
    coordinate, `f` being the factor of the covariance.
    """
    rows = []
    for alpha in (0.2, 1.0, 8.0):
        for blends in (25, 100, 400, 1600):
            extra = theory.covariance_factor(alpha) - 1 / NUM_MEMBERS
            error = 1 / NUM_MEMBERS + extra / blends
            estimate = theory.mixed_mean_auc(
                NUM_MEMBERS, MEAN_DIM, alpha, blends, num_trials=10_000
            )
            noise = (error - 1 / NUM_MEMBERS) ** 0.5
            rows.append(
                {
                    "alpha": alpha,
                    "num_blends": blends,
                    "squared_error": error,
                    "auc": estimate.value,
                    "standard_error": estimate.standard_error,
                    "auc_of_noise": theory.gaussian_mean_auc(
                        NUM_MEMBERS, MEAN_DIM, noise
                    ),
                    "auc_of_subset": subset_auc(round(1 / error)),
                }
            )
    return rows


def subset_auc(size: int) -> float:
    """The AUC on the mean of a random subset: those outside it are at chance.

    A likelihood ratio averaged over "chosen" and "not chosen" orders as the ratio of
    the chosen does, so this is exact.
    """
    share = size / NUM_MEMBERS
    return share * theory.gaussian_mean_auc(size, MEAN_DIM) + (1 - share) / 2


def kernel_density() -> Rows:
    """The exact density-ratio attack on kernel densities of members or blends."""
    rows = []
    for dim, bandwidth in ((1, 0.2), (2, 0.2), (4, 0.3), (8, 0.5), (32, 0.5)):
        for alpha in (None, 0.2, 1.0, 4.0, 16.0):
            estimate = theory.kernel_density_auc(NUM_MEMBERS, dim, bandwidth, alpha)
            rows.append(
                {
                    "dim": dim,
                    "bandwidth": bandwidth,
                    "alpha": alpha,
                    "auc": estimate.value,
                    "standard_error": estimate.standard_error,
                }
            )
    return rows


def linear_generator() -> Rows:
    """The likelihood-ratio attack on a linear generator, and what mixup changes."""
    rows = []
    for dim in (1, 2, 5, 10, 20, 30, 50):
        estimate = theory.linear_generator_auc(NUM_MEMBERS, dim)
        members = np.random.default_rng(dim).normal(size=(NUM_MEMBERS, dim))
        plain, mixed = (
            theory.linear_generator_log_ratio(
                members, *theory.blend_moments(members, alpha), NUM_MEMBERS, alpha
            )
            for alpha in (None, 8.0)
        )
        divergence = theory.linear_generator_divergence(NUM_MEMBERS, dim)
        rows.append(
            {
                "dim": dim,
                "auc": estimate.value,
                "standard_error": estimate.standard_error,
                "bound": theory.largest_auc_from_divergence(divergence),
                "largest_change_by_mixup": float(np.abs(mixed - plain).max()),
            }
        )
    return rows


def noisy_blends() -> Rows:
    """What the noise on blends of 28 x 28 images proves: epsilon, bound on any AUC."""
    rows = []
    for max_weight in (1.0, 0.5):
        for blends in (1, 2, 200):
            for noise in (0.5, 1.0, 10.0, 100.0, 1000.0):
                mu = theory.noisy_blends_mu(noise, blends, DIAMETER, max_weight)
                rows.append(
                    {
                        "max_weight": max_weight,
                        "num_blends": blends,
                        "noise_stddev": noise,
                        "mu": mu,
                        "epsilon": theory.noisy_blends_epsilon(
                            noise, blends, DIAMETER, DELTA, max_weight
                        ),
                        "exact_epsilon": theory.gaussian_epsilon(mu, DELTA),
                        "largest_auc": theory.gaussian_shift_auc(mu),
                    }
                )
    return rows


def noise_once() -> Rows:
    """What noise drawn once for each image proves, and what it would of these digits.

    The largest distance of two digits that occur is besides: it is no guarantee.
    """
    occurring = largest_distance(np.asarray(data.load_images("digits")[0]))
    return [
        {
            "diameter": diameter,
            "guaranteed": diameter == DIAMETER,
            "noise_stddev": noise,
            **theory.noisy_image_guarantee(noise, diameter, DELTA, FPR)._asdict(),
        }
        for diameter in (DIAMETER, occurring)
        for noise in (0.25, 0.5, 1.0, 10.0, 50.0, 100.0, 200.0)
    ]


def largest_distance(images: np.ndarray) -> float:
    """The largest L2 distance of two of the images."""
    return float(pdist(images.reshape(len(images), -1)).max())


def draw(tables: dict[str, Rows]) -> bytes:
    """All tables as one PNG picture."""
    from matplotlib.figure import Figure

    with render.figure_style():
        figure = Figure(figsize=(9.2, 8.0))
        panels = figure.subplots(2, 2)
        draw_mean(panels[0, 0], tables["gaussian_mean"], tables["linear_generator"])
        draw_blends(panels[0, 1], tables["mean_of_blends"])
        draw_kernel(panels[1, 0], tables["kernel_density"])
        draw_noise(panels[1, 1], tables["noisy_blends"])
        for panel in panels.flat:
            panel.axhline(0.5, color="#8a8f98", linewidth=1)
            panel.set(ylim=(0.47, 1.03), ylabel="AUC")
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=150, metadata={"Software": None})
    return buffer.getvalue()


def draw_mean(axes: Any, means: Rows, linear: Rows) -> None:
    """Exact AUCs without mixup, which many blends do not change, and the bounds."""
    lines = [
        ("mean", [row for row in means if row["noise_stddev"] == 0.0]),
        ("mean, noise 0.3", [row for row in means if row["noise_stddev"] == 0.3]),
        ("mean and covariance", linear),
    ]
    for (name, rows), mark, color in zip(lines, MARKS, render.COLORS, strict=False):
        dims = [row["dim"] for row in rows]
        axes.plot(dims, column(rows, "auc"), mark + "-", ms=4, color=color, label=name)
        axes.plot(dims, column(rows, "bound"), ":", color=color)
    axes.plot([], [], ":", color="black", label="upper bound from KL")
    axes.set(
        xscale="log",
        xlabel="dimension",
        title=f"Moments of {NUM_MEMBERS} members, or of infinitely many blends",
    )
    legend_below(axes)


def draw_blends(axes: Any, rows: Rows) -> None:
    """The mean of few blends beside defenses of the same error, and the limit."""
    chosen = [row for row in rows if row["alpha"] == 1.0]
    looks = (
        ("auc", "blends, alpha 1", "o-"),
        ("auc_of_noise", "noise of equal error", "s--"),
        ("auc_of_subset", "random subset of equal error", "^-."),
    )
    blends = [row["num_blends"] for row in chosen]
    for (name, label, look), color in zip(looks, render.COLORS, strict=False):
        axes.plot(blends, column(chosen, name), look, ms=4, color=color, label=label)
    limit = theory.gaussian_mean_auc(NUM_MEMBERS, MEAN_DIM)
    axes.axhline(limit, color="black", linestyle=":", label="members' own mean")
    axes.set(
        xscale="log",
        xlabel="number of blends",
        title=f"Mean of blends, {NUM_MEMBERS} members, {MEAN_DIM} dimensions",
    )
    legend_below(axes)


def draw_kernel(axes: Any, rows: Rows) -> None:
    """Kernel density: a line for each dimension over the weights' concentration."""
    dims = dict.fromkeys((row["dim"], row["bandwidth"]) for row in rows)
    for (dim, bandwidth), mark, color in zip(dims, MARKS, render.COLORS, strict=False):
        own = [row for row in rows if row["dim"] == dim]
        axes.errorbar(
            range(len(own)),
            column(own, "auc"),
            yerr=1.96 * np.array(column(own, "standard_error")),
            fmt=mark + "-",
            ms=4,
            color=color,
            label=f"dimension {dim}, h = {bandwidth}",
        )
    names = ["none" if row["alpha"] is None else f"{row['alpha']:g}" for row in own]
    axes.set_xticks(range(len(own)), names)
    axes.set(
        xlabel="mixup: alpha of the Beta weights",
        title=f"Kernel-density generator, {NUM_MEMBERS} members",
    )
    legend_below(axes)


def draw_noise(axes: Any, rows: Rows) -> None:
    """Noisy blends: the AUC that the noise leaves room for."""
    noises = np.geomspace(5, 20_000, 200)
    groups = dict.fromkeys((row["num_blends"], row["max_weight"]) for row in rows)
    for (blends, weight), color in zip(groups, render.COLORS, strict=False):
        areas = [
            theory.gaussian_shift_auc(
                theory.noisy_blends_mu(noise, blends, DIAMETER, weight)
            )
            for noise in noises
        ]
        look = {1: "-", 2: "--", 200: "-."}[blends]
        plural = "s" if blends > 1 else ""
        label = f"in {blends} blend{plural}, weight up to {weight:g}"
        width = 1.8 if weight == 1.0 else 0.9
        axes.plot(noises, areas, look, lw=width, color=color, label=label)
    axes.set(
        xscale="log",
        xlabel="noise in each pixel; pixels lie in [-1, 1]",
        title="Noisy blends of 28 x 28 images: bound on any attack",
    )
    legend_below(axes)


def legend_below(axes: Any) -> None:
    """Names the lines where they hide none."""
    axes.legend(
        fontsize=8,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.17),
        ncols=2,
        columnspacing=1.2,
    )


def column(rows: Rows, name: str) -> list[float]:
    """One column of a table."""
    return [row[name] for row in rows]


def in_words(value: Any) -> str:
    """A cell of a printed table."""
    if value is None:
        return "none"
    if isinstance(value, int):  # or whether something is so
        return str(value)
    return f"{value:.4g}"


def main() -> None:
    """Computes, prints and saves the tables and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=RESULTS / "theory.json")
    parser.add_argument("--figure", type=Path, help="PNG; default: beside the JSON")
    given = parser.parse_args()

    makers = (
        gaussian_mean,
        mean_of_blends,
        kernel_density,
        linear_generator,
        noisy_blends,
        noise_once,
    )
    tables = {}
    for maker in makers:
        tables[maker.__name__] = rows = maker()
        print(f"\n{maker.__doc__.splitlines()[0]}\n")
        print("  ".join(f"{name:>13}" for name in rows[0]))
        for row in rows:
            print("  ".join(f"{in_words(value):>13}" for value in row.values()))
    content = {
        "command": "python -m benchmarks.theory",
        "num_members": NUM_MEMBERS,
        "dim_of_means": MEAN_DIM,
        "delta": DELTA,
        "diameter": DIAMETER,
        "fpr": FPR,
        "tables": tables,
        "versions": software_versions(),
    }
    storage.write_json(given.out, content)
    storage.write_file(given.figure or given.out.with_suffix(".png"), draw(tables))


if __name__ == "__main__":
    main()
