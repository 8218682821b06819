"""Settings: from defaults, a file and the environment, all mistakes told with their place."""

from collections.abc import Mapping
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from hostess.domain import settings as domain_settings
from hostess.domain.problem import Problem
from hostess.domain.settings import Settings
from hostess.domain.settings_kinds import Address

EVERY_KEY = """
data_dir = "/srv/hostess"
base_domain = "apps.example.com"
public_address = ["203.0.113.7", "2001:db8::7"]

[api]
listen = "127.0.0.1:0"
host = "hostess.example.com"
rate = 20
at_once = 8
[proxy]
http = "[::1]:8080"
https = ""
workers = 2
managed = false
trusted_proxies = ["10.0.0.0/8", "fd00::/8"]
access_log = "off"
access_log_format = "combined"
access_log_size = 1000000
access_log_keep = 3
drain_seconds = 5
connections = 5000
connections_per_client = 100
metrics = "127.0.0.1:9101"
postgres = ":5432"
redis = "127.0.0.1:6379"

[acme]
directory = ""
email = "ops@example.com"
profile = "shortlived"
ca_file = "/etc/ca.pem"
fallback = "https://ca.example/directory"
eab_kid = "customer-1"
eab_key_file = "/etc/hostess/eab"
fallback_eab_kid = "customer-2"
fallback_eab_key_file = "/etc/hostess/other-eab"
dns.servers = ["192.0.2.53", "[2001:db8::53]:5353"]
dns.provider = "rfc2136"
dns.command = "/usr/local/bin/dns"
dns.server = "ns1.example.com"
dns.zone = "example.com"
dns.key_name = "hostess"
dns.key_file = "/etc/hostess/dns.key"
dns.algorithm = "hmac-sha512"
dns.propagation_timeout = "90s"

[engine]
kind = "docker"
url = "unix:///run/engine.sock"
subnets = "10.9.0.0/23"

[releases]
keep = 3
canary_step = "10m"

[build]
cpus = 1.5
memory = "2Gi"
timeout = "1h30m"
concurrency = 2
cache = "20Gi"

[transcripts]
keep = 10
age = "30d"
size = "64Mi"

[backups]
dir = "/srv/backups"
encrypt_to = ["age1qqpx"]
identity_file = "/etc/hostess/age"
s3.endpoint = "https://s3.example"
s3.region = "eu"
s3.bucket = "safe"
s3.prefix = "host1/"
s3.access_key_id = "id"
s3.secret_access_key = "very-secret-indeed"

[host_backup]
schedule = "0 4 * * *"
keep = 3
encrypt_to = ["age1qqpx"]
data = "always"

[notify]
command = "/usr/local/bin/tell --loud"
webhook.url = "https://hooks.example/very-secret-indeed"
webhook.secret_file = "/etc/hostess/webhook"
mail.server = "smtp.example.com"
mail.from = "hostess@example.com"
mail.to = "a@example.com, b@example.com"
mail.user = "hostess"
mail.password_file = "/etc/hostess/mail"

[log]
level = "debug"
format = "json"
drains = ["syslog+tls://logs.example.com", "https://in.example.com/lines?key=very-secret-indeed"]
drain_ca_file = "/etc/hostess/logs.pem"
"""


def load(config: Path | None, data_dir: Path | None, environ: Mapping[str, str]) -> Settings:
    """Load settings as on a host that has no settings file in its place."""
    return domain_settings.load(config, data_dir, environ, default_file=Path("/nonexistent/config.toml"))


def written(folder: Path, text: str) -> Path:
    """Return a settings file with that text."""
    path = folder / "config.toml"
    path.write_text(text)
    return path


def refused(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """Return the mistakes, a line each, for which these settings are refused; the folder's path is left out."""
    with pytest.raises(Problem) as caught:
        load(written(folder, text), None, environ or {})
    assert caught.value.code == "settings-invalid"
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def test_nothing_set_is_the_defaults() -> None:
    """Without file, arguments and variables the settings are those of the reference."""
    settings = load(None, None, {})

    assert settings.data_dir == Path("/var/lib/hostess")
    assert settings.api.listen == Address("127.0.0.1", 7654)
    assert (settings.proxy.http, settings.proxy.https) == (Address("", 80), Address("", 443))
    assert settings.build.timeout == timedelta(minutes=30)
    assert {source for _, _, source in settings.shown()} == {"default"}


def test_every_key_can_be_set_in_the_file(tmp_path: Path) -> None:
    """A file that sets every key is understood, and each key's source is its line."""
    path = written(tmp_path, EVERY_KEY)

    settings = load(path, None, {})

    assert settings.proxy.http == Address("::1", 8080)
    assert settings.proxy.https is None
    assert settings.proxy.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert settings.acme.dns.servers == (Address("192.0.2.53", 53), Address("2001:db8::53", 5353))
    assert settings.acme.dns.server == Address("ns1.example.com", 53)
    assert list(settings.engine.pool()) == ["10.9.0.0/24", "10.9.1.0/24"]
    assert (settings.build.cpus, settings.build.memory) == (1.5, 2 * 1024**3)
    assert settings.build.timeout == timedelta(minutes=90)
    assert settings.backups.dir == Path("/srv/backups")
    lines = EVERY_KEY.splitlines()
    for key, _, source in settings.shown():
        line = int(source.removeprefix(f"{path}:"))
        assert key.rpartition(".")[2] in lines[line - 1]


def test_every_key_can_be_set_by_a_variable(tmp_path: Path) -> None:
    """Each key has an environment variable that wins over the file and is named as the source."""
    path = written(tmp_path, EVERY_KEY)
    shown = load(path, None, {}).shown()
    environ = {f"HOSTESS_{key.upper().replace('.', '__')}": value for key, value, _ in shown}
    environ["HOSTESS_NOTIFY__WEBHOOK__URL"] = "https://hooks.example/another"
    environ["HOSTESS_LOG__DRAINS"] = "syslog://127.0.0.1"

    settings = load(path, None, environ)

    assert [(key, value) for key, value, _ in settings.shown()] == [(key, value) for key, value, _ in shown]
    assert {source for _, _, source in settings.shown()} == set(environ)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[acme.dns]\nprovider = "command"', "needs the setting acme.dns.command"),
        ('[acme.dns]\nprovider = "rfc2136"', "needs the setting acme.dns.server"),
        ('[acme]\ndns.servers = ["ns1.example.com"]', "name servers to ask are given by their IP addresses"),
        ('[acme]\ndns.command = "dns"', "is not an absolute path"),
    ],
)
def test_dns_is_asked_and_written_by_what_can_work(tmp_path: Path, text: str, said: str) -> None:
    """A provider without what it needs, and name servers that would have to be looked up themselves, are refused."""
    (mistake,) = refused(tmp_path, text)

    assert said in mistake


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    """The storage key, and the URL that notices are posted to, appear neither in what is shown nor in the representation."""
    settings = load(written(tmp_path, EVERY_KEY), None, {})

    assert "very-secret-indeed" not in str(settings.shown()) + repr(settings)
    assert settings.backups.s3.secret_access_key == "very-secret-indeed"
    assert settings.notify.webhook.url == "https://hooks.example/very-secret-indeed"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            'mail.server = "smtp.example.com"',
            "notify: a mail server needs notify.mail.from and notify.mail.to, too",
        ),
        ('mail.server = ":25"', 'notify.mail.server: ":25" is not a mail server such as smtp.example.com:587'),
        ('mail.to = "a@b.example, ops"', 'notify.mail.to: "ops" is not an address such as ops@example.com'),
        ('mail.user = "me"', "notify: notify.mail.user and notify.mail.password_file need each other"),
        ('webhook.url = "ftp://x"', "notify.webhook.url: this is not a URL that begins with https:// or http://"),
        ("command = 'tell \"'", "notify.command: this is not a program with arguments (No closing quotation)"),
    ],
)
def test_ways_to_tell_people_are_whole(tmp_path: Path, text: str, mistake: str) -> None:
    """A way by which nobody could be told is refused at the start of the daemon, not when something happens."""
    assert [line.partition(": ")[2] for line in refused(tmp_path, f"[notify]\n{text}\n")] == [mistake]


@pytest.mark.parametrize(
    "url", ["logs.example.com:514", "ftp://logs", "syslog://", "syslog://u:secret@h", "https://[x"]
)
def test_what_is_no_drain_is_refused(tmp_path: Path, url: str) -> None:
    """A drain that could not work is refused at the start, in words that do not repeat what may be a secret."""
    (mistake,) = refused(tmp_path, f'[log]\ndrains = ["{url}"]\n')

    assert "log.drains" in mistake
    assert "a drain" in mistake
    assert "secret" not in mistake


def test_the_argument_wins(tmp_path: Path) -> None:
    """A data folder given as argument wins over everything, and backups follow it unless they have their own."""
    settings = load(None, tmp_path, {"HOSTESS_DATA_DIR": "/elsewhere"})

    assert settings.data_dir == tmp_path
    assert settings.backups.dir == tmp_path / "backups"
    assert ("data_dir", str(tmp_path), "--data-dir") in settings.shown()


def test_docker_host_names_the_engine() -> None:
    """DOCKER_HOST is where the engine is, unless a setting says otherwise."""
    environ = {"DOCKER_HOST": "tcp://engine:2375"}

    assert load(None, None, environ).engine.url == "tcp://engine:2375"
    assert load(None, None, {**environ, "HOSTESS_ENGINE__URL": "unix:///x"}).engine.url == "unix:///x"


def test_all_mistakes_are_told_with_their_lines(tmp_path: Path) -> None:
    """Every wrong value is named at once, with file and line, or the variable that holds it."""
    text = """data_dir = "relative"
[proxy]
http = "80"
workers = "many"
trusted_proxies = ["10.0.0.0/8", "nonsense"]
[build]
memory = "2Gx"
[releases]
keep = 0
"""

    environ = {
        "HOSTESS_API__LISTEN": "",
        "HOSTESS_API__HOST": "a b",
        "HOSTESS_LOG__LEVEL": "loud",
        "HOSTESS_BASE_DOMAIN": "",
        "HOSTESS_PUBLIC_ADDRESS": "203.0.113.7, home",
    }

    mistakes = refused(tmp_path, text, environ)

    assert {mistake.split(": ")[0] for mistake in mistakes} == {
        "config.toml:1",
        "config.toml:3",
        "config.toml:4",
        "config.toml:5",
        "config.toml:7",
        "config.toml:9",
        "HOSTESS_BASE_DOMAIN",
        "HOSTESS_API__HOST",
        "HOSTESS_PUBLIC_ADDRESS",
        "HOSTESS_API__LISTEN",
        "HOSTESS_LOG__LEVEL",
    }
    assert 'config.toml:3: proxy.http: "80" is not an address such as 127.0.0.1:7654, [::1]:80 or :80' in mistakes


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ('\nbase_domian = "x"\n', 'config.toml:2: there is no setting "base_domian" (did you mean base_domain?)'),
        ("[proxy]\n\nhtpp = 1\n", 'config.toml:3: there is no setting "proxy.htpp" (did you mean proxy.http?)'),
        ("proxy.htpp = 1\n", 'config.toml:1: there is no setting "proxy.htpp" (did you mean proxy.http?)'),
        ("\nproxy = { htpp = 1 }\n", 'config.toml:2: there is no setting "proxy.htpp" (did you mean proxy.http?)'),
        ("[zzz]\nq = 1\n", 'config.toml:2: there is no setting "zzz.q"'),
        ("keep = 4\n", 'config.toml:1: there is no setting "keep" (did you mean host_backup.keep?)'),
        ("[api]\nlisten = \n", "config.toml:2: Invalid value (at line 2, column 10)"),
        ("proxy = 3\n", "config.toml:1: proxy: Input should be a valid dictionary or instance of ProxySettings"),
    ],
)
def test_unknown_keys_are_refused_with_their_line(tmp_path: Path, text: str, mistake: str) -> None:
    """A key that does not exist, or text that is no TOML, is refused with its line and the nearest key."""
    assert refused(tmp_path, text) == [mistake]


def test_misspelt_variables_are_refused(tmp_path: Path) -> None:
    """A variable with a path that does not exist, or close to a setting's name, is refused; the client's own are not."""
    environ = {"HOSTESS_PROXY__HTPP": "1", "HOSTESS_BASEDOMAIN": "x", "HOSTESS_TOKEN": "t", "HOSTESS_URL": "u"}

    assert refused(tmp_path, "", environ) == [
        'HOSTESS_BASEDOMAIN: there is no setting "basedomain" (did you mean base_domain?)',
        'HOSTESS_PROXY__HTPP: there is no setting "proxy.htpp" (did you mean proxy.http?)',
    ]


def test_the_default_file_is_read_where_it_is(tmp_path: Path) -> None:
    """Without a named file the one in its usual place is read; a named one is read instead of it."""
    usual = written(tmp_path, 'base_domain = "usual.example"')
    named = tmp_path / "named.toml"
    named.write_text("releases.keep = 9")

    assert domain_settings.load(None, None, {}, default_file=usual).base_domain == "usual.example"
    assert domain_settings.load(named, None, {}, default_file=usual).base_domain == "localhost"


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    """A settings file that was named and is missing, or is no text, is a problem and not the defaults."""
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")

    for path in (tmp_path / "absent.toml", tmp_path, binary):
        with pytest.raises(Problem) as caught:
            load(path, None, {})
        assert caught.value.code == "settings-unreadable"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            'acme.eab_kid = "me"\n',
            "config.toml: settings: acme.eab_kid and acme.eab_key_file belong together: set both, or none",
        ),
        (
            '[acme]\nfallback_eab_key_file = "/key"\n',
            "config.toml:1: acme: acme.fallback_eab_kid and acme.fallback_eab_key_file belong together: set both, or none",
        ),
        (
            '[acme]\ndirectory = "http://ca.example/dir"\n',
            'config.toml:2: acme.directory: "http://ca.example/dir" is not the https:// URL of an ACME directory',
        ),
        (
            'acme.fallback = "ca.example"\n',
            'config.toml:1: acme.fallback: "ca.example" is not the https:// URL of an ACME directory',
        ),
        ('acme.ca_file = "ca.pem"\n', 'config.toml:1: acme.ca_file: "ca.pem" is not an absolute path'),
    ],
)
def test_authorities_are_spoken_with_in_safety(tmp_path: Path, text: str, mistake: str) -> None:
    """An authority's address is https, its files do not depend on where the daemon started, and a customer has an id and a key."""
    assert refused(tmp_path, text) == [mistake]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:7654", Address("127.0.0.1", 7654)),
        ("localhost:0", Address("localhost", 0)),
        (":80", Address("", 80)),
        ("[::]:443", Address("::", 443)),
        ("[2001:db8::7]:443", Address("2001:db8::7", 443)),
    ],
)
def test_addresses_are_read_and_written(text: str, address: Address) -> None:
    """An address is understood, and written as it was read."""
    assert Address.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "80", "host", "host:", "host:http", ":65536", ":-1", "::1:80", "[::1]", "[1.2.3.4]:80", "[x]:1", ":²"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """Text that is no address is refused with a sentence."""
    with pytest.raises(ValueError, match=r"address|brackets"):
        Address.parse(text)


def test_settings_cannot_be_changed() -> None:
    """Settings are frozen."""
    with pytest.raises(ValueError, match="frozen"):
        Settings().api.host = "x"  # type: ignore[misc]
