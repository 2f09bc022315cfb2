#!/usr/bin/env bash
# A WebSocket message is compressed into a block that is marked as the last, as in an example of RFC 7692: of nine clients five
# hand out empty messages from then on, and one none at all.
#
# Software: tornado 6.6.1, websockets 17.4, autobahn 26.10.2 with Twisted 26.10.0, wsproto 1.3.2, aiohttp 3.14.5
#           (PyPI); undici 7.30.2, faye-websocket 0.11.4 with permessage-deflate 0.1.7, ws 8.23.0 (npm);
#           libmojolicious-perl 9.31+dfsg-1 (Debian 12).
#
# What a compressor writes when it is told to finish, and not only to flush, ends in a DEFLATE block with BFINAL set.
# RFC 7692 allows that in a message (section 7.2.1), shows how (7.2.3.4: one octet of 0 behind it), and wants an
# endpoint to take it. npm's presidium-websocket 3.1.0 compresses so (though it leaves that octet out), and so does whoever
# calls a compressor for one message at a time.
# The server here sends that example, "Hello", three times.
#
# The guess: everybody reads all three. It is an example of the standard, and zlib does the work.
#
# What happens, with "permessage-deflate" agreed, and with "server_no_context_takeover" as well:
#                                         without                with
#   tornado, undici                       "Hello", "", ""        "Hello", "", ""
#   websockets, autobahn, faye-websocket  "Hello", "", ""        all three
#   wsproto                               "Hello", close 1007    all three
#   Mojo                                  nothing                nothing
#   aiohttp, ws                           all three              all three
# Nobody but wsproto reports anything: zlib's stream has ended and says "end" to every later input, which looks like a
# message of no bytes. One such message is enough: what comes after it in the usual form is empty too.
#
# Why it matters: whoever sends has to flush (Z_SYNC_FLUSH), never to finish, for it works with the first message and
# in a test with one. Whoever inflates has to begin anew at the end of a stream, and to take a message that inflated to
# nothing, from more than the one octet of an empty message, for an error.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb libmojolicious-perl=9.31+dfsg-1
pip tornado==6.6.1 websockets==17.4 autobahn==26.10.2 twisted==26.10.0 wsproto==1.3.2 aiohttp==3.14.5
npm undici@7.30.2 faye-websocket@0.11.4 permessage-deflate@0.1.7 ws@8.23.0
experiment <<'PY'
import base64
import hashlib
import json
import os
import socket
import subprocess
import threading
from lib import PYTHON, ROOT, TMP, expect, verdict

SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# Text, compressed: RFC 7692, 7.2.3.4, and the same flushed, 7.2.3.1; then a close with 1000.
LAST = b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00"
FLUSHED = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"
CLOSE = b"\x88\x02\x03\xe8"


def serve(listener, agreed, frames):
    connection, _ = listener.accept()
    connection.settimeout(10)
    with connection, connection.makefile("rb") as lines:
        key = offer = b""
        while line := lines.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"sec-websocket-key":
                key = value.strip()
            if name.lower() == b"sec-websocket-extensions":
                offer = value
        assert b"permessage-deflate" in offer
        accept = base64.b64encode(hashlib.sha1(key + SUFFIX).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += b"Sec-WebSocket-Extensions: " + agreed + b"\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        try:
            connection.sendall(head + frames + CLOSE)
            connection.settimeout(2)
            while lines.read(1):
                pass
        except OSError:
            pass  # the client has hung up, or waits for us to


# Each prints the messages it is given, one a line, as JSON; the address is its last argument.
SHOWN = "import asyncio, json, sys\ndef shown(text): print(json.dumps(text), flush=True)\n"
PYTHONS = {
    "tornado": """from tornado.websocket import websocket_connect
async def main():
    socket = await websocket_connect(sys.argv[1], compression_options={})
    while (text := await socket.read_message()) is not None: shown(text)
asyncio.run(main())""",
    "websockets": """from websockets.sync.client import connect
with connect(sys.argv[1]) as socket:
    for text in socket: shown(text)""",
    "autobahn": """from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateResponseAccept
from twisted.internet import reactor
class Client(WebSocketClientProtocol):
    def onMessage(self, payload, binary): shown(payload.decode())
    def onClose(self, clean, code, reason): reactor.callLater(0, lambda: reactor.running and reactor.stop())
factory = WebSocketClientFactory(sys.argv[1])
factory.protocol = Client
factory.setProtocolOptions(perMessageCompressionOffers=[PerMessageDeflateOffer()],
    perMessageCompressionAccept=PerMessageDeflateResponseAccept)
reactor.connectTCP('127.0.0.1', factory.port, factory)
reactor.run()""",
    "wsproto": """import socket, urllib.parse, wsproto
from wsproto import events as e
from wsproto.extensions import PerMessageDeflate
address = urllib.parse.urlsplit(sys.argv[1])
stream = socket.create_connection((address.hostname, address.port))
client, text = wsproto.WSConnection(wsproto.ConnectionType.CLIENT), ''
stream.sendall(client.send(e.Request(host='127.0.0.1', target='/', extensions=[PerMessageDeflate()])))
closed = False
while not closed and (data := stream.recv(4096)):
    client.receive_data(data)
    for event in client.events():
        if isinstance(event, e.TextMessage):
            text += event.data
            if event.message_finished: shown(text); text = ''
        if isinstance(event, e.CloseConnection):
            closed = True
            if event.code != 1000: shown(f'close {int(event.code)}')""",
    "aiohttp": """import aiohttp
async def main():
    async with aiohttp.ClientSession() as session, session.ws_connect(sys.argv[1], compress=15) as socket:
        async for message in socket: shown(message.data)
asyncio.run(main())""",
}
BROWSERLIKE = """
socket.onmessage = message => console.log(JSON.stringify(message.data));
socket.onclose = () => process.exit();"""
NODES = {
    "undici": "const socket = new (require('undici').WebSocket)(process.argv[1]);",
    "faye-websocket": """const socket = new (require('faye-websocket').Client)(process.argv[1], [],
    { extensions: [require('permessage-deflate')] });""",
    "ws": "const socket = new (require('ws'))(process.argv[1]); socket.onerror = () => {};",
}
MOJO = """use Mojo::UserAgent; use Mojo::JSON 'encode_json'; $| = 1; my $agent = Mojo::UserAgent->new;
$agent->websocket($ARGV[0] => { 'Sec-WebSocket-Extensions' => 'permessage-deflate' } => sub {
    my ($agent, $tx) = @_;
    $tx->on(message => sub { print encode_json($_[1]), "\\n" });
    $tx->on(finish => sub { Mojo::IOLoop->stop });
});
Mojo::IOLoop->start;"""
CLIENTS = {name: [PYTHON, "-W", "ignore", "-c", SHOWN + text] for name, text in PYTHONS.items()}
CLIENTS |= {name: ["node", "--no-warnings", "-e", text + BROWSERLIKE] for name, text in NODES.items()}
CLIENTS |= {"Mojo": ["perl", "-e", MOJO]}
ENV = dict(os.environ, PERL5LIB=f"{ROOT}/usr/share/perl5:{ROOT}/usr/lib/x86_64-linux-gnu/perl5/5.36")


def shows(name, agreed, frames):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, agreed, frames), daemon=True).start()
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/"
        done = subprocess.run([*CLIENTS[name], url], capture_output=True, text=True, timeout=60, cwd=TMP, env=ENV)
    return [json.loads(line) for line in done.stdout.splitlines()]


THREE, EMPTY = ["Hello"] * 3, ["Hello", "", ""]
ALONE = b"permessage-deflate; server_no_context_takeover"
for name, kept, alone in [
    ("tornado", EMPTY, EMPTY),
    ("undici", EMPTY, EMPTY),
    ("websockets", EMPTY, THREE),
    ("autobahn", EMPTY, THREE),
    ("faye-websocket", EMPTY, THREE),
    ("wsproto", ["Hello", "close 1007"], THREE),
    ("Mojo", [], []),
    ("aiohttp", THREE, THREE),
    ("ws", THREE, THREE),
]:
    expect(f"{name}, flushed", THREE, shows(name, b"permessage-deflate", FLUSHED * 3))
    expect(f"{name}, marked as the last", kept, shows(name, b"permessage-deflate", LAST * 3))
    expect(f"{name}, one so marked, two flushed", kept, shows(name, b"permessage-deflate", LAST + FLUSHED * 2))
    expect(f"{name}, without context takeover", alone, shows(name, ALONE, LAST * 3))
verdict()
PY
