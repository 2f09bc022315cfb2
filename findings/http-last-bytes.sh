#!/usr/bin/env bash
# The last 500 bytes of a file are asked for, and it has only 100: six of 26 HTTP servers answer 416, three 500, and
# two more know no "last bytes" at all, of any file.
#
# Software: the 26 HTTP servers in the versions that http_file_servers in lib.sh pins.
#
# "Range: bytes=-500" is the last 500 bytes; and if what there is "is shorter than the specified suffix-length, the entire
# representation is used" (RFC 9110, section 14.1.2).
#
# The guess: last bytes are known to all but sirv; of a shorter file all send the whole, by 206 or by 200.
#
# What happens:                                   1000 bytes           100 bytes
#   nginx, apache, lighttpd, caddy, h2o,
#   whitenoise, starlette, aiohttp, bottle,
#   cherrypy, falcon, hono                        the last 500         the whole
#   tornado                                       the last 500         the whole (200)
#   express, fastify, werkzeug, webob,
#   serve-handler                                 the last 500         416, with "Content-Range: bytes */100"
#   webrick                                       the last 500         416, without
#   twisted, sanic, hapi                          the last 500         500
#   http-server, koa-range                        416                  416
#   busybox                                       the whole (200)      the whole (200)
#   sirv                                          the first 501        the whole
#
# Why it matters: the end of a file holds the directory of a ZIP archive, the footer of a Parquet file and the news of a
# log, and is asked for without knowing the length: it works until a file is small. A client takes 416 for "shorter than
# that" and asks for all of it, and looks at Content-Range to see what it got; a server has this case in its tests.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
http_file_servers
experiment <<'PY'
import http.client
import os
from http_servers import SERVERS, serve
from lib import TMP, expect, stop_all, verdict

FOLDER = TMP + "/files"
os.mkdir(FOLDER)
os.chmod(FOLDER, 0o755)
LONG, SHORT = ("".join(f"{i:04}" for i in range(count)).encode() for count in (250, 25))
for name, data in (("long", LONG), ("short", SHORT)):
    with open(f"{FOLDER}/{name}.txt", "wb") as f:
        f.write(data)


def last(port, name, data):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.request("GET", f"/{name}.txt", headers={"Range": "bytes=-500"})
    answer = client.getresponse()
    body = answer.read()
    client.close()
    part = answer.getheader("Content-Range")
    if answer.status == 416:
        return 416, part
    if answer.status not in (200, 206):
        return answer.status
    start = data.index(body)
    assert answer.status == 200 or part == f"bytes {start}-{start + len(body) - 1}/{len(data)}", (part, body)
    return answer.status, start, len(body)


WHOLE, LAST, SAYS, MUTE = (206, 0, 100), (206, 500, 500), (416, "bytes */100"), (416, None)
WANT = dict.fromkeys(("express", "fastify", "werkzeug", "webob", "serve-handler"), (LAST, SAYS))
WANT |= dict.fromkeys(("twisted", "sanic", "hapi"), (LAST, 500))
WANT |= dict.fromkeys(("http-server", "koa-range"), (MUTE, MUTE))
WANT |= {"tornado": (LAST, (200, 0, 100)), "webrick": (LAST, MUTE), "sirv": ((206, 0, 501), WHOLE),
         "busybox": ((200, 0, 1000), (200, 0, 100))}
for name in SERVERS:
    port = serve(name, FOLDER)
    long, short = WANT.get(name, (LAST, WHOLE))
    expect(f"{name}, the last 500 of 1000 bytes", long, last(port, "long", LONG))
    expect(f"{name}, the last 500 of 100 bytes", short, last(port, "short", SHORT))
    stop_all()
verdict()
PY
