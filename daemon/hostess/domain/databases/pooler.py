"""The connection pooler of a postgres (`special.pooler`): PgBouncer, as a workload beside it. Pure."""

from collections.abc import Mapping, Sequence
from typing import cast

from hostess.domain.databases import postgres
from hostess.domain.databases.scopes import Access
from hostess.domain.hostess_yml.stack import Service

IMAGE = "edoburu/pgbouncer:v1.24.1-p1"
PORT = 6432
CPU = 0.5
MEMORY = 128 * 2**20
FOLDER = "/etc/hostess"
USERS = f"{FOLDER}/userlist.txt"
CLIENTS = 1000

# Any image with pgbouncer, a shell and getent will do. A database has another address after a hand-over or a repair, and
# PgBouncer's own resolver goes on with the old one for ten minutes, so names are resolved here. The program refuses to be root.
# Of the signals, INT is the one after which it finishes the transactions in hand.
_START = """
address() { set -- $(getent hosts NAME); echo "$1"; }
write() { sed "s/@address@/$1/" FOLDER/pgbouncer.ini > /tmp/pgbouncer.ini; chmod 644 /tmp/pgbouncer.ini; }
before=$(address)
while [ -z "$before" ]; do sleep 1; before=$(address); done
write "$before"
user=; [ "$(id -u)" != 0 ] || user="-u nobody"
pgbouncer $user /tmp/pgbouncer.ini & child=$!
trap 'kill -INT $child' TERM INT
while kill -0 $child 2>/dev/null; do
    sleep 1 & wait $!
    now=$(address)
    if [ -n "$now" ] && [ "$now" != "$before" ]; then before=$now; write "$now"; kill -HUP $child; fi
done
wait $child
"""


def pooler_name(service: str) -> str:
    """Return what the pooler of a postgres is called, also in the stack's network. No service's name has a dot."""
    return f"{service}.pooler"


def database_of(name: str) -> str:
    """Return the postgres that a pooler of this name is beside."""
    return name.rpartition(".")[0]


def has_pooler(service: Service) -> bool:
    """Whether a service has a pooler."""
    return bool(service.special.get("pooler"))


def instances(service: Service) -> int:
    """Return how many poolers run."""
    return int(str(_pooler(service).get("instances") or 1))


def start(service: str) -> str:
    """Return the shell's text that runs the pooler of a database and leads it to wherever the database is."""
    return _START.replace("NAME", service).replace("FOLDER", FOLDER)


def files(service: Service, own: Access) -> dict[str, str]:
    """Return the pooler's files, path -> text; *own* is the access of the database's own user.

    Whoever may connect to the server may connect here, by the server's own list of users: a group that comes later needs no new
    pooler, and while one pooler follows another it does not matter which of them answers.
    """
    size = pool_size(service.resources.memory, instances(service), len(service.databases or {}))
    user = own.user or postgres.USER
    settings = _settings(service.name, user, str(_pooler(service).get("mode") or "transaction"), size)
    told = ["[databases]", "* = host=@address@ port=5432", "[pgbouncer]"]
    told += [f"{name} = {value}" for name, value in settings]
    return {
        f"{FOLDER}/pgbouncer.ini": "\n".join([*told, ""]),
        USERS: f"{_quoted(user)} {_quoted(own.password)}\n",
    }


def pool_size(memory: int, poolers: int, groups: int) -> int:
    """Return how many connections one pool of one pooler holds: all together half of what the server takes; the rest is for others.

    Groups are counted in powers of two, so that seldom one of them changes the pooler.
    """
    connections = int(postgres.settings(memory)["max_connections"])
    pools = 1 << max(0, groups - 1).bit_length()
    return max(1, connections // 2 // (poolers * pools))


def _settings(database: str, user: str, mode: str, size: int) -> Sequence[tuple[str, object]]:
    return (
        ("listen_addr", "*"),
        ("listen_port", PORT),
        ("unix_socket_dir", ""),
        ("auth_type", "scram-sha-256"),
        ("auth_file", f"{FOLDER}/userlist.txt"),
        ("auth_user", user),
        ("auth_dbname", database),
        ("pool_mode", mode),
        ("default_pool_size", size),
        ("max_client_conn", CLIENTS),
        ("max_prepared_statements", 200),
        ("ignore_startup_parameters", "extra_float_digits"),
        ("server_connect_timeout", 3),
        ("server_login_retry", 1),
        ("log_connections", 0),
        ("log_disconnections", 0),
        ("log_stats", 0),
    )


def _pooler(service: Service) -> Mapping[str, object]:
    return cast("Mapping[str, object]", service.special.get("pooler") or {})


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
