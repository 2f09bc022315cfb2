#!/usr/bin/env bash
# A WebSocket client offers two subprotocols, the server takes none, and says so by silence: undici, ws, websocket-client
# and two more of thirteen clients refuse. The servers of ws and websocket are not silent: they agree to the first.
#
# Software: aiohttp 3.14.5, tornado 6.6.1, ws4py 0.6.0, websocket-client 1.9.2, trio-websocket 0.12.2, websockets 17.4
#           (PyPI); undici 7.30.2, websocket 1.0.35, faye-websocket 0.11.4, nodejs-websocket 1.7.2, ws 8.23.0 (npm);
#           libmojolicious-perl 9.31+dfsg-1, tcllib 1.21+dfsg-1 (Debian 12).
#
# A server that agrees to none of the offered sends no Sec-WebSocket-Protocol (RFC 6455, section 4.2.2), and a client fails
# if it is sent one that it has not offered (4.1). The browsers' WebSockets standard adds that it fails if it is sent none.
#
# The guess: undici, which follows that standard, and ws refuse, all others go on; and each server whose program says
# nothing of subprotocols sends none.
#
# What happens:
#   undici, ws, websocket, nodejs-websocket,
#   websocket-client                          the client refuses
#   aiohttp, tornado, ws4py, trio-websocket,
#   websockets, faye-websocket, Mojo, Tcl     the client goes on without
# and what a server says whose program does not speak of subprotocols:
#   ws, websocket (autoAcceptConnections)     the first on offer
#   aiohttp, tornado, websockets,
#   faye-websocket, nodejs-websocket          none
# One that knows others: websockets refuses with 400; aiohttp and faye-websocket go on without.
#
# Why it matters: a server that was written and tried with clients that go on shuts browsers out once a page names a
# subprotocol; so do the tests in which Python speaks with Python. And that ws agreed does not mean that its program has
# ever heard of what was agreed. Name them on both sides, or on none.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb libmojolicious-perl=9.31+dfsg-1 tcllib=1.21+dfsg-1 tcl8.6=8.6.13+dfsg-2
pip aiohttp==3.14.5 tornado==6.6.1 ws4py==0.6.0 websocket-client==1.9.2 trio-websocket==0.12.2 websockets==17.4
npm undici@7.30.2 websocket@1.0.35 faye-websocket@0.11.4 nodejs-websocket@1.7.2 ws@8.23.0
experiment <<'PY'
import base64
import hashlib
import socket
import subprocess
import threading
from lib import ENV, PYTHON, TMP, connect, expect, free_port, start, stop_all, verdict

SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HELLO, CLOSE = b"\x81\x05hello", b"\x88\x02\x03\xe8"


def serve(listener, answer):
    connection, _ = listener.accept()
    connection.settimeout(10)
    with connection, connection.makefile("rb") as lines:
        key = offered = b""
        while line := lines.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"sec-websocket-key":
                key = value.strip()
            if name.lower() == b"sec-websocket-protocol":
                offered = value
        assert [word.strip() for word in offered.split(b",")] == [b"chat", b"superchat"], offered
        accept = base64.b64encode(hashlib.sha1(key + SUFFIX).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        try:
            connection.sendall(head + answer + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + HELLO + CLOSE)
            connection.settimeout(2)
            lines.read(1)
        except OSError:
            pass  # the client has hung up


# Each offers two subprotocols, and prints the message that it is given; the address is its last argument.
PYTHONS = {
    "aiohttp": """import aiohttp, asyncio
async def main():
    async with aiohttp.ClientSession() as session, session.ws_connect(address, protocols=offer) as socket:
        print(await socket.receive_str())
asyncio.run(main())""",
    "tornado": """from tornado.websocket import websocket_connect; import asyncio
async def main(): print(await (await websocket_connect(address, subprotocols=offer)).read_message())
asyncio.run(main())""",
    "ws4py": """from ws4py.client.threadedclient import WebSocketClient
class Client(WebSocketClient):
    def received_message(self, message): print(message, flush=True)
client = Client(address, protocols=offer); client.connect(); client.run_forever()""",
    "websocket-client": "import websocket; print(websocket.create_connection(address, 5, subprotocols=offer).recv())",
    "trio-websocket": """import trio, trio_websocket
async def main():
    async with trio_websocket.open_websocket_url(address, subprotocols=offer) as socket: print(await socket.get_message())
trio.run(main)""",
    "websockets": """from websockets.sync.client import connect
with connect(address, subprotocols=offer) as socket: print(socket.recv())""",
}
BROWSERLIKE = "; const socket = new WebSocket(process.argv[1], offer); socket.onmessage = m => console.log(m.data);" + \
    "socket.onerror = socket.onclose = () => process.exit()"
NODES = {
    "undici": "const { WebSocket } = require('undici')" + BROWSERLIKE,
    "websocket": "const WebSocket = require('websocket').w3cwebsocket" + BROWSERLIKE,
    "faye-websocket": "const WebSocket = require('faye-websocket').Client" + BROWSERLIKE,
    "nodejs-websocket": """const socket = require('nodejs-websocket').connect(process.argv[1], { protocols: offer });
socket.on('text', text => console.log(text)); socket.on('error', () => process.exit());""",
    "ws": "const WebSocket = require('ws')" + BROWSERLIKE,
}
MOJO = """use Mojo::UserAgent; $| = 1; my $agent = Mojo::UserAgent->new;
$agent->websocket($ARGV[0] => ['chat', 'superchat'] => sub {
    my ($agent, $tx) = @_; return Mojo::IOLoop->stop unless $tx->is_websocket;
    $tx->on(message => sub { print $_[1] }); $tx->on(finish => sub { Mojo::IOLoop->stop }) });
Mojo::IOLoop->start;"""
with open(TMP + "/client.tcl", "w") as f:
    f.write("""package require websocket
proc told {socket type message} { if {$type eq "text"} { puts $message } else { if {$type ne "connect"} { exit } } }
::websocket::open [lindex $argv 0] told -protocol {chat superchat}
vwait forever""")
OFFER = "import sys; offer, address = ['chat', 'superchat'], sys.argv[1]\n"
CLIENTS = {name: [PYTHON, "-W", "ignore", "-c", OFFER + text] for name, text in PYTHONS.items()}
CLIENTS |= {name: ["node", "--no-warnings", "-e", "const offer = ['chat', 'superchat'];" + text] for name, text in NODES.items()}
CLIENTS |= {"Mojo": ["perl", "-e", MOJO], "Tcl": ["tclsh8.6", TMP + "/client.tcl"]}


def runs(name, answer):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, answer), daemon=True).start()
        address = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        done = subprocess.run([*CLIENTS[name], address], capture_output=True, text=True, timeout=60, cwd=TMP, env=ENV)
    return "goes on" if "hello" in done.stdout else "refuses"


STRICT = ("undici", "ws", "websocket", "nodejs-websocket", "websocket-client")
for name in CLIENTS:
    expect(f"{name}, one is taken", "goes on", runs(name, b"Sec-WebSocket-Protocol: superchat\r\n"))
    expect(f"{name}, none is taken", "refuses" if name in STRICT else "goes on", runs(name, b""))

# Each listens on the port that is its last argument; an empty list is a program that does not speak of subprotocols.
AIOHTTP = """from aiohttp import web
async def handle(request): await web.WebSocketResponse(protocols=%s).prepare(request)
app = web.Application(); app.router.add_get('/', handle)
web.run_app(app, host='127.0.0.1', port=port, print=None)"""
WEBSOCKETS = """from websockets.sync.server import serve
serve(lambda socket: socket.recv(), '127.0.0.1', port, subprotocols=%s or None).serve_forever()"""
FAYE = """const WebSocket = require('faye-websocket');
require('http').createServer().on('upgrade', (request, socket, body) => new WebSocket(request, socket, body, %s))
    .listen(port, '127.0.0.1')"""
SERVERS = {
    "aiohttp": AIOHTTP % "[]",
    "aiohttp with others": AIOHTTP % "['talk']",
    "tornado": """import asyncio; from tornado import web, websocket
async def main():
    web.Application([('/', websocket.WebSocketHandler)]).listen(port, '127.0.0.1'); await asyncio.Event().wait()
asyncio.run(main())""",
    "websockets": WEBSOCKETS % "[]",
    "websockets with others": WEBSOCKETS % "['talk']",
    "faye-websocket": FAYE % "[]",
    "faye-websocket with others": FAYE % "['talk']",
    "nodejs-websocket": "require('nodejs-websocket').createServer(() => {}).listen(port, '127.0.0.1')",
    "ws": "new (require('ws').WebSocketServer)({ host: '127.0.0.1', port })",
    "websocket": """const httpServer = require('http').createServer().listen(port, '127.0.0.1');
new (require('websocket').server)({ httpServer, autoAcceptConnections: true })""",
}
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" \
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat, superchat\r\n\r\n"
for name, text in SERVERS.items():
    if "require" in text:
        argv = ["node", "-e", "const port = +process.argv[1];\n" + text]
    else:
        argv = [PYTHON, "-W", "ignore", "-c", "import sys; port = int(sys.argv[1])\n" + text]
    port = free_port()
    start([*argv, str(port)], cwd=TMP, env=ENV)
    with connect(port) as client, client.makefile("rb") as lines:
        client.sendall(REQUEST % port)
        status, taken = int(lines.readline().split()[1]), None
        while line := lines.readline().strip():
            if line.lower().startswith(b"sec-websocket-protocol:"):
                taken = line.partition(b":")[2].strip().decode()
    want = (101, "chat") if name in ("ws", "websocket") else (400, None) if name == "websockets with others" else (101, None)
    expect(f"{name}'s server, status and subprotocol", want, (status, taken))
    stop_all()
verdict()
PY
