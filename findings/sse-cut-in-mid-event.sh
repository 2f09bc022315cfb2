#!/usr/bin/env bash
# A stream of events ends in the middle of an event, and the client connects again: four of seven clients deliver half
# of it, glue the half before the next event, or never get the event, and say nothing.
#
# Software: sseclient 0.0.27, aiohttp-sse-client 0.2.1, requests-sse 0.5.3 (PyPI);
#           eventsource 2.0.2 and 4.1.1, launchdarkly-eventsource 2.2.0, @microsoft/fetch-event-source 2.0.1 (npm).
#
# A server (or the proxy before it) may end a stream at any byte. What is unfinished then "must be discarded", and what
# the client says in Last-Event-ID when it comes again is the id of what was dispatched, not of what was read (HTML
# standard, 9.2.6: a "last event ID buffer" beside the "last event ID string"). So the server can send it again, whole.
# The server here sends event 1, then `id: 2` and the first of event 2's two lines, and ends the answer, as one without a length ends: it closes.
# To whoever comes again it sends what follows the id that he says: events 2 and 3.
#
# The guess: each client says 1 and delivers one, "first line\nsecond line", three; sseclient may keep a half.
#
# What happens:
#   sseclient, aiohttp-sse-client    say 1, but keep the line: event 2 is "first line\nfirst line\nsecond line"
#   eventsource 2.0.2                says 2 and keeps the line: event 2 is lost, event 3 is "first line\nthree"
#   fetch-event-source               says 2: event 2 is lost
#   eventsource 4.1.1, launchdarkly-eventsource, requests-sse
#                                    as the standard has it
#
# Why it matters: deploys, proxies' time-outs and laptops that sleep cut streams. Where an event is written in one
# piece, a cut hides in what the system splits; a server that writes it in several, or one longer than a segment,
# meets it. Send one line of data an event (JSON), so that a glued one fails to parse, and number what must not be missed
# inside the data.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
pip sseclient==0.0.27 aiohttp-sse-client==0.2.1 requests-sse==0.5.3
npm eventsource@4.1.1 eventsource-2@npm:eventsource@2.0.2 launchdarkly-eventsource@2.2.0 \
    @microsoft/fetch-event-source@2.0.1
experiment <<'PY'
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from lib import PYTHON, TMP, expect, verdict

EVENTS = {1: ["one"], 2: ["first line", "second line"], 3: ["three"]}


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        last = self.headers.get("Last-Event-ID")
        asked.append(last)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        first = len(asked) == 1
        for number in range(int(last or 0) + 1, 4):
            lines = [f"id: {number}\n"] + [f"data: {line}\n" for line in EVENTS[number]]
            if first and number == 2:
                self.wfile.write("".join(lines[:2]).encode())
                break
            retry = "retry: 200\n" if first else ""
            self.wfile.write((retry + "".join(lines) + "\n").encode())

    def log_message(self, *_):
        pass


SSECLIENT = """from sseclient import SSEClient
for event in SSEClient(ADDRESS): shown(event.data)"""
AIOHTTP = """import asyncio
from aiohttp_sse_client.client import EventSource
async def main():
    async with EventSource(ADDRESS) as events:
        async for event in events: shown(event.data)
asyncio.run(main())"""
REQUESTS = """from requests_sse import EventSource
with EventSource(ADDRESS) as events:
    for event in events: shown(event.data)"""
EVENT_SOURCE = """new EventSource(ADDRESS).onmessage = event => shown(event.data);"""
# Written for a browser: it asks the page whether it is hidden.
FETCH = """globalThis.window = globalThis;
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
require('@microsoft/fetch-event-source').fetchEventSource(ADDRESS, { onmessage: event => shown(event.data),
    onclose() { throw new Error('connect again'); }, onerror: () => 200 });"""


def python(text):
    shown = "import json\ndef shown(data):\n    if data: print(json.dumps(data), flush=True)\n"
    return [PYTHON, "-W", "ignore", "-c", f"ADDRESS = '{url}'\n{shown}{text}"]


def node(text):
    shown = "const shown = data => data && console.log(JSON.stringify(data));"
    return ["node", "--no-warnings", "-e", f"const ADDRESS = '{url}'; {shown}\n{text}"]


def source(module):
    return f"const {{ EventSource = require('{module}') }} = require('{module}');\n{EVENT_SOURCE}"


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
url = f"http://127.0.0.1:{server.server_address[1]}/"
threading.Thread(target=server.serve_forever, daemon=True).start()

RIGHT = ["one", "first line\nsecond line", "three"]
GLUED = ["one", "first line\nfirst line\nsecond line", "three"]
for name, command, delivered, said in [
    ("sseclient", python(SSECLIENT), GLUED, "1"),
    ("aiohttp-sse-client", python(AIOHTTP), GLUED, "1"),
    ("requests-sse", python(REQUESTS), RIGHT, "1"),
    ("eventsource 2.0.2", node(source("eventsource-2")), ["one", "first line\nthree"], "2"),
    ("eventsource 4.1.1", node(source("eventsource")), RIGHT, "1"),
    ("launchdarkly-eventsource", node(source("launchdarkly-eventsource")), RIGHT, "1"),
    ("fetch-event-source", node(FETCH), ["one", "three"], "2"),
]:
    asked = []
    client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=TMP)
    patience = threading.Timer(30, client.kill)
    patience.start()
    events = []
    for line in client.stdout:
        if not line.strip():  # sseclient prints the text of the error that ended its stream, which is empty
            continue
        events.append(json.loads(line))
        if "three" in events[-1]:
            break
    client.kill()
    patience.cancel()
    expect(f"{name}: says in Last-Event-ID", said, asked[1] if len(asked) > 1 else client.stderr.read()[-600:])
    expect(f"{name}: delivers", delivered, events)
verdict()
PY
