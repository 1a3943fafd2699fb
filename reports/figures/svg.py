"""matplotlib's SVG made fit to stand inside the page.

The page's policy allows no ``style`` attributes, so they become presentation attributes, whose colors the style
sheet maps to the theme. Ids are prefixed, since matplotlib repeats them from figure to figure. Names of models and
classes never pass through matplotlib, which would read ``$`` as mathematics: tokens do, and the escaped names take
their place here.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from reports.text.formatting import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CNN", "GRID", "INK", "MUTED", "OTHER", "VIT", "Names", "family_color", "inline", "settings"]

INK, MUTED, GRID = "#1b1f24", "#59636e", "#e3e7eb"
VIT, CNN, OTHER = "#2f6fdb", "#c4620f", "#7a5ea8"
"""Colors as they leave matplotlib; report.css maps each of them to the theme's own."""

_TOKEN = re.compile(r"Q(\d{5,9})Q")
_STYLE = re.compile(r'style="([^"]*)"')
_ID = re.compile(r'\bid="([^"]+)"')
_REFERENCE = re.compile(r'(?:xlink:href="#|url\(#)([^")]+)')
_TAG = re.compile(r"<[^>]*>")
_LONG = re.compile(r"-?\d+\.\d{3,}")
_NO_TURN = re.compile(r' transform="rotate\(-?0 [^)]*\)"')
_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold."""
_DROPPED = ("font-family", "font-style", "font-variant", "font-stretch")


class Names:
    """Names to be written into one figure, each standing in it as a token until `inline` puts it there."""

    def __init__(self, longest: int = 30) -> None:
        self._names: list[str] = []
        self._longest = longest

    def token(self, name: str) -> str:
        """Return what to give to matplotlib in the name's place."""
        self._names.append(name)
        return f"Q{len(self._names) - 1:05d}Q"

    def put(self, svg: str) -> str:
        """Replace each token by its name, escaped and cut where it is too long.

        In one pass: what a name brings is not looked at again, though it may read like a token itself.
        """
        return _TOKEN.sub(self._shown, svg)

    def _shown(self, token: re.Match[str]) -> str:
        index = int(token.group(1))
        if index >= len(self._names):
            return token.group()
        plain = _NO_XML.sub("\ufffd", visible(self._names[index]))
        return str(escape(plain if len(plain) <= self._longest else plain[: self._longest - 1] + "…"))


def settings() -> dict[Any, Any]:
    """matplotlib's settings for every figure: text stays text, and the same data gives the same bytes."""
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "patchbench",
        "text.parse_math": False,
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": MUTED,
        "axes.labelcolor": MUTED,
        "axes.titlecolor": INK,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "axes.labelsize": 9,
        "axes.linewidth": 0.7,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": GRID,
        "grid.linewidth": 0.7,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        "xtick.major.size": 3,
        "ytick.major.size": 0,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.transparent": True,
    }


def family_color(family: str) -> str:
    """The color of a kind of model (vit, cnn or other), the same in every figure."""
    return {"vit": VIT, "cnn": CNN}.get(family, OTHER)


def inline(figure: Figure, prefix: str, description: str, names: Names | None = None) -> Markup:
    """Return a figure as an ``<svg>`` element for the page, read to the blind as ``description``."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.DOTALL)
    view = re.search(r'viewBox="([^"]+)"', text)
    body = text[text.index(">") + 1 : text.rindex("</svg>")]
    body = _prefixed(_TAG.sub(_presentation, body), prefix)
    body = re.sub(r"\s+", " ", body).replace("> <", "><").strip()
    if names:
        body = names.put(body)
    box = view.group(1) if view else "0 0 100 100"
    return Markup(f'<svg class="fig" viewBox="{box}" role="img" aria-label="{escape(description)}">{body}</svg>')


def _presentation(tag: re.Match[str]) -> str:
    """One tag with its style as attributes and its numbers cut to a hundredth of a point."""
    text = _STYLE.sub(_attributes, tag.group(0))
    text = _LONG.sub(lambda found: f"{float(found.group(0)):.2f}".rstrip("0").rstrip("."), text)
    return _NO_TURN.sub("", text)


def _attributes(style: re.Match[str]) -> str:
    pairs = (part.split(":", 1) for part in style.group(1).split(";") if ":" in part)
    kept = ((key.strip(), value.strip()) for key, value in pairs)
    return " ".join(f'{key}="{value.replace("px", "")}"' for key, value in kept if key not in _DROPPED)


def _prefixed(body: str, prefix: str) -> str:
    """Ids that something refers to get the prefix, the others go."""
    used = set(_REFERENCE.findall(body))
    body = _ID.sub(lambda found: f'id="{prefix}-{found.group(1)}"' if found.group(1) in used else "", body)
    for name in used:
        body = body.replace(f'xlink:href="#{name}"', f'href="#{prefix}-{name}"')
        body = body.replace(f"url(#{name})", f"url(#{prefix}-{name})")
    return body
