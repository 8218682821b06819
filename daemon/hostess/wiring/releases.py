"""The part of the composition root that is about releases: what they are made from, what carries them out, what looks after them."""

import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hostess.adapters.backups.artefacts_both import artefacts_of
from hostess.adapters.backups.heartbeat import HttpHeart
from hostess.adapters.git.repositories import DulwichRepositories
from hostess.adapters.past_logs_files import FilePastLogs
from hostess.adapters.railpack_process import RailpackProcess
from hostess.adapters.sites_files import FileSites
from hostess.adapters.transcripts_files import FileTranscripts
from hostess.domain.ports import (
    Journal,
    Vault,
)
from hostess.domain.redaction import SecretRedactor
from hostess.domain.settings import Settings
from hostess.domain.subnets import free_subnets
from hostess.services.backups.services import BackupServices, Databases
from hostess.services.building.builder import Builder
from hostess.services.building.lost_images import LostImages
from hostess.services.building.registries import Registries
from hostess.services.building.static_sites import StaticSites
from hostess.services.building.tree_values import TreeValues
from hostess.services.certificates.certificates import Certificates
from hostess.services.certificates.imports import CertificateImports
from hostess.services.certificates.preflights import Preflights
from hostess.services.databases.access import DatabaseAccess
from hostess.services.databases.phase import DatabasePhase
from hostess.services.databases.rotations import Rotations
from hostess.services.databases.setup import DatabaseSetup
from hostess.services.databases.upgrades import Upgrades
from hostess.services.databases.workloads import DatabaseWorkloads
from hostess.services.deploying.deployer import Deployer
from hostess.services.deploying.deployments import Deployments
from hostess.services.deploying.gate import Gate
from hostess.services.deploying.launch import Launch
from hostess.services.deploying.migrator import Migrator
from hostess.services.deploying.preparation import Preparation
from hostess.services.deploying.preview import Preview
from hostess.services.deploying.pushes import Pushes
from hostess.services.deploying.rebuilding import Rebuilding
from hostess.services.deploying.renewal import Renewal
from hostess.services.deploying.report import Report
from hostess.services.deploying.shutdown import Shutdown
from hostess.services.deploying.steps import Steps
from hostess.services.deploying.turns import Turns
from hostess.services.deploying.undoing import Undoing
from hostess.services.environment_values import EnvironmentValues
from hostess.services.jobs.jobs import Jobs
from hostess.services.keeping.alert_watch import AlertWatch, Watched
from hostess.services.keeping.autoscaler import Autoscaler, Scaled
from hostess.services.keeping.checkups import Checkups
from hostess.services.keeping.crash_loops import CrashLoops
from hostess.services.keeping.deaths import Deaths, Witnesses
from hostess.services.keeping.demand import Demand
from hostess.services.keeping.failed_requests import FailedRequests
from hostess.services.keeping.host_watch import HostWatch
from hostess.services.keeping.reconciler import Reconciler
from hostess.services.keeping.repairs import Repairs
from hostess.services.keeping.replacement import Replacement
from hostess.services.keeping.replicas import Replicas
from hostess.services.keeping.retirement import Retirement
from hostess.services.keeping.sleeping import Means, Sleeping
from hostess.services.keeping.storage_watch import StorageWatch
from hostess.services.keeping.usage import UsageWatch
from hostess.services.keeping.usage_history import UsageHistory
from hostess.services.past_logs import PastLogs
from hostess.services.routing.api_host import claims
from hostess.services.routing.canary_launch import CanaryLaunch
from hostess.services.routing.inside_names import InsideNames
from hostess.services.routing.public_urls import PublicUrls
from hostess.services.routing.publishing import Routing
from hostess.services.routing.route_values import RouteValues
from hostess.services.secret_store import SecretStore
from hostess.wiring.certificates import (
    OwnCertificates,
    api_host,
    orders_of,
    preflights_of,
)
from hostess.wiring.outside import Outside


@dataclass(frozen=True, slots=True)
class Ground:
    """What everything stands on."""

    settings: Settings
    journal: Journal
    vault: Vault
    outside: Outside
    redactor: SecretRedactor
    own: OwnCertificates
    urls: PublicUrls


@dataclass(frozen=True, slots=True)
class Sources:
    """What a release is made from, and by."""

    repositories: DulwichRepositories
    secrets: SecretStore
    access: DatabaseAccess
    sites: FileSites
    registries: Registries
    preparation: Preparation
    rebuilding: Rebuilding
    images: LostImages


def sources_of(ground: Ground, instance: str) -> Sources:
    """Wire what reads pushed trees, builds them and resolves their values."""
    settings, journal, vault = ground.settings, ground.journal, ground.vault
    engine, clock = ground.outside.engine, ground.outside.clock
    repositories = DulwichRepositories(settings.data_dir / "repos", hook_program())
    secrets = SecretStore(journal, vault, clock)
    access = DatabaseAccess(secrets, clock, ground.redactor)
    railpack = RailpackProcess(settings.data_dir / "railpack", railpack_environment(settings))
    registries = Registries(journal, engine, vault, ground.redactor, clock)
    builder = Builder(
        engine,
        repositories,
        journal,
        ground.outside.meter,
        clock,
        settings=settings.build,
        railpack=railpack,
        registries=registries,
    )
    sites, databases = FileSites(settings.data_dir / "static"), DatabaseWorkloads(journal, access, instance)
    values = EnvironmentValues(secrets, access, ground.redactor, ground.urls, settings.base_domain)
    rebuilding = Rebuilding(journal, builder, databases, values, vault, clock)
    images = LostImages(journal, engine, rebuilding.images, clock)
    preparation = Preparation(
        repositories,
        journal,
        engine,
        images,
        vault,
        clock,
        builder,
        values,
        TreeValues(repositories, secrets),
        StaticSites(engine, repositories, journal, builder, sites),
        databases,
        RouteValues(repositories, secrets, vault),
        Renewal(access, vault, ground.urls),
        ground.urls.databases,
        instance=instance,
        base_domain=settings.base_domain,
        own_hosts=claims(api_host(settings)),
    )
    return Sources(repositories, secrets, access, sites, registries, preparation, rebuilding, images)


@dataclass(frozen=True, slots=True)
class Running:
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


def running_of(ground: Ground, sources: Sources) -> Running:
    """Wire what starts and ends replicas and jobs, and the tables of the proxy."""
    journal, vault, outside, own = ground.journal, ground.vault, ground.outside, ground.own
    engine, clock, redactor = outside.engine, outside.clock, ground.redactor
    transcripts = FileTranscripts(ground.settings.data_dir / "logs" / "jobs")
    names = InsideNames(journal, outside.firewall)
    files = FilePastLogs(ground.settings.data_dir / "logs" / "services")
    past_logs = PastLogs(engine, files, journal, vault, redactor, clock)
    replicas = Replicas(engine, journal, vault, clock, names, past_logs, sources.images)
    jobs = Jobs(engine, replicas, journal, transcripts, redactor, clock)
    session_key = vault.digest("sessions at the proxy")
    workers = ground.settings.proxy.workers or len(os.sched_getaffinity(0))
    routing = Routing(engine, journal, outside.router, names, own.shown, clock, session_key, workers)
    return Running(
        names=names,
        replicas=replicas,
        gate=Gate(engine, outside.prober, clock, redactor.hide),
        jobs=jobs,
        job_transcripts=transcripts,
        migrator=Migrator(engine, replicas, jobs, redactor.hide),
        databases=DatabaseSetup(engine, replicas, sources.access, clock),
        imports=CertificateImports(own.store, journal, clock, routing.publish),
        routing=routing,
        retirement=Retirement(
            engine, journal, outside.router, Shutdown(engine, journal, jobs, clock), past_logs, clock
        ),
    )


@dataclass(frozen=True, slots=True)
class Deploying:
    """What leads from a push to the live release, and what undoes it."""

    transcripts: FileTranscripts
    turns: Turns
    preflights: Preflights
    report: Report
    undoing: Undoing
    deployments: Deployments
    pushes: Pushes
    repairs: Repairs
    reconciler: Reconciler
    loops: CrashLoops


def deploying_of(ground: Ground, sources: Sources, running: Running) -> Deploying:
    """Wire what carries releases out."""
    settings, journal, outside, clock = ground.settings, ground.journal, ground.outside, ground.outside.clock
    replicas, gate, jobs, migrator = running.replicas, running.gate, running.jobs, running.migrator
    databases, routing, retirement = running.databases, running.routing, running.retirement
    preparation, transcripts = sources.preparation, FileTranscripts(settings.data_dir / "logs" / "deployments")
    steps, turns = Steps(journal, clock), Turns()
    phase, subnets = DatabasePhase(databases, steps), partial(free_subnets, settings, outside.meter)
    launch = Launch(journal, replicas, gate, migrator, jobs, phase, retirement, routing, steps, outside.meter, clock)
    loops = CrashLoops(journal, clock)
    undoing = Undoing(journal, replicas, gate, routing, retirement, databases, loops, clock)
    deployer = Deployer(journal, replicas, launch, undoing, routing, steps, clock)
    preflights = preflights_of(settings, outside, routing)
    report = Report(preflights, ground.urls.of, ground.urls.of_opened, settings.base_domain, journal.domains)
    trial = CanaryLaunch(journal, replicas, launch, undoing, routing, clock)
    deployments = Deployments(
        journal, deployer, trial, preparation, turns, report, transcripts, ground.redactor, clock, subnets
    )
    preview = Preview(journal, preparation, replicas, clock)
    pushes = Pushes(sources.repositories, journal, preparation, deployments, report, preview)
    repairs = Repairs(journal, replicas, gate, migrator, databases, routing, turns, loops, clock)
    reconciler = Reconciler(
        journal, undoing, replicas, repairs, migrator, routing, turns, clock, pushes.settle, pushes.drop
    )
    return Deploying(transcripts, turns, preflights, report, undoing, deployments, pushes, repairs, reconciler, loops)


@dataclass(frozen=True, slots=True)
class Watching:
    """What looks after everything that is live."""

    backups: BackupServices
    storage: StorageWatch
    checkups: Checkups
    failed: FailedRequests
    orders: Certificates
    alerts: AlertWatch
    upgrades: Upgrades
    rotations: Rotations
    autoscaler: Autoscaler
    sleeping: Sleeping
    host: HostWatch
    usage: UsageWatch
    deaths: Deaths
    history: UsageHistory


def changes_of(
    ground: Ground, sources: Sources, running: Running, deploying: Deploying, backups: BackupServices
) -> tuple[Upgrades, Rotations]:
    """Wire what changes a database while it serves: to a later major, to other passwords."""
    journal, outside, replicas = ground.journal, ground.outside, running.replicas
    engine, clock, turns = outside.engine, outside.clock, deploying.turns
    upgrades = Upgrades(
        journal,
        engine,
        sources.registries,
        replicas,
        backups.backups,
        backups.artefacts,
        deploying.deployments,
        sources.preparation,
        sources.access,
        running.databases,
        ground.vault,
        outside.meter,
        clock,
    )
    rotations = Rotations(
        journal,
        replicas,
        running.databases,
        sources.access,
        deploying.deployments,
        sources.preparation,
        turns,
        clock,
    )
    return upgrades, rotations


def watching_of(ground: Ground, sources: Sources, running: Running, deploying: Deploying) -> Watching:
    """Wire backups, certificates, and what notices trouble."""
    settings, journal, outside, own = ground.settings, ground.journal, ground.outside, ground.own
    engine, clock, replicas, turns = outside.engine, outside.clock, running.replicas, deploying.turns
    managed = Databases(replicas, sources.registries, running.databases, turns, running.gate)
    backups = BackupServices.wired(journal, engine, artefacts_of(settings.backups), clock, managed, HttpHeart())
    folders = str(settings.data_dir), str(settings.backups.dir)
    storage = StorageWatch(journal, engine, replicas, outside.meter, clock, folders)
    replacement = Replacement(journal, deploying.repairs, running.retirement, running.routing, outside.meter)
    failed = FailedRequests(outside.router, clock)
    checkups = Checkups(journal, replicas, running.gate, running.routing, replacement, turns, failed, clock)
    orders = orders_of(settings, journal, outside, own, running.routing, deploying.preflights)
    host = HostWatch(outside.meter, clock)
    watched = Watched(replicas, checkups, storage, orders, own.store, host, deploying.loops, host_schedule(settings))
    alerts = AlertWatch(journal, watched, clock)
    upgrades, rotations = changes_of(ground, sources, running, deploying, backups)
    repairs, undoing, routing = deploying.repairs, deploying.undoing, running.routing
    usage, demand = UsageWatch(journal, replicas, outside.usage, clock), Demand(outside.router, clock)
    means = Means(replicas, repairs, undoing, running.names, routing, outside.router, turns, usage)
    sleeping = Sleeping(journal, means, clock)
    scaled = Scaled(repairs, undoing, routing, turns, sleeping)
    autoscaler = Autoscaler(journal, usage, demand, scaled, outside.meter, clock)
    witnesses = Witnesses(replicas, checkups, usage, deploying.loops)
    deaths = Deaths(journal, engine, witnesses, clock, ground.redactor.hide)
    history = UsageHistory(journal, host, usage, clock)
    return Watching(
        backups=backups,
        storage=storage,
        checkups=checkups,
        failed=failed,
        orders=orders,
        alerts=alerts,
        upgrades=upgrades,
        rotations=rotations,
        autoscaler=autoscaler,
        sleeping=sleeping,
        host=host,
        usage=usage,
        deaths=deaths,
        history=history,
    )


def host_schedule(settings: Settings) -> str:
    """Return when the host is backed up by itself; "" where it is not."""
    to = settings.host_backup.encrypt_to or settings.backups.encrypt_to
    return settings.host_backup.schedule if to and settings.host_backup.schedule != "off" else ""


def railpack_environment(settings: Settings) -> dict[str, str]:
    """Return the environment that Railpack is chosen from: the daemon's own, with the engine that the settings name."""
    return {**os.environ, **({"DOCKER_HOST": settings.engine.url} if settings.engine.url else {})}


def hook_program() -> Path:
    """Return the installed program that git calls for each push."""
    return Path(sys.executable).parent / "hostess-proc-receive"
