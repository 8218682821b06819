"""Tests of builds without a Dockerfile."""
