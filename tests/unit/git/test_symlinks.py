"""Symlinks that lead out of a tree."""

import pytest

from hostess.adapters.git.tree_check import escaping
from hostess.domain.problem import Problem


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


def test_links_that_take_for_ever() -> None:
    """Links that lead through long chains of others are refused before they have kept anybody busy for long."""
    through = "a/" * 600 + "../" * 600
    chain = {f"chain{number}": f"{through}chain{number + 1}" for number in range(40)}
    many = {f"link{number}": f"{through}chain0" for number in range(100_000)}

    with pytest.raises(Problem) as refused:
        escaping({**many, **chain})

    assert refused.value.code == "tree-too-tangled"
