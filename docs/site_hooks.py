"""What MkDocs shows beside the pages of this folder: notebooks, results, reference.

Pages from elsewhere keep their path from the top of the repository; pages of this
folder lose its name. Links, which work in the repository, are carried over.
"""

import ast
import json
import posixpath
import re
from pathlib import Path
from typing import Any

from griffe import Extension, Object
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

TOP, PACKAGE = Path(__file__).parents[1], "keras_mixup_gan"
FROM_ELSEWHERE = (
    *("CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/results/**/*.json"),
    *("benchmarks/results/**/findings.*", "benchmarks/results/**/*.png"),
    *("zoo/*/card.md", "zoo/*/*.png", "zoo/*/recipe.toml"),
)
FROM_README = {"measured.md": "What was measured", "limits.md": "What it does not do"}
WIDE = re.compile(r"benchmarks/results/(.*/)?findings\.md")
SESSION = re.compile(r"^( *)(>>> .*?)(?=\n *\n|\Z)", re.M | re.S)
CELL = re.compile(r"<t([dh])\b.*?</t\1>", re.S)
CODE = re.compile(r"(?<=<code>)[^<]+(?=</code>)")
SEAM = re.compile(r"([_,=/]|(?<=\w)\(|\.(?!\d))(?=[\w&(\"'])")
LINK = re.compile(r"(\]\()((?!https?:|#|mailto:)[^)#\s]+)([^)]*)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds pages and figures that are not in this folder as pages."""
    for pattern in FROM_ELSEWHERE:
        for path in sorted(TOP.glob(pattern)):
            place = path.relative_to(TOP).as_posix()
            files.append(File.generated(config, place, abs_src_path=str(path)))
    made = {page: readme_section(title) for page, title in FROM_README.items()}
    for notebook in sorted(Path(config.docs_dir).glob("tutorials/*.ipynb")):
        made[f"tutorials/{notebook.stem}.md"] = notebook_page(notebook)
    for name, members in public_modules().items():
        made[f"reference/{name.rpartition('.')[2]}.md"] = reference_page(name, members)
    for place, content in made.items():
        files.append(File.generated(config, place, content=content))
    return files


def on_page_content(html: str, page: Page, **_: Any) -> str:
    """Figures that scroll on a phone, and code in cells that breaks at its seams."""
    if not page.file.src_uri.startswith("zoo/"):  # whose pictures fit on one
        html = re.sub(r"<p>(<img [^>]*>)</p>", r'<p class="figure">\1</p>', html)
    return CELL.sub(lambda cell: CODE.sub(_with_seams, cell[0]), html)


def _with_seams(code: re.Match[str]) -> str:
    return SEAM.sub(r"\1<wbr>", code[0])


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links as they lead on the site; the widest tables get the contents' place."""
    if WIDE.fullmatch(page.file.src_uri):
        page.meta["hide"] = ["toc"]
    return carried_over(markdown, page.file.src_uri)


def carried_over(markdown: str, place: str) -> str:
    """Links of a page, from where they lead in the repository to the site.

    Args:
        markdown: The page's text.
        place: The page's path on the site.
    """
    if place in FROM_README:
        folder = ""
    elif (TOP / place).exists():
        folder = posixpath.dirname(place)
    else:
        folder = posixpath.dirname(f"docs/{place}")
    here = posixpath.dirname(place) or "."

    def lead(match: re.Match[str]) -> str:
        target, rest = posixpath.normpath(posixpath.join(folder, match[2])), match[3]
        for page, title in FROM_README.items():
            if (target, rest) == ("README.md", "#" + title.lower().replace(" ", "-")):
                target, rest = page, ""
        if "download" not in rest:
            target = re.sub(r"\.ipynb$", ".md", target)
        target = posixpath.relpath(target.removeprefix("docs/"), here)
        return f"{match[1]}{target}{rest})"

    return LINK.sub(lead, markdown)


def readme_section(heading: str) -> str:
    """A section of the README as a page."""
    readme = (TOP / "README.md").read_text("utf-8")
    section = re.search(rf"^## ({heading}\n.*?)(?=^## )", readme, re.M | re.S)
    if section is None:
        raise ValueError(f"README.md must have a section {heading!r}.")
    return "# " + section[1]


def notebook_page(path: Path) -> str:
    """A notebook's text and code as a page; what it printed is left to the reader."""
    parts = []
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        text = "".join(cell["source"]).strip()
        if cell["cell_type"] == "markdown":
            parts.append(text)
        elif text.startswith("!"):
            parts.append(f"```sh\n{text[1:]}\n```")
        else:
            parts.append(f"```python\n{text}\n```")
    parts.insert(1, f'[Download this notebook]({path.name} "download")')
    return "\n\n".join(parts) + "\n"


def public_modules() -> dict[str, list[str]]:
    """The package and the modules that it offers, each with its public names."""
    names = _public_names(TOP / PACKAGE)
    modules = [name for name in names if (TOP / PACKAGE / name).is_dir()]
    offered = {PACKAGE: [name for name in names if name not in modules]}
    for name in modules:
        offered[f"{PACKAGE}.{name}"] = _public_names(TOP / PACKAGE / name)
    return offered


def _public_names(folder: Path) -> list[str]:
    """What a package exports: by `__all__`, or imported as itself."""
    tree = ast.parse((folder / "__init__.py").read_text("utf-8"))
    names = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name == alias.asname
    }
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names |= set(ast.literal_eval(node.value))
    if not names:
        raise ValueError(f"{folder} must export something.")
    return sorted(names - {"__version__"})


def reference_page(name: str, members: list[str]) -> str:
    """A page that mkdocstrings fills from the docstrings of a module."""
    options = f"    options:\n      members: {json.dumps(members)}"
    return f"# {name}\n\n::: {name}\n{options}\n"


class FencedSessions(Extension):
    """Examples of docstrings as blocks of code: Keras writes them without a fence."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Fences the sessions in the docstring of an object."""
        if obj.docstring:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(docstring: str) -> str:
    """A docstring with each session of the interpreter in a fence.

    Args:
        docstring: The text, without the indentation that all lines have in common.
    """
    text = docstring
    if "```" not in text:
        text = SESSION.sub(r"\1```pycon\n\1\2\n\1```", text)
    return re.sub(r"^Examples?:\n(?=```)", "**Example**\n\n", text, flags=re.M)
