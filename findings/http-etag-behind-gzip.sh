#!/usr/bin/env bash
# nginx or HAProxy compresses what a server behind it sends, and marks the ETag as weak; the client asks with that tag,
# and WhiteNoise, serve-handler and node-static send the whole file again, every time.
#
# Software: nginx 1.22.1-9+deb12u11, haproxy 2.6.12-1+deb12u4 (Debian 12); whitenoise 6.12.0 with waitress 3.0.2,
#           starlette 1.10.0 with uvicorn 0.54.0, aiohttp 3.14.5, tornado 6.6.1 (PyPI);
#           serve-handler 6.1.8, node-static 0.7.11, express 5.3.0, sirv 3.0.2 (npm).
#
# A body that was compressed on the way is another body, so both turn "tag" into W/"tag" (RFC 9110, section 8.8.1, lets a
# weak tag stand for both). For If-None-Match a server must compare without regard to W/ (section 13.1.2), and with
# that header leave If-Modified-Since aside. The client sends both, as browsers do.
#
# The guess: sirv and starlette compare the text and answer 200, everybody else 304; HAProxy does as nginx.
#
# What happens:                                    asked directly   behind nginx   behind HAProxy
#   whitenoise, serve-handler, node-static         304              200            200
#   starlette, aiohttp, tornado                    304              304            304
#   express, sirv (whose tags are weak anyway)     304              304            304
#
# Why it matters: all looks well, in tests without the proxy above all, and costs the whole file for each visit. A
# server compares the part in quotation marks; one that cannot be changed is made to compress by itself.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb nginx=1.22.1-9+deb12u11 haproxy=2.6.12-1+deb12u4
pip whitenoise==6.12.0 waitress==3.0.2 starlette==1.10.0 uvicorn==0.54.0 aiohttp==3.14.5 tornado==6.6.1
npm serve-handler@6.1.8 node-static@0.7.11 express@5.3.0 sirv@3.0.2
experiment <<'PY'
import http.client
import os
from lib import PYTHON, ROOT, TMP, connect, expect, free_port, start, stop_all, verdict

FILES = TMP + "/files"
os.mkdir(FILES)
with open(FILES + "/page.txt", "w") as f:
    f.write("a line of text\n" * 500)

# Each serves the folder that is its first argument on the port that is its second.
PYTHONS = {
    "whitenoise": """from waitress import serve; from whitenoise import WhiteNoise
serve(WhiteNoise(None, root=sys.argv[1]), host='127.0.0.1', port=int(sys.argv[2]))""",
    "starlette": """import uvicorn; from starlette.staticfiles import StaticFiles
uvicorn.run(StaticFiles(directory=sys.argv[1]), port=int(sys.argv[2]))""",
    "aiohttp": """from aiohttp import web
app = web.Application(); app.router.add_static('/', sys.argv[1])
web.run_app(app, host='127.0.0.1', port=int(sys.argv[2]), print=None)""",
    "tornado": """import asyncio; from tornado import web
async def main():
    files = ('/(.*)', web.StaticFileHandler, {'path': sys.argv[1]})
    web.Application([files]).listen(int(sys.argv[2]), '127.0.0.1'); await asyncio.Event().wait()
asyncio.run(main())""",
}
NODES = {
    "serve-handler": "(request, response) => require('serve-handler')(request, response, { public: folder, etag: true })",
    "node-static": """((files) => (request, response) => request.on('end', () => files.serve(request, response)).resume())(
    new (require('node-static').Server)(folder))""",
    "express": "(express => express().use(express.static(folder)))(require('express'))",
    "sirv": "require('sirv')(folder, { etag: true })",
}
SERVERS = {name: [PYTHON, "-c", "import sys\n" + text] for name, text in PYTHONS.items()}
SERVERS |= {name: ["node", "-e", f"const [, folder, port] = process.argv;\nrequire('http').createServer({text})"
                   ".listen(port, '127.0.0.1');"] for name, text in NODES.items()}


def nginx(backend):
    port = free_port()
    with open(TMP + "/nginx.conf", "w") as f:
        f.write(f"""daemon off;
master_process off;
pid {TMP}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    gzip on;
    gzip_proxied any;
    gzip_types text/plain;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://127.0.0.1:{backend}; proxy_http_version 1.1; }}
    }}
}}
""")
    start([ROOT + "/usr/sbin/nginx", "-p", TMP, "-e", "stderr", "-c", TMP + "/nginx.conf"])
    return port


def haproxy(backend):
    port = free_port()
    with open(TMP + "/haproxy.conf", "w") as f:
        f.write(f"""global
    maxconn 100
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen relay
    bind 127.0.0.1:{port}
    compression algo gzip
    compression type text/plain
    server backend 127.0.0.1:{backend}
""")
    start([ROOT + "/usr/sbin/haproxy", "-db", "-f", TMP + "/haproxy.conf"])
    return port


def get(port, **fields):
    connect(port).close()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    client.request("GET", "/page.txt", headers={"Accept-Encoding": "gzip"} | fields)
    answer = client.getresponse()
    answer.read()
    client.close()
    return answer


def again(port, coding):
    """Fetches the page, then asks whether it is new, and returns the status of that."""
    first = get(port)
    assert (first.status, first.getheader("Content-Encoding")) == (200, coding), first.getheaders()
    asked = {"If-None-Match": first.getheader("ETag"), "If-Modified-Since": first.getheader("Last-Modified")}
    return get(port, **{name: value for name, value in asked.items() if value}).status


NEVER, ALWAYS = (304, 200, 200), (304, 304, 304)
for name in SERVERS:
    port = free_port()
    start([*SERVERS[name], FILES, str(port)], cwd=TMP)
    got = again(port, None), again(nginx(port), "gzip"), again(haproxy(port), "gzip")
    stop_all()
    expect(f"{name}: asked directly, behind nginx, behind HAProxy",
           NEVER if name in ("whitenoise", "serve-handler", "node-static") else ALWAYS, got)
verdict()
PY
