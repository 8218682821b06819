"""Errors that the proxy itself answers with, in the words of the route's owner; errors of the app are its own."""

import pytest

from tests.integration.proxy.stage import Stage, saying

PAGES = {"404": "<h1>Nö</h1>", "502": "<h1>502</h1>", "5xx": "<h1>5xx</h1>", "4xx": "<h1>4xx</h1>"}


async def test_pages(stage: Stage) -> None:
    """The page of the status comes before that of its class; status, code and fields stay as they are."""
    stage.route("127.0.0.1:1", error_pages=PAGES)
    response = await stage.get()
    assert (response.status, response.body) == (502, b"<h1>502</h1>")
    assert response.values("x-hostess-error") == ["backend-unreachable"]
    assert response.values("content-type") == ["text/html; charset=utf-8"]

    stage.route(error_pages=PAGES)
    response = await stage.get()
    assert (response.status, response.body) == (503, b"<h1>5xx</h1>")
    assert response.values("retry-after") == ["1"]

    stage.route(error_pages={"502": "x"})
    assert b"not available right now" in (await stage.get()).body


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"allow": []}, 403),
        ({"basic_auth": []}, 401),
        ({"body_limit": 1}, 413),
        ({"rate_limit": {"requests": 1, "seconds": 1000}}, 429),
    ],
)
async def test_refusals(stage: Stage, options: dict[str, object], status: int) -> None:
    """What a route refuses is refused with its page."""
    backend = await stage.backend()
    stage.route(backend, error_pages=PAGES, **options)
    request = b"POST / HTTP/1.1\r\nHost: a.x\r\nContent-Length: 2\r\n\r\nhi"
    if status == 429:
        await stage.ask(request)

    response = await stage.ask(request)

    assert (response.status, response.body) == (status, b"<h1>4xx</h1>")
    assert bool(response.values("www-authenticate")) == (status == 401)
    assert bool(response.values("retry-after")) == (status == 429)


async def test_programs(stage: Stage) -> None:
    """Programs that want JSON get JSON, and HEAD gets no body."""
    stage.route("127.0.0.1:1", error_pages=PAGES)

    problem = await stage.get("/", "Accept: application/json")
    assert problem.values("content-type") == ["application/problem+json"]
    head = await stage.ask(b"HEAD / HTTP/1.1\r\nHost: a.x\r\nConnection: close\r\n\r\n", bodyless=True)
    assert head.values("content-length") == [str(len(PAGES["502"]))]


async def test_unknown_path(stage: Stage) -> None:
    """A path of the host that no route is for gets the host's page; another host gets ours."""
    route = {"service": "a", "release": "1", "targets": [], "error_pages": PAGES}
    stage.publish({"routes": [{**route, "host": "a.x", "path": "/app"}]})

    response = await stage.get("/other")
    assert (response.status, response.body) == (404, "<h1>Nö</h1>".encode())
    response = await stage.ask(b"GET / HTTP/1.1\r\nHost: b.x\r\n\r\n")
    assert b"Nothing is served here" in response.body


@pytest.mark.parametrize("status", [404, 500, 502, 503])
async def test_errors_of_the_app(stage: Stage, status: int) -> None:
    """What the app says itself passes untouched."""
    backend = await stage.backend(saying(b"HTTP/1.1 %d Own\r\nContent-Length: 3\r\n\r\nown" % status))
    stage.route(backend, error_pages=PAGES)

    response = await stage.get()

    assert (response.status, response.body) == (status, b"own")
    assert response.values("x-hostess-error") == []


async def test_maintenance_has_its_say(stage: Stage) -> None:
    """The message of a maintenance is shown; without one the route's page is."""
    stage.route(error_pages=PAGES, maintenance={"message": "Back at noon."})
    assert b"Back at noon." in (await stage.get()).body

    stage.route(error_pages=PAGES, maintenance={})
    response = await stage.get()
    assert (response.status, response.body) == (503, b"<h1>5xx</h1>")
    assert response.values("retry-after") == ["60"]
