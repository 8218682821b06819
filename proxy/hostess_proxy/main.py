"""The proxy's composition root: settings, lock, table, sockets, supervisor, in this order."""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from hostess_proxy import settings
from hostess_proxy.client import ProxyClient, ProxyError, ProxyOutdatedError
from hostess_proxy.process import estate, listeners, supervisor
from hostess_proxy.process.elder import Elder, elder_of
from hostess_proxy.tables import file as table_file
from hostess_proxy.tables.table import Table, TableError

DONE, FAILED, INVALID = 0, 1, 2
DATABASES = ("postgres", "redis")


def main(argv: list[str] | None = None) -> int:
    """Run the proxy until SIGTERM or an upgrade; return the exit code: 0 stopped, 1 could not serve, 2 invalid settings or table."""
    arguments = _parse(argv)
    scratch: Path | None = None
    data_dir = arguments.data_dir
    if (
        data_dir is None
        and arguments.table is not None
        and arguments.config is None
        and "HOSTESS_DATA_DIR" not in os.environ
    ):
        data_dir = scratch = Path(tempfile.mkdtemp(prefix="hostess-proxy-"))
    read = partial(settings.read, os.environ, arguments.config, data_dir)
    try:
        chosen = read()
        if arguments.upgrade:
            return _upgrade(chosen, arguments.within)
        origin = supervisor.Origin(read, program(sys.argv), arguments.table)
        elder = elder_of(os.environ)
        return _serve(chosen, origin) if elder is None else _succeed(chosen, origin, elder)
    except settings.SettingsError as error:
        return _complain(INVALID, str(error))
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def program(argv: Sequence[str]) -> tuple[str, ...]:
    """Return the command line that starts this program once more: whatever is installed there by then."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if spec is not None:  # python -m
        return (sys.executable, "-m", spec.name.removesuffix(".__main__"), *argv[1:])
    return tuple(argv)


def _serve(chosen: settings.Settings, origin: supervisor.Origin) -> int:
    try:
        table = _first_table(chosen, origin.table_from)
    except TableError as error:
        return _complain(INVALID, f"the table is not valid: {error}")
    try:
        held = estate.lock(chosen.run_dir)
    except OSError as error:
        return _complain(FAILED, f"{chosen.run_dir} cannot be used: {error.strerror}")
    if held is None:
        return _complain(
            FAILED, f"another proxy runs in {chosen.data_dir} already (see {chosen.run_dir / 'proxy.json'})"
        )
    try:
        sockets = _listen(chosen)
    except OSError as error:
        os.close(held)
        return _complain(FAILED, str(error))
    return _supervise(chosen, estate.begun(tuple(sockets), held, table), origin, None)


def _succeed(chosen: settings.Settings, origin: supervisor.Origin, elder: Elder) -> int:
    """Take the place of a proxy that runs; whatever is in the way is told to it, and it goes on."""
    try:
        taken = estate.inherited(elder.take(), chosen.data_dir)
        if origin.table_from is not None:
            table = table_file.load_existing(origin.table_from)
            taken = replace(taken, table=table.numbered(taken.table.generation + 1))
    except TableError as error:
        elder.failed(f"the table is not valid: {error}")
        return _complain(INVALID, f"the table is not valid: {error}")
    except (OSError, ValueError, LookupError) as error:
        elder.failed(str(error))
        return _complain(FAILED, str(error))
    return _supervise(chosen, taken, origin, elder)


def _supervise(chosen: settings.Settings, held: estate.Estate, origin: supervisor.Origin, elder: Elder | None) -> int:
    async def supervise() -> None:
        await supervisor.Supervisor(chosen, held, origin, elder).run(ready=_announce)

    try:
        asyncio.run(supervise())
    finally:
        held.close()
    return DONE


def _upgrade(chosen: settings.Settings, within: float) -> int:
    """Ask the proxy that runs to start this program, and to give its place to it."""
    try:
        pid = asyncio.run(ProxyClient(chosen.run_dir / "proxy.sock").upgrade(within))
    except ProxyOutdatedError:
        return _complain(
            FAILED,
            "the proxy that runs is too old to hand over, and goes on; `systemctl restart hostess-proxy` starts the one that is installed",
        )
    except ProxyError as error:
        return _complain(FAILED, str(error))
    _announce(f"hostess proxy: process {pid} has taken over")
    return DONE


def _announce(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _first_table(chosen: settings.Settings, table_from: Path | None) -> Table:
    """Return the table to begin with: the named one, or the last good one, or an empty one."""
    if table_from is not None:
        return table_file.load_existing(table_from)
    try:
        return table_file.load(chosen.table_path) or Table()
    except TableError as error:
        # Serving nothing until the daemon publishes again is better than not being there when it does.
        aside = chosen.table_path.with_suffix(".unreadable")
        chosen.table_path.replace(aside)
        _complain(FAILED, f"the last table cannot be used, it is kept as {aside}: {error}")
        return Table()


def _listen(chosen: settings.Settings) -> list[listeners.Listener]:
    passed = listeners.inherited(os.environ)
    found = list(passed.values())
    wanted = {"metrics": chosen.metrics, "postgres": chosen.postgres, "redis": chosen.redis}
    if not passed:  # who passes any passes those of requests; the others are ours, unless they were passed, too
        wanted = {"http": chosen.http, "https": chosen.https, "inside": chosen.inside, **wanted}
    for kind, address in wanted.items():
        if address is None or kind in passed:
            continue
        try:
            found.append(_bind(kind, address))
        except OSError as error:
            # Databases from outside are no reason to serve nothing at all: the host may have a server of its own at that port.
            if kind in DATABASES:
                _complain(FAILED, f"{error}; no {kind} is reached from outside until the proxy is restarted")
                continue
            # Nobody asked for the default address; HTTP alone is better than nothing.
            if not found or address != settings.DEFAULT_HTTPS:
                raise
            _complain(FAILED, f"{error}; HTTPS is not served")
    return found


def _bind(kind: str, address: settings.Address) -> listeners.Listener:
    try:
        return listeners.bind(kind, address)
    except OSError as error:
        where = f"{address.host}:{address.port}"
        raise OSError(error.errno, f"proxy.{kind}: cannot listen on {where}: {error.strerror or error}") from error


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hostess proxy", description="Serve the routing table.")
    parser.add_argument("--table", type=Path, metavar="FILE", help="serve this table; read it again on SIGHUP")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="where state, log and control socket are")
    parser.add_argument(
        "--upgrade", action="store_true", help="let the proxy that runs be replaced, and lose no request"
    )
    parser.add_argument(
        "--within",
        type=float,
        metavar="SECONDS",
        default=supervisor.HEIR_SECONDS,
        help="how long an upgrade may take (default: %(default)g)",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help=f"settings in TOML (default: {settings.DEFAULT_CONFIG})"
    )
    return parser.parse_args(argv)


def _complain(code: int, text: str) -> int:
    sys.stderr.write(f"hostess proxy: {text}\n")
    return code
