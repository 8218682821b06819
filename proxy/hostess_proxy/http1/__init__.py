"""HTTP/1.x (RFC 9112): heads, bodies, and what is composed of them."""
