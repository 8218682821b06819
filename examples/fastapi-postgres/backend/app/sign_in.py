"""Signed tokens that say who somebody is."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import jwt
from fastapi import Depends, HTTPException, status
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.settings import settings

bearer = HTTPBearer()


def sign(name: str) -> str:
    """Return a token for this name, good for an hour."""
    until = datetime.now(UTC) + timedelta(hours=1)
    return jwt.encode({"sub": name, "exp": until}, settings.jwt_secret, algorithm="HS256")


def who(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> str:
    """Return the name in a request's token; 401 when it is not ours or has expired."""
    try:
        return jwt.decode(credentials.credentials, settings.jwt_secret, algorithms=["HS256"])["sub"]
    except jwt.InvalidTokenError as error:
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, str(error)) from error
