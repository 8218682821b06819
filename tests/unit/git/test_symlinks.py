"""Symlinks that lead out of a tree."""

import pytest

from hostess.adapters.git.tree_check import escaping


@pytest.mark.parametrize(
    ("links", "out"),
    [
        ({"a": "b"}, None),
        ({"a": "./b//c/"}, None),
        ({"a/b": "../c"}, None),
        ({"a/b": "../../c"}, "a/b"),
        ({"a": "/etc/passwd"}, "a"),
        ({"a": ".."}, "a"),
        ({"a": "b/../.."}, "a"),
        ({"a": "a"}, None),
        ({"a": "b", "b": "a"}, None),
        ({"a": "b/../../x"}, "a"),
        # What looks inside is outside: "deep/er/up" is the root itself.
        ({"deep/er/up": "../..", "z": "deep/er/up/../x"}, "z"),
        # What looks outside is inside: "far" is three folders down.
        ({"far": "a/b/c", "z": "far/../../x"}, None),
        ({"a": "b/c", "b": "/etc"}, "a"),
        ({"a": ""}, None),
    ],
)
def test_links_are_followed_as_a_kernel_does(links: dict[str, str], out: str | None) -> None:
    """A link is refused when following it leaves the root, and only then."""
    assert escaping(links) == out
