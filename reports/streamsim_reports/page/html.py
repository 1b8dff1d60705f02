"""A page as one HTML file: nothing from outside, everything escaped, a strict security policy."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from typing import TYPE_CHECKING

from streamsim_reports.page.model import Page

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


SECTIONS = {
    "tables": "Tables",
    "figures": "Figures",
    "strategies": "Strategies",
    "configuration": "Configuration",
    "environment": "Environment",
    "reproduce": "Make it again",
}


def render(page: Page) -> str:
    """The HTML of a page.

    The policy names the style sheet and the script by their hashes, so nothing that a run folder
    smuggles in is run or styles anything, even if the escaping had a hole.
    """
    environment = _environment()
    style = environment.get_template("report.css").render()
    script = environment.get_template("report.js").render()
    return environment.get_template("report.html").render(
        page=page, sections=SECTIONS, style=style, script=script, policy=policy(style, script)
    )


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy of a page with one style sheet and one script, both inline."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src '{_digest(style)}'",
            f"script-src '{_digest(script)}'",
            "img-src data:",  # cells of large heat maps are a picture inside the figure
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("streamsim_reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["breakable"] = breakable
    return environment


def breakable(text: str) -> Markup:
    """A sum of parts that may go on in the next line after a sign, rather than within a word.

    >>> print(breakable("ewc+on-drift:reset"))
    ewc+<wbr>on-drift:<wbr>reset
    >>> print(breakable("<b>+lwf"))
    &lt;b&gt;+<wbr>lwf
    """
    from markupsafe import Markup, escape

    return Markup("<wbr>").join(escape(part) for part in re.split(r"(?<=[+:=])(?=.)", text))
