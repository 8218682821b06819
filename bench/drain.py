"""A backend that swallows uploads: `drain.py PORT` reads each request's body and answers with its length."""

import socket
import sys
from threading import Thread


def serve(connection: socket.socket) -> None:
    """Answer the requests of one connection, one after another."""
    room = memoryview(bytearray(1024 * 1024))
    with connection:
        while True:
            head = b""
            while b"\r\n\r\n" not in head:
                data = connection.recv(65536)
                if not data:
                    return
                head += data
            fields, _, begun = head.partition(b"\r\n\r\n")
            lines = [line.partition(b":") for line in fields.lower().split(b"\r\n")]
            length = next((int(value) for name, _, value in lines if name == b"content-length"), 0)
            left = length - len(begun)
            while left > 0:
                got = connection.recv_into(room)
                if not got:
                    return
                left -= got
            body = b"%d\n" % length
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def main() -> None:
    """Accept connections for ever."""
    with socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128) as listener:
        while True:
            connection, _ = listener.accept()
            Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
