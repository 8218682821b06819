"""Branches choose environments, and environments change the stack."""

import pytest

from hostess.domain.environments import environment_for, stack_for
from hostess.domain.hostess_yml.file import parse
from hostess.domain.hostess_yml.stack import Replicas, Stack

SERVICES = "services: {api: {type: fastapi, image: a}}\n"


def stack(environments: str, services: str = SERVICES) -> Stack:
    """Return a stack with these environments."""
    return parse(f'version: "1.0"\n{services}environments: {environments}\n')


@pytest.mark.parametrize(
    ("environments", "branch", "wanted"),
    [
        ("{}", "main", "production"),
        ("{}", "master", "production"),
        ("{}", "feature/x", None),
        ("{production: {branches: [trunk]}}", "trunk", "production"),
        ("{production: {branches: [trunk]}}", "main", "production"),
        ("{staging: {branches: [main]}}", "main", "staging"),
        ("{staging: {branch: main}}", "main", "staging"),
        ("{preview: {branches: ['*']}, staging: {branches: [develop]}}", "develop", "staging"),
        ("{preview: {branches: ['*']}}", "main", "preview"),
        ("{preview: {branches: ['*']}}", "feature/deep/x", "preview"),
        ("{one: {branches: ['*']}, two: {branches: ['release/*']}}", "release/1", "two"),
        ("{one: {branches: ['release/*']}, two: {branches: ['release/1.*']}}", "release/1.2", "two"),
        ("{one: {branches: ['re*']}, two: {branches: ['re*']}}", "release", "one"),
        ("{one: {branches: ['release/[0-9]']}}", "release/x", None),
        ("{one: {branches: [Main]}}", "MAIN", None),
        ("{one: {branches: [refs/heads/dev]}}", "dev", "one"),
    ],
)
def test_branch_chooses_environment(environments: str, branch: str, wanted: str | None) -> None:
    """An exact name goes before a pattern, a long pattern before a short one, main and master go to production by default."""
    assert environment_for(stack(environments), branch) == wanted


def test_domains_of_an_environment() -> None:
    """Service-level domains are those of production; an environment's own list replaces them."""
    services = "services: {api: {type: fastapi, image: a, domains: [a.example]}, web: {type: nextjs, image: a, domains: [w.example]}}\n"
    made = stack("{production: {domains: {web: [www.example]}}, staging: {domains: {api: [s.example]}}}", services)

    def domains(environment: str) -> list[tuple[str, ...]]:
        return [service.domains for service in stack_for(made, environment).services.values()]

    assert domains("production") == [("a.example",), ("www.example",)]
    assert domains("staging") == [("s.example",), ()]
    assert domains("other") == [(), ()]


def test_replicas_of_an_environment() -> None:
    """An environment's number of replicas replaces the service's whole value."""
    made = stack("{staging: {services: {api: {replicas: {min: 0, max: 3}}}}}")

    assert stack_for(made, "staging").services["api"].replicas == Replicas(0, 3)
    assert stack_for(made, "production").services["api"].replicas == Replicas(1, 1)


def test_data_in_ephemeral_environments() -> None:
    """In an ephemeral environment data goes with it, unless the file writes `retention: permanent`."""
    services = "services: {db: {type: postgres}, kept: {type: postgres, retention: permanent}, gone: {type: redis, retention: ephemeral}}\n"
    made = stack("{preview: {ephemeral: true}}", services)

    def permanent(environment: str) -> list[bool]:
        return [service.permanent for service in stack_for(made, environment).services.values()]

    assert permanent("production") == [True, True, False]
    assert permanent("preview") == [False, True, False]
