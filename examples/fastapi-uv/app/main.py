"""An application whose dependencies uv keeps."""

import socket

from fastapi import FastAPI

app = FastAPI(title="with-uv")


@app.get("/")
def root() -> dict[str, str]:
    """Say hello, and which container says so."""
    return {"hello": "world", "host": socket.gethostname()}


@app.get("/health")
def health() -> dict[str, str]:
    """Tell that the process answers; this is what Hostess asks."""
    return {"status": "ok"}
