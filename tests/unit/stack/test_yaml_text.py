"""What is written as YAML reads back as the same data."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostess.domain.hostess_yml.reading import Token, Tree, read
from hostess.domain.hostess_yml.yaml_text import Data, block, flow, text

LETTERS = st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00")
TEXTS = st.one_of(
    st.text(LETTERS, max_size=12),
    st.text("ab \n#:-{}[]\"'|>&*!%@`\\,?~\t", max_size=10),
    st.sampled_from(
        [
            "true",
            "no",
            "1",
            "1e3",
            "0x1F",
            "12:30",
            "null",
            "~",
            "",
            "-A",
            "--",
            "10Gi",
            "a: b",
            "a #b",
            "- x",
            "=",
            "<<",
        ]
    ),
)
KEYS = st.text("abcXYZ_09", min_size=1, max_size=5) | st.sampled_from(["on", "1", "null", "a b", "a: b", "<<", "?"])
VALUES = st.recursive(
    TEXTS | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


def plain(node: Tree) -> object:
    """Return data as it was before it was written."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    if isinstance(node, Token):
        return node.value if isinstance(node.value, bool) else int(node.text)
    return node


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4))
def test_block(tree: dict[str, Data]) -> None:
    """Any mapping written over several lines is read as the same mapping."""
    document = read(block(tree), "x")

    assert not document.mistakes
    assert plain(dict(document.data)) == tree


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(VALUES)
def test_flow(value: Data) -> None:
    """Any value written on one line is read as the same value."""
    written = flow(value)

    assert "\n" not in written
    assert plain(read(f"key: {written}", "x").data["key"]) == value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("./backend", "./backend"),
        ("acme/app:1.2", "acme/app:1.2"),
        ("10Gi", "10Gi"),
        ("yes", '"yes"'),
        ("1.0", '"1.0"'),
        ("12:30", '"12:30"'),
        ("${db.url}", '"${db.url}"'),
        ('say "hi"\n', '"say \\"hi\\"\\n"'),
    ],
)
def test_quotes(value: str, written: str) -> None:
    """Text is quoted where some reader of YAML would take it for something else."""
    assert text(value) == written
