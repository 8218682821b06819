"""Composition root of the daemon: names every concrete class and wires them; starts nothing."""

from collections.abc import Callable
from dataclasses import dataclass

from hostess.adapters.certificates.store import FileCertificates
from hostess.adapters.clock_system import SystemClock
from hostess.adapters.dns.challenge_probe import HttpChallengeProbe
from hostess.adapters.dns.name_servers import DnsNameServers
from hostess.adapters.drains.receivers import drains_of
from hostess.adapters.engine.docker import DockerEngine
from hostess.adapters.firewall_iptables import IptablesFirewall
from hostess.adapters.git.repositories import DulwichRepositories
from hostess.adapters.meter_psutil import HostMeter
from hostess.adapters.prober_sockets import SocketProber
from hostess.adapters.proxy.router_socket import SocketRouter
from hostess.adapters.timer_apscheduler import SchedulerTimer
from hostess.adapters.transcripts_files import FileTranscripts
from hostess.domain.ports import (
    Journal,
    Vault,
)
from hostess.domain.redaction import SecretRedactor
from hostess.domain.releases.release import Workload
from hostess.domain.settings import Settings
from hostess.services.backups.services import BackupServices
from hostess.services.building.registries import Registries
from hostess.services.certificates.certificates import Certificates
from hostess.services.certificates.imports import CertificateImports
from hostess.services.certificates.internal import InternalCertificates
from hostess.services.certificates.preflights import Preflights
from hostess.services.certificates.served import ServedCertificates
from hostess.services.connections import Connections
from hostess.services.databases.rotations import Rotations
from hostess.services.databases.upgrades import Upgrades
from hostess.services.deploying.deployments import Deployments
from hostess.services.deploying.pushes import Pushes
from hostess.services.deploying.turns import Turns
from hostess.services.deploying.uploads import Uploads
from hostess.services.deploying.webhooks import Webhooks
from hostess.services.draining import Draining
from hostess.services.environments import Environments
from hostess.services.jobs.jobs import Jobs
from hostess.services.jobs.one_off import OneOff
from hostess.services.jobs.schedules import JobTimes, Schedules, Times
from hostess.services.keeping.alert_watch import AlertWatch
from hostess.services.keeping.autoscaler import Autoscaler
from hostess.services.keeping.checkups import Checkups
from hostess.services.keeping.collector import Collector
from hostess.services.keeping.crash_loops import CrashLoops
from hostess.services.keeping.deaths import Deaths
from hostess.services.keeping.failed_requests import FailedRequests
from hostess.services.keeping.host_watch import HostWatch
from hostess.services.keeping.kept_services import KeptServices
from hostess.services.keeping.reconciler import Reconciler
from hostess.services.keeping.removal import Removal
from hostess.services.keeping.replicas import Replicas
from hostess.services.keeping.retirement import Retirement
from hostess.services.keeping.sleeping import Sleeping
from hostess.services.keeping.storage_watch import StorageWatch
from hostess.services.keeping.supervision import Supervision
from hostess.services.keeping.usage import UsageWatch
from hostess.services.keeping.usage_history import UsageHistory
from hostess.services.keyed_requests import KeyedRequests
from hostess.services.notifier import Notifier
from hostess.services.routing.api_host import ApiHost
from hostess.services.routing.canaries import Canaries
from hostess.services.routing.closures import Closures
from hostess.services.routing.inside_names import InsideNames
from hostess.services.routing.live_domains import LiveDomains
from hostess.services.routing.public_urls import PublicUrls
from hostess.services.routing.publishing import Routing
from hostess.services.secret_store import SecretStore
from hostess.services.ssh_keys import SshKeys
from hostess.services.tokens import Tokens
from hostess.wiring.asking import Asking, asking_of
from hostess.wiring.certificates import (
    api_host,
    certificates_of,
    own_certificates,
)
from hostess.wiring.host import WholeHost, whole_host_of
from hostess.wiring.outside import Outside
from hostess.wiring.releases import (
    Deploying,
    Ground,
    Running,
    Sources,
    Watching,
    deploying_of,
    running_of,
    sources_of,
    watching_of,
)

__all__ = ["Outside", "World", "certificates_of", "compose", "outside_of"]


@dataclass(frozen=True, slots=True)
class World:
    """The services of one installation, wired."""

    repositories: DulwichRepositories
    tokens: Tokens
    ssh_keys: SshKeys
    keyed: KeyedRequests
    registries: Registries
    webhooks: Webhooks
    certificates: FileCertificates
    served: ServedCertificates
    internal: InternalCertificates
    imports: CertificateImports
    secrets: SecretStore
    transcripts: FileTranscripts
    job_transcripts: FileTranscripts
    jobs: Jobs
    backups: BackupServices
    host: WholeHost
    one_off: OneOff
    kept: KeptServices
    environments: Environments
    schedules: Schedules
    timer: SchedulerTimer
    redactor: SecretRedactor
    replicas: Replicas
    names: InsideNames
    routing: Routing
    closures: Closures
    domains: LiveDomains
    canaries: Canaries
    retirement: Retirement
    deployments: Deployments
    pushes: Pushes
    uploads: Uploads
    reconciler: Reconciler
    checkups: Checkups
    failed: FailedRequests
    autoscaler: Autoscaler
    sleeping: Sleeping
    deaths: Deaths
    loops: CrashLoops
    draining: Draining
    supervision: Supervision
    host_watch: HostWatch
    usage: UsageWatch
    history: UsageHistory
    collector: Collector
    removal: Removal
    preflights: Preflights
    orders: Certificates
    storage: StorageWatch
    connections: Connections
    upgrades: Upgrades
    rotations: Rotations
    alerts: AlertWatch
    notifier: Notifier
    api_host: ApiHost
    voucher: str
    turns: Turns
    public_url: Callable[[str], str]
    opened_url: Callable[[Workload], str]


async def compose(settings: Settings, journal: Journal, vault: Vault, outside: Outside) -> World:
    """Wire the services; nothing is started, no file is written."""
    redactor, own = SecretRedactor(), own_certificates(settings, outside.clock)
    plain, acme = settings.proxy.http is not None, bool(settings.acme.directory)
    databases = {kind: address.port for kind, address in settings.proxy.to_databases().items()}
    urls = PublicUrls(outside.public_port, own.shown, plain=plain, acme=acme, databases=databases)
    ground = Ground(settings, journal, vault, outside, redactor, own, urls)
    sources = sources_of(ground, await journal.instance())
    # Before anything speaks: a rollback, a repair or a hook that is run after a restart resolves no secret anew.
    redactor.learn(await sources.secrets.known() | await sources.registries.passwords())
    running = running_of(ground, sources)
    deploying = deploying_of(ground, sources, running)
    watching = watching_of(ground, sources, running, deploying)
    host = whole_host_of(ground, sources, running, deploying, watching.backups)
    asking = asking_of(ground, sources, running, deploying)
    return _world(ground, sources, running, deploying, watching, host, asking)


def _world(
    ground: Ground,
    sources: Sources,
    running: Running,
    deploying: Deploying,
    watching: Watching,
    host: WholeHost,
    asking: Asking,
) -> World:
    clock, backups, timer = ground.outside.clock, watching.backups, SchedulerTimer()
    backups.restores.pausing(asking.closures.paused)
    job_times = JobTimes(ground.journal, running.jobs, clock)
    times: list[Times] = [job_times, backups.times, backups.drills, backups.wal_drills, host.times]
    voucher = ground.vault.digest("requests from the proxy to the API")
    drains, engine, past_logs = drains_of(ground.settings.log), ground.outside.engine, running.replicas.past_logs
    draining = Draining(ground.journal, engine, drains, past_logs, ground.redactor, clock)
    return World(
        repositories=sources.repositories,
        tokens=asking.tokens,
        ssh_keys=asking.ssh_keys,
        keyed=asking.keyed,
        registries=sources.registries,
        webhooks=asking.webhooks,
        certificates=ground.own.store,
        served=ground.own.shown,
        internal=ground.own.internal,
        imports=running.imports,
        secrets=sources.secrets,
        transcripts=deploying.transcripts,
        job_transcripts=running.job_transcripts,
        jobs=running.jobs,
        backups=backups,
        host=host,
        one_off=asking.one_off,
        kept=asking.kept,
        environments=asking.environments,
        schedules=Schedules(times, timer, clock),
        timer=timer,
        redactor=ground.redactor,
        replicas=running.replicas,
        names=running.names,
        routing=running.routing,
        closures=asking.closures,
        domains=asking.domains,
        canaries=asking.canaries,
        retirement=running.retirement,
        deployments=deploying.deployments,
        pushes=deploying.pushes,
        uploads=asking.uploads,
        reconciler=deploying.reconciler,
        checkups=watching.checkups,
        failed=watching.failed,
        autoscaler=watching.autoscaler,
        sleeping=watching.sleeping,
        deaths=watching.deaths,
        loops=deploying.loops,
        draining=draining,
        supervision=Supervision(watching.host, watching.autoscaler, watching.history),
        host_watch=watching.host,
        usage=watching.usage,
        history=watching.history,
        collector=asking.collector,
        removal=asking.removal,
        preflights=deploying.preflights,
        orders=watching.orders,
        storage=watching.storage,
        connections=asking.connections,
        upgrades=watching.upgrades,
        rotations=watching.rotations,
        alerts=watching.alerts,
        notifier=asking.notifier,
        api_host=ApiHost(running.routing, api_host(ground.settings), voucher),
        voucher=voucher,
        turns=deploying.turns,
        public_url=ground.urls.of,
        opened_url=ground.urls.of_opened,
    )


def outside_of(settings: Settings) -> Outside:
    """Return the real outside."""
    router = SocketRouter(settings.data_dir / "run")
    engine = DockerEngine(settings.engine.url or None)
    return Outside(
        engine=engine,
        router=router,
        prober=SocketProber(),
        name_servers=DnsNameServers([(each.host, each.port) for each in settings.acme.dns.servers]),
        challenge_probe=HttpChallengeProbe(),
        meter=HostMeter(),
        firewall=IptablesFirewall(
            settings.data_dir / "run" / "proxy.json", [*map(str, settings.engine.subnets)], beside_engine=engine.local
        ),
        clock=SystemClock(),
        public_port=router.public_port,
    )
