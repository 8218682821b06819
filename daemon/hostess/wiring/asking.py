"""The part of the composition root that is about what people, scripts and forges ask for: what answers and tells them."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass

from hostess.adapters.git.fetching import GitFetcher
from hostess.adapters.notices.channels import channels_of
from hostess.domain.ports import Transcripts
from hostess.domain.transcripts import Limits
from hostess.services.connections import Connections
from hostess.services.deploying.uploads import Uploads
from hostess.services.deploying.webhooks import Webhooks
from hostess.services.environments import Environments
from hostess.services.jobs.one_off import OneOff
from hostess.services.keeping.collector import Bounds, Collector
from hostess.services.keeping.kept_services import KeptServices
from hostess.services.keeping.removal import Removal
from hostess.services.keyed_requests import KeyedRequests
from hostess.services.notifier import Notifier
from hostess.services.routing.canaries import Canaries
from hostess.services.routing.closures import Closures
from hostess.services.routing.live_domains import LiveDomains
from hostess.services.ssh_keys import SshKeys
from hostess.services.tokens import Tokens
from hostess.wiring.releases import Deploying, Ground, Running, Sources


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked by the API and over SSH, beside deployments, jobs and backups."""

    tokens: Tokens
    ssh_keys: SshKeys
    keyed: KeyedRequests
    webhooks: Webhooks
    uploads: Uploads
    one_off: OneOff
    connections: Connections
    environments: Environments
    removal: Removal
    kept: KeptServices
    closures: Closures
    domains: LiveDomains
    canaries: Canaries
    collector: Collector
    notifier: Notifier


def asking_of(ground: Ground, sources: Sources, running: Running, deploying: Deploying) -> Asking:
    """Wire it."""
    settings, journal, vault, redactor = ground.settings, ground.journal, ground.vault, ground.redactor
    engine, clock, repositories = ground.outside.engine, ground.outside.clock, sources.repositories
    replicas, routing, retirement = running.replicas, running.routing, running.retirement
    deployments, pushes, turns, undoing = deploying.deployments, deploying.pushes, deploying.turns, deploying.undoing
    step, past = settings.releases.canary_step, replicas.past_logs
    removal = Removal(journal, engine, repositories, routing, retirement, deployments, turns, past)
    host = settings.api.host or socket.gethostname()
    return Asking(
        tokens=Tokens(journal, clock),
        ssh_keys=SshKeys(journal, clock),
        keyed=KeyedRequests(journal, vault, clock),
        webhooks=Webhooks(journal, repositories, GitFetcher(repositories.path), pushes, vault, redactor, clock),
        uploads=Uploads(repositories, journal, sources.preparation, pushes, clock),
        one_off=OneOff(engine, replicas, journal, redactor, clock),
        connections=Connections(journal, engine, replicas, sources.access, clock),
        environments=Environments(journal, removal, turns, clock, deployments.place),
        removal=removal,
        kept=KeptServices(journal, engine, retirement, turns),
        closures=Closures(journal, routing, clock),
        domains=LiveDomains(journal, routing, clock, deploying.report.dns, settings.base_domain),
        canaries=Canaries(journal, deployments, undoing, routing, turns, clock, pushes.unsettle, step=step),
        collector=collector_of(ground, sources, [deploying.transcripts, running.job_transcripts]),
        notifier=Notifier(journal, channels_of(settings.notify), clock, redactor.hide, host),
    )


def collector_of(ground: Ground, sources: Sources, transcripts: Sequence[Transcripts]) -> Collector:
    """Wire what removes garbage."""
    settings, outside = ground.settings, ground.outside
    kept = settings.transcripts
    bounds = Bounds(transcripts, Limits(kept.keep, kept.age, kept.size), settings.build.cache, outside.clock)
    return Collector(outside.engine, ground.journal, sources.sites, settings.releases.keep, bounds)
