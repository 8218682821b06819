"""Secrets that builds are handed: whether the environment has all that the file names."""

from collections.abc import Collection

from hostess.domain.hostess_yml.findings import Findings
from hostess.domain.hostess_yml.mistakes import InvalidStack, Path
from hostess.domain.hostess_yml.reading import at, read
from hostess.domain.hostess_yml.stack import Job, Service, Stack


def refuse_absent(stack: Stack, text: bytes | str, name: str, present: Collection[str], environment: str) -> None:
    """Raise InvalidStack for each secret in `build.secrets` that is not among those *present* in *environment*.

    *text* is what the stack was read from, in the file *name*.
    """
    findings = Findings(read(text, name))
    parts: list[Service | Job] = [*stack.services.values(), *stack.jobs.values()]
    for part in parts:
        for identity, secret in (part.build.secrets if part.build else {}).items():
            if secret not in present:
                kind = "services" if isinstance(part, Service) else "jobs"
                scope = "" if environment == "production" else f" --envs {environment}"
                findings.add(
                    _path(findings, (kind, part.name, "build", "secrets"), identity),
                    f"{environment} has no secret {secret}",
                    f"add it with `hostess secrets add {secret}{scope}`, then push again",
                )
    if findings.mistakes:
        raise InvalidStack(findings.mistakes, name)


def _path(findings: Findings, path: Path, identity: str) -> Path:
    """Return where an id stands: in a mapping by itself, in a list by its number."""
    written = at(findings.document.data, path)
    return (*path, written.index(identity)) if isinstance(written, list) and identity in written else (*path, identity)
