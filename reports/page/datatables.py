"""DataTables for the page's tables: itables' offline bundle as a script that the page's policy can know by its hash."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from bench.errors import DependencyError

__all__ = ["as_script", "datatables"]

_INSTALL = 'Install one that is known to work: pip install "itables==2.9.1"'


@lru_cache(maxsize=1)
def datatables() -> str:
    """DataTables, its extensions and jQuery as one script, which gives the page ``DataTable``.

    The file is found without importing itables, which would import pandas and more.
    """
    try:
        bundle = distribution("itables").locate_file("itables/html/dt_bundle.js")
        return as_script(Path(str(bundle)).read_text(encoding="utf-8"))
    except (PackageNotFoundError, OSError, UnicodeDecodeError) as error:
        raise DependencyError(
            f"A report needs the package itables, which cannot be read: {error}. {_INSTALL}"
        ) from error


def as_script(module: str) -> str:
    """Turn the bundle, which is a module, into a plain script; `DependencyError` where its text is not as expected.

    No other script could import from an inline module without a ``blob:`` address, which the policy does not allow. So
    the one export at the bundle's end becomes an assignment, and a function around all keeps its names to itself.
    """
    exports = list(re.finditer(r"\bexport\{([^{}]*)\};", module))
    default = re.search(r"(?:^|,)([\w$]+) as default(?:,|$)", exports[0][1]) if len(exports) == 1 else None
    # Either of these would keep the script from ending where it should.
    ends_elsewhere = re.search(r"</script|<!--.*<script[\s/>]", module, re.DOTALL | re.IGNORECASE)
    if default is None or ends_elsewhere:
        raise DependencyError(f"The installed itables has a bundle that cannot stand in a page. {_INSTALL}")
    start, end = exports[0].span()
    return f'(function(){{"use strict";{module[:start]}window.DataTable={default[1]};{module[end:]}\n}})();'
