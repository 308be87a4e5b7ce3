"""Makes handshakes on a STARTTLS listener while certificates are activated.

usage: handshakes.py API AUTHORIZATION PORT SECONDS RATE ID=FINGERPRINT ID=FINGERPRINT

A handshake may be shown any certificate that was the active one, or was being
activated, between its begin and its end; an activation is over when its call, which
waits for it to be applied, returns. Prints a verdict a line.
"""

import hashlib
import http.client
import socket
import ssl
import sys
import threading
import time

ACTIVATIONS = 10  # a second
CLIENTS = 16


class Active:
    """What handshakes may be shown, as it changes: a list of sets."""

    def __init__(self, fingerprint):
        self.states = [{fingerprint}]

    def begin(self):
        return len(self.states) - 1

    def since(self, begin):
        return set().union(*self.states[begin:])


def shown(port, context):
    """One session up to its handshake; the fingerprint that it was shown."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as conn:
        lines = conn.makefile("rb")
        for command in (b"", b"EHLO client.example\r\n", b"STARTTLS\r\n"):
            conn.sendall(command)
            line = lines.readline()
            while line[3:4] == b"-":
                line = lines.readline()
            if not line.startswith(b"2"):
                raise OSError(f"answered {line!r} to {command!r}")
        with context.wrap_socket(conn, server_hostname="gateway.example") as tls:
            fingerprint = hashlib.sha256(tls.getpeercert(binary_form=True)).hexdigest()
            tls.sendall(b"QUIT\r\n")
            tls.recv(100)
            return fingerprint


class Client(threading.Thread):
    def __init__(self, port, active, end, pause):
        super().__init__()
        self.port, self.active, self.end, self.pause = port, active, end, pause
        self.made, self.failures, self.wrong = 0, [], []

    def run(self):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        due = time.monotonic()
        while due < self.end:
            time.sleep(max(0, due - time.monotonic()))
            due = max(due + self.pause, time.monotonic() - 1)
            begin = self.active.begin()
            try:
                fingerprint = shown(self.port, context)
            except (OSError, ssl.SSLError) as failure:
                self.failures.append(str(failure))
                continue
            self.made += 1
            if fingerprint not in self.active.since(begin):
                self.wrong.append(fingerprint)


def activate(api, header, certificates, active, end):
    """Activates one after the other; returns how often, and what was refused."""
    conn = http.client.HTTPConnection(api, timeout=30)
    made, refused, due = 0, [], time.monotonic()
    current = certificates[0][1]
    while due < end:
        time.sleep(max(0, due - time.monotonic()))
        due += 1 / ACTIVATIONS
        name, fingerprint = certificates[(made + 1) % len(certificates)]
        active.states.append({current, fingerprint})
        conn.request("POST", f"/api/v1/certificates/{name}/activate?wait=10s", headers=header)
        reply = conn.getresponse()
        body = reply.read()
        if reply.status != 200:
            refused.append(f"{reply.status} {body[:200]!r}")
            continue
        current = fingerprint
        active.states.append({fingerprint})
        made += 1
    return made, refused


def verdict(good, text):
    print("ok" if good else "FAIL", text, flush=True)


def main():
    api, authorization, port, seconds, rate = sys.argv[1:6]
    certificates = [pair.split("=") for pair in sys.argv[6:]]
    name, _, value = open(authorization).read().strip().partition(": ")
    seconds, rate = float(seconds), float(rate)
    active = Active(certificates[0][1])
    end = time.monotonic() + seconds
    clients = [Client(int(port), active, end, CLIENTS / rate) for _ in range(CLIENTS)]
    for i, client in enumerate(clients):
        client.start()
    made, refused = activate(api, {name: value}, certificates, active, end)
    for client in clients:
        client.join()
    handshakes = sum(c.made for c in clients)
    failures = [f for c in clients for f in c.failures]
    wrong = [w for c in clients for w in c.wrong]
    verdict(not failures, f"handshakes that failed: {len(failures)} of {handshakes + len(failures)} {failures[:3]}")
    verdict(not wrong, f"handshakes that showed another certificate than the applied one: {len(wrong)}")
    verdict(not refused, f"activations that were refused: {len(refused)} of {made + len(refused)} {refused[:3]}")
    # Half of what is asked for, since the machine may have other work.
    verdict(handshakes >= rate * seconds / 2, f"handshakes a second: {handshakes / seconds:.0f}")
    verdict(made >= ACTIVATIONS * seconds / 2, f"activations a second: {made / seconds:.1f}")


main()
