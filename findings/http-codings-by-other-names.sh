#!/usr/bin/env bash
# A page comes as "Content-Encoding: x-gzip", or compressed twice: httpx, aiohttp, Tornado, Twisted and
# thirteen more of 21 clients hand out compressed bytes for the page, and say nothing.
#
# Software: requests 2.34.2 with urllib3 2.8.0, httpx 0.28.1, aiohttp 3.14.5, tornado 6.6.1, twisted 26.10.0, httplib2 0.32.1
#           (PyPI); undici 7.30.2, axios 1.21.1, needle 3.5.0, superagent 10.4.2, got 16.1.0, node-fetch 3.3.2, request 2.88.2,
#           make-fetch-happen 16.0.1, phin 4.0.0, bent 7.3.12, urllib 4.9.2 (npm);
#           libmojolicious-perl 9.31+dfsg-1, aria2 1.36.0-1, curl 7.88.1-10+deb12u15, wget 1.21.3-1+deb12u1 (Debian 12).
#
# "A recipient SHOULD consider 'x-gzip' to be equivalent to 'gzip'" (RFC 9110, section 8.4.1.3); it is what Apache's
# documentation has .gz and .tgz sent with (AddEncoding x-gzip .gz .tgz). Codings are no matter of case (8.4.1), and there
# may be several, which are undone from the last to the first (8.4): so it is if a proxy compresses a page once more.
#
# The guess: undici, requests, aiohttp and got know x-gzip, Tornado, Twisted and httpx do not, and so it is with GZIP; who
# does not undo both of two codings fails.
#
# What happens, each where it is asked to decompress (all are right with "gzip"):
#   x-gzip   httpx, aiohttp, Tornado, Twisted, httplib2, superagent, request, bent,
#            urllib, Mojo, aria2                                                         compressed bytes, status 200
#            requests, undici, axios, needle, got, node-fetch, make-fetch-happen,
#            phin, curl, wget                                                            the page
#   GZIP     Twisted, httplib2, needle, make-fetch-happen, bent, urllib, aria2           compressed bytes
#   twice    requests, httpx, Twisted, undici, got, bent, curl                           the page
#            the other fourteen                                                          compressed once, or twice: no error
#
# Why it matters: nothing fails, so it is stored, or parsed as text of odd letters. A server should say "gzip", in small
# letters, and compress once; a client that does not know a coding should say so, as one does that is sent no page.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb libmojolicious-perl=9.31+dfsg-1 aria2=1.36.0-1 curl=7.88.1-10+deb12u15 wget=1.21.3-1+deb12u1
pip requests==2.34.2 urllib3==2.8.0 httpx==0.28.1 aiohttp==3.14.5 tornado==6.6.1 twisted==26.10.0 httplib2==0.32.1
npm undici@7.30.2 axios@1.21.1 needle@3.5.0 superagent@10.4.2 got@16.1.0 node-fetch@3.3.2 request@2.88.2 \
    make-fetch-happen@16.0.1 phin@4.0.0 bent@7.3.12 urllib@4.9.2
experiment <<'PY'
import gzip
import subprocess
from lib import ENV, PYTHON, TMP, expect, serve_http, verdict

PAGE = b"hello, world\n"
ONCE = gzip.compress(PAGE)
CODINGS = {"gzip": ONCE, "x-gzip": ONCE, "GZIP": ONCE, "gzip, gzip": gzip.compress(ONCE)}


def serve(coding, body):
    kind, length = "Content-Type: text/plain", f"Content-Length: {len(body)}"
    return serve_http([kind, f"Content-Encoding: {coding}", length], body)


# Each writes the page, as it was given it, to standard output.
PYTHONS = {
    "requests": "import requests; out(requests.get(url).content)",
    "httpx": "import httpx; out(httpx.get(url).content)",
    "aiohttp": """import aiohttp, asyncio
async def main():
    async with aiohttp.ClientSession() as session, session.get(url) as answer: out(await answer.read())
asyncio.run(main())""",
    "tornado": """import asyncio; from tornado.httpclient import AsyncHTTPClient
async def main(): out((await AsyncHTTPClient().fetch(url)).body)
asyncio.run(main())""",
    "twisted": """from twisted.internet import reactor, task
from twisted.web.client import Agent, ContentDecoderAgent, GzipDecoder, readBody
agent = ContentDecoderAgent(Agent(reactor), [(b'gzip', GzipDecoder)])
task.react(lambda reactor: agent.request(b'GET', url.encode()).addCallback(readBody).addCallback(out))""",
    "httplib2": "import httplib2; out(httplib2.Http().request(url)[1])",
}
NODES = {
    "undici": "require('undici').fetch(url).then(answer => answer.arrayBuffer()).then(out)",
    "axios": "require('axios').get(url, { responseType: 'arraybuffer' }).then(answer => out(answer.data))",
    "needle": "require('needle')('get', url, { parse: false }).then(answer => out(answer.body))",
    "superagent": "require('superagent').get(url).buffer(true).then(answer => out(answer.text))",
    "got": "import('got').then(it => it.default(url).buffer()).then(out)",
    "node-fetch": "import('node-fetch').then(it => it.default(url)).then(answer => answer.arrayBuffer()).then(out)",
    "request": "require('request')({ url, gzip: true, encoding: null }, (error, answer, body) => out(body))",
    "make-fetch-happen": "require('make-fetch-happen')(url).then(answer => answer.buffer()).then(out)",
    "phin": "require('phin')({ url }).then(answer => out(answer.body))",
    "bent": "require('bent')('buffer')(url).then(out)",
    "urllib": "require('urllib').request(url, { gzip: true }).then(answer => out(answer.data))",
}
PYTHON_OUT = "import sys; url = sys.argv[1]\ndef out(page): sys.stdout.buffer.write(page)\n"
NODE_OUT = "const url = process.argv[1], out = page => process.stdout.write(Buffer.from(page));"
MOJO = "use Mojo::UserAgent; print Mojo::UserAgent->new->get($ARGV[0])->res->body"
CLIENTS = {name: [PYTHON, "-W", "ignore", "-c", PYTHON_OUT + text] for name, text in PYTHONS.items()}
CLIENTS |= {name: ["node", "--no-warnings", "-e", NODE_OUT + text] for name, text in NODES.items()}
CLIENTS |= {
    "Mojo": ["perl", "-e", MOJO],
    "aria2": ["sh", "-c", 'rm -f page; aria2c -q --http-accept-gzip=true --no-conf -o page "$1" && cat page', "sh"],
    "curl": ["curl", "-q", "-s", "--compressed"],
    "wget": ["wget", "--no-config", "-q", "--compression=auto", "-O-"],
}
KNOW_X = ("requests", "got", "undici", "axios", "needle", "node-fetch", "make-fetch-happen", "phin", "curl", "wget")
KNOW_SMALL = ("twisted", "httplib2", "needle", "make-fetch-happen", "bent", "urllib", "aria2")
UNDO_BOTH = ("got", "requests", "httpx", "twisted", "undici", "bent", "curl")
urls = {coding: serve(coding, body) for coding, body in CODINGS.items()}


def gets(name, coding):
    done = subprocess.run([*CLIENTS[name], urls[coding]], capture_output=True, timeout=60, cwd=TMP, env=ENV)
    if done.returncode == 0 and b"hello, world" in done.stdout:
        return "the page"
    # Some make text of it, in which few bytes are left as they were.
    return "compressed bytes" if done.returncode == 0 and b"\x08\x00" in done.stdout else done.stderr.decode()[-200:]


for name in CLIENTS:
    want = [
        "the page",
        "the page" if name in KNOW_X else "compressed bytes",
        "compressed bytes" if name in KNOW_SMALL else "the page",
        "the page" if name in UNDO_BOTH else "compressed bytes",
    ]
    expect(name, want, [gets(name, coding) for coding in CODINGS])
verdict()
PY
