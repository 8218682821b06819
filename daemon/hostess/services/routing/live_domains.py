"""`hostess domains`: hosts given to services, and taken from them, while they serve; and where each domain of a project stands."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace

from hostess.domain import names
from hostess.domain.hostess_yml.mistakes import WrongValue
from hostess.domain.ports import Clock, Journal
from hostess.domain.problem import Problem
from hostess.domain.records import LiveDomain
from hostess.domain.releases.release import Release
from hostess.domain.routing.live_domains import waits
from hostess.services.deploying.report import custom_domains
from hostess.services.routing.publishing import Routing
from hostess.services.routing.telling import tell_proxy

FILE = "file"
COMMAND = "command"

PendingDns = Callable[[Collection[str]], Awaitable[Mapping[str, str]]]
"""Hosts -> what to do in DNS, "" for one that points here."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One domain: whose it is, who says so ("file", "command"), and what is the matter with it ("live" for nothing)."""

    host: str
    environment: str
    service: str
    sources: tuple[str, ...]
    state: str


class LiveDomains:
    """Keeps domains in the journal and in the table. No container is started for one, and none is stopped."""

    def __init__(
        self, journal: Journal, routing: Routing, clock: Clock, pending_dns: PendingDns, base_domain: str
    ) -> None:
        self._journal = journal
        self._routing = routing
        self._clock = clock
        self._pending_dns = pending_dns
        self._base_domain = base_domain

    async def of(self, project: str, *, host: str = "") -> list[Standing]:
        """Return the domains of a project by name: those of its live releases, and those given by command.

        *host*: that one alone, and DNS is asked for no other.
        """
        given = [domain for domain in await self._journal.domains() if domain.project == project]
        found: list[Standing] = []
        for place in await self._journal.places(project):
            here = [domain for domain in given if domain.environment == place.environment]
            there = self._of_place(await self._journal.live(project, place.environment), here)
            found += [each for each in there if host in {"", each.host}]
        asked = {each.host for each in found if not each.state and not each.host.endswith(f".{self._base_domain}")}
        pending = await self._pending_dns(asked)
        return sorted(
            (
                Standing(
                    each.host,
                    each.environment,
                    each.service,
                    each.sources,
                    each.state or pending.get(each.host) or "live",
                )
                for each in found
            ),
            key=lambda each: (each.host, each.environment, each.service),
        )

    async def add(self, domain: LiveDomain, *, move: bool = False) -> Standing:
        """Let a host lead to a service; what was said before of it in this environment is replaced. It holds when this returns.

        *move*: it may be another environment's of the project. Problem "invalid-domain", "host-taken", "domain-in-file",
        "service-not-found", "environment-not-found"; "proxy-not-told" when it is kept, but does not hold yet.
        """
        domain = replace(domain, host=checked_host(domain.host))
        if domain.host in self._routing.own_hosts:
            raise Problem(
                "host-taken", f"at {domain.host} the API itself is served (api.host)", remedy="use another domain"
            )
        before = next((d for d in await self._journal.domains() if d.host == domain.host), None)
        if before and before.project == domain.project and before.environment != domain.environment and not move:
            raise Problem(
                "host-taken",
                f"{domain.host} leads to service {before.service} of {before.project} ({before.environment})",
                remedy=f"move it: `hostess domains update {domain.host} --env {domain.environment}`",
            )
        self._check(await self._journal.live(domain.project, domain.environment), domain)
        await self._journal.put_domain(domain)
        await self._tell("added", f"{domain.host} leads to {domain.service}", domain)
        # Also when nothing is new: who asks again after a proxy did not answer wants it to hold.
        await tell_proxy(self._routing.publish, "the domain is kept", "what was served at it before")
        return await self._one(domain)

    async def update(self, domain: LiveDomain) -> Standing:
        """Let a host that was given by command lead elsewhere ("" for what stays); Problems as those of `add`, "domain-not-found"."""
        before = await self._given(domain.project, checked_host(domain.host))
        environment, service = domain.environment or before.environment, domain.service or before.service
        return await self.add(replace(domain, environment=environment, service=service), move=True)

    async def remove(self, project: str, host: str) -> LiveDomain:
        """Take a host away that was given by command, and return what it was. It holds when this returns.

        Problem "domain-not-found"; "domain-in-file" for one that hostess.yml alone has; "proxy-not-told" when it still leads there.
        """
        given = await self._given(project, checked_host(host))
        await self._journal.drop_domain(project, given.host)
        await self._tell("removed", f"{given.host} does not lead to {given.service} any more", given)
        await tell_proxy(self._routing.publish, "the domain is removed", f"{given.service} at it until then")
        return given

    async def _given(self, project: str, host: str) -> LiveDomain:
        for domain in await self._journal.domains():
            if (domain.project, domain.host) == (project, host):
                return domain
        owner = (await self._journal.host_owners([host])).get(host)
        if owner and owner[0] == project:
            raise Problem(
                "domain-in-file",
                f"{host} is a host of service {owner[2]} ({owner[1]}) by its release, not by command",
                remedy="change hostess.yml, and push",
            )
        raise Problem(
            "domain-not-found",
            f"{project} has no domain {host}",
            remedy="`hostess domains list` shows those there are",
        )

    def _check(self, live: Release | None, domain: LiveDomain) -> None:
        """Raise a Problem for what could not lead anywhere now; where nothing is live yet, it waits for the first deployment."""
        if live is None or not (why := waits(live, domain)):
            return
        workload = live.workloads.get(domain.service)
        if workload is not None and any(workload.hosts.values()):
            raise Problem("domain-in-file", f"{why}: {domain.host}", remedy="change hostess.yml, and push")
        known = [name for name, each in live.workloads.items() if any(each.hosts.values())]
        raise Problem(
            "service-not-found",
            f"{domain.project} ({domain.environment}): {why}",
            remedy=f"those reached from outside: {', '.join(known)}"
            if known
            else "give one `visibility: public`, and push",
        )

    def _of_place(self, live: Release | None, given: list[LiveDomain]) -> list[Standing]:
        """Return the domains of one environment; the state is "" where DNS decides it."""
        by_command = {domain.host: domain for domain in given}
        found = [
            Standing(
                host,
                live.environment,
                workload.name,
                (FILE, COMMAND) if host in by_command and by_command[host].service == workload.name else (FILE,),
                "",
            )
            for workload in (live.workloads.values() if live else ())
            for host in custom_domains(workload, self._base_domain)
            if live
        ]
        there = {(each.host, each.service) for each in found}
        for domain in given:
            if (domain.host, domain.service) not in there:
                why = waits(live, domain)
                state = f"waits: {why}" if why else ""
                found.append(Standing(domain.host, domain.environment, domain.service, (COMMAND,), state))
        return found

    async def _one(self, domain: LiveDomain) -> Standing:
        found = await self.of(domain.project, host=domain.host)
        key = (domain.environment, domain.service)
        return next(each for each in found if (each.environment, each.service) == key)

    async def _tell(self, what: str, message: str, domain: LiveDomain) -> None:
        await self._journal.tell(
            f"domain.{what}",
            message,
            self._clock.now(),
            project=domain.project,
            environment=domain.environment,
            data={"host": domain.host, "service": domain.service},
        )


def checked_host(text: str) -> str:
    """Return a domain as hostess.yml would have it; Problem "invalid-domain" for what it would not have."""
    try:
        return names.domain(text)
    except WrongValue as wrong:
        raise Problem("invalid-domain", str(wrong), remedy=wrong.hint) from wrong
