#!/usr/bin/env bash
# The peer half-closes, and half of the event loops throw away the answer already written.
#
# Software: Twisted 26.10.0, uvloop 0.23.0 (PyPI); libmojolicious-perl 9.31+dfsg-1,
#           libio-async-perl 0.802-1, libpoe-perl 2:1.3700-1, libanyevent-perl 7.170-2+b3,
#           ruby-eventmachine 1.3~pre20220315-df4ab006-3, tcl8.6 8.6.13+dfsg-2 (Debian 12).
#
# The guess: what a handler has written is sent, whatever the peer does with its own direction.
# On a FIN a loop may close the connection, but it does so once the queue is empty; only
# EventMachine and AnyEvent::Handle were guessed to drop it.
#
# What happens, when a request is answered with one write of 8000000 bytes, and the client shuts
# its sending side while they are on their way (as `printf ... | nc -N` does) and reads all:
#   asyncio, uvloop                  8000000 bytes, EOF
#   Tcl                              8000000 bytes, EOF
#   AnyEvent::Handle                 8000000 bytes, EOF (though it tells its owner of an error
#                                    and is destroyed: what is queued lingers on in the back)
#   Twisted, Mojo::IOLoop, IO::Async,
#   POE, EventMachine                2 to 4 MB, EOF: what the kernel had taken; the rest is gone,
#                                    and the clean FIN tells the client that this was all
# None of the five tells its handler that something was lost: Twisted calls it ConnectionDone,
# "closed cleanly".
#
# Why it matters: "0 bytes read" means that the peer has no more to say, not that it has stopped
# listening. A loop whose default is to close on it has to flush first, or to say that it did
# not; and a test with a short answer never sees it, as the kernel takes that at once.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb libmojolicious-perl=9.31+dfsg-1 libio-async-perl=0.802-1 libpoe-perl=2:1.3700-1
deb libanyevent-perl=7.170-2+b3 libev-perl=4.33-2
deb ruby-eventmachine=1.3~pre20220315-df4ab006-3 ruby3.1=3.1.7+really3.1.2-0+deb12u1 tcl8.6=8.6.13+dfsg-2
pip twisted==26.10.0 uvloop==0.23.0
experiment <<'PY'
import socket
import time
from lib import ENV, PYTHON, ROOT, TMP, connect, expect, free_port, read_to_end, start, stop_all, verdict

SIZE = 8_000_000
ASYNCIO = """import asyncio, sys
class Answer(asyncio.Protocol):
    def connection_made(self, transport): self.transport = transport
    def data_received(self, data): self.transport.write(b"x" * 8000000)
async def main():
    server = await asyncio.get_running_loop().create_server(Answer, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()
"""
SERVERS = {
    "asyncio": ([PYTHON, "-c"], ASYNCIO + "asyncio.run(main())"),
    "uvloop": ([PYTHON, "-c"], ASYNCIO + "import uvloop; uvloop.run(main())"),
    "Twisted": ([PYTHON, "-c"], """import sys
from twisted.internet import protocol, reactor
class Answer(protocol.Protocol):
    def dataReceived(self, data): self.transport.write(b"x" * 8000000)
reactor.listenTCP(int(sys.argv[1]), protocol.Factory.forProtocol(Answer), interface="127.0.0.1")
reactor.run()"""),
    "Tcl": (["tclsh8.6", "FILE"], """proc accept {c host port} {
    fconfigure $c -blocking 0 -translation binary
    fileevent $c readable [list answer $c]
}
proc answer {c} {
    if {[read $c] ne ""} { puts -nonewline $c [string repeat x 8000000]; flush $c }
    if {[eof $c]} { close $c }
}
socket -server accept -myaddr 127.0.0.1 [lindex $argv 0]
vwait forever"""),
    "Mojo::IOLoop": (["perl", "-e"], """use Mojo::IOLoop;
Mojo::IOLoop->server({address => '127.0.0.1', port => $ARGV[0]} => sub {
    my ($loop, $stream) = @_;
    $stream->on(read => sub { $stream->write('x' x 8_000_000) });
});
Mojo::IOLoop->start;"""),
    "IO::Async": (["perl", "-e"], """use IO::Async::Loop; use IO::Async::Listener;
my $loop = IO::Async::Loop->new;
my $listener = IO::Async::Listener->new(on_stream => sub {
    my (undef, $stream) = @_;
    $stream->configure(on_read => sub {
        my ($self, $buffer) = @_;
        $self->write('x' x 8_000_000) if length $$buffer;
        $$buffer = '';
        return 0;
    });
    $loop->add($stream);
});
$loop->add($listener);
my %address = (family => 'inet', socktype => 'stream', ip => '127.0.0.1', port => $ARGV[0]);
$listener->listen(addr => \\%address)->get;
$loop->run;"""),
    "POE": (["perl", "-e"], """use POE qw(Component::Server::TCP Filter::Stream);
POE::Component::Server::TCP->new(
    Address => '127.0.0.1', Port => $ARGV[0], ClientFilter => 'POE::Filter::Stream',
    ClientInput => sub { $_[HEAP]{client}->put('x' x 8_000_000) },
);
POE::Kernel->run;"""),
    "AnyEvent::Handle": (["perl", "-e"], """use AnyEvent; use AnyEvent::Socket; use AnyEvent::Handle;
my %open;
my $guard = tcp_server '127.0.0.1', $ARGV[0], sub {
    my $handle; $handle = AnyEvent::Handle->new(
        fh => shift,
        on_read => sub { $handle->{rbuf} = ''; $handle->push_write('x' x 8_000_000) },
        on_error => sub { delete $open{$handle}; $handle->destroy },
    );
    $open{$handle} = $handle;
};
AnyEvent->condvar->recv;"""),
    "EventMachine": ([ROOT + "/usr/bin/ruby3.1", "--disable-gems", "-e"], """require 'eventmachine'
module Answer
  def receive_data(_) = send_data('x' * 8_000_000)
end
EM.run { EM.start_server('127.0.0.1', ARGV[0].to_i, Answer) }"""),
}
ARCH = ROOT + "/usr/lib/x86_64-linux-gnu"
ENV = dict(
    ENV,
    RUBYLIB=":".join(f"{ROOT}/usr/lib/ruby/{x}" for x in ("vendor_ruby", "3.1.0"))
    + ":" + ":".join(f"{ARCH}/ruby/{x}" for x in ("vendor_ruby/3.1.0", "3.1.0")),
)
CUT = ("Twisted", "Mojo::IOLoop", "IO::Async", "POE", "EventMachine")
for name, (argv, program) in SERVERS.items():
    if argv[-1] == "FILE":
        with open(TMP + "/program", "w") as f:
            f.write(program)
        argv, program = argv[:-1], TMP + "/program"
    port = free_port()
    start(argv + [program, str(port)], env=ENV)
    client = connect(port)
    client.sendall(b"go\n")
    time.sleep(1)  # the answer is written; the kernel has taken what it takes
    client.shutdown(socket.SHUT_WR)
    time.sleep(0.5)
    count, end = read_to_end(client)
    part = "all" if count == SIZE else "some" if 0 < count < SIZE else str(count)
    expect(name, ("some" if name in CUT else "all", "EOF"), (part, end))
    client.close()
    stop_all()
verdict()
PY
