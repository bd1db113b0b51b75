"""The page at `/`: one static file, whose own script and style are all that its policy lets run."""

import base64
import functools
import hashlib
import re
from importlib.resources import files

FILE = "data/page.html"


@functools.cache
def start_page() -> tuple[str, str]:
    """The page, and its Content-Security-Policy (CSP level 3) with the hashes of what stands in it."""
    text = files("groundswell").joinpath(FILE).read_text("utf-8")
    policy = [
        "default-src 'none'",
        f"script-src {_hashes(text, 'script')}",
        f"style-src {_hashes(text, 'style')}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",  # text can never become HTML, not even by a mistake in the script
    ]
    return text, "; ".join(policy)


def _hashes(text: str, tag: str) -> str:
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in found)
    return " ".join(f"'sha256-{digest}'" for digest in digests)
