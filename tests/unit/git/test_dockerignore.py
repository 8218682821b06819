"""The rules of .dockerignore: against docker-py's reading of them where that is right, and against Docker's where it is not."""

from pathlib import Path

import pytest
from docker.utils.build import exclude_paths
from hypothesis import given
from hypothesis import strategies as st

from hostess.adapters.engine import dockerignore
from hostess.adapters.engine.dockerignore import DockerIgnore
from hostess.domain.problem import Problem

TREE = (
    "Dockerfile",
    ".dockerignore",
    "README.md",
    "README-secret.md",
    "app.py",
    "a.py.bak",
    "build/out.o",
    "build/keep/me.txt",
    "docs/index.md",
    "docs/api/index.md",
    "docs/api/deep/er/index.md",
    "node_modules/x/index.js",
    "src/node_modules/y/index.js",
    "src/foo",
    "src/foobar",
    "src/bar/foo",
    "temp/a1",
    "temp1/b",
    "te st/c",
    "x[1].txt",
)
RULES = (
    "",
    "# app.py\n\n   \n",
    "*",
    "*\n!src",
    "*\n!src/foo",
    "*.md",
    "*.md\n!README*.md\nREADME-secret.md",
    "*.md\nREADME-secret.md\n!README*.md",
    "**/*.md",
    "**/node_modules",
    "**",
    "docs/**",
    "docs/**/index.md",
    "/build",
    "build/",
    "./build",
    "build/../docs",
    "build\n!build/keep",
    "build/*\n!build/keep",
    "temp?",
    "*/foo*",
    "*/*/foo*",
    "src/foo",
    "foo",
    "**/foo",
    "te st",
    "  app.py  ",
    "! app.py\napp.py",
    "app.py\n! app.py",
    "te[mn]p/a[0-9]",
    "Dockerfile\n.dockerignore",
    "..",
    ".",
    "/",
    "a.py*",
    "src/**/foo",
    "**/api/**",
    "docs/*/deep",
)


@pytest.mark.parametrize("rules", RULES)
def test_same_as_docker_py(rules: str, tmp_path: Path) -> None:
    """For these rules the same files are left out as docker-py leaves out."""
    for name in TREE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    lines = [line.strip() for line in rules.splitlines() if line.strip() and not line.startswith("#")]
    wanted = exclude_paths(str(tmp_path), lines)
    ignore = DockerIgnore(rules, frozenset({"Dockerfile", ".dockerignore"}))

    assert {name for name in TREE if not ignore.excludes(name)} == {name for name in TREE if name in wanted}


@pytest.mark.parametrize(
    ("rules", "path", "excluded"),
    [
        ("readme.md", "README.md", False),  # case matters
        ("**bar", "src/foobar", True),  # a leading ** looks at the end only
        ("[!a]", "!", True),  # "!" between brackets means itself
        (r"x\[1\].txt", "x[1].txt", True),
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
        ("a+(b)|c$", "a+(b)|c$", True),
        ("te[^a]p/a1", "temp/a1", True),
        ("te[^m]p/a1", "temp/a1", False),
        # The last rule decides also below a folder that is left out and that the rule names by a wildcard only (as in BuildKit).
        ("**\n!docs/**/index.md", "docs/api/index.md", False),
        ("[]", "x", None),
        ("[a", "x", None),
        ("!", "x", None),
        ("\ufeffapp", "app", True),  # a byte order mark is none of the rules
        ("a\r\nb\r\n", "a", True),
        (" # no comment", "# no comment", True),
        ("secret\n!secret/public", "secret/public/x", False),
        ("../x", "x", False),
    ],
)
def test_docker_where_docker_py_differs(rules: str, path: str, *, excluded: bool | None) -> None:
    """Details are as in Docker's own code; a rule that Docker refuses is refused with its line."""
    if excluded is None:
        with pytest.raises(Problem, match="line 1"):
            DockerIgnore(rules)
        return

    assert DockerIgnore(rules).excludes(path) is excluded


@pytest.mark.parametrize(
    ("rule", "path", "end"),
    [
        ("*a" * 12 + "b", "a" * 200, "b"),
        ("**/a/" * 12 + "b", "/".join("a" * 300), "/b"),
        ("**a" * 12 + "b", "a/" * 300 + "a", "b"),
    ],
)
def test_a_rule_that_takes_for_ever(rule: str, path: str, end: str) -> None:
    """A rule with many stars is answered in a time that grows with their number; the limit on tests ends what takes longer."""
    assert not DockerIgnore(rule).excludes(path)
    assert DockerIgnore(rule).excludes(path + end)


RULE = st.lists(st.sampled_from(["*", "**", "**/", "/", "a", "b", "?", "[ab]", "."]), min_size=1, max_size=9).map(
    "".join
)
PATH = st.lists(st.sampled_from(["a", "b", ".", "/"]), min_size=1, max_size=9).map(
    lambda found: "".join(found).strip("/")
)


@given(RULE, PATH)
def test_both_ways_of_reading_a_rule_say_the_same(rule: str, path: str) -> None:
    """Step by step a rule leaves out what its regular expression does."""
    pieces = dockerignore._pieces(dockerignore._clean(rule))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dockerignore, "_FEW", -1)
        stepwise = DockerIgnore(rule)
        assert dockerignore._steps(pieces)
        patch.setattr(dockerignore, "_FEW", len(rule))
        whole = DockerIgnore(rule)

    assert stepwise.excludes(path) is whole.excludes(path)
