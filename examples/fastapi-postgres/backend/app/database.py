"""The connection pool."""

import os
from collections.abc import Iterator

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

# The address names the database only; SQLAlchemy wants to know the driver, too. Not from the settings: a migration needs
# no other variable than this one.
url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg")
engine = create_engine(url, pool_pre_ping=True)


def session() -> Iterator[Session]:
    """Give one request its session."""
    with Session(engine) as one:
        yield one
