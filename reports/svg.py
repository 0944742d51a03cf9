"""A matplotlib figure as SVG inside the page: text kept as text, colours from the page's variables, no style attribute,
no address, no name that another drawing has too. So the page's security policy needs no exception.

Text of the data never reaches matplotlib: a drawing writes `slot(n)` and the words are put in afterwards, where the
serializer escapes them; nothing of them is laid out as mathematics or as a missing glyph.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from reports.text import shown

COLOURS: Mapping[str, str] = {
    name: f"#0000{n:02x}"
    for n, name in enumerate(["ink", "muted", "line", "card", "bad", *(f"s{k}" for k in range(8))], 1)
}
"""The page's colours by name, each as the placeholder under which matplotlib knows it."""
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "lstm-parity",
    "text.parse_math": False,
    "font.size": 11,
    "text.color": COLOURS["ink"],
    "axes.edgecolor": COLOURS["line"],
    "axes.labelcolor": COLOURS["muted"],
    "xtick.color": COLOURS["line"],
    "ytick.color": COLOURS["line"],
    "xtick.labelcolor": COLOURS["muted"],
    "ytick.labelcolor": COLOURS["ink"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}
_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_KEPT = {
    *("fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin"),
    *("stroke-opacity", "opacity", "text-anchor", "font-size", "font-weight"),
}
_CLASS = {colour: name for name, colour in COLOURS.items()}
_SCALE = 1.25
"""Page pixels a point: text of 11 points is about as large as the page's."""
_SLOT = re.compile(r"§(\d+)§")
_FONT_SIZE = re.compile(r"([\d.]+)px")


def slot(n: int) -> str:
    """Where the n-th word of the data is to stand."""
    return f"§{n}§"


def new_figure(width: float, height: float) -> Figure:
    """A figure of this size in inches at 72 points, to be drawn on under `mpl.rc_context(SETTINGS)`."""
    return Figure(figsize=(width, height), dpi=72)


def plain_log_axis(axes: Axes, which: Literal["x", "y"], words: Callable[[float], str]) -> None:
    """Ticks at powers of ten, or a few more where those are less than three, in plain figures, with faint lines."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    between = (1.0,) if math.log10(high / low) > 2 else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(base=10, subs=between, numticks=9))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: words(value)))
    axis.set_minor_formatter(NullFormatter())
    axes.grid(axis=which, color=COLOURS["line"], linewidth=0.6)
    axes.set_axisbelow(True)


def inline(figure: Figure, label: str, name: str, words: Sequence[str] = ()) -> Markup:
    """The figure as an `svg` element. `name` sets its ids apart from the other drawings'; `words` fill the slots."""
    buffer = io.BytesIO()
    with mpl.rc_context(SETTINGS):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(buffer.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style", "title"):
                parent.remove(child)
    wanted = {m for e in root.iter() for value in e.attrib.values() for m in re.findall(r"#([\w-]+)", value)}
    for element in root.iter():
        _plain(element, name, wanted, words)
    box = root.attrib["viewBox"]
    root.attrib.clear()
    width = str(round(float(box.split()[2]) * _SCALE))
    root.attrib.update(
        {"viewBox": box, "width": width, "class": "chart", "role": "img", "aria-label": shown(label, 600)}
    )
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _plain(element: ElementTree.Element, name: str, wanted: set[str], words: Sequence[str]) -> None:
    """One element in the page's own terms: tag without namespace, style as attributes and classes, ids made unique."""
    element.tag = element.tag.removeprefix(_SVG)
    attributes: dict[str, str] = {}
    classes: list[str] = []
    for key, value in element.attrib.items():
        if key == "style":
            for item, setting in (d.strip().split(":", 1) for d in value.split(";") if ":" in d):
                _keep(item.strip(), setting.strip(), attributes, classes)
        elif key == "id":
            attributes |= {"id": f"{name}-{value}"} if value in wanted else {}
        elif key == _XLINK:
            attributes["href"] = value.replace("#", f"#{name}-")
        else:
            attributes[key] = value.replace("url(#", f"url(#{name}-")
    if classes:
        attributes["class"] = " ".join(classes)
    element.attrib.clear()
    element.attrib.update(attributes)
    if element.text:
        element.text = _SLOT.sub(lambda m: shown(words[int(m[1])]), element.text).strip()
    element.tail = None


def _keep(item: str, setting: str, attributes: dict[str, str], classes: list[str]) -> None:
    if item == "font":
        size = _FONT_SIZE.search(setting)
        attributes |= {"font-size": size[1]} if size else {}
        attributes |= {"font-weight": "bold"} if "bold" in setting or "700" in setting else {}
    elif setting in _CLASS:
        classes.append(f"{item[0]}-{_CLASS[setting]}")
    elif item in _KEPT:
        attributes[item] = setting.removesuffix("px")
