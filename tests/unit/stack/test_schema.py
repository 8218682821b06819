"""The JSON Schema accepts and refuses the same files as the parser, as far as a schema can."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from hostess.cli.main import cli
from hostess.domain.hostess_yml.mistakes import InvalidStack
from hostess.domain.hostess_yml.reading import Token, read
from hostess.domain.hostess_yml.schema import schema
from tests.unit.stack.corpus import INVALID, VALID

_NAMES = "a schema cannot compare names in one place with names in another"
_GRAPH = "a schema does not follow references, so it sees no cycles"
_ITEMS = "uniqueItems compares whole items, not one property of them"
_PORTS = "what is public depends on several keys of several services"
_NUMBERS = "a schema does not compare two numbers of a file"
_TARGET = "which properties there are depends on the service that is named"
_READ = "who reads YAML into plain data no longer sees it"

EXCEPTIONS = {
    "command_shell_operators": "a regular expression for shell words would tell people nothing",
    "command_open_quote": "a regular expression for shell quoting would tell people nothing",
    "depends_between_jobs": _GRAPH,
    "depends_cycle": _GRAPH,
    "depends_cycle_through_job": _GRAPH,
    "depends_two_cycles": _GRAPH,
    "lifecycle_job_cycle": _GRAPH,
    "depends_self": _NAMES,
    "depends_unknown": _NAMES,
    "depends_manual_job": _NAMES,
    "domains_on_private": _PORTS,
    "domains_without_public_port": _PORTS,
    "domains_twice": "host names are compared in lower case",
    "domains_two_environments": _NAMES,
    "domains_two_services": _NAMES,
    "environment_override_rules": _NAMES,
    "files_in_data": _NAMES,
    "files_in_persistent": _NAMES,
    "files_kernel": "which folders are the system's is a list that grows with experience, kept in one place",
    "files_same_mount": _ITEMS,
    "files_same_name": _ITEMS,
    "magic_deployment": _TARGET,
    "magic_in_job": _NAMES,
    "magic_job": _NAMES,
    "magic_pooled_without_pooler": _TARGET,
    "magic_port_out_of_range": _TARGET,
    "magic_unknown_property": _TARGET,
    "magic_unknown_service": _NAMES,
    "magic_worker": _TARGET,
    "name_shared_with_job": _NAMES,
    "ports_twice": _ITEMS,
    "proxy_asks_twice": _PORTS,
    "proxy_hosts": _NAMES,
    "proxy_unreached": _PORTS,
    "replicas_database": _NUMBERS,
    "replicas_on_disk": _NUMBERS,
    "replicas_persistent": _NUMBERS,
    "replicas_zero_two_ports": _PORTS,
    "replicas_zero_worker": _PORTS,
    "version_whole": "1 and 1.0 are the same number in JSON",
    "yaml_duplicate_key": _READ,
    "yaml_key_unprintable": _READ,
    "yaml_nul_in_text": _READ,
    "yaml_tag": _READ,
    "yaml_two_documents": _READ,
}
"""The invalid files that a schema cannot refuse, each with the reason."""


@cache
def validator() -> Draft202012Validator:
    """Return a validator of the schema, itself checked."""
    Draft202012Validator.check_schema(schema())
    return Draft202012Validator(schema())


def plain(node: object) -> object:
    """Return data as an editor sees it: numbers as numbers, whatever their text was."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    return node.value if isinstance(node, Token) else node


def wrong(path: Path) -> list[str]:
    """Return what the schema finds wrong with a file, or that it is no YAML mapping at all."""
    try:
        data = plain(read(path.read_bytes(), path.name).data)
    except InvalidStack as invalid:
        return [str(mistake) for mistake in invalid.mistakes]
    return [f"{error.json_path}: {error.message}" for error in validator().iter_errors(data)]


def properties(node: Any) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield name, schema and necessity of every property of every object that the schema describes."""
    for name, body in {"(file)": node, **node["$defs"]}.items():
        for key, value in body["properties"].items():
            yield f"{name}.{key}", value, key in body.get("required", ())


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_valid_file(path: Path) -> None:
    """The schema accepts every file that the parser accepts."""
    assert wrong(path) == []


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_invalid_file(path: Path) -> None:
    """The schema refuses every file that the parser refuses, but for those that it cannot judge."""
    assert bool(wrong(path)) is (path.stem not in EXCEPTIONS)


def test_exceptions_are_files() -> None:
    """Every exception is a file of the corpus."""
    assert EXCEPTIONS.keys() <= {path.stem for path in INVALID}


def test_everything_is_described() -> None:
    """Every property has a description and an example, and a default unless it is required."""
    found = list(properties(schema()))

    assert len(found) > 80
    for name, body, required in found:
        assert body.get("description"), name
        assert body.get("examples"), name
        assert ("default" in body) is not required, name


def test_defaults_and_examples_fit() -> None:
    """Every default and every example is accepted by the schema of its own property."""
    whole = schema()
    for name, body, _ in properties(whole):
        part = Draft202012Validator({"$defs": whole["$defs"], **body})
        for value in [*body["examples"], *([body["default"]] if "default" in body else [])]:
            assert part.is_valid(value), (name, value)


def test_nothing_of_our_own() -> None:
    """The schema holds no keywords that only this project knows, and is small enough for an editor."""
    text = json.dumps(schema())

    assert '"x-' not in text
    assert len(text) < 100_000


def test_command() -> None:
    """`hostess schema` prints the schema as JSON."""
    result = CliRunner().invoke(cli, ["schema"])

    assert result.exit_code == 0
    assert json.loads(result.stdout) == schema()
