"""What a file leaves out is filled in by the type's rules."""

from datetime import timedelta

import pytest

from hostess.domain.hostess_yml.file import parse
from hostess.domain.hostess_yml.stack import (
    Backups,
    Build,
    Condition,
    Environment,
    File,
    Health,
    Hook,
    Mount,
    OnFailure,
    Port,
    Replicas,
    Resources,
    Run,
    Service,
    ServiceType,
    Visibility,
)
from tests.unit.stack.corpus import FOLDER

GIB = 2**30
PUBLIC, PRIVATE = Visibility.PUBLIC, Visibility.PRIVATE


def service(body: str, *, others: str = "  other: {type: nextjs, image: other}\n") -> Service:
    """Return the service `api` of a file that holds *body* and, so that there is a front door, another one."""
    return parse(f'version: "1.0"\nservices:\n  api: {{{body}}}\n{others}').services["api"]


def test_team() -> None:
    """What is for the team gets a host name of its own, is asked for it by nobody else, and leaves no other door to be opened."""
    stack = parse((FOLDER / "valid" / "team.yml").read_bytes())

    assert {
        name: ([port.number for port in each.public_ports], each.team_ports) for name, each in stack.services.items()
    } == {
        "board": ([3000], (3000,)),
        "api": ([9000], (9000,)),
        "store": ([7000, 7001], (7000,)),
        "notes": ([8080], (8080,)),
        "db": ([], ()),
    }
    assert not [notice for notice in stack.notices if "is public" in notice]


@pytest.mark.parametrize(
    ("kind", "port", "health", "visibility", "replicas"),
    [
        ("fastapi, image: a", 8000, Health(http="/health"), PRIVATE, Replicas(1, 1)),
        ("nextjs, image: a", 3000, Health(http="/"), PUBLIC, Replicas(1, 1)),
        ("static, source: .", 8080, Health(http="/"), PUBLIC, Replicas(0, 1)),
        ("custom, image: a, visibility: private", 8080, None, PRIVATE, Replicas(1, 1)),
        ("postgres", 5432, None, PRIVATE, Replicas(1, 1)),
        ("redis", 6379, None, PRIVATE, Replicas(1, 1)),
    ],
)
def test_type_defaults(kind: str, port: int, health: Health | None, visibility: Visibility, replicas: Replicas) -> None:
    """Each type has its port, health check, visibility and number of replicas."""
    found = service(f"type: {kind}")

    assert found.ports == (Port(port, visibility),)
    assert found.health == health
    assert found.visibility is visibility
    assert found.replicas == replicas
    assert (found.resources.cpu, found.resources.memory) == (1.0, GIB)


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("small", Resources(0.5, GIB // 2, 10 * GIB)),
        ("medium", Resources(1.0, GIB, 20 * GIB)),
        ("large", Resources(2.0, 2 * GIB, 50 * GIB)),
        ("xlarge", Resources(4.0, 4 * GIB, 100 * GIB)),
        ("{preset: small}", Resources(0.5, GIB // 2, 10 * GIB)),
        ("{preset: large, storage: 70Gi}", Resources(2.0, 2 * GIB, 70 * GIB)),
        ("{storage: 1Ti}", Resources(1.0, GIB, 1024 * GIB)),
        ("{cpu: 0.25, memory: 1.5Gi}", Resources(0.25, 3 * GIB // 2, 20 * GIB)),
        ("{cpu: 2, memory: 256Mi, storage: 5Gi}", Resources(2.0, GIB // 4, 5 * GIB)),
    ],
)
def test_resources(written: str, wanted: Resources) -> None:
    """Presets, presets with storage, and plain numbers all become limits."""
    assert service(f"type: postgres, resources: {written}").resources == wanted


def test_worker() -> None:
    """A custom service that says nothing of ports, domains, visibility or HTTP listens on nothing and runs alone."""
    found = service("type: custom, image: a, health: {command: \"celery -A app 'inspect ping'\"}")

    assert found.is_worker
    assert found.is_singleton
    assert found.ports == ()
    assert found.health == Health(command=("celery", "-A", "app", "inspect ping"), interval=timedelta(seconds=10))


@pytest.mark.parametrize(
    "said",
    ["visibility: private", "public: true", "domains: [a.example]", "health: {http: /}", "ports: [8080]"],
)
def test_custom_that_listens(said: str) -> None:
    """A custom service that says anything of ports, domains, visibility or HTTP listens on 8080."""
    found = service(f"type: custom, image: a, {said}")

    assert [port.number for port in found.ports] == [8080]
    assert not found.is_worker


def test_ports_and_visibility() -> None:
    """Ports keep the file's order; each has the service's visibility unless it has its own."""
    found = service("type: custom, image: a, visibility: public, ports: [7000, {port: 7001, visibility: private}, 80]")

    assert found.ports == (Port(7000, PUBLIC), Port(7001, PRIVATE), Port(80, PUBLIC))
    assert [port.number for port in found.public_ports] == [7000, 80]


def test_legacy_public() -> None:
    """The old spelling `public` means the same as `visibility`, and a notice says so."""
    stack = parse(
        'version: "1.0"\nservices:\n  api: {type: custom, image: a, public: true, ports: [{port: 1, public: false}, 2]}\n'
    )

    assert stack.services["api"].ports == (Port(1, PRIVATE), Port(2, PUBLIC))
    assert any("old spelling" in notice for notice in stack.notices)


def test_domains_make_public() -> None:
    """A service with domains, of its own or in an environment, is public; hosts are in lower case."""
    own = service("type: fastapi, image: a, domains: [API.Example.com]")
    elsewhere = parse(
        "services:\n  api: {type: custom, image: a}\nenvironments:\n  staging: {domains: {api: [s.example.com]}}\n"
    )

    assert own.domains == ("api.example.com",)
    assert own.visibility is PUBLIC
    assert elsewhere.services["api"].ports == (Port(8080, PUBLIC),)


@pytest.mark.parametrize(
    ("services", "door"),
    [
        ("api: {type: fastapi, image: a}, two: {type: fastapi, image: a}", "api"),
        ("work: {type: custom, image: a}, api: {type: fastapi, image: a}", "api"),
        ("api: {type: fastapi, image: a, ports: [8000, 9000]}", "api"),
        ("api: {type: fastapi, image: a}, web: {type: nextjs, image: a}", None),
        ("api: {type: fastapi, image: a}, app: {type: custom, image: a, visibility: public}", None),
        ("api: {type: fastapi, image: a}, app: {type: custom, image: a, ports: [{port: 1, public: true}]}", None),
        ("api: {type: fastapi, image: a, visibility: private}, two: {type: fastapi, image: a}", None),
        ("api: {type: fastapi, image: a, ports: [{port: 1, visibility: private}]}", None),
        ("app: {type: custom, image: a, ports: [80]}", None),
        ("web: {type: nextjs, image: a, visibility: private}", None),
    ],
)
def test_front_door(services: str, door: str | None) -> None:
    """Where nothing is public, the first fastapi service becomes so unless it hides itself, and a notice names it."""
    stack = parse(f'version: "1.0"\nservices: {{{services}}}\n')

    notices = [notice for notice in stack.notices if "is public, as no other" in notice]
    assert [notice.split()[0] for notice in notices] == ([f"services.{door}"] if door else [])
    if door:
        assert all(port.visibility is PUBLIC for port in stack.services[door].ports)


def test_notices_for_what_is_left_out() -> None:
    """A missing version and a missing type are assumed, and said."""
    stack = parse("services:\n  app: {image: a}\n")

    assert stack.services["app"].type is ServiceType.CUSTOM
    assert stack.notices == ('version is missing; "1.0" is assumed', "services.app has no type; custom is assumed")


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("3.10", "3.10"),
        ("1e3", "1e3"),
        ("yes", "yes"),
        ("true", "true"),
        ("True", "True"),
        ("0o17", "0o17"),
        ("010", "010"),
        ("22:22", "22:22"),
        ("99999999999999999999999999", "99999999999999999999999999"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        ('""', ""),
        ("'null'", "null"),
        ("a b  c", "a b  c"),
    ],
)
def test_env_keeps_the_source_text(token: str, text: str) -> None:
    """A value of `env` or `build.args` is the text that stands in the file, whatever YAML takes it for."""
    found = service(f"type: fastapi, build: {{source: ., args: {{A: {token}}}}}, env: {{A: {token}}}")

    assert found.env == {"A": text}
    assert found.build == Build(".", "Dockerfile", {"A": text})


def test_commands() -> None:
    """A command is a list of words as it stands, or a string that is split by shell quoting without any expansion."""
    found = service("""type: custom, image: a, entrypoint: ["tini", "--"], command: "sh -c 'echo $HOME ${X:-y}' 5" """)

    assert found.entrypoint == ("tini", "--")
    assert found.command == ("sh", "-c", "echo $HOME ${X:-y}", "5")


def test_paths() -> None:
    """Paths of builds are normal: no leading dot, no doubled slash."""
    found = service("type: fastapi, build: {source: ./apps//api/, dockerfile: ./docker/x.Dockerfile}")

    assert found.build == Build("apps/api", "docker/x.Dockerfile")


def test_health_block_tunes_the_default() -> None:
    """A health block without http or command keeps the type's path; its interval is 10 s unless it says otherwise."""
    found = service("type: fastapi, image: a, health: {timeout: 1m30s, retries: 7}")

    assert found.health == Health("/health", interval=timedelta(seconds=10), timeout=timedelta(seconds=90), retries=7)


def test_depends_on_forms() -> None:
    """The list, the map and the compact map of depends_on all mean the same."""
    text = """
version: "1.0"
services:
  aa: {type: custom, image: a, depends_on: [db, seed]}
  bb: {type: custom, image: a, depends_on: {db: {condition: healthy}, seed: {condition: completed}}}
  cc: {type: custom, image: a, depends_on: {db: healthy, seed: completed}}
  db: {type: postgres}
jobs:
  seed: {image: a, command: [seed]}
"""
    stack = parse(text)

    wanted = {"db": Condition.HEALTHY, "seed": Condition.COMPLETED}
    assert [dict(stack.services[name].depends_on) for name in ("aa", "bb", "cc")] == [wanted] * 3


@pytest.mark.parametrize(
    ("said", "permanent", "mounts"),
    [
        ("type: postgres", True, ()),
        ("type: redis", True, ()),
        ("type: redis, retention: ephemeral", False, ()),
        ("type: custom, image: a", False, ()),
        ("type: custom, image: a, retention: ephemeral", False, ()),
        ("type: custom, image: a, persistence: false", False, ()),
        ("type: custom, image: a, persistence: true", True, (Mount("data", "/data", 20 * GIB),)),
        ("type: custom, image: a, retention: permanent, resources: small", True, (Mount("data", "/data", 10 * GIB),)),
        (
            "type: custom, image: a, persistence: {mount: /srv/db/, size: 3Gi, owner: '1000:1000'}",
            True,
            (Mount("data", "/srv/db", 3 * GIB, "1000:1000"),),
        ),
    ],
)
def test_data(said: str, permanent: bool, mounts: tuple[Mount, ...]) -> None:
    """Databases keep their data unless the file says otherwise; custom services only when it says so."""
    found = service(said)

    assert found.permanent is permanent
    assert found.persistence == mounts


def test_everything_at_once() -> None:
    """A file with every construct becomes the values that it writes out."""
    stack = parse((FOLDER / "valid" / "every_construct.yml").read_bytes())
    core, store = stack.services["core"], stack.services["store"]

    assert stack.name == "Harbour Office"
    assert core.lifecycle.init == Hook(("core", "--warm"))
    assert core.lifecycle.migrate == Hook(job="upgrade", timeout=timedelta(minutes=8), on_failure=OnFailure.ROLLBACK)
    assert core.lifecycle.post_deploy == Hook(("core", "--announce", "new berths"), on_failure=OnFailure.CONTINUE)
    assert core.lifecycle.shutdown == Hook(timeout=timedelta(seconds=45))
    assert core.files[0] == File("rules", "/etc/core/rules.toml", source="core/rules.toml", mode=0o400)
    assert core.files[2] == File("key", "/run/keys/tls.pem", secret="TLS_KEY")
    assert core.health == Health("/ok", (), 7001, timedelta(seconds=20), timedelta(seconds=4), 20)
    assert store.backups == Backups("15 4 * * *", 10, pitr=True)
    assert store.databases == {"main": ("core", "by-hand")}
    assert store.special == {
        "version": "17",
        "extensions": ("pg_trgm", "uuid-ossp"),
        "pooler": {"mode": "session", "instances": 2},
    }
    assert stack.services["cache"].special["maxmemory_percent"] == 80
    assert stack.services["site"].special == {"output": "dist", "spa": True, "build_command": "npm run build"}
    assert [job.run for job in stack.jobs.values()] == [Run.ONCE, Run.LIFECYCLE, Run.CRON, Run.MANUAL]
    assert stack.jobs["nightly"].retries == 0
    assert stack.environments["staging"] == Environment("staging", ("develop",), {"map": ("staging.harbour.example",)})
    assert stack.environments["preview"].ttl == timedelta(hours=36)


def test_databases_per_service() -> None:
    """`databases: per_service` makes one group for each service or job that refers to the database."""
    stack = parse((FOLDER / "valid" / "scoped_databases.yml").read_bytes())

    assert stack.services["db"].databases == {"alpha": ("alpha",), "beta": ("beta",)}
    assert stack.services["kv"].databases == {"first": ("alpha",), "second": ("beta",)}


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        (
            "services: {api: {type: nextjs, build: {source: ., args: {A: 'x${B}'}}}}",
            "build.args.A is passed on as written",
        ),
        ("services: {db: {type: postgres, visibility: public}}", "services.db is a database and stays private"),
        ("services: {db: {type: redis, public: true}}", "services.db is a database and stays private"),
        ("services: {db: {type: redis, health: {interval: 5s}}}", "services.db.health has no effect"),
        (
            "services: {api: {type: nextjs, image: a}}\nenvironments: {dev: {ttl: 1d}}",
            "environments.dev.ttl has no effect without ephemeral: true",
        ),
        (
            "services: {web: {type: nextjs, image: a, env: {A: '${api.external_url}'}}, api: {type: fastapi, image: a}}",
            "${api.external_url} is used, but api is private",
        ),
    ],
)
def test_notices(text: str, notice: str) -> None:
    """What is accepted but does not do what it seems to say is told."""
    assert any(notice in said for said in parse(f'version: "1.0"\n{text}\n').notices)
