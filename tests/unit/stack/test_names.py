"""Names and generated hosts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess.domain import names
from hostess.domain.hostess_yml.mistakes import WrongValue
from hostess.domain.problem import Problem

NAME = st.from_regex(r"[a-z][a-z0-9-]{0,61}[a-z0-9]", fullmatch=True)


@pytest.mark.parametrize("name", ["ab", "shop", "a1", "my-api", "a--b", "a" * 63])
def test_good_names(name: str) -> None:
    """Lower-case letters, digits and hyphens, 2 to 63, make a name."""
    names.check_project_name(name)
    names.check_environment_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a",
        "A1",
        "1a",
        "-a",
        "a-",
        "a_b",
        "a.b",
        "a b",
        "a" * 64,
        "ab\n",
        "äb",
        "hostess",
        "default",
        "system",
        "secret",
    ],
)
def test_bad_names(name: str) -> None:
    """Anything else is refused, reserved words too."""
    with pytest.raises(Problem) as caught:
        names.check_project_name(name)

    assert caught.value.code == "invalid-name"


def test_environment_names() -> None:
    """Environments may have names that are reserved for projects, but no malformed ones."""
    names.check_environment_name("default")

    with pytest.raises(Problem):
        names.check_environment_name("Prod")


@pytest.mark.parametrize(
    ("title", "wanted"),
    [
        ("E-Commerce Platform", "e-commerce-platform"),
        ("my-api", "my-api"),
        ("9 lives", "lives"),
        ("?", ""),
        ("Hostess", ""),
    ],
)
def test_slug(title: str, wanted: str) -> None:
    """A title becomes the nearest valid name, or nothing."""
    assert names.slug(title) == wanted


@given(st.text())
def test_slug_is_a_name(title: str) -> None:
    """Whatever a slug is made of, it is empty or a valid name."""
    made = names.slug(title)

    assert made == "" or names.name_fault(made) == ""


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("shop", "api", "production"), "shop-api.example.org"),
        (("shop", "api", "staging"), "shop-api-staging.example.org"),
        (("shop", "api", "production", 2), "shop-api-2.example.org"),
        (("shop", "api", "staging", 3), "shop-api-staging-3.example.org"),
    ],
)
def test_generated_hosts(arguments: tuple[str, str, str] | tuple[str, str, str, int], wanted: str) -> None:
    """Production's hosts carry no environment; further ports are numbered."""
    project, service, environment, *port = arguments

    made = names.generated_host(str(project), str(service), str(environment), "example.org", *(int(p) for p in port))

    assert made == wanted


def test_deployment_host() -> None:
    """A deployment's host carries the beginning of its commit."""
    assert names.deployment_host("shop", "api", "0123abc", "localhost") == "shop-api-0123abc.localhost"


@given(NAME, NAME, NAME, st.integers(1, 9))
def test_hosts_are_valid(project: str, service: str, environment: str, port: int) -> None:
    """However long its parts are, the label of a host has at most 63 characters and is a DNS name."""
    for host in (
        names.generated_host(project, service, environment, "example.org", port),
        names.deployment_host(project, service, "0123abc", "example.org"),
        names.distinct_host(f"{project}.example.org", project, service, environment),
    ):
        assert names.domain(host) == host


def test_cut_hosts_differ() -> None:
    """Hosts that are cut at the same place still differ."""
    one = names.generated_host("p" * 40, "s" * 40, "staging", "example.org")
    two = names.generated_host("p" * 40, "s" * 40, "preview", "example.org")

    assert one != two


@pytest.mark.parametrize("name", ["A", "STRIPE_KEY", "key_pem", "_x", "a1"])
def test_secret_names(name: str) -> None:
    """Letters, digits and underscores make a secret's name."""
    names.check_secret_name(name)


@pytest.mark.parametrize("name", ["", "1A", "a b", "a-b", "key.pem", "db:password", "A" * 129, "A\n"])
def test_bad_secret_names(name: str) -> None:
    """Other names are refused; those with a colon are Hostess's own."""
    with pytest.raises(Problem):
        names.check_secret_name(name)


@pytest.mark.parametrize(
    "host", ["https://a.example", "*.example", "localhost", "a_b.example", "10.0.0.1", "a.example\n", ""]
)
def test_bad_domains(host: str) -> None:
    """A custom domain is an exact host name with a dot."""
    with pytest.raises(WrongValue):
        names.domain(host)
