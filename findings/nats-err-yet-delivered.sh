#!/usr/bin/env bash
# NATS: "-ERR 'Invalid Publish Subject'", then "+OK", and the message is delivered.
#
# Software: nats-server 2.9.10-1+b3 (Debian 12).
#
# A subject with a wildcard ("a.*") is for subscribing; to publish to one is a mistake that a
# "pedantic" connection is told of. A client that sends CONNECT {} is pedantic and verbose.
#
# The guess: -ERR in place of +OK, and the message goes nowhere.
#
# What happens: PUB a.* is answered with -ERR 'Invalid Publish Subject' and +OK, in this order,
# and a subscriber of ">" gets MSG a.*. With pedantic off there is no -ERR, and the message is
# delivered all the same; one's own subscription of "a.b" does not match it, one of "a.*" does.
# A subject that is broken in another way ("a..b") has the same two answers, and is not delivered.
#
# Why it matters: in a text protocol with pipelining, "each request has one answer" holds the
# client's queue of pending requests together. Here one PUB has two, and the first of them says
# the opposite of what was done: a client that pops a request per +OK or -ERR is one off from then
# on, and one that publishes again after -ERR sends twice.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb nats-server=2.9.10-1+b3
experiment <<'PY'
from lib import ROOT, connect, expect, free_port, start, verdict


class Client:
    def __init__(self, options):
        self.sock = connect(port)
        self.sock.settimeout(10)
        self.text = b""
        self.until(b"INFO ")
        self.send(f"CONNECT {options}\r\n")

    def send(self, text):
        self.sock.sendall(text.encode())

    def until(self, word):
        while word not in self.text or not self.text.endswith(b"\r\n"):
            data = self.sock.recv(4096)
            assert data, self.text
            self.text += data
        text, self.text = self.text, b""
        return text.decode().split("\r\n")[:-1]

    def settle(self):
        """All that came up to the answer to a PING."""
        self.send("PING\r\n")
        return [line for line in self.until(b"PONG\r\n") if line != "PONG"]


port = free_port()
start([ROOT + "/usr/sbin/nats-server", "-a", "127.0.0.1", "-p", str(port)])
watcher = Client('{"verbose":false}')
watcher.send("SUB > 1\r\n")
watcher.settle()

client = Client("{}")
expect("answer to CONNECT {}", ["+OK"], client.settle())
client.send("PUB a.* 2\r\nhi\r\n")
expect("answers to PUB a.*", ["-ERR 'Invalid Publish Subject'", "+OK"], client.settle())
expect("what a subscriber of > gets", ["MSG a.* 1 2", "hi"], watcher.settle())
client.send("PUB a..b 2\r\nhi\r\n")
expect("answers to PUB a..b", ["-ERR 'Invalid Publish Subject'", "+OK"], client.settle())
expect("what a subscriber of > gets", [], watcher.settle())

client = Client('{"verbose":false,"pedantic":false}')
client.send("SUB a.b literal\r\nSUB a.* wild\r\nPUB a.* 2\r\nhi\r\n")
expect("not pedantic, own subscriptions", ["MSG a.* wild 2", "hi"], client.settle())
expect("what a subscriber of > gets", ["MSG a.* 1 2", "hi"], watcher.settle())
verdict()
PY
