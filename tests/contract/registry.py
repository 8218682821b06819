"""A registry with one image, enough of it for an engine to pull: the distribution API's manifests and blobs."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest(data: bytes) -> str:
    """Return the name of these bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def described(kind: str, data: bytes) -> dict[str, object]:
    """Return how a manifest speaks of a blob."""
    return {"mediaType": kind, "size": len(data), "digest": digest(data)}


def made(label: str) -> tuple[bytes, dict[str, bytes]]:
    """Return manifest and blobs of an image with one file and the label `hostess.test`."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        member = tarfile.TarInfo("file")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"hello"))
    layer = gzip.compress(raw.getvalue())
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"hostess.test": label}},
            "rootfs": {"type": "layers", "diff_ids": [digest(raw.getvalue())]},
        }
    ).encode()
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described(CONFIG, config),
        "layers": [described(LAYER, layer)],
    }
    return json.dumps(manifest).encode(), {digest(config): config, digest(layer): layer}


@asynccontextmanager
async def registry(label: str, account: tuple[str, str] | None = None) -> AsyncIterator[str]:
    """Serve `<address>/shop:1`; yield the address. With an *account* nothing is given to anybody else."""
    manifest, blobs = made(label)

    async def manifests(request: web.Request) -> web.Response:
        if request.match_info["tag"] not in {"1", digest(manifest)}:
            return web.json_response(
                {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}, status=404
            )
        return web.Response(body=manifest, content_type=MANIFEST, headers={"Docker-Content-Digest": digest(manifest)})

    async def blob(request: web.Request) -> web.Response:
        return web.Response(body=blobs[request.match_info["digest"]])

    async def root(_: web.Request) -> web.Response:
        return web.json_response({})

    @web.middleware
    async def ask(request: web.Request, handler: Handler) -> web.StreamResponse:
        if account is not None and request.headers.get("Authorization") != aiohttp.encode_basic_auth(*account):
            errors = {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}
            return web.json_response(errors, status=401, headers={"WWW-Authenticate": 'Basic realm="test"'})
        return await handler(request)

    app = web.Application(middlewares=[ask])
    app.router.add_get("/v2/", root)
    app.router.add_get("/v2/shop/manifests/{tag}", manifests)
    app.router.add_get("/v2/shop/blobs/{digest}", blob)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
