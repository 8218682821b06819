"""The operator's choices: frozen, complete, every key known. Made by `load` from defaults, a TOML file and the environment."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from hostess.domain.hostess_yml.stack import ServiceType
from hostess.domain.problem import Problem
from hostess.domain.quantities import parse_duration, parse_memory
from hostess.domain.settings_kinds import (
    Address,
    CommandLine,
    Directory,
    DrainUrl,
    Folder,
    HostName,
    HostNameOrNone,
    Ip,
    Listener,
    Mailbox,
    MailServer,
    NameServer,
    Several,
    Table,
    Unless,
    WebUrl,
    by_address,
    cron_or_off,
    mailbox,
    written,
)
from hostess.domain.settings_sources import Sourced, gather

DEFAULT_FILE = Path("/etc/hostess/config.toml")
LETS_ENCRYPT = "https://acme-v02.api.letsencrypt.org/directory"
_ENVIRONMENT_PREFIX = 24
_SECRET_KEYS = frozenset({"backups.s3.secret_access_key", "notify.webhook.url", "log.drains"})


class ApiSettings(Table):
    """The admin API and git over HTTP. An empty *host*: not served through the proxy.

    *rate* is how many requests per second one caller of the API may make, *at_once* how many may be under way; 0 is no limit.
    """

    listen: Listener = Address("127.0.0.1", 7654)
    host: HostNameOrNone = ""
    rate: float = Field(default=100.0, ge=0, le=1_000_000)
    at_once: int = Field(default=256, ge=0, le=100_000)


class ProxySettings(Table):
    """The data plane. A listener that is None is off; *workers* 0 means one per core; *drain_seconds* is its grace at its own end.

    *connections* is what each worker holds at most, 0 for as many as is sensible; *connections_per_client* is one client's share.
    *postgres* and *redis* are where it leads to those databases from outside that services open. *metrics* is where it tells
    Prometheus its figures without sign-in. An access log of *access_log_size* bytes (0: of any size) is
    rotated, and *access_log_keep* older ones stay.
    """

    http: Unless[Listener] = Address("", 80)
    https: Unless[Listener] = Address("", 443)
    workers: int = Field(default=0, ge=0, le=256)
    managed: bool = True
    trusted_proxies: Several[IPv4Network | IPv6Network] = ()
    access_log: Literal["file", "stdout", "off"] = "file"
    access_log_format: Literal["json", "combined"] = "json"
    access_log_size: int = Field(default=100 * 1024 * 1024, ge=0)
    access_log_keep: int = Field(default=5, ge=1)
    drain_seconds: float = Field(default=30.0, ge=0, le=3600)
    connections: int = Field(default=0, ge=0, le=1_000_000)
    connections_per_client: int = Field(default=512, ge=0, le=1_000_000)
    metrics: Unless[Listener] = None
    postgres: Unless[Listener] = None
    redis: Unless[Listener] = None

    def to_databases(self) -> dict[ServiceType, Address]:
        """Return where databases of each type are reached from outside; types that have no listener are left out."""
        found = {ServiceType.POSTGRES: self.postgres, ServiceType.REDIS: self.redis}
        return {kind: address for kind, address in found.items() if address is not None}


class DnsSettings(Table):
    """Which name *servers* are asked (none: those of the system), and who writes records for dns-01 (no *provider*: nobody).

    *command* is a program of the operator's. *server* takes updates (RFC 2136) of *zone* (empty: it is found), signed with the key in
    *key_file*. A record that is not given out everywhere after *propagation_timeout* is a failure.
    """

    servers: Several[Annotated[NameServer, AfterValidator(by_address)]] = ()
    provider: Literal["", "command", "rfc2136"] = ""
    command: Unless[Folder] = None
    server: Unless[NameServer] = None
    zone: HostNameOrNone = ""
    key_name: str = ""
    key_file: Unless[Folder] = None
    algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = "hmac-sha256"
    propagation_timeout: Annotated[timedelta, written(parse_duration)] = Field(
        default=timedelta(minutes=2), gt=timedelta(0)
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Refuse a provider without what it needs."""
        if self.provider == "command" and self.command is None:
            raise ValueError('provider "command" needs the setting acme.dns.command, the absolute path of a program')
        if self.provider == "rfc2136" and self.server is None:
            raise ValueError(
                'provider "rfc2136" needs the setting acme.dns.server, such as 192.0.2.53 or ns1.example.com:53'
            )
        return self


class AcmeSettings(Table):
    """Where certificates come from. An empty *directory* turns ACME off; *fallback* is asked while the first cannot issue.

    *profile* is the kind of certificate to ask for (such as "shortlived": six days), where the authority offers it.
    *ca_file* holds further roots that the TLS certificates of both may come from. The pairs of a key id and a file with a key in
    base64url say who is the customer, where an authority wants to know (external account binding, RFC 8555 §7.3.4).
    """

    directory: Directory = LETS_ENCRYPT
    email: str = ""
    profile: Annotated[str, Field(pattern=r"^[\w.-]*$", max_length=64)] = ""
    ca_file: Unless[Folder] = None
    fallback: Directory = ""
    eab_kid: str = ""
    eab_key_file: Unless[Folder] = None
    fallback_eab_kid: str = ""
    fallback_eab_key_file: Unless[Folder] = None
    dns: DnsSettings = DnsSettings()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for prefix, kid, file in (
            ("", self.eab_kid, self.eab_key_file),
            ("fallback_", self.fallback_eab_kid, self.fallback_eab_key_file),
        ):
            if bool(kid) != bool(file):
                raise ValueError(
                    f"acme.{prefix}eab_kid and acme.{prefix}eab_key_file belong together: set both, or none"
                )
        return self


class EngineSettings(Table):
    """The container engine. An empty *url* means the engine's usual socket."""

    kind: Literal["docker"] = "docker"
    url: str = ""
    subnets: Several[IPv4Network] = Field(default=(IPv4Network("10.213.0.0/16"),), min_length=1)

    def pool(self) -> Iterator[str]:
        """Yield the /24 networks (CIDR) that environments may be given, in order; a smaller one counts as it is."""
        for network in self.subnets:
            small = network.prefixlen >= _ENVIRONMENT_PREFIX
            for subnet in [network] if small else network.subnets(new_prefix=_ENVIRONMENT_PREFIX):
                yield str(subnet)


class ReleasesSettings(Table):
    """How many releases are kept for rollback, and the least time that each share of a canary lasts that goes on by itself."""

    keep: int = Field(default=5, ge=1)
    canary_step: Annotated[timedelta, written(parse_duration)] = Field(default=timedelta(minutes=5), gt=timedelta(0))


class BuildSettings(Table):
    """What one build may use, and how many run at once. *cpus* and *memory* None: half of the host's.

    *cache* are the bytes that the engine's cache of builds is cut to every six hours; None: it is left alone.
    """

    cpus: Unless[float] = Field(default=None, gt=0)
    memory: Unless[Annotated[int, written(parse_memory)]] = Field(default=None, gt=0)
    timeout: Annotated[timedelta, written(parse_duration)] = Field(default=timedelta(minutes=30), gt=timedelta(0))
    concurrency: int = Field(default=1, ge=1)
    cache: Unless[Annotated[int, written(parse_memory)]] = Field(default=10 * 1024**3, gt=0)


class TranscriptsSettings(Table):
    """How much is kept of what deployments said, and as much of runs of jobs: so many, so old, so large all together."""

    keep: int = Field(default=1000, ge=1)
    age: Annotated[timedelta, written(parse_duration)] = Field(default=timedelta(days=90), gt=timedelta(0))
    size: Annotated[int, written(parse_memory)] = Field(default=512 * 1024**2, gt=0)


class S3Settings(Table):
    """An S3-compatible place for backups; an empty *bucket*: none."""

    endpoint: str = ""
    region: str = ""
    bucket: str = ""
    prefix: str = ""
    access_key_id: str = ""
    secret_access_key: str = Field(default="", repr=False)


class BackupsSettings(Table):
    """Where backups go. *dir* is `<data_dir>/backups` unless set; `load` fills it in.

    They are encrypted for *encrypt_to* (age recipients); whoever restores or proves them here needs the *identity_file*.
    """

    dir: Folder = Path("/var/lib/hostess/backups")
    encrypt_to: Several[str] = ()
    identity_file: Unless[Folder] = None
    s3: S3Settings = S3Settings()


class HostBackupSettings(Table):
    """When the whole host is backed up (UTC; "off": never by itself), and how many bundles are *keep*-t.

    They are encrypted for *encrypt_to*, or else for `backups.encrypt_to`; for nobody means that there is none. *data*: whether the
    artefacts that databases are restored from are in a bundle, "auto" where no bucket has them.
    """

    schedule: Annotated[str, AfterValidator(cron_or_off)] = "30 3 * * *"
    keep: int = Field(default=7, ge=1)
    encrypt_to: Several[str] = ()
    data: Literal["auto", "always", "never"] = "auto"


class WebhookSettings(Table):
    """Where notices are posted; an empty *url*: nowhere. They are signed with the secret in *secret_file*, if there is one."""

    url: WebUrl = Field(default="", repr=False)
    secret_file: Unless[Folder] = None


class MailSettings(Table):
    """The mail server that takes notices, and for whom; no *server*: none. Port 465 is TLS from the beginning."""

    server: Unless[MailServer] = None
    sender: str = Field(default="", alias="from")
    to: Several[Mailbox] = ()
    user: str = ""
    password_file: Unless[Folder] = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.server is not None and not (self.sender and self.to):
            raise ValueError("a mail server needs notify.mail.from and notify.mail.to, too")
        if self.sender:
            mailbox(self.sender)
        if bool(self.user) != (self.password_file is not None):
            raise ValueError("notify.mail.user and notify.mail.password_file need each other")
        return self


class NotifySettings(Table):
    """By which ways people are told. *command* is a program with its arguments, quoted as for a shell that is not there."""

    webhook: WebhookSettings = WebhookSettings()
    mail: MailSettings = MailSettings()
    command: CommandLine = ""


class LogSettings(Table):
    """What is logged and how; *format* auto is json under systemd and console on a terminal.

    *drains* are URLs to which all that apps write is sent on (syslog, syslog+tls, syslog+udp, http, https), *drain_ca_file* whose
    certificates are believed there in place of the system's.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
    drains: Several[DrainUrl] = Field(default=(), repr=False)
    drain_ca_file: Unless[Folder] = None


class Settings(Table):
    """All settings. No *public_address*: it is detected."""

    data_dir: Folder = Path("/var/lib/hostess")
    base_domain: HostName = "localhost"
    public_address: Several[Ip] = ()
    api: ApiSettings = ApiSettings()
    proxy: ProxySettings = ProxySettings()
    acme: AcmeSettings = AcmeSettings()
    engine: EngineSettings = EngineSettings()
    releases: ReleasesSettings = ReleasesSettings()
    build: BuildSettings = BuildSettings()
    transcripts: TranscriptsSettings = TranscriptsSettings()
    backups: BackupsSettings = BackupsSettings()
    host_backup: HostBackupSettings = HostBackupSettings()
    notify: NotifySettings = NotifySettings()
    log: LogSettings = LogSettings()
    _sources: Mapping[str, str] = PrivateAttr(default_factory=dict)
    _file: str = PrivateAttr(default="")

    def as_text(self, environ: Mapping[str, str]) -> tuple[str, str]:
        """Return the settings file as it is now ("" for none), and the variables of *environ* that are settings, one a line."""
        given = sorted({source for source in self._sources.values() if source in environ})
        path = Path(self._file) if self._file else None
        text = path.read_text(encoding="utf-8") if path is not None and path.is_file() else ""
        return text, "".join(f"{name}={environ[name]}\n" for name in given)

    def shown(self) -> list[tuple[str, str, str]]:
        """Return (key, value, source) of every setting, in the order of the reference; keys of secrets show no value."""
        return [
            (key, "[hidden]" if key in _SECRET_KEYS and value else _text(value), self._sources.get(key, "default"))
            for key, value in _flat(self)
        ]


def load(
    config: Path | None, data_dir: Path | None, environ: Mapping[str, str], *, default_file: Path = DEFAULT_FILE
) -> Settings:
    """Return the settings: defaults, below the file, below `HOSTESS_...` of *environ*, below the *data_dir* given.

    Without *config* the *default_file* is read if it is there. Problem "settings-invalid" names every mistake with its file and
    line, or its environment variable; "settings-unreadable" when the file cannot be read.
    """
    values = gather(config, default_file, environ, known=frozenset(key for key, _ in _flat(Settings())))
    if data_dir is not None:
        values.put("data_dir", str(data_dir.absolute()), "--data-dir")
    if "engine.url" not in values.sources and environ.get("DOCKER_HOST"):
        values.put("engine.url", environ["DOCKER_HOST"], "DOCKER_HOST")
    try:
        settings = Settings.model_validate(values.tree)
    except ValidationError as error:
        raise _invalid(error, values) from None
    if "backups.dir" not in values.sources:
        backups = settings.backups.model_copy(update={"dir": settings.data_dir / "backups"})
        settings = settings.model_copy(update={"backups": backups})
    settings._sources, settings._file = values.sources, values.file  # noqa: SLF001 -- the one place where settings are made
    return settings


def _invalid(error: ValidationError, values: Sourced) -> Problem:
    """Return one Problem that tells all mistakes, each with where it was made."""
    mistakes = []
    for each in error.errors(include_url=False, include_input=False):
        # pydantic appends the position in a list and the branch of a union, which nobody wrote.
        names = list(each["loc"])
        while names and (key := ".".join(map(str, names))) not in values.places:
            names.pop()
        place = values.places[key] if names else values.file
        mistakes.append(f"{place}: {key if names else 'settings'}: {each['msg'].removeprefix('Value error, ')}")
    return Problem(
        "settings-invalid", "\n".join(dict.fromkeys(mistakes)), remedy="correct the settings and start again"
    )


def _flat(table: BaseModel, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield (dotted key, value) of every setting below *table*."""
    return chain.from_iterable(
        _flat(value, f"{prefix}{name}.") if isinstance(value, BaseModel) else [(f"{prefix}{name}", value)]
        for name, value in (
            (field.alias or own, getattr(table, own)) for own, field in type(table).model_fields.items()
        )
    )


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case tuple():
            return ", ".join(map(str, value))
        case timedelta():
            return f"{value.total_seconds():.15g}s"
    return str(value)
