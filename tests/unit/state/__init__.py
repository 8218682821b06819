"""Unit tests of what the daemon keeps."""
