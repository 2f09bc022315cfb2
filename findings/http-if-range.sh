#!/usr/bin/env bash
# A download is taken up again with If-Range, and the file has changed: 15 of 26 servers send the rest of the new file
# all the same, to be put behind the half of the old one.
#
# Software: the 26 HTTP servers in the versions that http_file_servers in lib.sh pins.
#
# A server must ignore Range "if the If-Range condition evaluates as false" (RFC 9110, section 13.1.5), so that one request
# gets either the missing part, or the whole of what is there now. The validator is a strong ETag, or else the
# Last-Modified date. apt and browsers take up downloads so.
#
# The guess: whoever knows Range knows If-Range, which stands beside it, but for busybox and sirv.
#
# What happens when the second half is asked for, after the file has been replaced, with the old ETag or the old date:
#   nginx, apache, lighttpd, caddy, starlette, werkzeug,
#   webob, express, fastify, hapi                           200, the new file
#   aiohttp                                                 200 with the date; 206 with the ETag that it gave itself
#   h2o, busybox, webrick, whitenoise, tornado, twisted,
#   bottle, cherrypy, falcon, sanic, sirv, serve-handler,
#   http-server, koa-range, hono                            206, the second half of the new file
# Where the file has not changed, all send its second half. Each 206 comes with the new file's ETag or date.
#
# Why it matters: the length may be right, and nothing in HTTP tells that two files were joined. A client compares the
# ETag or the date of the 206 with the one that it has asked with, and begins anew where they differ.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
http_file_servers
experiment <<'PY'
import http.client
import os
import time
from http_servers import SERVERS, serve
from lib import TMP, expect, stop_all, verdict

FOLDER = TMP + "/files"
os.mkdir(FOLDER)
os.chmod(FOLDER, 0o755)
OLD, NEW = b"old " * 250, b"new " * 250


def put(data, days):
    """Replaces the file, as it was changed so many days ago."""
    with open(FOLDER + "/next", "wb") as f:
        f.write(data)
    os.utime(FOLDER + "/next", (time.time() - days * 86400,) * 2)
    os.rename(FOLDER + "/next", FOLDER + "/file.txt")


def get(port, **fields):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.request("GET", "/file.txt", headers={name.replace("_", "-"): value for name, value in fields.items()})
    answer = client.getresponse()
    body = answer.read()
    client.close()
    return answer, body


def says(answer):
    return answer.getheader("ETag") or answer.getheader("Last-Modified")


def resumed(port, first, validator):
    """What a client has in the end that has the first half of OLD, and asks for the rest."""
    answer, body = get(port, Range="bytes=500-", If_Range=validator)
    if answer.status == 206:
        assert answer.getheader("Content-Range") == "bytes 500-999/1000", answer.getheaders()
        assert (body == OLD[500:]) == (says(answer) == says(first)), answer.getheaders()
        body = OLD[:500] + body
    elif answer.status != 200:
        return answer.status
    return {OLD: "old", NEW: "new", OLD[:500] + NEW[500:]: "joined"}[body]


WITHOUT = ["h2o", "busybox", "webrick", "whitenoise", "tornado", "twisted", "bottle", "cherrypy", "falcon", "sanic", "sirv",
           "serve-handler", "http-server", "koa-range", "hono"]
for name in SERVERS:
    put(OLD, 2)
    port = serve(name, FOLDER)
    first, body = get(port)
    assert (first.status, body) == (200, OLD), (name, first.status, body)
    tag, date = first.getheader("ETag"), first.getheader("Last-Modified")
    if tag and (tag.startswith("W/") or not tag.startswith('"')):
        tag = None
    validators = [(kind, validator) for kind, validator in (("ETag", tag), ("date", date)) if validator]
    assert validators, first.getheaders()
    for kind, validator in validators:
        expect(f"{name}, {kind}, not changed", "old", resumed(port, first, validator))
    put(NEW, 1)
    for kind, validator in validators:
        without = name in WITHOUT or (name, kind) == ("aiohttp", "ETag")
        expect(f"{name}, {kind}, changed", "joined" if without else "new", resumed(port, first, validator))
    stop_all()
verdict()
PY
