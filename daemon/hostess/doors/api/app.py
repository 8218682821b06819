"""The application: every operation of the table behind its checks."""

import asyncio
import json
import logging
from functools import cache

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from hostess import __version__
from hostess.domain.problem import Problem
from hostess.doors.api import (
    alerts,
    backups,
    canaries,
    certificates,
    closures,
    connections,
    deployments,
    domains,
    environments,
    events,
    host_backups,
    imported_certificates,
    jobs,
    kept_services,
    locks,
    metrics,
    notices,
    one_off,
    preflights,
    projects,
    recoveries,
    registries,
    releases,
    restores,
    rotations,
    secrets,
    ssh_keys,
    status,
    tokens,
    upcoming,
    upgrades,
    uploads,
    usage,
    webhooks,
    workloads,
)
from hostess.doors.api.caller import NOBODY, Caller, identify, key_of
from hostess.doors.api.guards import Handler, guards, mark
from hostess.doors.api.limits import UNSIGNED, Limits, Unsigned
from hostess.doors.api.openapi import document
from hostess.doors.api.operation import JSON, Call, Operation, read, respond
from hostess.doors.api.reference import as_html, blocks
from hostess.doors.api.refusals import Refusals
from hostess.doors.api.repeats import once, tagged
from hostess.doors.api.streams import CLOSING
from hostess.doors.api.wiring import SERVICES, ApiServices

BODY = 1024 * 1024
"""The largest body of an operation, in bytes (git's routes stream and are not bounded by it)."""

LINE = 256 * 1024
"""The longest line of a request's head, in bytes: commands for terminals come in the query, where a character may need twelve."""

__all__ = ["OPERATIONS", "ApiServices", "make_app", "runner_of"]

OPERATIONS: tuple[Operation, ...] = (
    *projects.OPERATIONS,
    *environments.OPERATIONS,
    *deployments.OPERATIONS,
    *upcoming.OPERATIONS,
    *uploads.OPERATIONS,
    *webhooks.OPERATIONS,
    *workloads.OPERATIONS,
    *canaries.OPERATIONS,
    *closures.OPERATIONS,
    *connections.OPERATIONS,
    *domains.OPERATIONS,
    *kept_services.OPERATIONS,
    *jobs.OPERATIONS,
    *locks.OPERATIONS,
    *backups.OPERATIONS,
    *restores.OPERATIONS,
    *recoveries.OPERATIONS,
    *host_backups.OPERATIONS,
    *upgrades.OPERATIONS,
    *rotations.OPERATIONS,
    *one_off.OPERATIONS,
    *secrets.OPERATIONS,
    *releases.OPERATIONS,
    *tokens.OPERATIONS,
    *ssh_keys.OPERATIONS,
    *registries.OPERATIONS,
    *imported_certificates.OPERATIONS,
    *preflights.OPERATIONS,
    *certificates.OPERATIONS,
    *alerts.OPERATIONS,
    *events.OPERATIONS,
    *notices.OPERATIONS,
    *status.OPERATIONS,
    *metrics.OPERATIONS,
    *usage.OPERATIONS,
)


def make_app(services: ApiServices) -> web.Application:
    """Return the application; more routes (git) can be added to it and pass the same guards."""
    app = web.Application(middlewares=guards(services), client_max_size=BODY)
    app[SERVICES] = services
    app[CLOSING] = asyncio.Event()
    app[UNSIGNED] = Unsigned()
    app.on_response_prepare.append(mark)
    app.on_shutdown.append(_close)
    app.router.add_get("/v1/openapi.json", _openapi)
    app.router.add_get("/v1/docs", _docs)
    limits = Limits(services.settings.api.rate, services.settings.api.at_once)
    refusals = Refusals(services)
    for operation in OPERATIONS:
        app.router.add_route(operation.method, operation.path, _handler(services, limits, refusals, operation))
    return app


def runner_of(app: web.Application, *, shutdown_timeout: float) -> web.AppRunner:
    """Return what serves the application."""
    quiet = logging.getLogger("hostess.http")
    quiet.addFilter(_is_about_us)
    return web.AppRunner(app, access_log=None, shutdown_timeout=shutdown_timeout, max_line_size=LINE, logger=quiet)


def _is_about_us(record: logging.LogRecord) -> bool:
    """Whether a mistake is the daemon's: what is no HTTP anybody can send, and its words, a token maybe, belong in no log."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


@cache
def _described() -> str:
    """Return the document. It is made for whoever asks first: few daemons are asked for it, and all have to start."""
    return json.dumps(document(OPERATIONS, __version__))


@cache
def _page() -> str:
    return as_html(blocks(json.loads(_described())))


async def _openapi(request: web.Request) -> web.StreamResponse:
    return tagged(request, web.Response(text=_described(), content_type=JSON, headers={"Cache-Control": "no-cache"}))


async def _docs(_: web.Request) -> web.Response:
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return web.Response(text=_page(), content_type="text/html", headers=headers)


async def _close(app: web.Application) -> None:
    app[CLOSING].set()


def _handler(services: ApiServices, limits: Limits, refusals: Refusals, operation: Operation) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        if operation.action is None:
            return await answered(request, NOBODY)
        caller = None
        try:
            caller = await _known(services, limits, request)
            whose = key_of(caller)
            limits.spend(whose)
            with limits.under_way(whose):
                return await answered(request, caller)
        except Problem as problem:
            await refusals.tell(request, operation, caller, problem)
            raise

    async def answered(request: web.Request, caller: Caller) -> web.StreamResponse:
        call = Call(services, request, caller, dict(request.match_info))

        async def carry_out() -> web.StreamResponse:
            await _admit(call, operation)
            given = await read(operation, request)
            return respond(await operation.handler(call, given), operation.status)

        return tagged(request, await once(services, request, caller, operation, carry_out))

    return handle


async def _known(services: ApiServices, limits: Limits, request: web.Request) -> Caller:
    """Return who asks; strangers are counted by their address."""
    try:
        return await identify(services, request)
    except Problem:
        limits.spend(f"stranger at {request.remote}")
        raise


async def _admit(call: Call, operation: Operation) -> None:
    """Raise a Problem unless the caller may do this there, and what the path names exists."""
    if operation.action is None:
        return
    name = call.path.get("project")
    if name is None:
        if operation.action == "admin":
            call.require("admin", None)
        call.require_somewhere(operation.action)
        return
    await call.require_project(name, operation.action)
    environment = call.path.get("environment")
    if operation.makes_place:
        return
    if environment is not None and environment not in {
        place.environment for place in await call.services.journal.places(name)
    }:
        raise Problem(
            "environment-not-found",
            f"{name} has no environment {environment}",
            remedy=f"`hostess environments list -p {name}` shows those there are; a first push makes one",
        )
