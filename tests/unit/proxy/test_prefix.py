"""What is left of a path whose prefix is cut off never climbs out of it, however a server reads it."""

import re
from urllib.parse import unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st

from hostess_proxy.routes.prefix import cut

PIECES = [".", "..", "%2e", "%2E", "/", "%2f", "%2F", "%5c", "%5C", ";", "%3b", "a", "%00", "...", "%252e", "?", "="]


def climbs(path: bytes) -> bool:
    """Whether a lenient server finds a segment `..` in a path: decoded once, split at either slash, parameters and NUL cut off."""
    way = path.partition(b"?")[0]
    return any(
        re.split(rb"[;\0]", segment)[0] == b".."
        for decoded in (way, unquote_to_bytes(way))
        for segment in re.split(rb"[/\\]", decoded)
    )


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_never_climbs(pieces: list[str]) -> None:
    """A path goes on exactly when no server could find `..` in it, and then byte for byte."""
    path = ("/app/" + "".join(pieces)).encode()

    rest = cut(path, b"/app")

    assert (rest is None) == climbs(path)
    assert rest is None or b"/app" + rest == path
