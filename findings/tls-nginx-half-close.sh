#!/usr/bin/env bash
# nginx's "proxy_half_close on" on a TLS port: every conversation that the backend ends, an ordinary one too, ends
# without close_notify, so that it looks cut, and a client that uses OpenSSL cannot send on. Without TLS it works.
#
# Software: nginx 1.22.1-9+deb12u11 with libnginx-mod-stream; for comparison haproxy 2.6.12-1+deb12u4,
#           stunnel4 3:5.68-2+deb12u1, socat 1.7.4.4-2 (Debian 12).
#
# "Enables or disables closing each direction of a TCP connection independently" (nginx's manual). In TLS 1.3 the same
# is said by close_notify: it ends the sender's direction only, and a direction that ends without it may have been cut
# (RFC 8446, section 6.1).
#
# The guess: with the option an answer to a client that has ended comes whole and ends as any other, as with haproxy,
# stunnel and socat -t 10; an ordinary conversation is as it is without the option.
#
# What happens (each relay takes TLS 1.3 from the client, and speaks TCP to the backend):
#                        client ends first       backend answers       backend ends first,
#                        (close_notify), is      and closes            client sends on
#                        answered later
#   haproxy, stunnel,
#   socat -t 10          whole, close_notify     whole, close_notify   all comes
#   nginx                nothing, bare FIN       whole, close_notify   nothing comes: a close of one is a close of both
#   nginx, half_close    whole, bare FIN         whole, bare FIN       nothing comes: for OpenSSL a bare FIN is an error,
#                                                                      after which it does not write (all would come)
#   the same, no TLS     whole                   whole                 all comes
# OpenSSL 3's s_client ends such an ordinary conversation with "unexpected eof while reading" and exit code 1.
#
# Why it matters: the option is there for protocols that use half-close, and for their TLS ports it turns each whole
# answer into what a cut one looks like. Whoever relays or layers TLS: the end of a direction belongs to the
# layer that has keys. shutdown(2) on the socket below says something else, and says it of ciphertext.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb nginx=1.22.1-9+deb12u11 libnginx-mod-stream=1.22.1-9+deb12u11
deb haproxy=2.6.12-1+deb12u4 stunnel4=3:5.68-2+deb12u1 socat=1.7.4.4-2
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout "$TMP/key" -out "$TMP/cert" 2>/dev/null ||
    cannot "openssl does not make a certificate"
cat "$TMP/key" "$TMP/cert" >"$TMP/both"
experiment <<'PY'
import os
import socket
import ssl
import subprocess
import threading
import time
import relays
from lib import ROOT, TMP, connect, expect, free_port, start, stop_all, verdict

CERT, KEY, BOTH = TMP + "/cert", TMP + "/key", TMP + "/both"


def nginx(backend, tls="ssl", half="off"):
    return relays.nginx(backend, tls, f"""ssl_protocols TLSv1.3; ssl_certificate {CERT}; ssl_certificate_key {KEY};
        proxy_half_close {half};""")


def stunnel(backend):
    port = free_port()
    start([ROOT + "/usr/bin/stunnel4", relays.write(f"""foreground = yes
syslog = no
pid =
[relay]
accept = 127.0.0.1:{port}
connect = 127.0.0.1:{backend}
cert = {BOTH}
""")])
    return port


def socat(backend):
    port = free_port()
    listen = f"OPENSSL-LISTEN:{port},bind=127.0.0.1,fork,verify=0,cert={BOTH}"
    start([ROOT + "/usr/bin/socat", "-t", "10", listen, f"TCP:127.0.0.1:{backend}"])
    return port


RELAYS = {
    "haproxy": lambda backend: relays.haproxy(backend, f"ssl crt {BOTH}"),
    "stunnel": stunnel,
    "socat -t 10": socat,
    "nginx": nginx,
    "nginx, half_close": lambda backend: nginx(backend, half="on"),
    "nginx, half_close, no TLS": lambda backend: nginx(backend, tls="", half="on"),
}


class Tls:
    """A TLS client over a socket in which each direction ends by itself."""

    def __init__(self, sock, tell_openssl=True):
        self.sock, self.come, self.go = sock, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tell_openssl = tell_openssl  # of a bare FIN, as everybody does; it then refuses to write
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(CERT)
        self.tls = context.wrap_bio(self.come, self.go, server_hostname="localhost")
        self.run(self.tls.do_handshake)

    def run(self, step, *arguments):
        while True:
            try:
                result = step(*arguments)
                self.sock.sendall(self.go.read())
                return result
            except ssl.SSLWantReadError:
                self.sock.sendall(self.go.read())
                data = self.sock.recv(65536)
                if data:
                    self.come.write(data)
                elif self.tell_openssl:
                    self.come.write_eof()
                else:
                    raise EOFError

    def send(self, data):
        self.run(self.tls.write, data)

    def end(self):
        try:
            self.tls.unwrap()  # writes close_notify, and then wants the peer's
        except ssl.SSLWantReadError:
            pass
        self.sock.sendall(self.go.read())

    def read_to_end(self):
        count = 0
        while True:
            try:
                data = self.run(self.tls.read, 65536)
            except ssl.SSLZeroReturnError:
                data = b""
            except (EOFError, ssl.SSLEOFError):
                return count, "bare FIN"
            except ConnectionResetError:
                return count, "RST"
            except socket.timeout:
                return count, "silence"
            if not data:
                return count, "close_notify"
            count += len(data)


class Tcp:
    def __init__(self, sock):
        self.sock, self.send = sock, sock.sendall

    def end(self):
        self.sock.shutdown(socket.SHUT_WR)

    def read_to_end(self):
        count = 0
        while data := self.sock.recv(65536):
            count += len(data)
        return count, "FIN"


def backend(listener, first, came):
    """Serves connections that say 100 bytes or more. What it reads counts from there."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, first, came), daemon=True).start()


def serve(connection, first, came):
    with connection:
        connection.settimeout(10)
        try:
            if len(connection.recv(100)) < 100:
                return  # only looked whether somebody listens
            if first == "client":
                while connection.recv(65536):
                    pass
                time.sleep(0.5)
            connection.sendall(b"x" * 7000)
            if first == "backend":
                connection.shutdown(socket.SHUT_WR)
                count = 0
                try:
                    while data := connection.recv(65536):
                        count += len(data)
                finally:
                    came.append(count)
        except OSError:
            pass  # the relay has hung up


def converse(name, first, make=Tls):
    """first: who ends first, "client", "backend", or "both" when the backend closes."""
    came, listener = [], socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=backend, args=(listener, first, came), daemon=True).start()
    port = RELAYS[name](listener.getsockname()[1])
    connect(port).close()
    with connect(port) as sock:
        sock.settimeout(10)
        client = (Tcp if "no TLS" in name else make)(sock)
        client.send(b"g" * 100)
        if first == "client":
            client.end()
        answer = client.read_to_end()
        if first == "backend":
            try:
                client.send(b"y" * 10_000)
                client.end()
            except (OSError, ssl.SSLError):
                pass  # that way is gone
            sock.close()
            deadline = time.monotonic() + 12
            while not came and time.monotonic() < deadline:
                time.sleep(0.05)
            answer = (*answer, came[0] if came else "hung up")
    stop_all()
    return answer


for name, end in [("haproxy", "close_notify"), ("stunnel", "close_notify"), ("socat -t 10", "close_notify"),
                  ("nginx, half_close, no TLS", "FIN")]:
    expect(f"{name}: client ends first", (7000, end), converse(name, "client"))
    expect(f"{name}: backend answers and closes", (7000, end), converse(name, "both"))
    expect(f"{name}: backend ends first, and gets", (7000, end, 10_000), converse(name, "backend"))
expect("nginx: client ends first", (0, "bare FIN"), converse("nginx", "client"))
expect("nginx: backend answers and closes", (7000, "close_notify"), converse("nginx", "both"))
expect("nginx: backend ends first, and gets", (7000, "close_notify", 0), converse("nginx", "backend"))
name = "nginx, half_close"
expect(f"{name}: client ends first", (7000, "bare FIN"), converse(name, "client"))
expect(f"{name}: backend answers and closes", (7000, "bare FIN"), converse(name, "both"))
expect(f"{name}: backend ends first, and gets", (7000, "bare FIN", 0), converse(name, "backend"))
expect(f"{name}: backend ends first, and gets from a client that does not tell OpenSSL", (7000, "bare FIN", 10_000),
       converse(name, "backend", lambda sock: Tls(sock, tell_openssl=False)))


def s_client(name):
    """What openssl's own client makes of an ordinary conversation."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=backend, args=(listener, "both", []), daemon=True).start()
    port = RELAYS[name](listener.getsockname()[1])
    connect(port).close()
    env = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
    child = subprocess.Popen(["openssl", "s_client", "-quiet", "-tls1_3", "-CAfile", CERT, "-connect", f"127.0.0.1:{port}"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    child.stdin.write(b"g" * 100)
    child.stdin.flush()
    out, said = child.stdout.read(), child.stderr.read()
    child.stdin.close()
    child.wait(10)
    stop_all()
    return out.count(b"x"), b"unexpected eof while reading" in said, child.returncode


expect("nginx: s_client got, complains, exit code", (7000, False, 0), s_client("nginx"))
expect(f"{name}: s_client got, complains, exit code", (7000, True, 1), s_client(name))
verdict()
PY
