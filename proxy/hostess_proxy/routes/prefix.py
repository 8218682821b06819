"""Cutting a route's prefix off the path, so that an app below `/app` sees itself at `/`. Pure.

The backend gets another path than the one that was routed by, so the path must not be able to climb: a segment `..`, in any
spelling that some server takes for one, is refused. All other bytes arrive as they were sent, those of the query too.
"""

import re

# Parameters end a segment for some servers (`..;x`), encoded slashes, backslashes and NUL do for others.
_CLIMBING = re.compile(rb"(?:[/\\]|%2f|%5c)(?:\.|%2e){2}(?:[/\\;]|%2f|%5c|%3b|%00|$)", re.IGNORECASE)


def cut(path: bytes, prefix: bytes) -> bytes | None:
    """Return the rest of a path (with its query) that begins with *prefix*; None when a segment of it is `..`."""
    way, mark, query = path.partition(b"?")
    if _CLIMBING.search(way) is not None:
        return None
    return (way[len(prefix) :] or b"/") + mark + query
