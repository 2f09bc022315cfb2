#!/usr/bin/env bash
# A PUT is answered with 301, as where http becomes https: requests, Mojo and curl -X PUT send it again without its
# body, so that the file is emptied, by an answer that says 200; superagent, needle and request make a GET of it.
#
# Software: requests 2.34.2 with urllib3 2.8.0, httpx 0.28.1, aiohttp 3.14.5, tornado 6.6.1, treq 26.7.0 with Twisted
#           26.10.0 (PyPI); undici 7.30.2, got 14.6.6, node-fetch 3.3.2, axios 1.21.1, superagent 10.4.2, needle 3.5.0,
#           request 2.88.2 (npm); wget 1.21.3-1+deb12u1, libwww-perl 6.68-1, libmojolicious-perl 9.31+dfsg-1,
#           and curl as the machine has it (7.88.1), all Debian 12. Those that follow only if told so are told so.
#
# A client that follows 301 or 302 sends the same request to the other place; only of a POST may it make a GET, for
# history's sake (RFC 9110, sections 15.4.2 and 15.4.3). At 307 and 308 no method changes, which is what these two are
# for (15.4.8, 15.4.9). The body goes only where the method becomes GET.
#
# The guess: 301 changes nothing of a PUT or DELETE in any client; at 302 requests and httpx make a GET of both; at 307
# and 308 all send the same again, or refuse.
#
# What comes to the new place, and always with 200 as the result:
#                                     PUT, 301        PUT, 302        DELETE, 302     PUT, 308
#   requests                          PUT, no body    GET             GET             the same
#   Mojo, curl -X PUT -d              PUT, no body    PUT, no body    the same        the same
#   superagent                        GET             GET             GET             the same
#   request, treq (browser-like)      GET             GET             GET             GET
#   needle                            GET             GET             GET             GET    (at 307 too)
#   httpx, LWP                        the same        GET             GET             the same
#   urllib3, aiohttp, tornado,
#   undici, got, node-fetch, axios,
#   wget, curl -T                     the same        the same        the same        the same
#
# Why it matters: an address that has moved, or http in place of https in a setting, and an upload writes files of no
# bytes, or a DELETE deletes nothing, and each is told that it went well. A server that moves what is written to
# answers with 308, or with 4xx to whatever is not GET or HEAD; a client compares what it has sent with what it meant to.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
command -v curl >/dev/null || cannot "no curl here"
deb wget=1.21.3-1+deb12u1 libwww-perl=6.68-1 libmojolicious-perl=9.31+dfsg-1
pip requests==2.34.2 urllib3==2.8.0 httpx==0.28.1 aiohttp==3.14.5 tornado==6.6.1 treq==26.7.0 twisted==26.10.0
npm undici@7.30.2 got@14.6.6 node-fetch@3.3.2 axios@1.21.1 superagent@10.4.2 needle@3.5.0 request@2.88.2
experiment <<'PY'
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from lib import ENV, PYTHON, ROOT, TMP, expect, verdict

BODY = "what is to be stored\n"
came = []


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.body()
        old = self.path.startswith("/old/")
        if not old:
            came.append(self.command + (", no body" if self.command == "PUT" and not body else ""))
            if body:
                assert body == BODY.encode(), body
        self.send_response(int(self.path[5:]) if old else 200)
        if old:
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_address[1]}/new")
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    do_GET = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_address[1]}"

with open(TMP + "/body", "w") as f:
    f.write(BODY)
python = [PYTHON, "-W", "ignore", "-c"]
ASKED = """import asyncio, sys
method, address = sys.argv[1:]
body = open('body', 'rb').read() if method == 'PUT' else None
"""
NODE = """const [, method, address] = process.argv;
const body = method === 'PUT' ? require('fs').readFileSync('body', 'utf8') : undefined;
"""
PERL = "my ($method, $address) = @ARGV; my $body = $method eq 'PUT' ? `cat body` : '';"
# Each prints the status it is given; the method and the address are its last arguments.
CLIENTS = {
    "requests": [*python, ASKED + "import requests; print(requests.request(method, address, data=body).status_code)"],
    "urllib3": [*python, ASKED + "import urllib3; print(urllib3.request(method, address, body=body).status)"],
    "httpx": [*python, ASKED + """import httpx
print(httpx.request(method, address, content=body, follow_redirects=True).status_code)"""],
    "aiohttp": [*python, ASKED + """import aiohttp
async def main():
    async with aiohttp.ClientSession() as session, session.request(method, address, data=body) as answer:
        print(answer.status)
asyncio.run(main())"""],
    "tornado": [*python, ASKED + """from tornado.httpclient import AsyncHTTPClient
async def main(): print((await AsyncHTTPClient().fetch(address, method=method, body=body)).code)
asyncio.run(main())"""],
    "treq": [*python, ASKED + """import treq; from twisted.internet.task import react
react(lambda reactor: treq.request(method, address, data=body, persistent=False, browser_like_redirects=True)
    .addCallback(lambda answer: print(answer.code)))"""],
    "undici": ["node", "-e", NODE + "require('undici').fetch(address, { method, body }).then(a => console.log(a.status))"],
    "got": ["node", "-e", NODE + f"""import('{TMP}/node_modules/got/dist/source/index.js')
    .then(got => got.default(address, {{ method, body }})).then(answer => console.log(answer.statusCode))"""],
    "node-fetch": ["node", "-e", NODE + f"""import('{TMP}/node_modules/node-fetch/src/index.js')
    .then(fetch => fetch.default(address, {{ method, body }})).then(answer => console.log(answer.status))"""],
    "axios": ["node", "-e", NODE + """require('axios').request({ method, url: address, data: body })
    .then(answer => console.log(answer.status))"""],
    "superagent": ["node", "-e", NODE + """require('superagent')(method, address).send(body)
    .then(answer => console.log(answer.status))"""],
    "needle": ["node", "-e", NODE + """require('needle')(method.toLowerCase(), address, body, { follow_max: 3 })
    .then(answer => console.log(answer.statusCode))"""],
    "request": ["node", "-e", NODE + """require('request')({ method, url: address, body, followAllRedirects: true },
    (error, answer) => console.log(answer.statusCode))"""],
    "LWP": ["perl", "-MLWP::UserAgent", "-e", PERL + """
my $agent = LWP::UserAgent->new(requests_redirectable => [qw(GET HEAD PUT DELETE)]);
print $agent->request(HTTP::Request->new($method, $address, [], $body))->code"""],
    "Mojo": ["perl", "-MMojo::UserAgent", "-e", PERL + """my $agent = Mojo::UserAgent->new(max_redirects => 3);
print $agent->start($agent->build_tx($method, $address, $body))->res->code"""],
    "curl -X": ["curl", "-s", "-L", "-w", "%{http_code}", "-X"],
    "curl -T": ["curl", "-s", "-L", "-w", "%{http_code}", "-T", "body"],
    "wget": [ROOT + "/usr/bin/wget", "-S", "-O", "-", "--method"],
}
DATA = {"curl -X": ["--data-binary", "@body"], "wget": ["--body-file=body"]}
ENV |= {"HOME": TMP, "PERL5LIB": f"{ROOT}/usr/share/perl5:{ROOT}/usr/lib/x86_64-linux-gnu/perl5/5.36"}
# The machine's own programs with their own libraries.
OWN = {name: value for name, value in ENV.items() if name != "LD_LIBRARY_PATH"}


def second(name, method, code):
    """What comes to the new place, after the client has printed 200."""
    came.clear()
    command = [*CLIENTS[name], *([] if name == "curl -T" else [method]), *(DATA.get(name, []) if method == "PUT" else [])]
    done = subprocess.run([*command, f"{base}/old/{code}"], capture_output=True, text=True, timeout=60, cwd=TMP,
                          stdin=subprocess.DEVNULL, env=OWN if command[0] in ("curl", "node") else ENV)
    if "200" not in done.stdout + done.stderr:
        return done.stdout[-200:] + done.stderr[-200:]
    return " and ".join(came)


KEPT = ("PUT", "PUT", "DELETE", "PUT", "PUT")
for name in CLIENTS:
    want = {
        "requests": ("PUT, no body", "GET", "GET", "PUT", "PUT"),
        "Mojo": ("PUT, no body", "PUT, no body", "DELETE", "PUT", "PUT"),
        "curl -X": ("PUT, no body", "PUT, no body", "DELETE", "PUT", "PUT"),
        "superagent": ("GET", "GET", "GET", "PUT", "PUT"),
        "request": ("GET", "GET", "GET", "PUT", "GET"),
        "treq": ("GET", "GET", "GET", "refused", "GET"),
        "needle": ("GET", "GET", "GET", "GET", "GET"),
        "httpx": ("PUT", "GET", "GET", "PUT", "PUT"),
        "LWP": ("PUT", "GET", "GET", "PUT", "PUT"),
    }.get(name, KEPT)
    asked = [("PUT", 301), ("PUT", 302), ("DELETE", 302), ("PUT", 307), ("PUT", 308)]
    for (method, code), what in zip(asked, want):
        if what != "refused" and not (name == "curl -T" and method == "DELETE"):
            expect(f"{name}, {method}, {code}", what, second(name, method, code))
verdict()
PY
