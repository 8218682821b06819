"""The images that the fake engine has at first, named as the real test images are."""

from dataclasses import replace

from tests.fakes.building import Recipe
from tests.fakes.programs import Box, crash, echo, listening, shell, silent


def stock() -> dict[str, Recipe]:
    """Return the images that the engine has at first: name -> recipe."""
    server = Recipe({"/echo": echo}, entrypoint=("/echo",), env={"PORT": "8000", "VERSION": "1"})
    shelled = replace(server, commands={"/echo": echo, "sh": shell})
    plain = Recipe({"sh": shell}, cmd=("sh",))
    postgres = Recipe({"postgres": listening(5432), "pg_isready": _fine, "psql": _fine, "sh": shell}, cmd=("postgres",))
    redis = Recipe({"redis-server": listening(6379), "redis-cli": _fine, "sh": shell}, cmd=("redis-server",))
    return {
        "hostess-test/echo:1": server,
        "hostess-test/echo:2": replace(server, env={**(server.env or {}), "VERSION": "2"}),
        "hostess-test/echo:1-sh": shelled,
        "hostess-test/echo:broken": replace(server, env={**(server.env or {}), "EXIT_ON_START": "3"}),
        "hostess-test/echo:sick": replace(server, env={**(server.env or {}), "HEALTH": "fail"}),
        "hostess-test/echo:slow": replace(server, env={**(server.env or {}), "START_DELAY_MS": "3000"}),
        "echo:1": server,
        "echo:2": replace(server, env={**(server.env or {}), "VERSION": "2"}),
        "sick": replace(server, env={**(server.env or {}), "HEALTH": "fail", "HEALTH_STATUS": "500"}),
        "crash": Recipe({"crash": crash, "/echo": echo}, cmd=("crash",)),
        "silent": Recipe({"silent": silent, "/echo": echo}, cmd=("silent",)),
        "busybox:1": plain,
        "scratch": Recipe({}),
        "node:22-slim": plain,
        "python:3.12-slim": plain,
        **{f"postgres:{major}": postgres for major in (15, 16, 17, 18)},
        **{f"redis:{major}": redis for major in (7, 8)},
    }


async def _fine(_: Box) -> int:
    return 0
