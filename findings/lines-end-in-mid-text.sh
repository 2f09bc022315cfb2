#!/usr/bin/env bash
# A line of JSON, or of an event stream, has U+2028 or U+0085 in its text, as JSON may: httpx, niquests and npm's byline
# cut it there, PyPI's ndjson puts a comma in its place, aiosseclient loses what stands behind.
#
# Software: httpx 0.28.1, requests 2.34.2, niquests 3.21.2, aiohttp 3.14.5, ndjson 0.3.1, jsonlines 4.0.0, sseclient-py 1.9.0,
#           aiosseclient 0.1.8, httpx-sse 0.4.3, aiohttp-sse-client 0.2.1 (PyPI);
#           byline 5.0.0, split2 4.2.0, ndjson 2.0.0, event-stream 4.0.1 (npm).
#
# A line of NDJSON ends with LF, one of an event stream with LF, CR or both. JSON lets U+2028 (line separator, what a word
# processor makes of Shift-Enter) and U+0085 (NEL) stand in a text as they are, and most programs write them so.
#
# The guess: requests with decode_unicode=True cuts, since it says in so many words that it takes str.splitlines; all others
# give the line as it was sent, or refuse it.
#
# What happens to {"say": "to be<U+2028>or<U+0085>not"}:
#   httpx (iter_lines), niquests and requests (decode_unicode), byline   three lines, none of them JSON
#   ndjson (PyPI)                                                        a text that nobody sent: "to be,or,not"
#   aiosseclient                                                         the event ends at "to be", and nothing is said
#   aiohttp, requests, jsonlines, sseclient-py, httpx-sse,
#   aiohttp-sse-client, split2, ndjson (npm), event-stream   as it was sent
#
# Why it matters: it comes with what people paste, so that a stream which has run for months breaks on one message, on the
# reader's side alone; a hash over the text differs, or half an answer is taken for all of it. Read bytes by lines and
# decode each, or have the writer escape the two (ensure_ascii).
set -euo pipefail
. "$(dirname "$0")/lib.sh"
pip httpx==0.28.1 requests==2.34.2 niquests==3.21.2 aiohttp==3.14.5 ndjson==0.3.1 jsonlines==4.0.0 sseclient-py==1.9.0 \
    aiosseclient==0.1.8 httpx-sse==0.4.3 aiohttp-sse-client==0.2.1
npm byline@5.0.0 split2@4.2.0 ndjson@2.0.0 event-stream@4.0.1
experiment <<'PY'
import json
import subprocess
from lib import PYTHON, TMP, expect, serve_http, verdict

SAID = "to be\u2028or\x85not"
LINE = '{"say": "%s"}' % SAID
WHOLE, CUT = [LINE], ['{"say": "to be', "or", 'not"}']


def serve(kind, body):
    return serve_http([f"Content-Type: {kind}; charset=utf-8"], body.encode())


NDJSON = serve("application/x-ndjson", LINE + "\n")
EVENTS = serve("text/event-stream", f"data: {SAID}\n\n")

# Each calls `told` with a list of what it was given.
LINES = {
    "httpx": "import httpx\nwith httpx.stream('GET', url) as answer: told(list(answer.iter_lines()))",
    "requests": "import requests; told([line.decode() for line in requests.get(url, stream=True).iter_lines()])",
    "requests, decode_unicode": "import requests; told(list(requests.get(url, stream=True).iter_lines(decode_unicode=True)))",
    "niquests, decode_unicode": "import niquests; told(list(niquests.get(url, stream=True).iter_lines(decode_unicode=True)))",
    "aiohttp": """import aiohttp, asyncio
async def main():
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        told([line.decode().rstrip('\\n') async for line in answer.content])
asyncio.run(main())""",
    "ndjson": "import ndjson, requests; told([it['say'] for it in ndjson.loads(requests.get(url).content.decode())])",
    "jsonlines": "import jsonlines, urllib.request; told([it['say'] for it in jsonlines.Reader(urllib.request.urlopen(url))])",
}
EVENT = {
    "sseclient-py": """import requests, sseclient
told([event.data for event in sseclient.SSEClient(requests.get(url, stream=True)).events()])""",
    "aiosseclient": """import aiosseclient, asyncio
async def main():
    async for event in aiosseclient.aiosseclient(url):
        told([event.data])
        break
asyncio.run(main())""",
    "httpx-sse": """import httpx, httpx_sse
with httpx.Client() as client, httpx_sse.connect_sse(client, 'GET', url) as source:
    told([event.data for event in source.iter_sse()])""",
    "aiohttp-sse-client": """import asyncio; from aiohttp_sse_client import client
async def main():
    async with client.EventSource(url) as source:
        async for event in source:
            told([event.data])
            break
asyncio.run(main())""",
}
NODES = {
    "byline": "require('byline').createStream()",
    "split2": "require('split2')()",
    "ndjson (npm)": "require('ndjson').parse()",
    "event-stream": "require('event-stream').split()",
}


def run(argv, **options):
    done = subprocess.run(argv, capture_output=True, timeout=60, cwd=TMP, **options)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return done.stderr.decode()[-300:]


def python(code, url):
    begin = f"import json; url = '{url}'\ndef told(what): print(json.dumps(what), flush=True)\n"
    return run([PYTHON, "-W", "ignore", "-c", begin + code])


for name, code in LINES.items():
    want = {"aiohttp": WHOLE, "requests": WHOLE, "ndjson": ["to be,or,not"], "jsonlines": [SAID]}.get(name, CUT)
    expect(name, want, python(code, NDJSON))
for name, code in EVENT.items():
    expect(name, ["to be"] if name == "aiosseclient" else [SAID], python(code, EVENTS))
for name, made in NODES.items():
    code = f"const all = []; process.stdin.pipe({made}).on('data', it => String(it) && all.push(it.say || String(it)))" \
        ".on('end', () => console.log(JSON.stringify(all)))"
    want = CUT if name == "byline" else [SAID] if name == "ndjson (npm)" else WHOLE
    expect(name, want, run(["node", "-e", code], input=(LINE + "\n").encode()))
verdict()
PY
