"""What all reports share: templates, figures, images as files, numbers as text."""

import contextlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from keras_mixup_gan.auditing.results import TARGET_FPR
from keras_mixup_gan.auditing.verdict import at_least
from keras_mixup_gan.rounding import upper_text
from keras_mixup_gan.statistics.roc import roc_curve
from keras_mixup_gan.typing import FloatArray

TEMPLATES = Path(__file__).parent / "templates"
# Okabe and Ito's palette, which color-blind readers can tell apart.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", "-.", ":")
GRAY, SOFT = "#8a8f98", "#5b616b"
COLUMNS = 8  # of images in a picture
_DPI = 150

_FIGURE_STYLE: dict[Any, Any] = {
    "axes.edgecolor": GRAY,
    "axes.labelcolor": "#30343b",
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "font.size": 9.5,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "keras-mixup-gan",
    "xtick.color": SOFT,
    "ytick.color": SOFT,
}


def render_template(name: str, **values: Any) -> str:
    """Fills a template of this package; a variable without a value is an error.

    Values are HTML-escaped in `.html.j2` templates, where what stands between backticks
    is shown as code; in `.md.j2` templates the filter `md` escapes them.
    """
    try:
        import jinja2
    except ImportError as error:
        raise _missing_extra("jinja2") from error
    from markupsafe import Markup, escape

    @jinja2.pass_eval_context
    def finalize(context: Any, value: Any) -> Any:
        if not context.autoescape or hasattr(value, "__html__"):
            return value
        return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(value))))

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        finalize=finalize,
        autoescape=lambda template: bool(template and ".html" in template),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        at_least=at_least,
        upper_text=upper_text,
        decimal=decimal,
        md=escape_markdown,
        percent=percent,
        seconds=seconds,
        settings=settings_in_words,
        unbroken=unbroken,
        with_interval=with_interval,
        percent_with_interval=percent_with_interval,
    )
    return str(environment.get_template(name).render(**values))


@contextlib.contextmanager
def figure_style() -> Iterator[None]:
    """The look of all figures, for the time of a `with` block."""
    try:
        import matplotlib
    except ImportError as error:
        raise _missing_extra("matplotlib") from error
    with matplotlib.rc_context(_FIGURE_STYLE):
        yield


@contextlib.contextmanager
def new_figure(width: float, height: float) -> Iterator[Any]:
    """A figure of so many inches to draw in a `with` block."""
    with figure_style():
        from matplotlib.figure import Figure

        yield Figure(figsize=(width, height))


def figure_to_svg(figure: Any, label: str) -> Any:
    """A figure as inline SVG that scales with the page; `label` is read out."""
    import markupsafe

    buffer = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with figure_style():
        figure.savefig(buffer, format="svg", metadata=metadata, transparent=True)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    size = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', svg)
    if size is not None:
        svg = svg.replace(size.group(0), 'width="100%"', 1)
    described = f'<svg role="img" aria-label="{markupsafe.escape(label)}"'
    return markupsafe.Markup(svg.replace("<svg", described, 1).rstrip())


def figure_to_png(figure: Any) -> bytes:
    """A figure as a PNG file."""
    buffer = io.BytesIO()
    with figure_style():
        figure.savefig(buffer, dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def plain_title(title: str) -> str:
    """A title without formulas, and without the underscore that hides a curve."""
    return title.replace("$", r"\$").lstrip("_")


def roc_axes(axes: Any, num_non_members: int) -> float:
    """Log-log axes with the line of chance; returns where they begin."""
    floor = float(10.0 ** np.floor(np.log10(1 / num_non_members)))
    axes.plot([floor, 1], [floor, 1], color=GRAY, linewidth=1)
    axes.axvline(TARGET_FPR, color="#c9ccd2", linewidth=0.8, zorder=0)
    axes.set(xscale="log", yscale="log", xlim=(floor, 1), ylim=(floor, 1.15))
    axes.set(xlabel="non-members taken for members", ylabel="members found")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda rate, _: f"{100 * rate:g} %")
    return floor


def draw_roc(
    axes: Any, members: FloatArray, non_members: FloatArray, floor: float, **look: Any
) -> None:
    """The ROC curve of scores, as steps; of straight pieces the ends alone."""
    fpr, tpr = roc_curve(members, non_members)
    flat = [np.diff(rates) == 0 for rates in (fpr, tpr)]
    straight = [still[1:] & still[:-1] for still in flat]
    keep = np.ones(len(fpr), dtype=bool)
    keep[1:-1] = ~(straight[0] | straight[1])
    shown = [np.maximum(rates[keep], floor) for rates in (fpr, tpr)]
    axes.plot(*shown, drawstyle="steps-post", **look)


def tile(images: Any, columns: int = COLUMNS) -> Any:
    """Images side by side with white lines between them, in gray or RGB.

    Of unusual channels the first is shown.
    """
    images = np.asarray(images)
    rows = -(-len(images) // columns)
    blank = np.full((rows * columns, *images.shape[1:]), 255, "uint8")
    blank[: len(images)] = images
    padded = np.pad(blank, [(0, 0), (0, 1), (0, 1), (0, 0)], constant_values=255)
    height, width, channels = padded.shape[1:]
    sheet = padded.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    sheet = sheet.reshape(rows * height, columns * width, channels)[:-1, :-1]
    return sheet if channels == 3 else sheet[..., 0]


def png(picture: Any, side: int = 1) -> bytes:
    """A PNG file of a uint8 image in gray or RGB, enlarged sharply toward `side`."""
    from PIL import Image

    image = Image.fromarray(picture)
    factor = max(side // max(image.size), 1)
    image = image.resize(
        (factor * image.width, factor * image.height), Image.Resampling.NEAREST
    )
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def decimal(value: float, digits: int = 3) -> str:
    """`0.8317` as `0.832`."""
    return f"{value:.{digits}f}"


def percent(value: float, digits: int = 1) -> str:
    """`0.1234` as `12.3 %`."""
    return f"{100 * value:.{digits}f} %"


def with_interval(value: float, interval: Sequence[float], digits: int = 3) -> str:
    """`0.832 [0.815, 0.849]`."""
    low, high = (decimal(end, digits) for end in interval)
    return f"{decimal(value, digits)} [{low}, {high}]"


def percent_with_interval(
    value: float, interval: Sequence[float], digits: int = 1
) -> str:
    """`12.3 % [10.4, 14.5]`."""
    low, high = (decimal(100 * end, digits) for end in interval)
    return f"{percent(value, digits)} [{low}, {high}]"


def seconds(value: float) -> str:
    """`< 0.1 s`, `0.4 s`, `42 s` or `3 min 05 s`."""
    if value < 0.05:
        return "< 0.1 s"
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def settings_in_words(settings: Mapping[str, Any]) -> str:
    """`num_blends = 16, weights = 0.5, 0.7` from a dictionary of settings."""
    return "; ".join(f"{name} = {_plain(value)}" for name, value in settings.items())


def escape_markdown(text: object) -> str:
    """Text that Markdown shows as it is, also inside a table cell.

    What stands between backticks stays code, unless it would need escapes.
    """
    pieces = re.split("(`[^`]+`)", " ".join(str(text).split()))
    return "".join(
        piece if at % 2 and not re.search("[|&<>]", piece) else _escaped(piece)
        for at, piece in enumerate(pieces)
    )


def unbroken(text: str) -> str:
    """Text whose intervals and ranges are not broken between lines."""
    return re.sub(r"[\[(][-\d][^\])]*[\])]", lambda m: m[0].replace(" ", "\xa0"), text)


def check_suffix(path: Path, suffixes: Sequence[str]) -> None:
    """Raises a `ValueError` unless `path` ends in one of `suffixes`."""
    if path.suffix not in suffixes:
        raise ValueError(
            f"The suffix of the file says how to write it. Expected one of "
            f"{', '.join(suffixes)}. Received: path={str(path)!r}. Rename the file."
        )


def _escaped(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~!])", r"\\\1", text)


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _missing_extra(module: str) -> ImportError:
    return ImportError(
        f"Writing a report needs {module}, which is not installed. "
        'Install it with `pip install "keras-mixup-gan[report]"`.'
    )
