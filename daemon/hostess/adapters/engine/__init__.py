"""The container engine: Docker, its builds, its logs."""
