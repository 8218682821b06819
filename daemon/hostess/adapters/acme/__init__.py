"""A client for ACME authorities (RFC 8555), in two layers."""
