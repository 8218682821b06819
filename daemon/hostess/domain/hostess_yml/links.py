"""The rules between parts of the file: names, dependencies, domains, environments, hooks that name jobs, scoped databases."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from hostess.domain import names
from hostess.domain.hostess_yml.blocks import HookPart
from hostess.domain.hostess_yml.build import refers_to
from hostess.domain.hostess_yml.checks import check_replicas
from hostess.domain.hostess_yml.draft import DATABASES, Draft, depends_of, type_of
from hostess.domain.hostess_yml.forms import ReplicasForm
from hostess.domain.hostess_yml.mistakes import Path, did_you_mean, quoted
from hostess.domain.hostess_yml.models import JobPart, ServicePart
from hostess.domain.hostess_yml.proxy_checks import path_of
from hostess.domain.hostess_yml.stack import Condition, Run, ServiceType
from hostess.domain.hostess_yml.words import PerService
from hostess.domain.names import PRODUCTION

Owners = dict[str, list[tuple[str, str]]]
"""Host -> the services that have it, each with its environment."""

_IN_DEPLOY = frozenset({Run.ON_DEPLOY, Run.ONCE})
REDIS_GROUPS = 16
"""How many databases a redis has."""

_HOOKS = ("init", "migrate", "post_deploy", "shutdown")
_BEFORE = ("init", "migrate")
"""The hooks that a service does not start without."""


def check_names(draft: Draft) -> None:
    """Note names that cannot be used, and jobs that have a service's name."""
    for kind, found in (("services", draft.service_names), ("jobs", draft.job_names)):
        for name in found:
            fault = names.name_fault(name)
            if fault:
                near = names.slug(name)
                hint = f"use for example {near}" if near and near != name else ""
                draft.findings.add((kind, name), fault, hint, key=True)
    for name in draft.job_names:
        if name in draft.service_names:
            draft.findings.add(
                ("jobs", name), "is the name of a service, too", "services and jobs share names", key=True
            )


def check_dependencies(draft: Draft) -> None:
    """Note dependencies on nothing, on itself, with a condition that cannot come true, and cycles."""
    graph: dict[str, dict[str, Path]] = {}
    for path, part in draft.parts():
        name = str(path[1])
        edges = graph.setdefault(name, {})
        for target, condition, below in depends_of(part.depends_on):
            at = (*path, "depends_on", *below)
            if target == name:
                draft.findings.add(at, "depends on itself", "remove it")
            elif _target_fits(draft, part, target, condition, at):
                edges[target] = at
        if isinstance(part, ServicePart):
            edges.update(_jobs_before(draft, part, path))
    for chain in _cycles(graph):
        at = graph[chain[-2]][chain[-1]]
        draft.findings.add(at, f"closes a cycle: {' -> '.join(chain)}", "remove one of these dependencies")


def _jobs_before(draft: Draft, part: ServicePart, path: Path) -> dict[str, Path]:
    """Return the jobs that run as hooks before a service starts: they can depend on nothing that waits for it."""
    hooks = {key: getattr(part.lifecycle, key, None) for key in _BEFORE}
    return {
        hook.job: (*path, "lifecycle", key, "job")
        for key, hook in hooks.items()
        if hook is not None and hook.job in draft.job_names
    }


def _target_fits(
    draft: Draft, part: ServicePart | JobPart, target: str, condition: Condition | None, path: Path
) -> bool:
    is_service, is_job = target in draft.service_names, target in draft.job_names
    key = isinstance(path[-1], str)
    if not is_service and not is_job:
        hint = did_you_mean(target, [*draft.service_names, *draft.job_names])
        draft.findings.add(path, f"{quoted(target)} is no service or job of this file", hint, key=key)
        return False
    if is_service and not is_job and condition is Condition.COMPLETED:
        draft.findings.add(path, "completed is for jobs; services become healthy", "write healthy")
    elif is_job and not is_service and condition is Condition.HEALTHY:
        draft.findings.add(path, "healthy is for services; jobs complete", "write completed")
    elif is_job and not _runs_before(draft, part, target):
        run = draft.jobs[target].run or Run.ON_DEPLOY
        draft.findings.add(
            path, f"job {target} does not run during a deploy (run: {run})", "use on_deploy or once", key=key
        )
    return True


def _runs_before(draft: Draft, part: ServicePart | JobPart, target: str) -> bool:
    job = draft.jobs.get(target)
    in_deploy = not isinstance(part, JobPart) or (part.run or Run.ON_DEPLOY) in _IN_DEPLOY
    return job is None or (job.run or Run.ON_DEPLOY) in _IN_DEPLOY or not in_deploy


def _cycles(graph: Mapping[str, Iterable[str]]) -> Iterator[list[str]]:
    """Yield the cycles that a depth-first walk meets, each as names from a node back to itself. Without recursion."""
    done: set[str] = set()
    for start in graph:
        chain, walks = [start], [iter(graph[start])]
        on_chain = {start}
        if start in done:
            continue
        while walks:
            target = next(walks[-1], None)
            if target is None:
                done.add(chain[-1])
                on_chain.discard(chain.pop())
                walks.pop()
            elif target in on_chain:
                yield [*chain[chain.index(target) :], target]
            elif target not in done and target in graph:
                chain.append(target)
                on_chain.add(target)
                walks.append(iter(graph[target]))


def check_domains(draft: Draft) -> None:
    """Note hosts that are listed twice, or claimed by two environments or by two services at one path."""
    environments = draft.file.environments or {}
    in_production = environments[PRODUCTION].domains or {} if PRODUCTION in environments else {}
    owners: Owners = defaultdict(list)
    for name, part in draft.services.items():
        if part.domains:
            effective = PRODUCTION if name not in in_production else ""
            _claim(draft, owners, part.domains, (name, effective), ("services", name, "domains"))
    for environment, found in environments.items():
        for name, hosts in (found.domains or {}).items():
            path = ("environments", environment, "domains", name)
            if _is_app(draft, name, path):
                _claim(draft, owners, hosts, (name, environment), path)


def _claim(draft: Draft, owners: Owners, hosts: list[str], owner: tuple[str, str], path: Path) -> None:
    """Give hosts to a service in an environment; "" is a list that another one replaces, which claims nothing."""
    for index, host in enumerate(hosts):
        if host in hosts[:index]:
            draft.findings.add((*path, index), f"{host} is listed twice", "remove one")
        elif owner[1]:
            other = next((each for each in owners[host] if _collide(draft, each, owner)), None)
            if other is None:
                owners[host].append(owner)
                continue
            taken = f"{host} belongs to service {other[0]} in environment {other[1]} already"
            hint = "a host leads to one service of one environment; services that share it need another proxy.path each"
            draft.findings.add((*path, index), taken, hint)


def _collide(draft: Draft, one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two services cannot have the same host: in two environments, or in one at the same path."""
    return one != other and (one[1] != other[1] or path_of(draft, one[0]) == path_of(draft, other[0]))


def _is_app(draft: Draft, name: str, path: Path) -> bool:
    if name not in draft.service_names:
        hint = did_you_mean(name, draft.service_names)
        draft.findings.add(path, f"{quoted(name)} is no service of this file", hint, key=True)
        return False
    if draft.known_type(name) in DATABASES:
        draft.findings.add(
            path, "does not apply to databases", "only services of the application have domains", key=True
        )
        return False
    return True


def check_environments(draft: Draft) -> None:
    """Note what is wrong with names, branches, overrides and lifetimes of environments."""
    for name, part in (draft.file.environments or {}).items():
        path = ("environments", name)
        fault = names.environment_fault(name)
        if fault:
            draft.findings.add(path, fault, key=True)
        if part.branch is not None and part.branches is not None:
            draft.findings.add((*path, "branch"), "excludes branches", "keep branches", key=True)
        if part.ephemeral and name == PRODUCTION:
            draft.findings.add((*path, "ephemeral"), "production cannot be ephemeral", "use another environment")
        if part.ttl is not None and not part.ephemeral and not draft.findings.is_spoilt(*path, "ephemeral"):
            draft.findings.note(f"environments.{name}.ttl has no effect without ephemeral: true")
        for service, override in (part.services or {}).items():
            _check_override(draft, service, override.replicas, (*path, "services", service))


def _check_override(draft: Draft, service: str, replicas: ReplicasForm | None, path: Path) -> None:
    if service not in draft.service_names:
        hint = did_you_mean(service, draft.service_names)
        draft.findings.add(path, f"{quoted(service)} is no service of this file", hint, key=True)
    elif replicas is not None and draft.known_type(service) is not None:
        check_replicas(draft, service, replicas, (*path, "replicas"))


def check_hooks(draft: Draft) -> None:
    """Note hooks without a command, and jobs named by hooks that are not there for that."""
    for name, part in draft.services.items():
        for key in _HOOKS:
            hook: HookPart | None = getattr(part.lifecycle, key, None)
            path = ("services", name, "lifecycle", key)
            if hook is None:
                continue
            if hook.job is not None:
                _check_hook_job(draft, hook, (*path, "job"))
            elif hook.command is None and not _excused(draft, key, hook, path):
                draft.findings.add(path, "needs command", 'for example ["alembic", "upgrade", "head"]')


def _excused(draft: Draft, key: str, hook: HookPart, path: Path) -> bool:
    """Whether a hook may lack its command: shutdown can be a grace period alone, and a wrong command is no missing one."""
    grace_only = key == "shutdown" and hook.timeout is not None
    return grace_only or any(draft.findings.is_spoilt(*path, what) for what in ("command", "job", "timeout"))


def _check_hook_job(draft: Draft, hook: HookPart, path: Path) -> None:
    job = hook.job or ""
    if hook.command is not None:
        draft.findings.add(path, "excludes command", "keep one of the two", key=True)
    elif job not in draft.job_names:
        draft.findings.add(path, f"{quoted(job)} is no job of this file", did_you_mean(job, draft.job_names))
    elif _runs_otherwise(draft, job):
        draft.findings.add(path, f"job {job} is not run: lifecycle", f"add run: lifecycle to jobs.{job}")


def _runs_otherwise(draft: Draft, job: str) -> bool:
    found = draft.jobs.get(job)
    return found is not None and found.run is not Run.LIFECYCLE and not draft.findings.is_spoilt("jobs", job, "run")


def check_databases(draft: Draft) -> None:
    """Note groups of scoped databases that are wrong, and users of the database that are in none or in two."""
    for name, part in draft.services.items():
        groups = part.databases
        if groups is None or isinstance(groups, PerService) or type_of(part) not in DATABASES:
            continue
        path = ("services", name, "databases")
        redis = type_of(part) is ServiceType.REDIS
        _check_groups(draft, groups, path, redis=redis)
        members = {member for group in groups.values() for member in group}
        for (kind, user), found in draft.parts():
            if refers_to(found, name) and user not in members:
                what = f"uses {name}, but is in none of its groups"
                draft.findings.add((kind, user, "env"), what, f"add it to services.{name}.databases", key=True)


def _check_groups(draft: Draft, groups: Mapping[str, list[str]], path: Path, *, redis: bool) -> None:
    homes: dict[str, str] = {}
    if redis and len(groups) > REDIS_GROUPS:
        draft.findings.add(path, f"has {len(groups)} groups; redis has {REDIS_GROUPS} databases", key=True)
    for group, members in groups.items():
        fault = names.environment_fault(group) or ("is reserved" if redis and group == "default" else "")
        if fault:
            draft.findings.add((*path, group), fault, key=True)
        for index, member in enumerate(members):
            at = (*path, group, index)
            if member not in draft.service_names and member not in draft.job_names:
                hint = did_you_mean(member, draft.service_names)
                draft.findings.add(at, f"{quoted(member)} is no service of this file", hint)
            elif member in homes:
                draft.findings.add(at, f"{member} is in group {homes[member]} already", "one group for each service")
            homes.setdefault(member, group)
