"""The daemon's life: opens in order, serves until it is told to stop, closes in reverse."""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from aiohttp import web

from hostess import __version__
from hostess.adapters.host_laydown import check_laid_down
from hostess.adapters.journal.sqlite import SqliteJournal
from hostess.adapters.log_output import set_up_logging
from hostess.adapters.proxy.proxy_process import ProxyProcess
from hostess.adapters.service_manager_systemd import keep_alive, notify
from hostess.adapters.vault_files import open_vault
from hostess.composition import Outside, World, compose, outside_of
from hostess.domain.ports import Journal
from hostess.domain.problem import Problem
from hostess.domain.settings import Settings, load
from hostess.domain.settings_kinds import Address
from hostess.doors.api.app import ApiServices, make_app, runner_of
from hostess.doors.git_http import GitHttp
from hostess.doors.git_limits import GitLimits
from hostess.doors.hook_socket import HookSocket
from hostess.doors.ssh_socket import SshSocket
from hostess.periodic import refresh_repositories, timers
from hostess.services.under_way import lasting
from hostess.wiring.git_access import ensure_project, key_id, may_git, may_git_by_key

LONGEST_RECOVERY = timedelta(hours=6)
INSIDE_PORT = 7655
LISTENERS = ("http", "https", "metrics", "postgres", "redis")

log = logging.getLogger("hostess")


@asynccontextmanager
async def opened_world(
    settings: Settings, outside: Outside, journal: Journal | None = None
) -> AsyncIterator[tuple[Journal, World, ProxyProcess]]:
    """Open the data folder, alone, wire the services and let the proxy run; nothing that is live is looked at yet."""
    folder = settings.data_dir
    check_laid_down(folder)
    make_folders(folder)
    async with AsyncExitStack() as opened:
        opened.enter_context(alone(folder / "run" / "daemon.lock"))
        if journal is None:
            own = await SqliteJournal.open(folder / "hostess.db")
            opened.push_async_callback(own.close)
            journal = own
        vault = await open_vault(folder / "key", journal)
        world = await compose(settings, journal, vault, outside)
        opened.callback(world.transcripts.close_all)
        opened.callback(world.job_transcripts.close_all)
        await world.tokens.ensure_owner(folder / "owner-token")
        await refresh_repositories(journal, world)
        proxy = proxy_of(settings)
        if settings.proxy.managed:
            await proxy.ensure()
        await world.names.look()
        yield journal, world, proxy


async def serve(settings: Settings, outside: Outside, stop: asyncio.Event, journal: Journal | None = None) -> None:
    """Run the daemon until *stop* is set. Its proxy serves on afterwards."""
    async with AsyncExitStack() as opened:
        known, world, proxy = await opened.enter_async_context(opened_world(settings, outside, journal))
        await world.notifier.begin()
        await finish_recovery(world)
        await world.loops.recover()
        held = asyncio.Event()
        loops = [world.reconciler.at_boot(held), lasting(world.retirement.run), lasting(world.closures.run)]
        if settings.proxy.managed:
            loops.append(lasting(partial(proxy.watch, world.routing.publish)))
        boot, *_ = await opened.enter_async_context(running(*loops))
        await until_held(held, boot)
        await world.jobs.recover()
        opened.push_async_callback(world.orders.stop)
        opened.push_async_callback(world.jobs.stop)
        await world.backups.recover()
        await world.host.backups.recover()
        await world.upgrades.recover()
        await world.rotations.recover()
        await world.webhooks.recover()
        opened.push_async_callback(world.upgrades.stop)
        opened.push_async_callback(world.rotations.stop)
        opened.push_async_callback(world.backups.stop)
        opened.push_async_callback(world.host.stop)
        opened.push_async_callback(world.reconciler.stop)
        opened.push_async_callback(world.checkups.stop)
        opened.push_async_callback(world.autoscaler.stop)
        opened.push_async_callback(world.history.stop)
        await opened.enter_async_context(doors(settings, known, world, outside))
        opened.enter_context(timers(known, world))
        failing = partial(world.failed.run, world.checkups.suspect)
        parts = (world.orders.run, world.sleeping.run, world.deaths.run, world.draining.run, failing)
        watching = [lasting(each) for each in parts]
        await opened.enter_async_context(running(*watching, keep_alive(os.environ)))
        notify("READY=1")
        log.info("hostess %s is ready; data in %s", __version__, settings.data_dir)
        await stop.wait()
        notify("STOPPING=1")


async def finish_recovery(world: World) -> None:
    """Bring back what `hostess host recover` was killed over; what cannot be is left out, so that the others are served."""
    recovery = world.host.recovery
    if recovery.pending() is not None:
        notify(f"EXTEND_TIMEOUT_USEC={LONGEST_RECOVERY // timedelta(microseconds=1)}")
        await recovery.run(log.info)
        await recovery.give_up()


@asynccontextmanager
async def running(*loops: Coroutine[object, object, None]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Own the daemon's long-running tasks: leaving the block ends them; one that ends in an error is logged as what it is, a bug."""
    tasks = [asyncio.create_task(loop) for loop in loops]
    for task in tasks:
        task.add_done_callback(_log_bug)
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_held(held: asyncio.Event, boot: asyncio.Task[None]) -> None:
    """Wait until the work of *boot* lets the doors open; an error that ends it before is raised: without it nothing may be deployed."""
    waiting = asyncio.create_task(held.wait())
    try:
        await asyncio.wait({waiting, boot}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if not held.is_set():
        boot.result()


def _log_bug(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.critical("a part of the daemon ended: restart it", exc_info=task.exception())


@asynccontextmanager
async def doors(settings: Settings, journal: Journal, world: World, outside: Outside) -> AsyncIterator[None]:
    """Open the ways in: the hook socket, the API on TCP and on the unix socket, git over HTTP and SSH; tell where in `run/daemon.json`."""
    run = settings.data_dir / "run"
    hooks = HookSocket(run / "hook.sock", world.pushes.handle, outside.clock.token)
    await hooks.start()
    app = make_app(api_services(settings, journal, world, outside))
    ensure = partial(ensure_project, journal, world.repositories, outside.clock)
    limits = GitLimits(settings.api)
    git = GitHttp(world.repositories.path, hooks, partial(may_git, world.tokens), ensure, limits)
    app.add_routes(git.routes())
    keys = world.ssh_keys
    knows, may = partial(key_id, keys), partial(may_git_by_key, keys)
    ssh = SshSocket(run / "ssh.sock", world.repositories.path, hooks, knows, may, ensure, limits)
    runner = runner_of(app, shutdown_timeout=5)
    await runner.setup()
    try:
        await listen(runner, settings.api.listen)
        (run / "api.sock").unlink(missing_ok=True)
        await web.UnixSite(runner, str(run / "api.sock")).start()
        share_socket(run / "api.sock")
        await ssh.start()
        host, port = next(address for address in runner.addresses if not isinstance(address, str))[:2]
        await world.api_host.listens(host, port)
        if settings.api.host and settings.proxy.https is None:
            log.warning("the API is not served at %s (api.host): proxy.https is off", settings.api.host)
        facts = {"pid": os.getpid(), "api": f"{host}:{port}", "version": __version__}
        write_facts(run / "daemon.json", {**facts, "instance": await journal.instance()})
        yield
    finally:
        (run / "daemon.json").unlink(missing_ok=True)
        # Nobody is told who waits at a forge: events whose deployment still waits for its turn are gone on with in the next life.
        await world.webhooks.stop()
        # Pushes end before the doors: their pushers are still connected and are told.
        await world.deployments.stop()
        await hooks.stop()
        await ssh.stop()
        await runner.cleanup()
        (run / "api.sock").unlink(missing_ok=True)


async def listen(runner: web.AppRunner, address: Address) -> None:
    """Open the API's port; Problem "address-taken" where that cannot be had."""
    try:
        await web.TCPSite(runner, address.host or None, address.port).start()
    except OSError as error:
        raise Problem(
            "address-taken",
            f"the API cannot listen at {address} (api.listen): {os.strerror(error.errno or 0)}",
            remedy="`hostess doctor` tells which program has the port: end that one, or set api.listen",
        ) from error


def api_services(settings: Settings, journal: Journal, world: World, outside: Outside) -> ApiServices:
    """Return what the admin API needs."""
    return ApiServices(
        journal=journal,
        engine=outside.engine,
        clock=outside.clock,
        deployments=world.deployments,
        secrets=world.secrets,
        tokens=world.tokens,
        ssh_keys=world.ssh_keys,
        keyed=world.keyed,
        registries=world.registries,
        webhooks=world.webhooks,
        certificates=world.certificates,
        served=world.served,
        orders=world.orders,
        imports=world.imports,
        internal=world.internal,
        transcripts=world.transcripts,
        jobs=world.jobs,
        one_off=world.one_off,
        kept=world.kept,
        environments=world.environments,
        schedules=world.schedules,
        uploads=world.uploads,
        preflights=world.preflights,
        storage=world.storage,
        connections=world.connections,
        upgrades=world.upgrades,
        rotations=world.rotations,
        alerts=world.alerts,
        notifier=world.notifier,
        voucher=world.voucher,
        job_transcripts=world.job_transcripts,
        backups=world.backups,
        host_backups=world.host.backups,
        replicas=world.replicas,
        checkups=world.checkups,
        failed=world.failed,
        autoscaler=world.autoscaler,
        loops=world.loops,
        host=world.host_watch,
        usage=world.usage,
        history=world.history,
        routing=world.routing,
        closures=world.closures,
        domains=world.domains,
        canaries=world.canaries,
        redactor=world.redactor,
        collector=world.collector,
        removal=world.removal,
        repositories=world.repositories,
        settings=settings,
        public_url=world.public_url,
        opened_url=world.opened_url,
    )


def proxy_of(settings: Settings) -> ProxyProcess:
    """Return the managed proxy; it gets its settings as environment variables."""
    proxy = settings.proxy
    environment = {
        "HOSTESS_DATA_DIR": str(settings.data_dir),
        **{f"HOSTESS_PROXY__{kind.upper()}": str(getattr(proxy, kind) or "") for kind in LISTENERS},
        "HOSTESS_PROXY__INSIDE": inside_listener(settings.data_dir),
        "HOSTESS_PROXY__WORKERS": str(proxy.workers),
        "HOSTESS_PROXY__ACCESS_LOG": proxy.access_log,
        "HOSTESS_PROXY__ACCESS_LOG_FORMAT": proxy.access_log_format,
        "HOSTESS_PROXY__ACCESS_LOG_SIZE": str(proxy.access_log_size),
        "HOSTESS_PROXY__ACCESS_LOG_KEEP": str(proxy.access_log_keep),
        "HOSTESS_PROXY__DRAIN_SECONDS": f"{proxy.drain_seconds:g}",
        "HOSTESS_PROXY__CONNECTIONS": str(proxy.connections),
        "HOSTESS_PROXY__CONNECTIONS_PER_CLIENT": str(proxy.connections_per_client),
        "HOSTESS_PROXY__TRUSTED_PROXIES": ",".join(str(network) for network in proxy.trusted_proxies),
    }
    run, logs = settings.data_dir / "run", settings.data_dir / "logs"
    return ProxyProcess(run, ["--data-dir", str(settings.data_dir)], environment, logs)


def inside_listener(folder: Path) -> str:
    """Return where the managed proxy waits for callers inside stacks; "" when this user cannot change the firewall, and none come.

    An address that is no machine's (RFC 2544), the same for a data folder each time, and seldom that of another one.
    """
    if os.geteuid() != 0:
        return ""
    third, fourth = hashlib.sha256(bytes(folder.absolute())).digest()[:2]
    return f"198.18.{third}.{max(fourth, 1)}:{INSIDE_PORT}"


def make_folders(folder: Path) -> None:
    """Make the data folder. Others may pass through to `run`, where each socket has its own rights; the rest is the daemon's."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o711)
    for name, mode in {
        "run": 0o755,
        "repos": 0o700,
        "certs": 0o700,
        "backups": 0o700,
        "logs": 0o711,
        "static": 0o711,
    }.items():
        (folder / name).mkdir(exist_ok=True, mode=mode)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock that keeps a second daemon from the same data folder; the kernel drops it with the process."""
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem(
                "already-running",
                f"another daemon runs on {path.parent.parent}",
                remedy="stop it first, or give this one another --data-dir",
            ) from None
        yield


def share_socket(path: Path) -> None:
    """Let root and the group hostess-admin use the API socket."""
    path.chmod(0o660)
    with contextlib.suppress(LookupError, PermissionError):
        shutil.chown(path, group="hostess-admin")


def write_facts(path: Path, facts: Mapping[str, object]) -> None:
    """Write a small JSON file that is there whole or not at all."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    beside.replace(path)


async def run(settings: Settings) -> None:
    """Serve with the real outside until SIGTERM (the proxy serves on) or SIGINT (the managed proxy ends, too)."""
    stop = asyncio.Event()
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        stop.set()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    outside = outside_of(settings)
    await serve(settings, outside, stop)
    if interrupted and settings.proxy.managed:
        proxy_of(settings).stop()
        await outside.firewall.clear()


def main(config: Path | None = None, data_dir: Path | None = None) -> int:
    """Run `hostess daemon`; return the exit code."""
    try:
        settings = load(config, data_dir, os.environ)
        set_up_logging(settings.log)
        asyncio.run(run(settings))
    except Problem as problem:
        sys.stderr.write(f"{problem}\n{problem.remedy}\n")
        return 2 if problem.code.startswith("settings-") else 1
    return 0
