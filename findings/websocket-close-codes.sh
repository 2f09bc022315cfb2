#!/usr/bin/env bash
# A browser's socket.close() carries no code: npm's websocket, Tornado and Qt tell their program of it the same as of a
# connection that broke, and Qt calls both 1000, "normal closure".
#
# Software: aiohttp 3.14.5, tornado 6.6.1, websockets 17.4, ws4py 0.6.0 (PyPI);
#           websocket 1.0.35, faye-websocket 0.11.4, ws 8.23.0, undici 7.30.2 (npm); python3-pyqt5.qtwebsockets
#           5.15.9+dfsg-1 with Qt 5.15.8, libanyevent-websocket-client-perl 0.54-1, tcllib 1.21+dfsg-1 (Debian 12).
#
# RFC 6455 (section 7.1.5): after a Close frame without a code the code is 1005, without any Close frame it is 1006.
# Both are for the program only: they "MUST NOT be set" in a frame (7.4.1).
#
# The guess: of a close without a code all say 1005 or none; of a broken connection 1006, or an error.
#
# What a server is told when undici (which is Node's WebSocket, after the browsers' standard) calls close(), and when
# its client's process is ended:            and what a client is told of the same by its server:
#                   close()      broken                        close         broken
#   ws, websockets  1005         1006                          1005          1006
#   Tornado         None         None                          None          None       nothing else tells them apart
#   websocket       1006         1006                          1006          1006       "dropped by remote peer"
#   Qt              1000         1000                          1000          1000       an "error" signal, when broken
#   aiohttp         0            1006                          1006          1006
#   faye-websocket  1000         1006                          1000          1006
#   Tcl                                                        1000          1001       "Endpoint going away"
# AnyEvent::WebSocket::Client and ws4py answer a close without a code with 1005 on the wire, and AnyEvent's close() sends it
# itself: websockets, aiohttp and ws then tell their program of a protocol error, after a conversation that went well.
#
# Why it matters: "connect again unless the code is 1000 or 1005" and "count what is not clean" go wrong in both
# directions; only a code that the peer has set says something. So a client that means well closes with 1000,
# and who writes a library makes the end an enum (a frame with a code, one without, none) rather than a number.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb python3-pyqt5.qtwebsockets=5.15.9+dfsg-1 python3=3.11.2-1+b1
deb libanyevent-websocket-client-perl=0.54-1 libev-perl=4.33-2 tcllib=1.21+dfsg-1 tcl8.6=8.6.13+dfsg-2
pip aiohttp==3.14.5 tornado==6.6.1 websockets==17.4 ws4py==0.6.0
npm websocket@1.0.35 faye-websocket@0.11.4 ws@8.23.0 undici@7.30.2
experiment <<'PY'
import base64
import hashlib
import os
import socket
import subprocess
import threading
import time
from lib import ENV, LOG, PYTHON, ROOT, TMP, connect, expect, free_port, start, stop_all, verdict

QT_PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else ROOT + "/usr/bin/python3"
QT_IMPORT = f"""import sys; sys.path.insert(0, '{ROOT}/usr/lib/python3/dist-packages')
from PyQt5.QtCore import QCoreApplication, QUrl; from PyQt5.QtNetwork import QHostAddress
from PyQt5.QtWebSockets import QWebSocket, QWebSocketServer
app = QCoreApplication([])
"""


def python(text):
    return [PYTHON, "-W", "ignore", "-u", "-c", text]


def node(text):
    return ["node", "--no-warnings", "-e", text]


# The servers print "end: " and the code. The port is their argument.
SERVERS = {
    "ws": node("""const { WebSocketServer } = require('ws');
new WebSocketServer({ port: +process.argv[1], host: '127.0.0.1' }).on('connection', socket => {
    socket.on('error', error => console.log('error:', error.message)); socket.on('close', code => console.log('end:', code));
});"""),
    "websockets": python("""import asyncio, sys, websockets
async def handle(socket):
    try:
        async for message in socket: pass
    except websockets.ConnectionClosedError as error:
        if error.sent: print("error:", error.sent.reason)
    print("end:", socket.close_code)
async def main():
    async with websockets.serve(handle, '127.0.0.1', int(sys.argv[1])): await asyncio.Event().wait()
asyncio.run(main())"""),
    "tornado": python("""import asyncio, sys; from tornado import web, websocket
class Handler(websocket.WebSocketHandler):
    def on_message(self, message): pass
    def on_close(self): print("end:", self.close_code)
async def main():
    web.Application([('/', Handler)]).listen(int(sys.argv[1]), '127.0.0.1'); await asyncio.Event().wait()
asyncio.run(main())"""),
    "websocket": node("""const http = require('http').createServer(), { server } = require('websocket');
new server({ httpServer: http, autoAcceptConnections: true }).on('close', (socket, code) => console.log('end:', code));
http.listen(process.argv[1], '127.0.0.1');"""),
    "Qt": [QT_PYTHON, "-u", "-c", QT_IMPORT + """server = QWebSocketServer('', QWebSocketServer.NonSecureMode)
def accept():
    global peer
    peer = server.nextPendingConnection(); peer.disconnected.connect(lambda: print("end:", peer.closeCode()))
server.newConnection.connect(accept)
server.listen(QHostAddress('127.0.0.1'), int(sys.argv[1])); app.exec()"""],
    "aiohttp": python("""import sys; from aiohttp import web
async def handle(request):
    socket = web.WebSocketResponse(); await socket.prepare(request)
    async for message in socket: pass
    if '1002' in repr(socket.exception()): print("error:", socket.exception().args[1])
    print("end:", socket.close_code)
    return socket
app = web.Application(); app.router.add_get('/', handle)
web.run_app(app, host='127.0.0.1', port=int(sys.argv[1]), print=None)"""),
    "faye-websocket": node("""const WebSocket = require('faye-websocket');
require('http').createServer().on('upgrade', (...request) => {
    new WebSocket(...request).on('close', event => console.log('end:', event.code)) }).listen(process.argv[1], '127.0.0.1');"""),
}
ENDS = {
    "close()": node("""const { WebSocket } = require('undici'), socket = new WebSocket(process.argv[1]);
socket.onopen = () => { socket.send('hello'); socket.close(); }; setTimeout(() => process.exit(), 15000).unref();"""),
    "broken": node("""const WebSocket = require('ws'), socket = new WebSocket(process.argv[1]);
socket.onopen = () => { socket.send('hello'); setTimeout(() => process.exit(), 500); };"""),
    "AnyEvent": ["perl", "-e", """use AnyEvent; use AnyEvent::WebSocket::Client; my $end = AnyEvent->condvar;
my $socket = AnyEvent::WebSocket::Client->new->connect($ARGV[0])->recv;
$socket->on(finish => sub { $end->send }); $socket->send('hello'); $socket->close; $end->recv;"""],
}


def told(name, client):
    """What the server's program is told when that client ends the conversation: of an error, and the code."""
    port = free_port()
    start([*SERVERS[name], str(port)], cwd=TMP, env=ENV)
    connect(port).close()
    time.sleep(0.5)
    before = os.path.getsize(LOG)
    subprocess.run([*ENDS[client], f"ws://127.0.0.1:{port}/"], timeout=60, cwd=TMP, env=ENV,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 15
    while True:
        with open(LOG) as log:
            log.seek(before)
            lines = log.read().splitlines()
        ends = [line[5:] for line in lines if line.startswith("end: ")]
        if ends or time.monotonic() > deadline:
            stop_all()
            errors = [line for line in lines if line.startswith("error: ")]
            return (*errors, ends[0] if ends else "nothing")
        time.sleep(0.05)


for name, closed, broken in [
    ("ws", "1005", "1006"), ("websockets", "1005", "1006"), ("tornado", "None", "None"), ("websocket", "1006", "1006"),
    ("Qt", "1000", "1000"), ("aiohttp", "0", "1006"), ("faye-websocket", "1000", "1006"),
]:
    expect(f"{name}'s server, undici calls close()", (closed,), told(name, "close()"))
    expect(f"{name}'s server, broken", (broken,), told(name, "broken"))
for name, found in [
    ("ws", ("error: Invalid WebSocket frame: invalid status code 1005", "1006")),
    ("websockets", ("error: invalid status code", "1006")),
    ("aiohttp", ("error: Invalid close code: 1005", "1006")),
]:
    expect(f"{name}'s server, AnyEvent::WebSocket::Client calls close", found, told(name, "AnyEvent"))

# The clients print the code at the end. The address is their argument.
BROWSERLIKE = "; const socket = new WebSocket(process.argv[1]); socket.onerror = () => {};" + \
    "socket.onclose = event => console.log(event.code);"
CLIENTS = {
    "ws": node("const WebSocket = require('ws')" + BROWSERLIKE),
    "websockets": python("""import sys, websockets; from websockets.sync.client import connect
with connect(sys.argv[1]) as socket:
    try:
        while True: socket.recv()
    except websockets.ConnectionClosed: pass
    print(socket.close_code)"""),
    "tornado": python("""import asyncio, sys; from tornado.websocket import websocket_connect
async def main():
    socket = await websocket_connect(sys.argv[1])
    while await socket.read_message(): pass
    print(socket.close_code)
asyncio.run(main())"""),
    "websocket": node("const WebSocket = require('websocket').w3cwebsocket" + BROWSERLIKE),
    "Qt": [QT_PYTHON, "-u", "-c", QT_IMPORT + """socket = QWebSocket()
socket.disconnected.connect(lambda: (print(socket.closeCode()), app.quit()))
socket.open(QUrl(sys.argv[1])); app.exec()"""],
    "aiohttp": python("""import aiohttp, asyncio, sys
async def main():
    async with aiohttp.ClientSession() as session, session.ws_connect(sys.argv[1]) as socket:
        async for message in socket: pass
        print(socket.close_code)
asyncio.run(main())"""),
    "faye-websocket": node("const WebSocket = require('faye-websocket').Client" + BROWSERLIKE),
    "Tcl": ["tclsh8.6", TMP + "/client.tcl"],
    "AnyEvent": ["perl", "-e", """use AnyEvent; use AnyEvent::WebSocket::Client; my $end = AnyEvent->condvar;
my $socket = AnyEvent::WebSocket::Client->new->connect($ARGV[0])->recv;
$socket->on(finish => sub { print $_[0]->close_code // 'undef'; $end->send }); $end->recv;"""],
    "ws4py": python("""import sys; from ws4py.client.threadedclient import WebSocketClient
class Client(WebSocketClient):
    def closed(self, code, reason): print(code)
client = Client(sys.argv[1]); client.connect(); client.run_forever()"""),
}
with open(TMP + "/client.tcl", "w") as f:
    f.write("""package require websocket
::websocket::loglevel critical
proc told {socket type message} {
    if {$type eq "close"} { puts [lindex $message 0] }
    if {$type eq "disconnect"} { exit }
}
::websocket::open [lindex $argv 0] told
vwait forever""")


def serve(listener, closes, answer):
    """Shakes hands, says hello, and closes without a code, as a browser does, or without a word."""
    connection, _ = listener.accept()
    connection.settimeout(10)
    with connection, connection.makefile("rb") as lines:
        key = b""
        while line := lines.readline().strip():
            if line.lower().startswith(b"sec-websocket-key:"):
                key = line.partition(b":")[2].strip()
        accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n\x81\x05hello")
        time.sleep(0.5)
        if closes:
            connection.sendall(b"\x88\x00")
            head = lines.read(6)  # a short frame's head and its mask
            masked = lines.read(head[1] & 127) if len(head) == 6 else b""
            answer += [int.from_bytes(bytes(a ^ b for a, b in zip(masked, head[2:])), "big")]


def hears(name, closes):
    """What the client's program is told, and the code that it answers (0 if none)."""
    answer = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener, closes, answer), daemon=True)
        server.start()
        done = subprocess.run([*CLIENTS[name], f"ws://127.0.0.1:{listener.getsockname()[1]}/"],
                              capture_output=True, text=True, timeout=60, cwd=TMP, env=ENV)
        server.join(20)
    return (done.stdout.strip(), *answer)


for name, closed, broken in [
    ("ws", ("1005", 0), "1006"), ("websockets", ("1005", 0), "1006"), ("tornado", ("None", 0), "None"),
    ("websocket", ("1006", 1000), "1006"), ("Qt", ("1000", 1000), "1000"), ("aiohttp", ("1006", 1000), "1006"),
    ("faye-websocket", ("1000", 1000), "1006"), ("Tcl", ("1000", 0), "1001"),
    ("AnyEvent", ("undef", 1005), "undef"), ("ws4py", ("1005", 1005), "1006"),
]:
    expect(f"{name}'s client, closed without a code: told, answers", closed, hears(name, True))
    expect(f"{name}'s client, broken", (broken,), hears(name, False))
verdict()
PY
