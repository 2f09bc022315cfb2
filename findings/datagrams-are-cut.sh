#!/usr/bin/env bash
# A UDP datagram of 20,000 bytes: Twisted, gevent, socketserver, Tcl and EventMachine hand out its first 4,096 to 16,383
# bytes as the whole of it, socat, rinetd and nginx send on 8,192 or 16,384, and none says that something is missing.
#
# Software: Twisted 26.10.0, gevent 26.9.0, uvloop 0.23.0 (PyPI), Python 3.11's asyncio and socketserver, Node's dgram;
#           tcl-udp 1.0.11-2+b1, ruby-eventmachine 1.3~pre20220315-df4ab006-3, libio-async-perl 0.802-1,
#           socat 1.7.4.4-2, rinetd 0.73-1, nginx 1.22.1-9+deb12u11 with its stream module (Debian 12).
#
# A datagram has up to 65,507 bytes over IPv4, and comes whole or not at all: that is the point of it. The system cuts it
# only if the program's buffer is smaller, and says so (MSG_TRUNC, or the length that recv returns with that flag).
#
# The guess: Twisted cuts at 8,192, for listenUDP has a maxPacketSize; everybody else takes it whole, nginx and socat above
# all, since a relay does not know what it carries. rinetd may cut.
#
# What is left of 20,000 bytes:
#   Tcl                           4,096
#   Twisted, gevent, socketserver 8,192  (maxPacketSize and max_packet_size change it)
#   EventMachine                  16,383
#   socat                         8,192  in both directions (-b changes it)
#   rinetd, nginx                 16,384 in both directions (nginx: proxy_buffer_size changes it)
#   asyncio, uvloop, Node, IO::Async 20,000
#
# Why it matters: on loopback and in a network of one's own datagrams this long are everyday: syslog, statistics, TFTP with
# a block size above 8,188 (RFC 2348 goes to 65,464). There a cut block is worse than a lost one: it is shorter than agreed,
# which marks the last of a file. Have 64 KiB of buffer, or look for MSG_TRUNC.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb ruby-eventmachine=1.3~pre20220315-df4ab006-3 ruby3.1=3.1.7+really3.1.2-0+deb12u1
deb tcl-udp=1.0.11-2+b1 tcl8.6=8.6.13+dfsg-2 libio-async-perl=0.802-1
deb socat=1.7.4.4-2 rinetd=0.73-1 nginx=1.22.1-9+deb12u11 libnginx-mod-stream=1.22.1-9+deb12u11
pip twisted==26.10.0 gevent==26.9.0 uvloop==0.23.0
experiment <<'PY'
import os
import socket
import time
from lib import LOG, PYTHON, ROOT, TMP, expect, free_port, start, stop_all, verdict

# Each answers a datagram with the length of it, as text.
ASYNCIO = """import asyncio, sys
class Answer(asyncio.DatagramProtocol):
    def connection_made(self, transport): self.transport = transport
    def datagram_received(self, data, peer): self.transport.sendto(b"%d" % len(data), peer)
async def main():
    await asyncio.get_running_loop().create_datagram_endpoint(Answer, local_addr=("127.0.0.1", int(sys.argv[1])))
    await asyncio.Event().wait()
"""
SERVERS = {
    "asyncio": [PYTHON, "-c", ASYNCIO + "asyncio.run(main())"],
    "uvloop": [PYTHON, "-c", ASYNCIO + "import uvloop; uvloop.run(main())"],
    "Twisted": [PYTHON, "-c", """import sys
from twisted.internet import protocol, reactor
class Answer(protocol.DatagramProtocol):
    def datagramReceived(self, data, peer): self.transport.write(b"%d" % len(data), peer)
reactor.listenUDP(int(sys.argv[1]), Answer(), interface="127.0.0.1")
reactor.run()"""],
    "gevent": [PYTHON, "-c", """import sys
from gevent.server import DatagramServer
class Answer(DatagramServer):
    def handle(self, data, peer): self.sendto(b"%d" % len(data), peer)
Answer("127.0.0.1:" + sys.argv[1]).serve_forever()"""],
    "socketserver": [PYTHON, "-c", """import socketserver, sys
class Answer(socketserver.BaseRequestHandler):
    def handle(self): self.request[1].sendto(b"%d" % len(self.request[0]), self.client_address)
socketserver.UDPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()"""],
    "Node": ["node", "-e", """const socket = require('dgram').createSocket('udp4');
socket.on('message', (data, peer) => socket.send(`${data.length}`, peer.port, peer.address));
socket.bind(+process.argv[1], '127.0.0.1');"""],
    "Tcl": ["tclsh8.6", TMP + "/answer.tcl"],
    "EventMachine": [ROOT + "/usr/bin/ruby3.1", "-e", """require 'eventmachine'
module Answer
  def receive_data(data) = send_data(data.bytesize.to_s)
end
EM.run { EM.open_datagram_socket('127.0.0.1', ARGV[0].to_i, Answer) }"""],
    "IO::Async": ["perl", "-e", """use IO::Async::Loop; use IO::Async::Socket;
my $loop = IO::Async::Loop->new;
my $socket = IO::Async::Socket->new(on_recv => sub { my ($self, $data, $peer) = @_; $self->send(length $data, 0, $peer) });
$loop->add($socket);
$socket->bind(host => '127.0.0.1', service => $ARGV[0], socktype => 'dgram')->get;
$loop->run;"""],
}
with open(TMP + "/answer.tcl", "w") as f:
    f.write("""package require udp
set socket [udp_open [lindex $argv 0]]
fconfigure $socket -buffering none -translation binary -blocking 0
proc answer {} {
    global socket
    set length [string length [read $socket]]
    if {$length == 0} return
    fconfigure $socket -remote [fconfigure $socket -peer]
    puts -nonewline $socket $length
}
fileevent $socket readable answer
vwait forever""")
RUBY = ["ruby/vendor_ruby", "ruby/3.1.0", "x86_64-linux-gnu/ruby/3.1.0", "x86_64-linux-gnu/ruby/vendor_ruby/3.1.0"]
ENV = dict(
    os.environ,
    PATH=f"{ROOT}/usr/bin:{os.environ['PATH']}",
    PERL5LIB=f"{ROOT}/usr/share/perl5:{ROOT}/usr/lib/x86_64-linux-gnu/perl5/5.36",
    RUBYLIB=":".join(f"{ROOT}/usr/lib/{folder}" for folder in RUBY),
    TCL_LIBRARY=ROOT + "/usr/share/tcltk/tcl8.6",
    TCLLIBPATH=f"{ROOT}/usr/lib {ROOT}/usr/lib/tcltk/x86_64-linux-gnu",
)
SIZES = [1400, 20000]


def client_of(port):
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect(("127.0.0.1", port))
    client.settimeout(5)
    return client


def until_up(client, answered):
    """Sends a byte until it is answered, then waits until all answers are in."""
    client.settimeout(0.3)
    for _ in range(60):
        try:
            client.send(b"?")
            answered()
            break
        except OSError:
            time.sleep(0.2)
    else:
        print("cannot run: nothing answers:\n" + open(LOG).read()[-2000:])
        raise SystemExit(77)
    try:
        while True:
            answered()
    except OSError:
        client.settimeout(5)


def loop_takes(name):
    port = free_port(socket.SOCK_DGRAM)
    start([*SERVERS[name], str(port)], env=ENV, cwd=TMP)
    with client_of(port) as client:
        until_up(client, lambda: client.recv(100))
        taken = []
        for size in SIZES:
            client.send(bytes(size))
            taken.append(int(client.recv(100)))
    stop_all()
    return taken


def socat(port, backend):
    return [ROOT + "/usr/bin/socat", f"UDP-LISTEN:{port},bind=127.0.0.1,fork", f"UDP:127.0.0.1:{backend}"]


def rinetd(port, backend):
    with open(TMP + "/rinetd.conf", "w") as f:
        f.write(f"127.0.0.1 {port}/udp 127.0.0.1 {backend}/udp\n")
    return [ROOT + "/usr/sbin/rinetd", "-f", "-c", TMP + "/rinetd.conf"]


def nginx(port, backend):
    with open(TMP + "/nginx.conf", "w") as f:
        f.write(f"""load_module {ROOT}/usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
master_process off;
pid {TMP}/nginx.pid;
error_log stderr;
events {{}}
stream {{ server {{ listen 127.0.0.1:{port} udp; proxy_pass 127.0.0.1:{backend}; }} }}
""")
    return [ROOT + "/usr/sbin/nginx", "-p", TMP, "-e", "stderr", "-c", TMP + "/nginx.conf"]


def relay_passes(relay):
    """Returns what comes to the backend, and what comes back of as much."""
    port, there, back = free_port(socket.SOCK_DGRAM), [], []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as backend, client_of(port) as client:
        backend.bind(("127.0.0.1", 0))
        backend.settimeout(0.3)
        child = start(relay(port, backend.getsockname()[1]), start_new_session=True)
        until_up(client, lambda: backend.recv(70000))
        backend.settimeout(5)
        for size in SIZES:
            client.send(bytes(size))
            data, peer = backend.recvfrom(70000)
            there.append(len(data))
            backend.sendto(bytes(size), peer)
            back.append(len(client.recv(70000)))
        os.killpg(child.pid, 9)  # socat has forked
    stop_all()
    return there, back


for name, left in [("asyncio", 20000), ("uvloop", 20000), ("Node", 20000), ("IO::Async", 20000),
                   ("Twisted", 8192), ("gevent", 8192), ("socketserver", 8192), ("Tcl", 4096), ("EventMachine", 16383)]:
    expect(f"{name}, of 1400 and 20000 bytes", [1400, left], loop_takes(name))
for relay, left in [(socat, 8192), (rinetd, 16384), (nginx, 16384)]:
    expect(f"{relay.__name__}, there and back", ([1400, left], [1400, left]), relay_passes(relay))
verdict()
PY
