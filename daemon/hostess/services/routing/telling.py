"""The proxy is told of what was kept, by a new table; what is done is done when it cannot be."""

from collections.abc import Awaitable, Callable

from hostess.domain.problem import Problem

Publish = Callable[[], Awaitable[object]]


async def tell_proxy(publish: Publish, done: str, serving: str) -> None:
    """Publish a table; Problem "proxy-not-told", with what is *done* all the same and what goes on *serving*."""
    try:
        await publish()
    except Problem as problem:
        raise Problem(
            "proxy-not-told",
            f"{done}, but the proxy could not be told: {problem}",
            serving=serving,
            remedy="the proxy is told as soon as that is mended: `hostess doctor`",
        ) from problem
