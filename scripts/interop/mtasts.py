"""The far side of mtasts.sh: a policy host and a mail exchanger.

usage: mtasts.py DIR HTTPS_ADDRESS SMTP_PORT

DIR/policies/HOST is what the policy host does for a name: a first line "STATUS
CONTENT-TYPE BEHAVIOUR", then the body. DIR/good.pem is shown for names that it
covers; DIR/NAME.pem, if there is one, for that name. Each message that the mail
exchanger takes is a line in DIR/taken: the recipient and the TLS version.
"""
import http.server
import os
import socketserver
import ssl
import sys
import threading
import time

folder, address, smtp_port = sys.argv[1], sys.argv[2], int(sys.argv[3])


def context(name):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(os.path.join(folder, name + ".pem"))
    return made


def choose(sock, name, _):
    if name and os.path.exists(os.path.join(folder, name + ".pem")):
        sock.context = context(name)


class Policy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        host = self.headers["Host"]
        with open(os.path.join(folder, "asked"), "a") as asked:
            asked.write(host + self.path + "\n")
        try:
            with open(os.path.join(folder, "policies", host), newline="") as f:
                head, body = f.read().split("\n", 1)
        except FileNotFoundError:
            head, body = "404 text/plain -", "no"
        status, kind, behaviour = head.split(" ")
        self.send_response(int(status))
        self.send_header("Content-Type", kind)
        if behaviour == "redirect":
            self.send_header("Location", "https://" + host + "/elsewhere")
        self.end_headers()
        try:
            self.wfile.write(body.encode())
            while behaviour == "endless":
                self.wfile.write(b"x" * 4096)
            while behaviour == "slow":
                self.wfile.write(b"x")
                time.sleep(1)
        except OSError:
            pass  # the client has had enough

    def log_message(self, *_):
        pass


class Mail(socketserver.StreamRequestHandler):
    def handle(self):
        self.sock, version = self.request, "clear"
        self.wrap()
        self.say("220 mx.sts.example")
        while line := self.lines.readline():
            verb = line.strip().upper()
            if verb.startswith(b"EHLO"):
                self.say("250-mx.sts.example\r\n250 STARTTLS" if version == "clear" else "250 mx.sts.example")
            elif verb == b"STARTTLS":
                self.say("220 go")
                self.sock = context("mx").wrap_socket(self.sock, server_side=True)
                version = self.sock.version()
                self.wrap()
            elif verb.startswith(b"RCPT"):
                recipient = line.decode().split("<")[1].split(">")[0]
                self.say("250 ok")
            elif verb == b"DATA":
                self.say("354 go")
                while self.lines.readline() not in (b".\r\n", b""):
                    pass
                with open(os.path.join(folder, "taken"), "a") as taken:
                    taken.write(recipient + " " + version + "\n")
                self.say("250 ok")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def wrap(self):
        self.lines = self.sock.makefile("rb")

    def say(self, text):
        self.sock.sendall(text.encode() + b"\r\n")


class MailServer(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads = True, True


web = http.server.ThreadingHTTPServer((address, 443), Policy)
good = context("good")
good.sni_callback = choose
# The handshake is the business of the thread that answers.
web.socket = good.wrap_socket(web.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=web.serve_forever, daemon=True).start()
MailServer(("127.0.0.1", smtp_port), Mail).serve_forever()
