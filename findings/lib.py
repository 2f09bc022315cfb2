"""Shared by the findings: loopback ports, child processes and their environment, resets, and the verdict."""

import atexit
import glob
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

TMP = os.environ["TMP"]
ROOT = TMP + "/root"
PYTHON = TMP + "/py/bin/python"
LOG = TMP + "/log"
# With this, programs in Perl and Tcl find the packages that were unpacked.
ENV = dict(
    os.environ,
    PATH=f"{ROOT}/usr/bin:{os.environ['PATH']}",
    PERL5LIB=":".join([ROOT + "/usr/share/perl5", *glob.glob(ROOT + "/usr/lib/x86_64-linux-gnu/perl5/*")]),
    TCL_LIBRARY=ROOT + "/usr/share/tcltk/tcl8.6",
    TCLLIBPATH=ROOT + "/usr/share/tcltk/tcllib1.21",
)

_children = []
_changed = []


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(argv, **options):
    """Starts a child that is ended with this program at the latest."""
    with open(LOG, "ab") as log:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)
    _children.append(child)
    return child


def connect(port):
    """Connects, waiting up to 20 s for the server to come up."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 5)
        except OSError:
            if time.monotonic() > deadline:
                print("cannot run: nothing listens on the port:\n" + open(LOG).read()[-2000:], file=sys.stderr)
                raise SystemExit(77)
            time.sleep(0.05)


def stop_all():
    for child in _children:
        child.terminate()
    for child in _children:
        try:
            child.wait(3)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    _children.clear()


atexit.register(stop_all)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(77))


def serve_http(fields, body):
    """A web server that gives this answer to every request, and closes; its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    head = "".join(f"{line}\r\n" for line in ("HTTP/1.1 200 OK", *fields, "Connection: close", ""))

    def run():
        while True:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                while lines.readline().strip():
                    pass
                connection.sendall(head.encode() + body)

    threading.Thread(target=run, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}/"


def reset(sock):
    """Closes with RST in place of FIN: what a killed or crashed program leaves behind."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def read_to_end(sock, seconds=6):
    """Returns how many bytes came, and how it ended: 'EOF', 'RST' or 'silence'."""
    count = 0
    sock.settimeout(seconds)
    while True:
        try:
            data = sock.recv(65536)
        except socket.timeout:
            return count, "silence"
        except ConnectionResetError:
            return count, "RST"
        if not data:
            return count, "EOF"
        count += len(data)


def expect(what, want, got):
    same = want == got
    print(f"{'as found' if same else 'CHANGED '}  {what}: {got!r}" + ("" if same else f" (was {want!r})"), flush=True)
    if not same:
        _changed.append(what)


def verdict():
    if _changed:
        print("The behaviour changed: " + ", ".join(_changed))
    raise SystemExit(1 if _changed else 0)
