"""What all reports share: templates, figures as SVG, numbers as text, files."""

import contextlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent / "templates"
# Okabe and Ito's palette, which color-blind readers can tell apart.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINE_STYLES = ("-", "--", "-.", ":")

_FIGURE_STYLE: dict[Any, Any] = {
    "axes.edgecolor": "#8a8f98",
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
    "xtick.color": "#5b616b",
    "ytick.color": "#5b616b",
}


def render_template(name: str, **values: Any) -> str:
    """Fills a template of this package.

    Args:
        name: File name in `templates/`. Values are HTML-escaped in `.html.j2`
            templates; in `.md.j2` templates the filter `md` escapes them.
        **values: Values of the template's variables; a missing one is an error.

    Returns:
        The text.

    Raises:
        ImportError: If jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise _missing_extra("jinja2") from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=lambda template: bool(template and ".html" in template),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        decimal=decimal,
        md=escape_markdown,
        percent=percent,
        seconds=seconds,
        settings=settings_in_words,
        with_interval=with_interval,
        percent_with_interval=percent_with_interval,
    )
    return str(environment.get_template(name).render(**values))


@contextlib.contextmanager
def figure_style() -> Iterator[None]:
    """The look of all figures, for the time of a `with` block.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise _missing_extra("matplotlib") from error
    with matplotlib.rc_context(_FIGURE_STYLE):
        yield


def figure_to_svg(figure: Any, label: str) -> Any:
    """Draws a figure as inline SVG that scales with the page.

    Args:
        figure: A `matplotlib.figure.Figure`; draw it inside `figure_style()`.
        label: What the figure shows, for those who cannot see it.

    Returns:
        Markup that templates insert as it is.
    """
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
    """Text that Markdown shows as it is, also inside a table cell."""
    flat = " ".join(str(text).split())
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~!])", r"\\\1", flat)


def check_suffix(path: Path, suffixes: Sequence[str]) -> None:
    """Raises a `ValueError` unless `path` ends in one of `suffixes`."""
    if path.suffix not in suffixes:
        raise ValueError(
            f"The suffix of the file says how to write it. Expected one of "
            f"{', '.join(suffixes)}. Received: path={str(path)!r}. Rename the file."
        )


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _missing_extra(module: str) -> ImportError:
    return ImportError(
        f"Writing a report needs {module}, which is not installed. "
        'Install it with `pip install "keras-mixup-gan[report]"`.'
    )
