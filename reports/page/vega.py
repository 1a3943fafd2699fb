"""The bundle that draws interactive charts."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["bundle"]


@lru_cache(maxsize=1)
def bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, which gives the page ``vegaEmbed``."""
    import vl_convert

    text: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return text
