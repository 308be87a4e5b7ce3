"""Commits changes one after the other and tells how long each took to be in force.

One kept connection, one administrator, one edit a commit: the writer waits with
"?wait=" until the engine has applied the revision, as a careful script would.

Prints "ok" or "FAIL" and a text, a line for each thing that was checked, and the
latencies: from sending the request to the reply that says the revision is applied.
"""

import argparse
import http.client
import json
import time


def check(text, passed, explanation=""):
    print("ok" if passed else "FAIL", text + (f": {explanation}" if explanation and not passed else ""), flush=True)


def change(number):
    """Returns method, path and body of a change that touches the way out, the way in, or neither."""
    turn = number % 5
    if turn == 0:
        return "PUT", f"/destination-controls/d{number}.example", {"tls_level": "required_verify"}
    if turn == 1:
        return "PUT", f"/domains/hosted{number}.example", {}
    if turn == 2:
        return "PATCH", "/destination-controls/default", {"tls_level": "preferred", "max_connections": 5 + number % 20}
    if turn == 3:
        limits = {"recipients_per_message": 100 + number}
        return "PATCH", "/listeners/outbound", {"default_policy_parameters": limits}
    return "PUT", f"/starttls-exemptions/198.51.{number // 256 % 256}.{number % 256}", {"reason": f"change {number}"}


class Administrator:
    def __init__(self, address, authorization):
        self.connection = http.client.HTTPConnection(address, timeout=60)
        name, _, value = authorization.partition(":")
        self.headers = {name: value.strip()}

    def call(self, method, path, body=None):
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        text = None if body is None else json.dumps(body)
        self.connection.request(method, "/api/v1" + path, text, self.headers | {"Content-Type": kind})
        reply = self.connection.getresponse()
        return reply, reply.read()


def percentile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def run(administrator, changes):
    took, behind, refused = [], 0, []
    start = time.monotonic()
    for number in range(changes):
        method, path, body = change(number)
        sent = time.monotonic()
        reply, content = administrator.call(method, path + "?wait=10s", body)
        took.append(1000 * (time.monotonic() - sent))
        if reply.status >= 300:
            refused.append((reply.status, content[:300]))
        elif int(reply.headers["Revision-Applied"]) < int(reply.headers["Revision-Committed"]):
            behind += 1
    seconds = time.monotonic() - start
    check(f"{changes} commits, all taken", not refused, str(refused[:1]))
    check("each is in force when its reply comes", behind == 0, f"{behind} are not")
    took.sort()
    print(f"      {changes / seconds:.0f} commits a second; commit to applied"
          f" p50 {percentile(took, 0.5):.1f} ms, p99 {percentile(took, 0.99):.1f} ms, worst {took[-1]:.1f} ms")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--api", required=True, metavar="HOST:PORT")
    parser.add_argument("--authorization", required=True, metavar="FILE", help="holds one header line")
    parser.add_argument("--changes", type=int, default=1000)
    options = parser.parse_args()
    with open(options.authorization, encoding="ascii") as file:
        administrator = Administrator(options.api, file.read())
    run(administrator, options.changes)


main()
