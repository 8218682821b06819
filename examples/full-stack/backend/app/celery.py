"""Work that is done in the background: `worker` does it, `beat` says when.

Beat puts its own container and the time of sending into every tick, so that the table of ticks shows which scheduler was
at work when. A second one that runs beside it would be seen there.
"""

import os
import socket
import time
from datetime import UTC, datetime

from celery import Celery
from celery.beat import BeatLazyFunc
from sqlalchemy.orm import Session

from app.database import engine
from app.models import Tick

celery = Celery("app", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
celery.conf.update(
    broker_connection_retry_on_startup=True,
    result_expires=3600,
    worker_hijack_root_logger=False,
    beat_schedule_filename="/tmp/celerybeat-schedule",  # a new container begins anew
    beat_schedule={
        "tick": {
            "task": "app.celery.tick",
            "schedule": 1.0,
            # Both are looked up by beat: this module's host name is its own, the function is called as it sends.
            "args": (socket.gethostname(), BeatLazyFunc(time.time)),
            "options": {"expires": 600, "ignore_result": True},
        }
    },
)


@celery.task
def tick(beat: str, sent_at: float) -> None:
    """Write a tick down."""
    with Session(engine) as db:
        db.add(Tick(beat=beat, sent_at=datetime.fromtimestamp(sent_at, UTC), worker=socket.gethostname()))
        db.commit()


@celery.task
def add(a: int, b: int) -> dict[str, object]:
    """Add two numbers, and tell who did."""
    return {"sum": a + b, "worker": socket.gethostname()}
