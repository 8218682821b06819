"""What the admin API stands on; the composition root makes one of these."""

from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from hostess.domain.ports import CertificateStore, Clock, Engine, Journal, Redactor, Repositories, Transcripts
from hostess.domain.releases.release import Workload
from hostess.domain.settings import Settings
from hostess.doors.api.peers import admin_peer
from hostess.services.backups.host_backups import HostBackups
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
from hostess.services.deploying.uploads import Uploads
from hostess.services.deploying.webhooks import Webhooks
from hostess.services.environments import Environments
from hostess.services.jobs.jobs import Jobs
from hostess.services.jobs.one_off import OneOff
from hostess.services.jobs.schedules import Schedules
from hostess.services.keeping.alert_watch import AlertWatch
from hostess.services.keeping.autoscaler import Autoscaler
from hostess.services.keeping.checkups import Checkups
from hostess.services.keeping.collector import Collector
from hostess.services.keeping.crash_loops import CrashLoops
from hostess.services.keeping.failed_requests import FailedRequests
from hostess.services.keeping.host_watch import HostWatch
from hostess.services.keeping.kept_services import KeptServices
from hostess.services.keeping.removal import Removal
from hostess.services.keeping.replicas import Replicas
from hostess.services.keeping.storage_watch import StorageWatch
from hostess.services.keeping.usage import UsageWatch
from hostess.services.keeping.usage_history import UsageHistory
from hostess.services.keyed_requests import KeyedRequests
from hostess.services.notifier import Notifier
from hostess.services.routing.canaries import Canaries
from hostess.services.routing.closures import Closures
from hostess.services.routing.live_domains import LiveDomains
from hostess.services.routing.publishing import Routing
from hostess.services.secret_store import SecretStore
from hostess.services.ssh_keys import SshKeys
from hostess.services.tokens import Tokens


@dataclass(frozen=True, slots=True)
class ApiServices:
    """Services and plain values of the API.

    *public_url* makes the URL of a routed host, *opened_url* that of an opened database. *voucher* is in what the proxy itself sends.
    *admin_peer*: whether the process with this user id and group id, at the other end of the unix socket, is an owner.
    """

    journal: Journal
    engine: Engine
    repositories: Repositories
    transcripts: Transcripts
    redactor: Redactor
    clock: Clock
    deployments: Deployments
    replicas: Replicas
    checkups: Checkups
    failed: FailedRequests
    autoscaler: Autoscaler
    loops: CrashLoops
    host: HostWatch
    usage: UsageWatch
    history: UsageHistory
    routing: Routing
    closures: Closures
    domains: LiveDomains
    canaries: Canaries
    secrets: SecretStore
    tokens: Tokens
    ssh_keys: SshKeys
    keyed: KeyedRequests
    registries: Registries
    webhooks: Webhooks
    certificates: CertificateStore
    served: ServedCertificates
    orders: Certificates
    imports: CertificateImports
    internal: InternalCertificates
    collector: Collector
    removal: Removal
    jobs: Jobs
    one_off: OneOff
    kept: KeptServices
    environments: Environments
    schedules: Schedules
    uploads: Uploads
    preflights: Preflights
    storage: StorageWatch
    connections: Connections
    upgrades: Upgrades
    rotations: Rotations
    alerts: AlertWatch
    notifier: Notifier
    job_transcripts: Transcripts
    backups: BackupServices
    host_backups: HostBackups
    settings: Settings
    public_url: Callable[[str], str]
    opened_url: Callable[[Workload], str]
    voucher: str = field(repr=False)
    admin_peer: Callable[[int, int], bool] = admin_peer


SERVICES = web.AppKey("services", ApiServices)
"""Where an application keeps them."""
