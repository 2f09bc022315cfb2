#!/usr/bin/env bash
# The answer to a WebSocket handshake says "Connection: keep-alive, Upgrade": aiohttp, Tornado, undici, Qt and four
# more refuse it, though their own servers take the same words from a client.
#
# Software: aiohttp 3.14.5, tornado 6.6.1, ws4py 0.6.0, picows 2.3.1, websocket-client 1.9.2, trio-websocket 0.12.2,
#           websockets 17.4 (PyPI); undici 7.30.2, websocket 1.0.35, faye-websocket 0.11.4, nodejs-websocket 1.7.2,
#           ws 8.23.0 (npm); python3-pyqt5.qtwebsockets 5.15.9+dfsg-1 with Qt 5.15.8, libmojolicious-perl 9.31+dfsg-1,
#           tcllib 1.21+dfsg-1 (Debian 12).
#
# RFC 6455 (section 4.1): the client fails if the answer's Connection field "doesn't contain a token" that is "Upgrade"
# in any case. The field is a list, and lines of one name are one list (RFC 9110, section 5.3). In a request everybody
# knows that, for Firefox asks with "keep-alive, Upgrade".
#
# The guess: every client takes the list, but for Perl's Protocol::WebSocket (which in fact takes it).
#
# What happens. "list" is keep-alive, Upgrade; "lines" the same in two lines; "turned" two lines, Upgrade first:
#                                           list      lines     turned
#   tornado, ws4py, undici, websocket, faye refused   refused   refused
#   aiohttp, picows                         refused   refused   taken      look at the first line
#   Qt                                      refused   taken     refused    looks at the last
#   websocket-client, trio-websocket,
#   nodejs-websocket                        taken     taken     refused    look for the word in the last line
#   websockets, ws, Mojo, Tcl               taken     taken     taken
# Qt says of the answer "Invalid statusline", undici only that there was an error. The servers of aiohttp, Tornado,
# npm's websocket, faye-websocket and Qt all take the list in a request.
#
# Why it matters: a server whose general code adds "keep-alive" to what it sends (Logitech's Harmony hub is one, by
# what its users report) stays within the standard and locks half of the libraries out. So answer with the one word,
# and alone; and a client has to read the list in an answer as a server does in a request.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb python3-pyqt5.qtwebsockets=5.15.9+dfsg-1 python3=3.11.2-1+b1
deb libmojolicious-perl=9.31+dfsg-1 tcllib=1.21+dfsg-1 tcl8.6=8.6.13+dfsg-2
pip aiohttp==3.14.5 tornado==6.6.1 ws4py==0.6.0 picows==2.3.1 websocket-client==1.9.2 trio-websocket==0.12.2 \
    websockets==17.4
npm undici@7.30.2 websocket@1.0.35 faye-websocket@0.11.4 nodejs-websocket@1.7.2 ws@8.23.0
experiment <<'PY'
import base64
import hashlib
import os
import socket
import subprocess
import threading
from lib import ENV, PYTHON, ROOT, TMP, connect, expect, free_port, start, stop_all, verdict

FORMS = {
    "plain": b"Connection: Upgrade\r\n",
    "list": b"Connection: keep-alive, Upgrade\r\n",
    "lines": b"Connection: keep-alive\r\nConnection: Upgrade\r\n",
    "turned": b"Connection: Upgrade\r\nConnection: keep-alive\r\n",
}
SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HELLO, CLOSE = b"\x81\x05hello", b"\x88\x02\x03\xe8"


def serve(listener, form):
    connection, _ = listener.accept()
    connection.settimeout(10)
    with connection, connection.makefile("rb") as lines:
        key = b""
        while line := lines.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"sec-websocket-key":
                key = value.strip()
        accept = base64.b64encode(hashlib.sha1(key + SUFFIX).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" + FORMS[form]
        try:
            connection.sendall(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + HELLO + CLOSE)
            connection.settimeout(2)
            lines.read(1)
        except OSError:
            pass  # the client has hung up


# Each prints the message that it is given; the address is its last argument.
PYTHONS = {
    "aiohttp": """async def main():
    async with aiohttp.ClientSession() as session, session.ws_connect(sys.argv[1]) as socket:
        print(await socket.receive_str())
import aiohttp, asyncio, sys; asyncio.run(main())""",
    "tornado": """async def main():
    print(await (await websocket_connect(sys.argv[1])).read_message())
from tornado.websocket import websocket_connect; import asyncio, sys; asyncio.run(main())""",
    "ws4py": """import sys; from ws4py.client.threadedclient import WebSocketClient
class Client(WebSocketClient):
    def received_message(self, message): print(message, flush=True)
client = Client(sys.argv[1]); client.connect(); client.run_forever()""",
    "picows": """import asyncio, picows, sys
class Listener(picows.WSListener):
    def on_ws_frame(self, transport, frame):
        if frame.msg_type == picows.WSMsgType.TEXT: print(frame.get_payload_as_ascii_text())
        else: transport.disconnect()
async def main(): await (await picows.ws_connect(Listener, sys.argv[1]))[0].wait_disconnected()
asyncio.run(main())""",
    "websocket-client": "import sys, websocket; print(websocket.create_connection(sys.argv[1], 5).recv())",
    "trio-websocket": """async def main():
    async with trio_websocket.open_websocket_url(sys.argv[1]) as socket: print(await socket.get_message())
import sys, trio, trio_websocket; trio.run(main)""",
    "websockets": """import sys; from websockets.sync.client import connect
with connect(sys.argv[1]) as socket: print(socket.recv())""",
}
BROWSERLIKE = "; const socket = new WebSocket(process.argv[1]); socket.onmessage = m => console.log(m.data);" + \
    "socket.onerror = socket.onclose = () => process.exit()"
NODES = {
    "undici": "const { WebSocket } = require('undici')" + BROWSERLIKE,
    "websocket": "const WebSocket = require('websocket').w3cwebsocket" + BROWSERLIKE,
    "faye-websocket": "const WebSocket = require('faye-websocket').Client" + BROWSERLIKE,
    "nodejs-websocket": """const socket = require('nodejs-websocket').connect(process.argv[1]);
socket.on('text', text => console.log(text)); socket.on('error', () => process.exit());""",
    "ws": "const WebSocket = require('ws')" + BROWSERLIKE,
}
QT = """import sys; sys.path.insert(0, sys.argv[1])
from PyQt5.QtCore import QCoreApplication, QUrl; from PyQt5.QtWebSockets import QWebSocket
app, socket = QCoreApplication([]), QWebSocket()
socket.textMessageReceived.connect(lambda text: print(text, flush=True))
socket.error.connect(app.quit); socket.disconnected.connect(app.quit)
socket.open(QUrl(sys.argv[2])); app.exec()"""
MOJO = """use Mojo::UserAgent; $| = 1; my $agent = Mojo::UserAgent->new;
$agent->websocket($ARGV[0] => sub { my ($agent, $tx) = @_; return Mojo::IOLoop->stop unless $tx->is_websocket;
    $tx->on(message => sub { print $_[1] }); $tx->on(finish => sub { Mojo::IOLoop->stop }) });
Mojo::IOLoop->start;"""
TCL = """package require websocket
proc told {socket type message} { if {$type eq "text"} { puts $message } else { if {$type ne "connect"} { exit } } }
::websocket::open [lindex $argv 0] told
vwait forever"""
with open(TMP + "/client.tcl", "w") as f:
    f.write(TCL)
QT_PYTHON, PACKAGES = "/usr/bin/python3", ROOT + "/usr/lib/python3/dist-packages"
if not os.path.exists(QT_PYTHON):
    QT_PYTHON = ROOT + "/usr/bin/python3"
CLIENTS = {name: [PYTHON, "-W", "ignore", "-c", text] for name, text in PYTHONS.items()}
CLIENTS |= {name: ["node", "--no-warnings", "-e", text] for name, text in NODES.items()}
CLIENTS |= {"Qt": [QT_PYTHON, "-c", QT, PACKAGES], "Mojo": ["perl", "-e", MOJO], "Tcl": ["tclsh8.6", TMP + "/client.tcl"]}


def runs(name, form):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, form), daemon=True).start()
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        done = subprocess.run([*CLIENTS[name], url], capture_output=True, text=True, timeout=60, cwd=TMP, env=ENV)
    return "taken" if "hello" in done.stdout else "refused"


NO = {name: ["list", "lines", "turned"] for name in ("tornado", "ws4py", "undici", "websocket", "faye-websocket")}
NO |= {name: ["list", "lines"] for name in ("aiohttp", "picows")}
NO |= {name: ["turned"] for name in ("websocket-client", "trio-websocket", "nodejs-websocket")}
NO |= {"Qt": ["list", "turned"]}
for name in CLIENTS:
    for form in FORMS:
        expect(f"{name}, {form}", "refused" if form in NO.get(name, []) else "taken", runs(name, form))

# The other half of some of them: what a server says to a request with the list.
SERVERS = {
    "aiohttp": [PYTHON, "-c", """import sys; from aiohttp import web
async def handle(request): await web.WebSocketResponse().prepare(request)
app = web.Application(); app.router.add_get('/', handle)
web.run_app(app, host='127.0.0.1', port=int(sys.argv[1]), print=None)"""],
    "tornado": [PYTHON, "-c", """import asyncio, sys; from tornado import web, websocket
async def main():
    web.Application([('/', websocket.WebSocketHandler)]).listen(int(sys.argv[1]), '127.0.0.1'); await asyncio.Event().wait()
asyncio.run(main())"""],
    "websocket": ["node", "-e", """const server = require('http').createServer();
new (require('websocket').server)({ httpServer: server, autoAcceptConnections: true });
server.listen(process.argv[1], '127.0.0.1');"""],
    "faye-websocket": ["node", "-e", """const WebSocket = require('faye-websocket');
require('http').createServer().on('upgrade', (request, socket, body) => new WebSocket(request, socket, body))
    .listen(process.argv[1], '127.0.0.1');"""],
    "Qt": [QT_PYTHON, "-c", """import sys; sys.path.insert(0, sys.argv[1])
from PyQt5.QtCore import QCoreApplication; from PyQt5.QtNetwork import QHostAddress
from PyQt5.QtWebSockets import QWebSocketServer
app = QCoreApplication([]); server = QWebSocketServer('', QWebSocketServer.NonSecureMode)
server.listen(QHostAddress('127.0.0.1'), int(sys.argv[2])); app.exec()""", PACKAGES],
}
for name, command in SERVERS.items():
    port = free_port()
    start([*command, str(port)], cwd=TMP, env=ENV)
    with connect(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: keep-alive, Upgrade\r\n" % port
                       + b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                       + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        expect(f"{name}'s server, list in a request", b"HTTP/1.1 101", client.recv(12))
    stop_all()
verdict()
PY
