"""Compose files become what their own comments say, and the result is always a valid hostess.yml."""

import contextlib
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostess.domain.docker_compose.reading import MOST_NODES
from hostess.domain.docker_compose.translation import Conversion, convert
from hostess.domain.docker_compose.values import Surroundings
from hostess.domain.hostess_yml.file import parse
from hostess.domain.hostess_yml.reading import Token, Tree, read
from hostess.domain.hostess_yml.yaml_text import Data, block
from hostess.domain.problem import Problem

FILES = sorted((Path(__file__).parents[2] / "corpus" / "compose").glob("*.yml"))
_COMMENT = re.compile(r"^# (expect|note|secrets|file|folder|variable): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Given:
    """A folder that exists only in the comments of a Compose file."""

    files: Mapping[str, str] = field(default_factory=dict)
    folders: frozenset[str] = frozenset()

    def text(self, path: str) -> str | None:
        """Return the text of a file."""
        return self.files.get(str(Path(path)))

    def is_file(self, path: str) -> bool:
        """Whether there is a file."""
        return str(Path(path)) in self.files

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder."""
        return str(Path(path)) in self.folders


def told(text: str, kind: str) -> list[str]:
    """Return what a Compose file says of itself."""
    return [found[2] for found in _COMMENT.finditer(text) if found[1] == kind]


def surroundings(text: str, base: str = ".") -> Surroundings:
    """Return what a file of the corpus is read with."""
    files = dict(line.partition(": ")[::2] for line in told(text, "file"))
    variables = dict(line.partition("=")[::2] for line in told(text, "variable"))
    return Surroundings(Given(files, frozenset(told(text, "folder"))), base, variables)


def converted(text: str, base: str = ".") -> Conversion:
    """Return what a Compose file becomes."""
    return convert(text, "compose.yml", "folder", surroundings(text, base))


def plain(node: Tree) -> object:
    """Return data with every scalar as its text, but for nothing at all."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    return node.text if isinstance(node, Token) else node


def at(tree: object, path: str) -> object:
    """Return what is at a path of names joined by dots; None where nothing is."""
    for step in path.split("."):
        tree = tree.get(step) if isinstance(tree, dict) else None
    return tree


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file(path: Path) -> None:
    """A Compose file becomes what it says itself, with the notes and secrets that it names."""
    text = path.read_text(encoding="utf-8")

    found = converted(text)

    parse(found.text)
    tree = plain(dict(read(found.text, "hostess.yml").data))
    for line in told(text, "expect"):
        where, _, value = line.partition(": ")
        assert at(tree, where) == plain(read(f"value: {value}", "expected").data["value"]), (where, found.text)
    wanted = told(text, "note")
    assert all(any(note.startswith(start) for note in found.notes) for start in wanted), found.notes
    assert len(found.notes) == len(wanted), found.notes
    assert ", ".join(found.secrets) == "".join(told(text, "secrets"))


def test_corpus_is_large() -> None:
    """The corpus holds at least twelve shapes of Compose files."""
    assert len(FILES) >= 12


def test_dependencies_come_first() -> None:
    """In the result a service stands below those that it depends on, whatever their order was."""
    text = "services:\n a1: {image: x, depends_on: [b1]}\n b1: {image: x, depends_on: [c1]}\n c1: {image: x}\n"

    assert converted(text).services == ("c1", "b1", "a1")


def test_file_in_a_folder() -> None:
    """Paths are relative to the Compose file's folder, and lead up as far as the folder of hostess.yml."""
    text = "services:\n web: {build: ../web}\n api: {build: .}\n"

    assert "source: ./web" in converted(text, "deploy").text
    assert "source: ./deploy" in converted(text, "deploy").text


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        ("services: [a]", "no service of compose.yml can be taken over"),
        ("services: {a1: {profiles: [x], image: b}}", "it only runs when its profile is asked for"),
        ("services: {web: {image: a}, web: {image: b}}", "services.web: is written twice"),
        ("services: {web: &web {image: a, x-me: *web}}", "is part of what it points at"),
        ("services: {web: *gone}", 'services.web: points at "gone", which comes nowhere before'),
        ("services: {web: !reset null}", "tags such as !!str are not supported"),
        ("\tservices: {}", "a tab stands where YAML wants spaces"),
        ("services: {web: {image: Not An Image}}", "services.web.image"),
        ("x: " + "[" * 30, "nested more than"),
        ("#" * 70_000, "is larger than 64 KB"),
    ],
)
def test_refused(text: str, what: str) -> None:
    """What cannot be converted is a Problem that says why and what to do."""
    with pytest.raises(Problem, match=re.escape(what)) as caught:
        converted(text)

    assert caught.value.code in {"invalid-compose", "nothing-to-convert"}
    assert caught.value.remedy


def test_aliases_are_bounded() -> None:
    """A file whose aliases would grow beyond measure is refused at once."""
    levels = "\n".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 12))

    with pytest.raises(Problem, match="aliases make this file too large"):
        converted(f"x0: &x0 [a]\n{levels}\nservices: {{web: {{image: a}}}}\n")
    assert MOST_NODES < 100_000


def test_many_services_in_a_chain() -> None:
    """A thousand services that wait for one another are converted without running out of stack."""
    names = [f"s{n}" for n in range(1000)]
    chain = "".join(f" {one}: {{image: a, links: [{two}]}}\n" for one, two in itertools.pairwise(names))

    found = converted(f"services:\n{chain} {names[-1]}: {{image: a}}\n")

    assert found.services[0] == names[-1]
    assert len(found.services) == len(names)


QUICK = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
TEXTS = [path.read_text(encoding="utf-8") for path in FILES]
KEYS = sorted({found for text in TEXTS for found in re.findall(r"[a-z_]+(?=:)", text)})
WORDS = st.sampled_from(
    [
        *(
            "web",
            "db",
            "postgres:17",
            "redis",
            "acme/app",
            "./x",
            "../x",
            "8000:80",
            "80",
            "data:/data",
            "./a:/a",
            "CMD",
        ),
        *(
            "http://web:80",
            "postgres://u:p@db/x",
            "${A:-b}",
            "${",
            "$$",
            "A=b",
            "db",
            "1m",
            "512M",
            "NONE",
            "none",
            "\ue000",
            "",
        ),
        *(
            "curl http://localhost/x",
            "sh -c 'a",
            "service_completed_successfully",
            "/",
            "/etc",
            "~",
            "0",
            "-1",
            "1e9",
            "${A}",
        ),
    ]
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-1, 70000), WORDS, st.text(max_size=4))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | WORDS, inner, max_size=5),
    max_leaves=15,
)
SERVICES = st.fixed_dictionaries(
    {},
    optional={
        "image": WORDS,
        "build": TREES,
        "ports": st.lists(WORDS | TREES, max_size=3),
        "environment": st.dictionaries(WORDS | st.sampled_from(["DB_HOST", "A", "PGPASSWORD"]), LEAVES, max_size=3)
        | TREES,
        "volumes": st.lists(WORDS | TREES, max_size=3),
        "depends_on": st.lists(WORDS, max_size=3) | TREES,
        "healthcheck": TREES,
        "command": TREES,
        "entrypoint": TREES,
        "deploy": TREES,
        "env_file": TREES,
        "configs": TREES,
        "secrets": TREES,
        "links": TREES,
        "networks": TREES,
    },
)


def judged(text: str) -> None:
    """Convert a file; let nothing through but a valid hostess.yml or a Problem."""
    with contextlib.suppress(Problem):
        found = converted(text)
        assert parse(found.text).services
        assert all(note.isprintable() for note in found.notes), found.notes


@QUICK
@given(st.dictionaries(st.sampled_from(["web", "db", "Web_1", "a", "default"]), SERVICES, max_size=4), TREES)
def test_any_services(services: dict[str, dict[str, Data]], other: Data) -> None:
    """Whatever stands below the keys of services, the result is valid or a Problem."""
    judged(block({"services": services, "configs": other, "secrets": other}))


@QUICK
@given(st.sampled_from(TEXTS), st.integers(0), st.integers(0, 12), st.text(max_size=3) | WORDS)
def test_damaged_files(text: str, start: int, length: int, other: str) -> None:
    """A Compose file with a piece replaced by something else is converted or refused properly."""
    start %= len(text)
    judged(text[:start] + other + text[start + length :])


@QUICK
@given(st.binary(max_size=200))
def test_bytes(source: bytes) -> None:
    """Random bytes are refused properly."""
    with pytest.raises(Problem) as caught:
        convert(source, "compose.yml", "folder", Surroundings(Given()))

    assert str(caught.value).isprintable()
