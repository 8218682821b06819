"""What the environment tells the application."""

from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """Read from the variables DATABASE_URL and JWT_SECRET; without one of them the application does not start."""

    database_url: str
    jwt_secret: str


settings = Settings()
