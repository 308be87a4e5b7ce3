#!/usr/bin/env python3
"""Says lines to an SMTP server, each after the answer to the one before, and
prints the answers. An escape as \\r\\n within a line puts two into one segment."""
import argparse
import signal
import socket

signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # who has read enough may go

options = argparse.ArgumentParser(description=__doc__)
options.add_argument("--source", default="127.0.0.1", help="our own address")
options.add_argument("--proxy", help="begin with a PROXY header for this client")
options.add_argument("port", type=int)
options.add_argument("lines", nargs="*")
options = options.parse_args()


def answer(replies):
    """Prints one reply, which may have several lines."""
    while True:
        line = replies.readline().decode(errors="replace").rstrip()
        if not line:
            raise ConnectionResetError
        print(line)
        if line[3:4] != "-":
            return


with socket.create_connection(("127.0.0.1", options.port), timeout=15, source_address=(options.source, 0)) as s:
    replies = s.makefile("rb")
    try:
        if options.proxy:
            s.sendall(f"PROXY TCP4 {options.proxy} 192.0.2.25 40000 25\r\n".encode())
        answer(replies)
        for line in options.lines:
            s.sendall(line.encode().decode("unicode_escape").encode() + b"\r\n")
            answer(replies)
    except ConnectionError:
        print("closed")
