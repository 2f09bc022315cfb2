#!/usr/bin/env bash
# A relay turns an abort into a clean end; HAProxy does so in one direction only.
#
# Software: haproxy 2.6.12-1+deb12u4, nginx 1.22.1-9+deb12u11 with libnginx-mod-stream, socat
#           1.7.4.4-2, redir 3.3-1, rinetd 0.73-1, systemd 252.39-1~deb12u2 (Debian 12).
#
# The guess: HAProxy passes a reset on in both directions, nginx's stream proxy at least from
# the backend to the client; the small relays end the other side with a FIN.
#
# What happens, with 100000 bytes sent through the relay, then a reset by the sender:
#                           client resets:      backend resets:
#                           the backend reads   the client reads
#   no relay                100000, RST         100000, RST
#   haproxy (mode tcp)      100000, RST         100000, EOF
#   nginx stream            100000, EOF         100000, EOF
#   socat, redir, rinetd    100000, EOF         100000, EOF
#   systemd-socket-proxyd   100000, EOF         100000, EOF
# Not one of them lets a client see that its backend died half way; HAProxy, as shipped, does
# let a backend see that its client did.
#
# Why it matters: a protocol whose end of data is "the peer closed" (FTP's data connection,
# HTTP/1.0 without a length, a raw copy) takes a broken transfer for a whole one as soon as a
# relay stands between. Only a length, a last chunk or a closing message in the protocol itself
# helps. And whoever writes a relay must carry the kind of end, not just the end.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb haproxy=2.6.12-1+deb12u4 nginx=1.22.1-9+deb12u11 libnginx-mod-stream=1.22.1-9+deb12u11
deb socat=1.7.4.4-2 redir=3.3-1 rinetd=0.73-1 systemd=252.39-1~deb12u2
experiment <<'PY'
import socket
import threading
import time
import relays
from lib import connect, expect, read_to_end, reset, stop_all, verdict

FOUND = {relay.__name__: ("EOF", "EOF") for relay in relays.ALL}
FOUND["no_relay"] = ("RST", "RST")
FOUND["haproxy"] = ("RST", "EOF")


def accept(listener):
    """The relayed connection: the one that says hello (a probe says nothing)."""
    while True:
        sock, _ = listener.accept()
        sock.settimeout(10)
        if sock.recv(1):
            return sock


for relay in relays.ALL:
    ends = []
    for direction in ("client resets", "backend resets"):
        listener = socket.create_server(("127.0.0.1", 0))
        client = connect(relay(listener.getsockname()[1]))
        client.sendall(b"h")
        backend = accept(listener)
        sender, receiver = (client, backend) if direction == "client resets" else (backend, client)
        sender.sendall(b"x" * 100_000)
        time.sleep(0.5)  # the relay has passed them on
        reset(sender)
        count, end = read_to_end(receiver)
        assert count == 100_000, count
        ends.append(end)
        receiver.close()
        stop_all()
    expect(relay.__name__, FOUND[relay.__name__], tuple(ends))
verdict()
PY
