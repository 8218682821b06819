"""hostess.yml in, a Stack out; or one InvalidStack with every mistake in the file, each with its place."""

from collections.abc import Mapping

from hostess.domain.environments import environment_for, stack_for
from hostess.domain.hostess_yml.build import built
from hostess.domain.hostess_yml.checks import check_jobs, check_services, check_special
from hostess.domain.hostess_yml.draft import DATABASES, Draft, type_of
from hostess.domain.hostess_yml.findings import Findings
from hostess.domain.hostess_yml.forms import Part
from hostess.domain.hostess_yml.links import (
    check_databases,
    check_dependencies,
    check_domains,
    check_environments,
    check_hooks,
    check_names,
)
from hostess.domain.hostess_yml.mistakes import InvalidStack, Mistake
from hostess.domain.hostess_yml.models import StackPart
from hostess.domain.hostess_yml.proxy_checks import check_proxies
from hostess.domain.hostess_yml.reading import read
from hostess.domain.hostess_yml.reference_checks import check_references
from hostess.domain.hostess_yml.shape import shaped
from hostess.domain.hostess_yml.stack import Stack
from hostess.domain.hostess_yml.words import Logs, Switch

__all__ = ["InvalidStack", "Mistake", "environment_for", "parse", "stack_for"]


def parse(text: bytes | str, name: str = "hostess.yml") -> Stack:
    """Return the stack that the file describes, every default filled in; InvalidStack for any other input whatsoever.

    `command`, `entrypoint` and commands of hooks, health checks and backups may be lists (argv as it is) or strings, which are
    split by shell quoting rules: no shell runs, and `$NAME` in them reaches the program untouched. Values of `env` and
    `build.args` keep their source text: 3.10 stays "3.10".
    """
    findings = Findings(read(text, name))
    model = shaped(StackPart, dict(findings.document.data), (), findings)
    if model is None:
        raise InvalidStack(findings.mistakes, name)
    draft = Draft(model, findings)
    for check in (check_names, check_services, check_jobs, check_dependencies, check_domains, check_environments):
        check(draft)
    check_hooks(draft)
    check_databases(draft)
    check_proxies(draft)
    special = check_special(draft)
    stack = built(draft, special)
    check_references(draft, stack)
    if findings.mistakes:
        raise InvalidStack(findings.mistakes, name)
    _note_defaults(draft)
    return built(draft, special)


_NOT_ACTED_UPON: Mapping[str, str] = {"insights": Switch.ENABLED, "logs": Logs.STRUCTURED}
"""The keys that change nothing yet, each with the word that asks for more than there is."""

_INSTEAD: Mapping[str, str] = {"insights": "measures nothing yet", "logs": "keeps lines as the text that they are"}


def _says(value: object, word: str) -> bool:
    """Whether a value, or one of the values below it, is this word."""
    return value == word or (isinstance(value, Part) and word in dict(value).values())


def _note_defaults(draft: Draft) -> None:
    findings = draft.findings
    if draft.file.version is None:
        findings.note('version is missing; "1.0" is assumed')
    for name, part in draft.services.items():
        if part.type is None:
            findings.note(f"services.{name} has no type; custom is assumed")
        for key, word in _NOT_ACTED_UPON.items():
            if _says(getattr(part, key), word):
                findings.note(f"services.{name}.{key} is noted: this version {_INSTEAD[key]}")
        if type_of(part) in DATABASES and part.depends_on:
            findings.note(f"services.{name}.depends_on has no effect: databases start before everything else")
        if type_of(part) in DATABASES and (part.public or (part.visibility or "private") != "private"):
            findings.note(f"services.{name} is a database and stays private; reach it with `hostess connect {name}`")
    if draft.front_door:
        door = draft.front_door
        findings.note(f"services.{door} is public, as no other service is; hide it with `visibility: private`")
