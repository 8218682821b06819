"""A small API: items in PostgreSQL, written by whoever has signed in."""

import socket
from typing import Annotated

from fastapi import Depends, FastAPI, status
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database import session
from app.models import Item
from app.sign_in import sign, who
from app.version import VERSION

app = FastAPI(title="my-api", version=VERSION)


class NewItem(BaseModel):
    """What a caller sends."""

    name: str = Field(min_length=1, max_length=200)
    note: str | None = Field(default=None, max_length=1000)


class SignIn(BaseModel):
    """An example signs everybody in; a real application would ask for a password."""

    name: str = Field(min_length=1, max_length=100)


@app.get("/")
def root() -> dict[str, str]:
    """Tell which version answers, and in which container."""
    return {"app": "my-api", "version": VERSION, "host": socket.gethostname()}


@app.get("/health")
def health() -> dict[str, str]:
    """Tell that the process answers. It does not ask the database: a slow query must not restart the API."""
    return {"status": "ok", "version": VERSION}


@app.post("/sessions", status_code=status.HTTP_201_CREATED)
def create_session(wanted: SignIn) -> dict[str, str]:
    """Sign in."""
    return {"token": sign(wanted.name)}


@app.get("/items")
def items(db: Annotated[Session, Depends(session)]) -> list[dict[str, object]]:
    """List all items, oldest first."""
    return [
        {"id": item.id, "name": item.name, "created_by": item.created_by, "note": item.note}
        for item in db.scalars(select(Item).order_by(Item.id))
    ]


@app.post("/items", status_code=status.HTTP_201_CREATED)
def add_item(
    new: NewItem, name: Annotated[str, Depends(who)], db: Annotated[Session, Depends(session)]
) -> dict[str, object]:
    """Write an item down in the name of the caller."""
    item = Item(name=new.name, created_by=name, note=new.note)
    db.add(item)
    db.commit()
    return {"id": item.id, "name": item.name, "created_by": item.created_by, "note": item.note}
