"""What the environment tells the API. The workers know no secrets: they have none of these but the addresses."""

from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """Without one of these variables the API does not start."""

    jwt_secret: str
    stripe_key: str
    frontend_url: str


settings = Settings()
