"""The connection pool. Each process that uses it, API or worker, has one of its own."""

import os

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg")
engine = create_engine(url, pool_pre_ping=True)
