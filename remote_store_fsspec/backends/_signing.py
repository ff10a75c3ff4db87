"""What signed URLs of every store share."""

from __future__ import annotations

import re
from urllib.parse import quote

__all__ = ["content_disposition"]


def content_disposition(filename: str) -> str:
    """The header by which a browser saves a download under a name, whatever is in it."""
    plain = re.sub(r"[^ !#-\[\]-~]", "_", filename)
    if plain == filename:
        return f'attachment; filename="{plain}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
