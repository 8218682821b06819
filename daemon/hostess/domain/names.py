"""Names: which ones projects, services, environments, secrets and hosts may have, and the hosts that Hostess makes of them."""

import hashlib
import re

from hostess.domain.hostess_yml.mistakes import WrongValue, quoted
from hostess.domain.problem import Problem

RESERVED = frozenset({"hostess", "default", "system", "service", "deployment", "secret"})
"""Names that mean something else in addresses, labels and magic variables."""

PRODUCTION = "production"
"""The environment that cannot be deleted, and whose generated hosts do not carry its name."""

SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
"""The form of the names that people may give to secrets (those with ":" are made by Hostess)."""

_RULE = "2 to 63 characters: lower-case letters, digits and hyphens, a letter first, no hyphen last"
NAME = re.compile(r"[a-z][a-z0-9-]{0,61}[a-z0-9]", re.ASCII)
"""The form of the names of projects, services, jobs and environments."""

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_LONGEST_LABEL = 63
LONGEST_HOST = 253
"""The most characters that a host name may have."""

_HASH = 8


def name_fault(text: str) -> str:
    """Return why *text* is no name for a project, service or job, as a clause, or "" when it is one."""
    if text in RESERVED:
        return "is reserved"
    return "" if NAME.fullmatch(text) else f"is not a valid name: {_RULE}"


def environment_fault(text: str) -> str:
    """Return why *text* is no name for an environment, as a clause, or "" when it is one."""
    return "" if NAME.fullmatch(text) else f"is not a valid name: {_RULE}"


def check_project_name(text: str) -> None:
    """Raise Problem "invalid-name" unless *text* can be a project's name."""
    fault = name_fault(text)
    if fault:
        near = slug(text)
        remedy = f"use for example {near}" if near else "choose another name"
        raise Problem("invalid-name", f"{quoted(text)} {fault}", remedy=remedy)


def check_environment_name(text: str) -> None:
    """Raise Problem "invalid-name" unless *text* can be an environment's name."""
    fault = environment_fault(text)
    if fault:
        raise Problem("invalid-name", f"{quoted(text)} {fault}", remedy="choose another name")


def check_secret_name(text: str) -> None:
    """Raise Problem "invalid-name" unless *text* can be a secret's name."""
    if not is_secret_name(text):
        remedy = "use letters, digits and underscores, for example STRIPE_KEY"
        raise Problem("invalid-name", f"{quoted(text)} is not a valid name for a secret", remedy=remedy)


def is_secret_name(text: str) -> bool:
    """Whether a person may give a secret this name (those with ":" are made by Hostess)."""
    return SECRET.fullmatch(text) is not None


def slug(text: str) -> str:
    """Return the valid name that is nearest to a title ("E-Commerce Platform" -> "e-commerce-platform"), or ""."""
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).lstrip("-0123456789")[:_LONGEST_LABEL].strip("-")
    return "" if name_fault(words) else words


def domain(text: str) -> str:
    """Return a custom domain in lower case; WrongValue unless it is an exact RFC 1123 host name with at least two labels."""
    host = text.lower()
    if "://" in host or "/" in host:
        raise WrongValue(f"{quoted(text)} is not a host name", "write it without scheme and path, like api.example.com")
    if "*" in host:
        raise WrongValue(f"{quoted(text)} is a wildcard", "name each host; wildcards are not supported")
    labels = host.split(".")
    fits = len(host) <= LONGEST_HOST and len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels)
    if not host.isascii():
        raise WrongValue(f"{quoted(text)} is not a valid host name", "write it in its xn-- form, as DNS knows it")
    if not fits or labels[-1].isdigit():
        raise WrongValue(f"{quoted(text)} is not a valid host name", "write it like api.example.com")
    return host


def generated_host(project: str, service: str, environment: str, base_domain: str, port_index: int = 1) -> str:
    """Return the stable host of a service's *port_index*-th public port (from 1) in an environment."""
    parts = [project, service]
    if environment != PRODUCTION:
        parts.append(environment)
    if port_index > 1:
        parts.append(str(port_index))
    return f"{_label('-'.join(parts))}.{base_domain}"


def deployment_host(project: str, service: str, sha7: str, base_domain: str) -> str:
    """Return the host of one deployment of a service, reachable while that release is live."""
    return f"{_label(f'{project}-{service}-{sha7}')}.{base_domain}"


def distinct_host(host: str, project: str, service: str, environment: str) -> str:
    """Return the host that a service takes when somebody else has *host* already: always the same for the same service."""
    label, _, base_domain = host.partition(".")
    digest = _digest(f"{project}/{service}/{environment}")
    return f"{label[: _LONGEST_LABEL - _HASH - 1].rstrip('-')}-{digest}.{base_domain}"


def _label(label: str) -> str:
    if len(label) <= _LONGEST_LABEL:
        return label
    return f"{label[: _LONGEST_LABEL - _HASH - 1].rstrip('-')}-{_digest(label)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH]
