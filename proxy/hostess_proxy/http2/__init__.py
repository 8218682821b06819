"""HTTP/2 (RFC 9113): frames, HPACK, streams of clients and of backends."""
