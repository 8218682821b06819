"""Tests: unit (pure), contract (fake and real alike), integration (one process), system (real Docker)."""
