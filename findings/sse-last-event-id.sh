#!/usr/bin/env bash
# An event stream says how far it is by an id without data: eventsource 4, launchdarkly-eventsource and
# event-source-polyfill say the id before it when they come again.
#
# Software: sseclient 0.0.27, aiohttp-sse-client 0.2.1, requests-sse 0.5.3 (PyPI); eventsource 4.1.1 and 2.0.2,
#           launchdarkly-eventsource 2.2.0, @microsoft/fetch-event-source 2.0.1, event-source-polyfill 1.0.31 (npm).
#
# An id takes effect at the empty line behind it, whether there is data to be dispatched or not: so a server says where
# it is when there was nothing for this client (HTML standard, 9.2.6: the id is set first, then an event without data is
# dropped). The server here sends id 5 with data, id 7 without, and ends the answer.
#
# The guess: each client says 7 when it comes again.
#
# What happens:
#   sseclient, aiohttp-sse-client, requests-sse,
#   eventsource 2, fetch-event-source               7
#   eventsource 4, launchdarkly-eventsource         5
#   event-source-polyfill                           5, in the query
#
# Why it matters: a client for which there was nothing for hours says where it was before, so all of that is searched or
# sent again, or it is refused as too old; the successor of a client that did it right (eventsource 2) does not. Say where
# you are with an event that has data, of a type that nobody listens to.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
pip sseclient==0.0.27 aiohttp-sse-client==0.2.1 requests-sse==0.5.3
npm eventsource@4.1.1 eventsource-2@npm:eventsource@2.0.2 launchdarkly-eventsource@2.2.0 \
    @microsoft/fetch-event-source@2.0.1 event-source-polyfill@1.0.31
experiment <<'PY'
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from lib import PYTHON, TMP, expect, verdict

STREAM = b"retry: 200\nid: 5\ndata: one\n\nid: 7\n\n"


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        asked.append(self.headers.get("Last-Event-ID") or self.path.partition("?lastEventId=")[2])
        if len(asked) == 2:
            again.set()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        self.wfile.write(STREAM if len(asked) == 1 else b"data: again\n\n")

    def log_message(self, *_):
        pass


SSECLIENT = """from sseclient import SSEClient
for event in SSEClient(ADDRESS): pass"""
AIOHTTP = """import asyncio
from aiohttp_sse_client.client import EventSource
async def main():
    async with EventSource(ADDRESS) as events:
        async for event in events: pass
asyncio.run(main())"""
REQUESTS = """from requests_sse import EventSource
with EventSource(ADDRESS) as events:
    for event in events: pass"""
# Written for a browser: it asks the page whether it is hidden.
FETCH = """globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
require('@microsoft/fetch-event-source').fetchEventSource(ADDRESS, { onmessage() {},
    onclose() { throw new Error('connect again'); }, onerror: () => 200 });"""


def python(text):
    return lambda url: [PYTHON, "-W", "ignore", "-c", f"ADDRESS = '{url}'\n{text}"]


def node(text):
    return lambda url: ["node", "--no-warnings", "-e", f"const ADDRESS = '{url}';\n{text}"]


def source(module):
    return node(f"const it = require('{module}'); const source = new (it.EventSource || it.EventSourcePolyfill || it)(ADDRESS);\n"
                "source.onmessage = source.onerror = () => 0;")


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
server.handle_error = lambda *_: None  # who is ended hangs up
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_address[1]}/"
for name, command, want in [
    ("sseclient", python(SSECLIENT), "7"),
    ("aiohttp-sse-client", python(AIOHTTP), "7"),
    ("requests-sse", python(REQUESTS), "7"),
    ("eventsource 4.1.1", source("eventsource"), "5"),
    ("eventsource 2.0.2", source("eventsource-2"), "7"),
    ("launchdarkly-eventsource", source("launchdarkly-eventsource"), "5"),
    ("fetch-event-source", node(FETCH), "7"),
    ("event-source-polyfill", source("event-source-polyfill"), "5"),
]:
    asked, again = [], threading.Event()
    client = subprocess.Popen(command(url), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=TMP)
    again.wait(20)
    client.kill()
    expect(f"{name} says", want, asked[1] if len(asked) > 1 else client.stderr.read()[-300:])
verdict()
PY
