"""`build.secrets`: its two forms, and what is told where one is not there."""

import pytest

from hostess.domain.hostess_yml.build_secrets import refuse_absent
from hostess.domain.hostess_yml.file import parse
from hostess.domain.hostess_yml.mistakes import InvalidStack
from hostess.domain.hostess_yml.stack import Job, Service

TEXT = """services:
  api: {type: custom, build: {source: ., secrets: [NPM_TOKEN, PIP_TOKEN]}}
  web:
    type: custom
    build:
      source: web
      secrets:
        npmrc: NPM_RC
jobs:
  seed: {command: [x], run: manual, build: {source: ., secrets: [SEED]}}
"""


def test_forms() -> None:
    """A list names secrets by which the Dockerfile asks, a mapping has the Dockerfile's own ids."""
    stack = parse(TEXT)
    parts: list[Service | Job] = [*stack.services.values(), *stack.jobs.values()]
    found = [part.build.secrets for part in parts if part.build]

    assert found == [
        {"NPM_TOKEN": "NPM_TOKEN", "PIP_TOKEN": "PIP_TOKEN"},
        {"npmrc": "NPM_RC"},
        {"SEED": "SEED"},
    ]


def test_absent() -> None:
    """Each secret that is not there is told at its place, with the command that adds it."""
    stack = parse(TEXT)
    refuse_absent(stack, TEXT, "hostess.yml", ["NPM_TOKEN", "PIP_TOKEN", "NPM_RC", "SEED"], "production")
    with pytest.raises(InvalidStack) as caught:
        refuse_absent(stack, TEXT, "hostess.yml", ["NPM_TOKEN"], "staging")

    told = [(mistake.line, mistake.column, mistake.message) for mistake in caught.value.mistakes]
    assert told == [
        (2, 63, "staging has no secret PIP_TOKEN"),
        (8, 16, "staging has no secret NPM_RC"),
        (10, 66, "staging has no secret SEED"),
    ]
    assert "hostess secrets add PIP_TOKEN --envs staging" in caught.value.mistakes[0].hint


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("NPM_TOKEN", "needs a list of secrets or a mapping"),
        ("['a b']", "a secret's name"),
        ("{'a b': NPM_TOKEN}", ""),
        ("{npmrc: ''}", ""),
        ("{npmrc: {environment: X}}", ""),
    ],
)
def test_other_forms(written: str, words: str) -> None:
    """Anything else is a mistake at its place."""
    with pytest.raises(InvalidStack) as caught:
        parse(f"services: {{api: {{type: custom, build: {{source: ., secrets: {written}}}}}}}")

    assert all(mistake.line == 1 and mistake.column > 40 for mistake in caught.value.mistakes)
    assert any(words in mistake.message for mistake in caught.value.mistakes)


def test_an_agent_is_told_with_what_does_without() -> None:
    """An SSH agent is known elsewhere: the mistake says that there is none here, and what to do."""
    with pytest.raises(InvalidStack) as caught:
        parse("services: {api: {type: custom, build: {source: ., ssh: [default]}}}")

    [mistake] = caught.value.mistakes
    assert "builds are handed no SSH agent" in mistake.hint
    assert "hostess registry login" in mistake.hint
