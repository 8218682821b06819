"""The proxy's composition root: settings, lock, table, sockets, supervisor, in this order."""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hostess_proxy import listeners, settings, supervisor, table_file
from hostess_proxy.table import Table, TableError

DONE, FAILED, INVALID = 0, 1, 2


def main(argv: list[str] | None = None) -> int:
    """Run the proxy until SIGTERM; return the exit code: 0 stopped, 1 could not serve, 2 invalid settings or table."""
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
    try:
        chosen = settings.read(os.environ, arguments.config, data_dir)
        return _serve(chosen, arguments.table)
    except settings.SettingsError as error:
        return _complain(INVALID, str(error))
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def _serve(chosen: settings.Settings, table_from: Path | None) -> int:
    try:
        table = _first_table(chosen, table_from)
    except TableError as error:
        return _complain(INVALID, f"the table is not valid: {error}")
    try:
        held = supervisor.lock(chosen.run_dir)
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
    try:
        asyncio.run(_supervise(chosen, sockets, table, table_from))
    finally:
        for listener in sockets:
            for one in listener.sockets:
                one.close()
        os.close(held)
    return DONE


async def _supervise(
    chosen: settings.Settings, sockets: Sequence[listeners.Listener], table: Table, table_from: Path | None
) -> None:
    await supervisor.Supervisor(chosen, sockets, table, table_from).run(ready=_announce)


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
    if passed:
        return list(passed.values())
    wanted = {"http": chosen.http, "https": chosen.https, "inside": chosen.inside, "metrics": chosen.metrics}
    found: list[listeners.Listener] = []
    for kind, address in wanted.items():
        if address is None:
            continue
        try:
            found.append(_bind(kind, address))
        except OSError as error:
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
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML)")
    return parser.parse_args(argv)


def _complain(code: int, text: str) -> int:
    sys.stderr.write(f"hostess proxy: {text}\n")
    return code
