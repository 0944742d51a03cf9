"""Sphinx' configuration: MyST pages, Furo, autodoc of the public names, the commands from click itself."""

from __future__ import annotations

import json
from pathlib import Path

from sphinx.application import Sphinx

from weight_mapping import __version__

project = "lstm-parity"
author = "the lstm-parity developers"
project_copyright = author
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_click"]
source_suffix = {".md": "markdown", ".ipynb": "markdown"}
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
smartquotes = False  # a command's -- stays two hyphens
default_role = "code"  # docstrings write `name` as Markdown does
add_module_names = False
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
nitpicky = False

html_theme = "furo"
html_title = f"lstm-parity {release}"
html_copy_source = False
html_show_sphinx = False
exclude_patterns = ["conftest.py"]


def setup(app: Sphinx) -> None:
    app.connect("source-read", _notebook_as_markdown)
    app.connect("build-finished", _schema)


def _schema(app: Sphinx, _failed: Exception | None) -> None:
    """The JSON Schema of results.json beside the pages."""
    from harness.schema import schema

    (Path(app.outdir) / "results.schema.json").write_text(json.dumps(schema(), indent=1), encoding="utf-8")


def _notebook_as_markdown(app: Sphinx, name: str, source: list[str]) -> None:
    """A notebook is read as the Markdown that its cells are: text, code, and what the code printed."""
    if app.env.doc2path(name).suffix == ".ipynb":
        source[0] = "\n\n".join(_cell(cell) for cell in json.loads(source[0])["cells"])


def _cell(cell: dict[str, object]) -> str:
    text = "".join(cell["source"])  # type: ignore[arg-type]
    if cell["cell_type"] == "markdown":
        return text
    printed = "".join("".join(output["text"]) for output in cell["outputs"])  # type: ignore[attr-defined]
    return f"```python\n{text}\n```" + (f"\n\n```text\n{printed.rstrip()}\n```" if printed else "")
