#!/usr/bin/env bash
# A server listens on "::". asyncio and uvloop take IPv4 there over UDP and refuse it over TCP; Tornado, trio and Tcl
# refuse it, Node, Twisted, gevent, Mojo, IO::Async and AnyEvent take it.
#
# Software: asyncio of Python 3.11; uvloop 0.23.0, Tornado 6.6.1, trio 0.35.0, Twisted 26.10.0, gevent 26.9.0 (PyPI); net and
#           dgram of Node; tcl8.6 8.6.13+dfsg-2, libmojolicious-perl 9.31+dfsg-1, libio-async-perl 0.802-1,
#           libanyevent-perl 7.170-2+b3 (Debian 12).
#
# Linux gives a socket at "::" the IPv4 clients as well, unless it has IPV6_V6ONLY, or net.ipv6.bindv6only says otherwise.
#
# The guess: Tornado and asyncio set it, which makes two sockets of "every address", and nobody else; and what a library
# does for TCP it does for UDP.
#
# What happens when a client comes to 127.0.0.1:
#                                          TCP          UDP
#   Node, Twisted, gevent                  served       served
#   Mojo, IO::Async, AnyEvent              served
#   asyncio, uvloop                        refused      served
#   Tornado, trio, Tcl                     refused
#
# Why it matters: a service of both (DNS, SIP, syslog, an echo) that listens on "::" by one library has its IPv4 clients
# by halves, and a test on ::1 shows nothing of it. Who listens everywhere says so with two sockets, or sets the
# option himself; a library sets it one way for all its sockets, and says which.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
grep -q '^0*1 ' /proc/net/if_inet6 2>/dev/null || cannot "there is no ::1 here"
[ "$(cat /proc/sys/net/ipv6/bindv6only)" = 0 ] || cannot "net.ipv6.bindv6only is set here"
deb tcl8.6=8.6.13+dfsg-2 libmojolicious-perl=9.31+dfsg-1 libio-async-perl=0.802-1 libanyevent-perl=7.170-2+b3 libev-perl=4.33-2
pip uvloop==0.23.0 tornado==6.6.1 trio==0.35.0 twisted==26.10.0 gevent==26.9.0
experiment <<'PY'
import os
import socket
import time
from lib import ENV, PYTHON, ROOT, TMP, expect, start, stop_all, verdict


def python(text):
    return [PYTHON, "-c", "import sys\nport = int(sys.argv[1])\n" + text]


ASYNCIO = """import asyncio
async def main():
    async with await asyncio.start_server(lambda reader, writer: writer.close(), '::', port) as server: await server.serve_forever()
asyncio.run(main())"""
DATAGRAMS = """import asyncio
class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport): self.transport = transport
    def datagram_received(self, data, peer): self.transport.sendto(data, peer)
async def main():
    await asyncio.get_running_loop().create_datagram_endpoint(Echo, ('::', port)); await asyncio.Event().wait()
asyncio.run(main())"""
UVLOOP = "import uvloop; uvloop.install()\n"
with open(TMP + "/listen.tcl", "w") as f:
    f.write("proc accept {args} {}\nsocket -server accept -myaddr :: [lindex $argv 0]\nvwait forever\n")
TCP = {
    "Node": ["node", "-e", "require('net').createServer(() => {}).listen(+process.argv[1], '::')"],
    "Twisted": python("""from twisted.internet import protocol, reactor
reactor.listenTCP(port, protocol.Factory.forProtocol(protocol.Protocol), interface='::'); reactor.run()"""),
    "gevent": python("from gevent.server import StreamServer; StreamServer(('::', port), lambda *_: None).serve_forever()"),
    "Mojo": ["perl", "-MMojo::IOLoop", "-e",
             "Mojo::IOLoop->server({address => '::', port => $ARGV[0]} => sub {}); Mojo::IOLoop->start"],
    "IO::Async": ["perl", "-MIO::Async::Loop", "-e", """my $loop = IO::Async::Loop->new;
$loop->listen(host => '::', service => $ARGV[0], socktype => 'stream', on_stream => sub {}, on_listen => sub {},
    on_resolve_error => sub { die }, on_listen_error => sub { die });
$loop->run"""],
    "AnyEvent": ["perl", "-MAnyEvent::Socket", "-e", "tcp_server '::', $ARGV[0], sub {}; AE::cv->recv"],
    "asyncio": python(ASYNCIO),
    "uvloop": python(UVLOOP + ASYNCIO),
    "Tornado": python("""import asyncio; from tornado.tcpserver import TCPServer
async def main():
    TCPServer().listen(port, '::'); await asyncio.Event().wait()
asyncio.run(main())"""),
    "trio": python("""import trio
async def handle(stream): pass
async def main(): await trio.serve_tcp(handle, port, host='::')
trio.run(main)"""),
    "Tcl": ["tclsh8.6", TMP + "/listen.tcl"],
}
UDP = {
    "Node": ["node", "-e", """const socket = require('dgram').createSocket('udp6');
socket.on('message', (data, peer) => socket.send(data, peer.port, peer.address)); socket.bind(+process.argv[1], '::')"""],
    "Twisted": python("""from twisted.internet import protocol, reactor
class Echo(protocol.DatagramProtocol):
    def datagramReceived(self, data, peer): self.transport.write(data, peer)
reactor.listenUDP(port, Echo(), interface='::'); reactor.run()"""),
    "gevent": python("""from gevent.server import DatagramServer
class Echo(DatagramServer):
    def handle(self, data, peer): self.socket.sendto(data, peer)
Echo(('::', port)).serve_forever()"""),
    "asyncio": python(DATAGRAMS),
    "uvloop": python(UVLOOP + DATAGRAMS),
}


def free_port(kind):
    with socket.socket(socket.AF_INET6, kind) as s:
        s.bind(("::", 0))
        return s.getsockname()[1]


def served(family, kind, host, port):
    with socket.socket(family, kind) as s:
        s.settimeout(1)
        try:
            s.connect((host, port))
            return kind == socket.SOCK_STREAM or (s.send(b"x") == 1 and s.recv(9) == b"x")
        except OSError:
            return False


for kind, servers in ((socket.SOCK_STREAM, TCP), (socket.SOCK_DGRAM, UDP)):
    ports = {}
    for name, argv in servers.items():
        ports[name] = free_port(kind)
        start([*argv, str(ports[name])], cwd=TMP, env=ENV)
    for name, port in ports.items():
        deadline = time.monotonic() + 30
        while not served(socket.AF_INET6, kind, "::1", port):
            if time.monotonic() > deadline:
                print(f"cannot run: {name} does not listen")
                raise SystemExit(77)
            time.sleep(0.05)
        want = kind == socket.SOCK_DGRAM or name not in ("asyncio", "uvloop", "Tornado", "trio", "Tcl")
        got = served(socket.AF_INET, kind, "127.0.0.1", port)
        what = f"{name}, {'TCP' if kind == socket.SOCK_STREAM else 'UDP'}"
        expect(what, *("served" if it else "refused" for it in (want, got)))
    stop_all()
verdict()
PY
