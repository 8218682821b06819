"""Composition root of the daemon: names every concrete class and wires them; starts nothing."""

import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hostess.adapters.artefacts_both import artefacts_of
from hostess.adapters.certificates_files import FileCertificates
from hostess.adapters.challenge_probe_aiohttp import HttpChallengeProbe
from hostess.adapters.clock_system import SystemClock
from hostess.adapters.engine_docker import DockerEngine
from hostess.adapters.firewall_iptables import IptablesFirewall
from hostess.adapters.heartbeat_aiohttp import HttpHeart
from hostess.adapters.meter_psutil import HostMeter
from hostess.adapters.name_servers_dnspython import DnsNameServers
from hostess.adapters.notice_channels import channels_of
from hostess.adapters.prober_sockets import SocketProber
from hostess.adapters.railpack_process import RailpackProcess
from hostess.adapters.repositories_dulwich import DulwichRepositories
from hostess.adapters.router_socket import SocketRouter
from hostess.adapters.sites_files import FileSites
from hostess.adapters.timer_apscheduler import SchedulerTimer
from hostess.adapters.transcripts_files import FileTranscripts
from hostess.certificate_wiring import (
    OwnCertificates,
    api_host,
    certificates_of,
    orders_of,
    own_certificates,
    preflights_of,
)
from hostess.domain.ports import (
    Journal,
    Vault,
)
from hostess.domain.redaction import SecretRedactor
from hostess.domain.settings import Settings
from hostess.domain.subnets import free_subnets
from hostess.outside import Outside
from hostess.services.alert_watch import AlertWatch, Watched
from hostess.services.api_host import ApiHost, claims
from hostess.services.backup_services import BackupServices, Databases
from hostess.services.builder import Builder
from hostess.services.canaries import Canaries
from hostess.services.canary_launch import CanaryLaunch
from hostess.services.certificate_imports import CertificateImports
from hostess.services.certificates import Certificates
from hostess.services.checkups import Checkups
from hostess.services.closures import Closures
from hostess.services.collector import Collector
from hostess.services.connections import Connections
from hostess.services.database_access import DatabaseAccess
from hostess.services.database_phase import DatabasePhase
from hostess.services.database_setup import DatabaseSetup
from hostess.services.database_workloads import DatabaseWorkloads
from hostess.services.deployer import Deployer
from hostess.services.deployments import Deployments
from hostess.services.environment_values import EnvironmentValues
from hostess.services.environments import Environments
from hostess.services.gate import Gate
from hostess.services.inside_names import InsideNames
from hostess.services.internal_certificates import InternalCertificates
from hostess.services.jobs import Jobs
from hostess.services.kept_services import KeptServices
from hostess.services.launch import Launch
from hostess.services.live_domains import LiveDomains
from hostess.services.migrator import Migrator
from hostess.services.notifier import Notifier
from hostess.services.one_off import OneOff
from hostess.services.preflights import Preflights
from hostess.services.preparation import Preparation
from hostess.services.preview import Preview
from hostess.services.public_urls import PublicUrls
from hostess.services.pushes import Pushes
from hostess.services.reconciler import Reconciler
from hostess.services.removal import Removal
from hostess.services.repairs import Repairs
from hostess.services.replicas import Replicas
from hostess.services.report import Report
from hostess.services.retirement import Retirement
from hostess.services.route_values import RouteValues
from hostess.services.routing import Routing
from hostess.services.schedules import JobTimes, Schedules
from hostess.services.secret_store import SecretStore
from hostess.services.served_certificates import ServedCertificates
from hostess.services.shutdown import Shutdown
from hostess.services.static_sites import StaticSites
from hostess.services.steps import Steps
from hostess.services.storage_watch import StorageWatch
from hostess.services.tokens import Tokens
from hostess.services.tree_values import TreeValues
from hostess.services.turns import Turns
from hostess.services.undoing import Undoing
from hostess.services.upgrades import Upgrades
from hostess.services.uploads import Uploads

__all__ = ["Outside", "World", "certificates_of", "compose", "outside_of"]


@dataclass(frozen=True, slots=True)
class World:
    """The services of one installation, wired."""

    repositories: DulwichRepositories
    tokens: Tokens
    certificates: FileCertificates
    served: ServedCertificates
    internal: InternalCertificates
    imports: CertificateImports
    secrets: SecretStore
    transcripts: FileTranscripts
    job_transcripts: FileTranscripts
    jobs: Jobs
    backups: BackupServices
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
    collector: Collector
    removal: Removal
    preflights: Preflights
    orders: Certificates
    storage: StorageWatch
    connections: Connections
    upgrades: Upgrades
    alerts: AlertWatch
    notifier: Notifier
    api_host: ApiHost
    voucher: str
    turns: Turns
    public_url: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class _Sources:
    """What a release is made from, and by."""

    repositories: DulwichRepositories
    secrets: SecretStore
    access: DatabaseAccess
    sites: FileSites
    preparation: Preparation


def _sources(
    settings: Settings,
    journal: Journal,
    vault: Vault,
    outside: Outside,
    redactor: SecretRedactor,
    urls: PublicUrls,
    instance: str,
) -> _Sources:
    """Wire what reads pushed trees, builds them and resolves their values."""
    engine, clock = outside.engine, outside.clock
    repositories = DulwichRepositories(settings.data_dir / "repos", hook_program())
    secrets = SecretStore(journal, vault, clock)
    access = DatabaseAccess(secrets, clock, redactor)
    railpack = RailpackProcess(settings.data_dir / "railpack", railpack_environment(settings))
    builder = Builder(engine, repositories, journal, outside.meter, clock, settings=settings.build, railpack=railpack)
    sites = FileSites(settings.data_dir / "static")
    preparation = Preparation(
        repositories,
        journal,
        engine,
        vault,
        clock,
        builder,
        EnvironmentValues(secrets, access, redactor, urls, settings.base_domain),
        TreeValues(repositories, secrets),
        StaticSites(engine, repositories, journal, builder, sites),
        DatabaseWorkloads(journal, access, instance),
        RouteValues(repositories, secrets, vault),
        instance=instance,
        base_domain=settings.base_domain,
        own_hosts=claims(api_host(settings)),
    )
    return _Sources(repositories, secrets, access, sites, preparation)


@dataclass(frozen=True, slots=True)
class _Running:
    """What runs containers, and leads requests to them."""

    names: InsideNames
    replicas: Replicas
    gate: Gate
    jobs: Jobs
    job_transcripts: FileTranscripts
    migrator: Migrator
    databases: DatabaseSetup
    imports: CertificateImports
    routing: Routing
    retirement: Retirement


def _running(
    settings: Settings,
    journal: Journal,
    vault: Vault,
    outside: Outside,
    redactor: SecretRedactor,
    access: DatabaseAccess,
    own: OwnCertificates,
) -> _Running:
    """Wire what starts and ends replicas and jobs, and the tables of the proxy."""
    engine, clock = outside.engine, outside.clock
    transcripts = FileTranscripts(settings.data_dir / "logs" / "jobs")
    names = InsideNames(journal, outside.firewall)
    replicas = Replicas(engine, journal, vault, clock, names)
    jobs = Jobs(engine, replicas, journal, transcripts, redactor, clock)
    routing = Routing(engine, journal, outside.router, names, own.shown, clock, vault.digest("sessions at the proxy"))
    return _Running(
        names=names,
        replicas=replicas,
        gate=Gate(engine, outside.prober, clock, redactor.hide),
        jobs=jobs,
        job_transcripts=transcripts,
        migrator=Migrator(engine, replicas, jobs, redactor.hide),
        databases=DatabaseSetup(engine, replicas, access, clock),
        imports=CertificateImports(own.store, journal, clock, routing.publish),
        routing=routing,
        retirement=Retirement(engine, journal, outside.router, Shutdown(engine, journal, jobs, clock), clock),
    )


async def compose(settings: Settings, journal: Journal, vault: Vault, outside: Outside) -> World:
    """Wire the services; nothing is started, no file is written."""
    engine, clock = outside.engine, outside.clock
    redactor = SecretRedactor()
    own = own_certificates(settings, clock)
    plain, acme = settings.proxy.http is not None, bool(settings.acme.directory)
    urls = PublicUrls(outside.public_port, own.shown, plain=plain, acme=acme)
    sources = _sources(settings, journal, vault, outside, redactor, urls, await journal.instance())
    # Before anything speaks: a rollback, a repair or a hook that is run after a restart resolves no secret anew.
    redactor.learn(await sources.secrets.known())
    transcripts = FileTranscripts(settings.data_dir / "logs" / "deployments")
    running = _running(settings, journal, vault, outside, redactor, sources.access, own)
    replicas, gate, jobs, migrator = running.replicas, running.gate, running.jobs, running.migrator
    databases, routing, retirement = running.databases, running.routing, running.retirement
    repositories, preparation = sources.repositories, sources.preparation
    voucher = vault.digest("requests from the proxy to the API")
    timer, steps, turns = SchedulerTimer(), Steps(journal, clock), Turns()
    phase, subnets = DatabasePhase(databases, steps), partial(free_subnets, settings, outside.meter)
    launch = Launch(journal, replicas, gate, migrator, jobs, phase, retirement, routing, steps, outside.meter, clock)
    undoing = Undoing(journal, replicas, gate, routing, retirement, databases, clock)
    deployer = Deployer(journal, replicas, launch, undoing, routing, steps, clock)
    preflights = preflights_of(settings, outside, routing)
    report = Report(preflights, urls.of, settings.base_domain, journal.domains)
    trial = CanaryLaunch(journal, replicas, launch, undoing, routing, clock)
    deployments = Deployments(
        journal, deployer, trial, preparation, turns, report, transcripts, redactor, clock, subnets
    )
    preview = Preview(journal, preparation, replicas, clock)
    pushes = Pushes(repositories, journal, preparation, deployments, report, preview)
    repairs = Repairs(journal, replicas, gate, migrator, databases, routing, turns, clock)
    reconciler = Reconciler(journal, undoing, replicas, repairs, migrator, routing, turns, clock, pushes.settle)
    managed = Databases(replicas, sources.access, databases, turns)
    backups = BackupServices.wired(journal, engine, artefacts_of(settings.backups), clock, managed, HttpHeart())
    removal = Removal(journal, engine, repositories, routing, retirement, deployments, turns)
    folders = str(settings.data_dir), str(settings.backups.dir)
    storage = StorageWatch(journal, engine, replicas, outside.meter, clock, folders)
    checkups = Checkups(journal, replicas, gate, routing, turns, clock)
    orders = orders_of(settings, journal, outside, own, routing, preflights)
    return World(
        repositories=repositories,
        tokens=Tokens(journal, clock),
        certificates=own.store,
        served=own.shown,
        internal=own.internal,
        imports=running.imports,
        secrets=sources.secrets,
        transcripts=transcripts,
        job_transcripts=running.job_transcripts,
        jobs=jobs,
        backups=backups,
        kept=KeptServices(journal, engine, retirement, turns),
        one_off=OneOff(engine, replicas, journal, redactor, clock),
        schedules=Schedules(
            [JobTimes(journal, jobs, clock), backups.times, backups.drills, backups.wal_drills], timer, clock
        ),
        timer=timer,
        redactor=redactor,
        replicas=replicas,
        names=running.names,
        routing=routing,
        closures=Closures(journal, routing, clock),
        domains=LiveDomains(journal, routing, clock, report.dns, settings.base_domain),
        canaries=Canaries(journal, deployments, undoing, routing, turns, clock, pushes.unsettle),
        retirement=retirement,
        deployments=deployments,
        pushes=pushes,
        uploads=Uploads(repositories, journal, preparation, pushes, clock),
        reconciler=reconciler,
        checkups=checkups,
        collector=Collector(engine, journal, sources.sites, settings.releases.keep),
        removal=removal,
        preflights=preflights,
        upgrades=Upgrades(
            journal,
            engine,
            replicas,
            backups.backups,
            backups.artefacts,
            deployments,
            preparation,
            sources.access,
            vault,
            outside.meter,
            clock,
        ),
        connections=Connections(journal, engine, replicas, sources.access, clock),
        orders=orders,
        storage=storage,
        alerts=AlertWatch(journal, Watched(replicas, checkups, storage, orders, own.store), clock),
        notifier=Notifier(
            journal, channels_of(settings.notify), clock, redactor.hide, settings.api.host or socket.gethostname()
        ),
        api_host=ApiHost(routing, api_host(settings), voucher),
        voucher=voucher,
        turns=turns,
        environments=Environments(journal, removal, turns, clock, deployments.place),
        public_url=urls.of,
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
        firewall=IptablesFirewall(settings.data_dir / "run" / "proxy.json", beside_engine=engine.local),
        clock=SystemClock(),
        public_port=router.public_port,
    )


def railpack_environment(settings: Settings) -> dict[str, str]:
    """Return the environment that Railpack is chosen from: the daemon's own, with the engine that the settings name."""
    return {**os.environ, **({"DOCKER_HOST": settings.engine.url} if settings.engine.url else {})}


def hook_program() -> Path:
    """Return the installed program that git calls for each push."""
    return Path(sys.executable).parent / "hostess-proc-receive"
