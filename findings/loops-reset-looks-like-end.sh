#!/usr/bin/env bash
# A reset connection ends like a closed one in Tcl and Mojo::IOLoop; IO::Async reports both.
#
# Software: tcl8.6 8.6.13+dfsg-2, libmojolicious-perl 9.31+dfsg-1, libio-async-perl 0.802-1,
#           libanyevent-perl 7.170-2+b3 (Debian 12); Twisted 26.10.0 (PyPI).
#
# The guess: when the peer sends five bytes and then RST, each loop hands over the five bytes and
# then an error: Tcl's `read` throws "connection reset by peer", Mojo's stream emits "error", and
# IO::Async calls on_read_error, and only that.
#
# What happens (what the program is told, in order):
#                      peer closes (FIN)      peer resets (RST)
#   Tcl                data, eof              data, eof               `read` and `close` are both silent
#   Mojo::IOLoop       data, close            data, close             no "error" event
#   IO::Async          data, eof, closed      data, error, eof, closed
#   AnyEvent::Handle   data, eof              data, error
#   Twisted            data, ConnectionDone   data, ConnectionLost
# So on Tcl and Mojo a program cannot know; and on IO::Async one that takes on_read_eof for "all
# has come" gets that after the error, too.
#
# Why it matters: where the end of data is the end of the connection (an FTP upload, a body
# without a length), these loops make a broken transfer and a whole one the same. Whoever designs
# the callbacks of a loop: one end, told once, with its reason.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb tcl8.6=8.6.13+dfsg-2 libmojolicious-perl=9.31+dfsg-1 libio-async-perl=0.802-1
deb libanyevent-perl=7.170-2+b3 libev-perl=4.33-2
pip twisted==26.10.0
experiment <<'PY'
import time
from lib import ENV, LOG, PYTHON, TMP, connect, expect, free_port, reset, start, stop_all, verdict

SERVERS = {
    "Tcl": (["tclsh8.6", "FILE"], """proc accept {c host port} {
    fconfigure $c -blocking 0 -translation binary
    fileevent $c readable [list told $c]
}
proc told {c} {
    if {[catch {read $c} data]} { puts "told error"; close $c; flush stdout; return }
    if {$data ne ""} { puts "told data" }
    if {[eof $c]} {
        puts "told eof"
        if {[catch {close $c}]} { puts "told error" }
    }
    flush stdout
}
socket -server accept -myaddr 127.0.0.1 [lindex $argv 0]
vwait forever"""),
    "Mojo::IOLoop": (["perl", "-e"], """use Mojo::IOLoop;
$| = 1;
Mojo::IOLoop->server({address => '127.0.0.1', port => $ARGV[0]} => sub {
    my ($loop, $stream) = @_;
    $stream->on(read => sub { print "told data\\n" });
    $stream->on(error => sub { print "told error\\n" });
    $stream->on(close => sub { print "told close\\n" });
});
Mojo::IOLoop->start;"""),
    "IO::Async": (["perl", "-e"], """use IO::Async::Loop; use IO::Async::Listener;
$| = 1;
my $loop = IO::Async::Loop->new;
my $listener = IO::Async::Listener->new(on_stream => sub {
    my (undef, $stream) = @_;
    $stream->configure(
        on_read => sub { my (undef, $buffer) = @_; print "told data\\n" if length $$buffer; $$buffer = ''; 0 },
        on_read_error => sub { print "told error\\n" },
        on_read_eof => sub { print "told eof\\n" },
        on_closed => sub { print "told closed\\n" },
    );
    $loop->add($stream);
});
$loop->add($listener);
my %address = (family => 'inet', socktype => 'stream', ip => '127.0.0.1', port => $ARGV[0]);
$listener->listen(addr => \\%address)->get;
$loop->run;"""),
    "AnyEvent::Handle": (["perl", "-e"], """use AnyEvent; use AnyEvent::Socket; use AnyEvent::Handle;
$| = 1;
my %open;
my $guard = tcp_server '127.0.0.1', $ARGV[0], sub {
    my $handle; $handle = AnyEvent::Handle->new(
        fh => shift,
        on_read => sub { $handle->{rbuf} = ''; print "told data\\n" },
        on_eof => sub { print "told eof\\n"; delete $open{$handle} },
        on_error => sub { print "told error\\n"; delete $open{$handle} },
    );
    $open{$handle} = $handle;
};
AnyEvent->condvar->recv;"""),
    "Twisted": ([PYTHON, "-u", "-c"], """import sys
from twisted.internet import protocol, reactor
class Told(protocol.Protocol):
    def dataReceived(self, data): print("told data")
    def connectionLost(self, reason): print("told", reason.type.__name__)
reactor.listenTCP(int(sys.argv[1]), protocol.Factory.forProtocol(Told), interface="127.0.0.1")
reactor.run()"""),
}
FOUND = {
    "Tcl": ("data, eof", "data, eof"),
    "Mojo::IOLoop": ("data, close", "data, close"),
    "IO::Async": ("data, eof, closed", "data, error, eof, closed"),
    "AnyEvent::Handle": ("data, eof", "data, error"),
    "Twisted": ("data, ConnectionDone", "data, ConnectionLost"),
}
for name, (argv, program) in SERVERS.items():
    if argv[-1] == "FILE":
        with open(TMP + "/program", "w") as f:
            f.write(program)
        argv, program = argv[:-1], TMP + "/program"
    told = []
    for end in (lambda sock: sock.close(), reset):
        port = free_port()
        start(argv + [program, str(port)], env=ENV)
        client = connect(port)
        time.sleep(0.5)
        open(LOG, "w").close()
        client.sendall(b"hello")
        time.sleep(0.5)  # the bytes are read
        end(client)
        time.sleep(1)
        with open(LOG) as log:
            lines = [line.strip() for line in log.read().replace("\0", "").split("\n")]
        told.append(", ".join(line[5:] for line in lines if line.startswith("told ")))
        stop_all()
    expect(name, FOUND[name], tuple(told))
verdict()
PY
