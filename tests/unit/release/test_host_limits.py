"""What is said about limits above what the host has."""

from hostess.domain.host_limits import above_host
from hostess.domain.hostess_yml.file import parse

GIB = 1024**3


def said(resources: str) -> list[str]:
    """Return what is said of one service with these resources on a host of 2 cores and 4 GiB."""
    text = f"services: {{web: {{type: fastapi, build: {{source: .}}, resources: {resources}}}}}\n"
    return above_host(parse(text.encode(), "hostess.yml"), 2, 4 * GIB)


def test_what_fits_is_not_mentioned() -> None:
    """Limits up to exactly what the host has need no word."""
    assert said("{cpu: 2, memory: 4Gi}") == []


def test_more_than_the_host_has_is_named_with_both_numbers() -> None:
    """A limit above the host's cores or memory is named with what the host has."""
    assert said("{cpu: 4, memory: 8Gi}") == [
        "web may use 4 cores and this host has 2: it may use all",
        "web may use 8Gi of memory and this host has 4096Mi: it may use all",
    ]


def test_jobs_count_and_static_services_do_not() -> None:
    """A job's limits are named like a service's; a static service has no container that could be limited."""
    text = (
        "services: {web: {type: static, source: ., resources: xlarge}}\n"
        "jobs: {fill: {image: a, command: [x], resources: {cpu: 3, memory: 1Gi}}}\n"
    )

    assert above_host(parse(text), 2, 2 * GIB) == ["fill may use 3 cores and this host has 2: it may use all"]
