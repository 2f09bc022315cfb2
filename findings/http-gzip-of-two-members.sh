#!/usr/bin/env bash
# A page is gzip of two members, as `cat a.gz b.gz`, an appended log or bgzip make it: ten of eighteen clients give its
# first part for the whole of it, lftp adds the rest as it came, and eight do not know "x-gzip".
#
# Software: wget 1.21.3-1+deb12u1, wget2 1.99.1-2.2, aria2 1.36.0-1, lftp 4.9.2-2+b1, libwww-perl 6.68-1,
#           libmojolicious-perl 9.31+dfsg-1, ruby3.1 3.1.7+really3.1.2-0+deb12u1, tcl8.6 8.6.13+dfsg-2, and curl as the
#           machine has it (7.88.1), all Debian 12; requests 2.34.2 with urllib3 2.8.0, httpx 0.28.1, httplib2 0.32.1,
#           aiohttp 3.14.5, tornado 6.6.1, treq 26.7.0 with Twisted 26.10.0 (PyPI); undici 7.30.2, got 14.6.6,
#           axios 1.21.1 (npm).
#
# A gzip file is a series of members, which "simply appear one after another" (RFC 1952, section 2.2), and the coding is
# that format (RFC 9110, section 8.4.1.3). A recipient "SHOULD consider x-gzip to be equivalent to gzip" (the same).
# Each client here has asked for gzip (lftp, which asks for nothing, decodes it all the same).
#
# The guess: httpx, Twisted, aiohttp, Tornado and wget2 stop after the first; curl fails; LWP, requests and npm's read both;
# no guess at the others. "x-gzip" is read by all that read gzip.
#
# What happens:                                      two members                     one, called x-gzip
#   wget, wget2, LWP, Ruby, Tcl                      the first, and success          read
#   httpx, httplib2, treq, Mojo, aria2               the first, and success          handed out as it came
#   lftp                                             the first as text, then the     read
#                                                    second as it came, and success
#   curl                                             error 23                        read
#   aiohttp, tornado, got                            both                            handed out as it came
#   requests, undici, axios                          both                            read
#
# Why it matters: the length is right and the checksum of the member is right, so that nothing looks cut. A server that sends
# files from a disk as "Content-Encoding: gzip" has to know that they are of one member, or send them as application/gzip; one
# that compresses a stream has to flush, not to finish and begin anew.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
command -v curl >/dev/null || cannot "no curl here"
deb wget=1.21.3-1+deb12u1 wget2=1.99.1-2.2 aria2=1.36.0-1 lftp=4.9.2-2+b1 libwww-perl=6.68-1
deb libmojolicious-perl=9.31+dfsg-1 ruby3.1=3.1.7+really3.1.2-0+deb12u1 tcl8.6=8.6.13+dfsg-2
pip requests==2.34.2 urllib3==2.8.0 httpx==0.28.1 httplib2==0.32.1 aiohttp==3.14.5 tornado==6.6.1 treq==26.7.0 \
    twisted==26.10.0
npm undici@7.30.2 got@14.6.6 axios@1.21.1
experiment <<'PY'
import gzip
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from lib import PYTHON, ROOT, TMP, expect, verdict

FIRST, SECOND = b"the first half\n", b"the second half\n"
REST = gzip.compress(SECOND)
BODIES = {
    "/one": ("gzip", gzip.compress(FIRST + SECOND)),
    "/two": ("gzip", gzip.compress(FIRST) + REST),
    "/called-x": ("x-gzip", gzip.compress(FIRST + SECOND)),
}


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        coding, body = BODIES[self.path]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Encoding", coding)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_address[1]}"

program = ROOT + "/usr/bin/"
python = [PYTHON, "-W", "ignore", "-c"]
WRITE = "import asyncio, sys\nwrite = sys.stdout.buffer.write\n"
with open(TMP + "/get.tcl", "w") as f:
    f.write("""package require http
set token [http::geturl [lindex $argv 0]]
fconfigure stdout -translation binary
puts -nonewline [http::data $token]""")
# Each writes what it is given to standard output; the address is its last argument.
CLIENTS = {
    "curl": ["curl", "-s", "--compressed"],
    "wget": [program + "wget", "-q", "--compression=auto", "-O", "-"],
    "wget2": [program + "wget2", "-q", "-O", "-"],
    "aria2": [program + "aria2c", "-q", "--no-conf", "--http-accept-gzip=true", "--allow-overwrite=true", "-o", "got"],
    "lftp": [program + "lftp", "-c"],
    "LWP": ["perl", "-MLWP::UserAgent", "-e", """my $answer = LWP::UserAgent->new->get($ARGV[0],
    'Accept-Encoding' => scalar HTTP::Message::decodable()); binmode STDOUT; print $answer->decoded_content"""],
    "Mojo": ["perl", "-MMojo::UserAgent", "-e", "binmode STDOUT; print Mojo::UserAgent->new->get($ARGV[0])->result->body"],
    "Ruby": [program + "ruby3.1", "-rnet/http", "-e", "$stdout.binmode; $stdout.write Net::HTTP.get(URI(ARGV[0]))"],
    "Tcl": ["tclsh8.6", TMP + "/get.tcl"],
    "requests": [*python, WRITE + "import requests; write(requests.get(sys.argv[1]).content)"],
    "httpx": [*python, WRITE + "import httpx; write(httpx.get(sys.argv[1]).content)"],
    "httplib2": [*python, WRITE + "import httplib2; write(httplib2.Http().request(sys.argv[1])[1])"],
    "aiohttp": [*python, WRITE + """import aiohttp
async def main():
    async with aiohttp.ClientSession() as session, session.get(sys.argv[1]) as answer: write(await answer.read())
asyncio.run(main())"""],
    "tornado": [*python, WRITE + """from tornado.httpclient import AsyncHTTPClient
async def main(): write((await AsyncHTTPClient().fetch(sys.argv[1])).body)
asyncio.run(main())"""],
    "treq": [*python, WRITE + """import treq; from twisted.internet.task import react
react(lambda reactor: treq.get(sys.argv[1]).addCallback(treq.content).addCallback(write))"""],
    "undici": ["node", "-e", """require('undici').fetch(process.argv[1]).then(answer => answer.arrayBuffer())
    .then(body => process.stdout.write(Buffer.from(body)))"""],
    "got": ["node", "--input-type=module", "-e", f"""import got from '{TMP}/node_modules/got/dist/source/index.js';
process.stdout.write(await got(process.argv[1]).buffer());"""],
    "axios": ["node", "-e", """require('axios').get(process.argv[1], { responseType: 'arraybuffer' })
    .then(answer => process.stdout.write(answer.data))"""],
}
RUBY = ["ruby/vendor_ruby", "ruby/3.1.0", "x86_64-linux-gnu/ruby/3.1.0", "x86_64-linux-gnu/ruby/vendor_ruby/3.1.0"]
ENV = dict(
    os.environ,
    HOME=TMP,
    PATH=f"{ROOT}/usr/bin:{os.environ['PATH']}",
    PERL5LIB=f"{ROOT}/usr/share/perl5:{ROOT}/usr/lib/x86_64-linux-gnu/perl5/5.36",
    RUBYLIB=":".join(f"{ROOT}/usr/lib/{folder}" for folder in RUBY),
    TCL_LIBRARY=ROOT + "/usr/share/tcltk/tcl8.6",
)
# The machine's own programs with their own libraries.
OWN = {name: value for name, value in ENV.items() if name != "LD_LIBRARY_PATH"}


def fetch(name, path):
    command = [*CLIENTS[name], base + path]
    if name == "lftp":
        command[-1] = f"set net:max-retries 1; cat {base}{path}"
    done = subprocess.run(command, capture_output=True, timeout=60, cwd=TMP, stdin=subprocess.DEVNULL,
                          env=OWN if command[0] in ("curl", "node") else ENV)
    if name == "aria2":
        with open(TMP + "/got", "rb") as f:
            done.stdout = f.read()
    if done.returncode:
        return f"exit code {done.returncode}"
    known = {FIRST + SECOND: "whole", FIRST: "first", FIRST + REST: "first and raw", BODIES[path][1]: "raw"}
    return known.get(done.stdout, repr(done.stdout[:80]) + done.stderr.decode()[-200:])


for name, two, called_x in [
    *((name, "first", "whole") for name in ("wget", "wget2", "LWP", "Ruby", "Tcl")),
    *((name, "first", "raw") for name in ("httpx", "httplib2", "treq", "Mojo", "aria2")),
    ("lftp", "first and raw", "whole"),
    ("curl", "exit code 23", "whole"),
    *((name, "whole", "raw") for name in ("aiohttp", "tornado", "got")),
    *((name, "whole", "whole") for name in ("requests", "undici", "axios")),
]:
    expect(f"{name}, one member", "whole", fetch(name, "/one"))
    expect(f"{name}, two members", two, fetch(name, "/two"))
    expect(f"{name}, called x-gzip", called_x, fetch(name, "/called-x"))
verdict()
PY
