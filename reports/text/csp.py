"""What keeps the page closed: its content security policy, and data that cannot break out of a script element."""

from __future__ import annotations

import base64
import hashlib
import json

from markupsafe import Markup

__all__ = ["json_for_script", "policy"]


def policy(styles: list[str], scripts: list[str]) -> str:
    """The content security policy: nothing from anywhere, but our own styles and scripts, known by their hashes."""
    scripted = _hashes(scripts) or "'none'"
    return (
        f"default-src 'none'; img-src data:; style-src {_hashes(styles)}; script-src {scripted}; "
        f"base-uri 'none'; form-action 'none'"
    )


def _hashes(texts: list[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


def json_for_script(value: object) -> Markup:
    """JSON that can stand in a script element: no ``<`` that could end it, and no figure that is not finite."""
    text = json.dumps(value, ensure_ascii=True, sort_keys=True, allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))
