"""Builds without a Dockerfile: what a source folder holds, and the recipe for it."""
