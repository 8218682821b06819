"""The API of the platform: what the workers wrote, and a sum that one of them makes."""

import socket

from fastapi import FastAPI, Query
from fastapi.middleware.cors import CORSMiddleware
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.celery import add
from app.database import engine
from app.models import Tick
from app.settings import settings
from app.version import VERSION

app = FastAPI(title="my-platform", version=VERSION)
app.add_middleware(CORSMiddleware, allow_origins=[settings.frontend_url])


@app.get("/")
def root() -> dict[str, object]:
    """Tell which version answers, in which container, and whether payments are set up."""
    return {
        "app": "my-platform",
        "version": VERSION,
        "host": socket.gethostname(),
        "payments": bool(settings.stripe_key),
    }


@app.get("/health")
def health() -> dict[str, str]:
    """Tell that the process answers."""
    return {"status": "ok", "version": VERSION}


@app.get("/ticks")
def ticks(limit: int = Query(default=60, ge=1, le=100_000)) -> list[dict[str, str | int]]:
    """List the newest ticks, oldest of them first, in the order in which they were sent."""
    with Session(engine) as db:
        newest = db.scalars(select(Tick).order_by(Tick.sent_at.desc()).limit(limit)).all()
        return [
            {"id": tick.id, "beat": tick.beat, "sent_at": tick.sent_at.isoformat(), "worker": tick.worker}
            for tick in reversed(newest)
        ]


@app.get("/sum")
def total(a: int, b: int) -> dict[str, object]:
    """Have a worker add two numbers."""
    return add.delay(a, b).get(timeout=10)
