"""Activates a certificate by XML-RPC, as a script of an administrator would.

Python's own xmlrpc.client imports a PEM certificate and activates it while 50
SMTP connections are open: idle ones, ones in the middle of a transaction, ones in
the middle of a message, half of them under TLS. "openssl s_client" must see the
new certificate on the next connection, and all 50 must finish their mail.

Needs nothing but the standard library and openssl. Prints "ok" or "FAIL" and a
text, a line for each thing that was checked.
"""

import argparse
import hashlib
import http.client
import re
import smtplib
import socket
import ssl
import subprocess
import sys
import urllib.parse
import xmlrpc.client

CONNECTIONS = 50
ANYONE = ssl._create_unverified_context()  # certificates are compared, not trusted


def check(text, passed, explanation=""):
    print("ok" if passed else "FAIL", text + (f": {explanation}" if explanation and not passed else ""), flush=True)


def fault_of(call):
    """Returns the fault of a call, or None if it had none."""
    try:
        call()
    except xmlrpc.client.Fault as fault:
        return fault
    return None


class Connection:
    """An SMTP connection that is left in some state and finishes its mail later."""

    def __init__(self, number, address):
        self.number = number
        self.smtp = smtplib.SMTP(*address, local_hostname="client.example", timeout=30)
        self.smtp.ehlo()
        if number % 2:
            self.start_tls()
        self.rest = (self.whole_message, self.content, self.second_half)[number % 3]
        if self.rest != self.whole_message:
            self.envelope()
        if self.rest == self.second_half:
            self.data()
            self.smtp.send(f"Subject: number {number}\r\n\r\nfirst half\r\n")

    def start_tls(self):
        self.expect(220, self.smtp.starttls(context=ANYONE))
        self.smtp.ehlo()

    @property
    def encrypted(self):
        return isinstance(self.smtp.sock, ssl.SSLSocket)

    def fingerprint(self):
        return hashlib.sha256(self.smtp.sock.getpeercert(binary_form=True)).hexdigest()

    def whole_message(self):
        self.envelope()
        self.content()

    def envelope(self):
        self.expect(250, self.smtp.mail("sender@client.example"))
        self.expect(250, self.smtp.rcpt(f"number{self.number}@sink.example"))

    def content(self):
        self.data()
        self.smtp.send(f"Subject: number {self.number}\r\n\r\nfirst half\r\n")
        self.second_half()

    def data(self):
        self.expect(354, self.smtp.docmd("DATA"))

    def second_half(self):
        self.smtp.send("second half\r\n.\r\n")
        self.expect(250, self.smtp.getreply())

    def finish(self):
        """Finishes the mail; returns what went wrong, or None."""
        try:
            self.rest()
            self.smtp.quit()
        except (smtplib.SMTPException, OSError, AssertionError) as error:
            return f"connection {self.number}: {error!r}"
        return None

    @staticmethod
    def expect(code, reply):
        if reply[0] != code:
            raise AssertionError(f"{reply} instead of {code}")


def openssl_fingerprint(address):
    """Returns the fingerprint of the certificate that openssl sees behind STARTTLS."""
    shown = subprocess.run(
        ["openssl", "s_client", "-starttls", "smtp", "-connect", "%s:%d" % address],
        input=b"QUIT\n", capture_output=True, timeout=30, check=False,
    ).stdout.decode()
    found = re.search("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", shown, re.DOTALL)
    if not found:
        return f"no certificate in: {shown[:300]!r}"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(found.group())).hexdigest()


def post(url, body, content_type="text/xml"):
    """Returns the fault code that answers a raw body."""
    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(where.netloc, timeout=30)
    connection.request("POST", where.path, body, {"Content-Type": content_type})
    answer = connection.getresponse().read()
    connection.close()
    try:
        xmlrpc.client.loads(answer)
    except xmlrpc.client.Fault as fault:
        return fault.faultCode
    return None


def introspect(server, session):
    names = server.system.listMethods()
    wanted = {
        "system.listMethods", "system.methodSignature", "system.methodHelp", "system.multicall", "system.getCapabilities",
        "session.login", "session.logout", "gateway.version", "gateway.default_fqdn",
        "certificate.list", "certificate.get", "certificate.active", "certificate.create_self_signed",
        "certificate.import_pem", "certificate.activate", "certificate.delete", "tls.get_settings", "tls.set_settings",
    }
    check("lists its methods", wanted <= set(names), f"missing: {wanted - set(names)}")
    untold = [name for name in names if not server.system.methodHelp(name) or not server.system.methodSignature(name)]
    check("explains every method", not untold, str(untold))
    check("tells the main host name", server.gateway.default_fqdn({"session": session}) == "gateway.example")
    multicall = xmlrpc.client.MultiCall(server)
    multicall.gateway.version({"session": session})
    multicall.no.such_method()
    multicall.certificate.active({"session": session})
    replies = iter(multicall())
    version = next(replies)
    fault = fault_of(lambda: next(replies))
    check("answers a multicall, fault and all", isinstance(version, str) and fault is not None and fault.faultCode == -32601)


def switch_tls_on(server, session):
    settings = server.tls.set_settings({"session": session, "enabled": True})
    check("switches TLS on, applied", settings["enabled"] and settings["applied"], str(settings))
    check("warns of the demonstration certificate", any("demonstration" in w for w in settings["warnings"]), str(settings))


def faults(url, server, session, pem):
    fault = fault_of(lambda: server.session.login({"user": "admin", "password": "wrong"}))
    check("refuses a wrong password with 401", fault is not None and fault.faultCode == 401, repr(fault))
    fault = fault_of(lambda: server.certificate.list())
    check("refuses a call without credentials with 401", fault is not None and fault.faultCode == 401, repr(fault))
    fault = fault_of(lambda: server.certificate.list({"session": "0" * 64}))
    check("refuses an unknown session with 401", fault is not None and fault.faultCode == 401, repr(fault))
    fault = fault_of(lambda: server.no.such_method({"session": session}))
    check("answers an unknown method with -32601", fault is not None and fault.faultCode == -32601, repr(fault))
    fault = fault_of(lambda: server.certificate.get({"session": session, "id": 7}))
    check("answers wrong arguments with -32602", fault is not None and fault.faultCode == -32602, repr(fault))
    fault = fault_of(lambda: server.certificate.get({"session": session, "id": "no such"}))
    check("answers an unknown certificate with 404", fault is not None and fault.faultCode == 404, repr(fault))
    code = post(url, b"<methodCall><methodName>system.listMethods</methodName>")
    check("answers malformed XML with -32700", code == -32700, str(code))
    code = post(url, b"<?xml version='1.0'?><!DOCTYPE m [<!ENTITY e 'x'>]><methodCall><methodName>&e;</methodName></methodCall>")
    check("refuses a DTD", code in (-32700, -32600), str(code))
    code = post(url, b"<?xml version='1.0'?><methodResponse/>")
    check("answers XML that is no call with -32600", code == -32600, str(code))
    fault = fault_of(lambda: server.certificate.import_pem({
        "session": session, "certificate": pem["certificate"], "private_key": pem["other_key"], "chain": [pem["chain"]]}))
    check("refuses another key with 422 and names the part",
          fault is not None and fault.faultCode == 422 and "private_key" in fault.faultString, repr(fault))
    fault = fault_of(lambda: server.certificate.import_pem({
        "session": session, "certificate": pem["certificate"][:200], "private_key": pem["private_key"]}))
    check("refuses a broken certificate with 422 and names the part",
          fault is not None and fault.faultCode == 422 and "certificate" in fault.faultString, repr(fault))


def activate(server, session, address, pem):
    before = server.certificate.active({"session": session})
    check("openssl sees the active certificate", openssl_fingerprint(address) == before["fingerprint"])

    connections = [Connection(number, address) for number in range(CONNECTIONS)]
    encrypted = [c for c in connections if c.encrypted]
    check(f"{len(connections)} connections are open, {len(encrypted)} under TLS",
          len(encrypted) == CONNECTIONS // 2 and all(c.fingerprint() == before["fingerprint"] for c in encrypted))

    imported = server.certificate.import_pem({
        "session": session, "label": "by Python", "certificate": pem["certificate"],
        "private_key": pem["private_key"], "chain": [pem["chain"]]})
    der = ssl.PEM_cert_to_DER_cert(pem["certificate"])
    check("imports a certificate with key and chain",
          imported["state"] == "inactive" and imported["fingerprint"] == hashlib.sha256(der).hexdigest(), str(imported))
    check("importing does not activate", openssl_fingerprint(address) == before["fingerprint"])

    activated = server.certificate.activate({"session": session, "id": imported["id"]})
    check("activates it, applied", activated["state"] == "active" and activated["applied"] is True, str(activated))
    seen = openssl_fingerprint(address)
    check("openssl sees it on the next connection", seen == imported["fingerprint"], seen)

    late = next(c for c in connections if not c.encrypted and c.rest == c.whole_message)
    late.start_tls()
    check("a connection from before that says STARTTLS now gets it", late.fingerprint() == imported["fingerprint"])
    troubles = [trouble for trouble in (c.finish() for c in connections) if trouble]
    check(f"all {len(connections)} connections from before finish their mail", not troubles, "; ".join(troubles[:5]))

    fault = fault_of(lambda: server.certificate.delete({"session": session, "id": imported["id"]}))
    check("refuses to delete the active certificate with 409", fault is not None and fault.faultCode == 409, repr(fault))
    deleted = server.certificate.delete({"session": session, "id": before["id"]})
    check("deletes the one from before", deleted["state"] == "deleted", str(deleted))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--url", required=True)
    arguments.add_argument("--smtp", required=True, metavar="HOST:PORT")
    arguments.add_argument("--token-file", required=True)
    for part in ("certificate", "private-key", "chain", "other-key"):
        arguments.add_argument("--" + part, required=True, metavar="FILE")
    given = arguments.parse_args()

    def read(path):
        with open(path, encoding="ascii") as file:
            return file.read()

    token = read(given.token_file).strip()
    pem = {part: read(getattr(given, part)) for part in ("certificate", "private_key", "chain", "other_key")}
    host, port = given.smtp.rsplit(":", 1)
    address = (host, int(port))

    server = xmlrpc.client.ServerProxy(given.url, use_builtin_types=True)
    session = server.session.login({"user": "", "password": token})
    check("logs in", isinstance(session, str) and len(session) >= 32)
    by_basic = xmlrpc.client.ServerProxy(given.url.replace("://", f"://admin:{token}@", 1), use_builtin_types=True)
    check("takes HTTP Basic with a token as password", by_basic.gateway.version() == server.gateway.version({"session": session}))
    introspect(server, session)
    switch_tls_on(server, session)
    faults(given.url, server, session, pem)
    activate(server, session, address, pem)
    check("logs out", server.session.logout({"session": session}) is True)
    fault = fault_of(lambda: server.gateway.version({"session": session}))
    check("the session is over then", fault is not None and fault.faultCode == 401, repr(fault))


if __name__ == "__main__":
    socket.setdefaulttimeout(60)
    sys.exit(main())
