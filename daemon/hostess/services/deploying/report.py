"""What a pusher reads at the end: release, seconds, URLs and DNS on success; phase, cause, last lines and what serves on failure."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import timedelta

from hostess.domain.hostess_yml.file import InvalidStack
from hostess.domain.problem import Problem
from hostess.domain.records import LiveDomain
from hostess.domain.releases.push import Say
from hostess.domain.releases.release import Release, State, Workload
from hostess.domain.routing.live_domains import attached, waiting
from hostess.domain.routing.routes import path_of
from hostess.services.certificates.preflights import Preflights

LOOKUP = timedelta(seconds=2)


class Report:
    """Words for the end of a deployment."""

    def __init__(
        self,
        preflights: Preflights,
        public_url: Callable[[str], str],
        opened_url: Callable[[Workload], str],
        base_domain: str,
        given: Callable[[], Awaitable[Collection[LiveDomain]]],
    ) -> None:
        """*given* returns the domains that were given to services by command."""
        self._preflights = preflights
        self._public_url = public_url
        self._opened_url = opened_url
        self._base_domain = base_domain
        self._given = given

    async def success(self, release: Release, state: State, seconds: Mapping[str, float], say: Say) -> None:
        """Say release number, the time each phase took, a URL per public service, and the DNS records that are missing."""
        took = ", ".join(f"{phase} {time:.1f} s" for phase, time in seconds.items()) or "nothing to do"
        words = {State.LIVE: "live", State.CANARY: "tried out as a canary"}
        word = words.get(state, "live, but degraded")
        say(f"-----> release {release.title} of {release.project} ({release.environment}) is {word} [{took}]")
        given = await self._given()
        served = attached(release, given)
        for workload in served.workloads.values():
            path = path_of(workload).rstrip("/")
            for port, hosts in workload.hosts.items():
                asks = "  (asks for sign-in)" if port in workload.sign_in else ""
                say(f"       {workload.name}  {self._public_url(hosts[0])}{path}{asks}")
                if not hosts[0].endswith(f".{self._base_domain}"):
                    stable = next((host for host in hosts if host.endswith(f".{self._base_domain}")), None)
                    if stable:
                        say(f"       {workload.name}  {self._public_url(stable)}{path}{asks}")
            if workload.opened is not None:
                say(f"       {workload.name}  {self._opened_url(workload)}  (from outside)")
        for line in [*await self.pending_dns(served), *waiting(release, given)]:
            say(f"       {line}")

    async def pending_dns(self, release: Release) -> list[str]:
        """Return a line per custom domain that does not point here yet, with the records to make; `hostess tls check` says why."""
        named = (host for w in release.workloads.values() for host in custom_domains(w, self._base_domain))
        return [f"{domain}  {what}" for domain, what in (await self.dns(list(named))).items() if what]

    async def dns(self, domains: Collection[str]) -> dict[str, str]:
        """Return for each domain, once, "pending DNS: " and the records to make; "" where none is missing."""
        asked = list(dict.fromkeys(domains))  # services may share one by their paths
        checked = await self._preflights.check(asked, LOOKUP)
        return {each.domain: each.pending and f"pending DNS: {each.pending}" for each in checked}

    def failure(self, problem: Problem, phase: str, live: Release | None, say: Say) -> None:
        """Say what failed and where, the last lines, what still serves and what to do."""
        if isinstance(problem, InvalidStack):
            for mistake in problem.mistakes:
                say(f" !     {mistake}")
        for line in problem.tail:
            say(f"       | {line}")
        say(f" !     {phase}: {problem}" if phase else f" !     {problem}")
        say(f" !     {problem.serving or serving(live)}")
        for line in problem.remedy.splitlines():
            say(f" !     {line}")


def serving(live: Release | None) -> str:
    """Return the sentence that tells what serves now."""
    if live is None:
        return "nothing was live here before, and nothing is now"
    return f"{live.title} ({live.commit[:7]}) still serves, untouched"


def custom_domains(workload: Workload, base_domain: str) -> list[str]:
    """Return the hosts of a workload that Hostess did not generate."""
    return [host for hosts in workload.hosts.values() for host in hosts if not host.endswith(f".{base_domain}")]


def as_record(problem: Problem, phase: str) -> dict[str, object]:
    """Return a Problem as the journal keeps it."""
    record: dict[str, object] = {
        "code": problem.code,
        "phase": phase,
        "what": str(problem),
        "serving": problem.serving,
        "remedy": problem.remedy,
        "tail": list(problem.tail),
    }
    if isinstance(problem, InvalidStack):
        record["mistakes"] = [str(mistake) for mistake in problem.mistakes]
    return record
