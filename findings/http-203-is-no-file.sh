#!/usr/bin/env bash
# A file comes with 203, as from a proxy that has changed something: wget2 writes nothing and ends with 0, aria2
# fails.
#
# Software: wget2 1.99.1-2.2, aria2 1.36.0-1, and for comparison lftp 4.9.2-2+b1, elinks 0.13.2-1+b4, links 2.28-1+b2,
#           wget 1.21.3-1+deb12u1, apt 2.6.1 (Debian 12).
#
# 203 (Non-Authoritative Information) is 200 but for what a transforming proxy has done to the body (RFC 9110, section
# 15.3.4), and a client that does not know a status treats it as the x00 of its class (section 15).
#
# The guess: all write the file. 203 is as old as HTTP/1.1, and a GET that succeeded has a body. (With 201, which a GET is
# hardly answered with, the two were guessed right.)
#
# What happens:
#   wget, lftp, links, elinks, apt   the file
#   wget2                            exit code 0 and no file; it names the status (not with -q), as it does for 200
#   aria2                            exit code 22 ("Unexpected status 203"), no file
#
# Why it matters: a proxy that compresses, rewrites or scans, and says so by 203, breaks downloads behind it. It should keep
# the 200, as nginx and HAProxy do. A client asks whether the status is 2xx, and looks closer at 204, 205 and 206 only.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
[ -x /usr/lib/apt/apt-helper ] || cannot "no apt here"
deb wget2=1.99.1-2.2 aria2=1.36.0-1 lftp=4.9.2-2+b1 elinks=0.13.2-1+b4 links=2.28-1+b2 wget=1.21.3-1+deb12u1
experiment <<'PY'
import os
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from lib import ROOT, TMP, expect, verdict

FILE = b"the file\n"


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(int(self.path[1:]))
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(FILE)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(FILE)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_address[1]}/"
program = ROOT + "/usr/bin/"
CLIENTS = {
    "wget": [program + "wget", "-q", "-O", "f"],
    "lftp": [program + "lftp", "-c"],
    "links": [program + "links", "-source"],
    "elinks": [program + "elinks", "-no-home", "-source"],
    "apt": ["/usr/lib/apt/apt-helper", "-o", "Acquire::Retries=0", "-o", "APT::Sandbox::User=root", "download-file"],
    "wget2": [program + "wget2", "-q", "-O", "f"],
    "aria2": [program + "aria2c", "-q", "--no-conf", "--max-tries=1", "-o", "f"],
}
FOUND = {"wget2": "exit code 0, nothing", "aria2": "exit code 22, nothing"}
ENV = dict(os.environ, HOME=TMP, TERM="dumb")


def fetch(name, status):
    folder = tempfile.mkdtemp(dir=TMP)
    command = CLIENTS[name] + [f"{base}{status}"] + (["f"] if name == "apt" else [])
    if name == "lftp":
        command[-1] = f"set net:max-retries 1; get {base}{status} -o f"
    done = subprocess.run(command, cwd=folder, env=ENV, timeout=60, stdin=subprocess.DEVNULL, capture_output=True)
    file = folder + "/f"
    got = open(file, "rb").read() if os.path.exists(file) else done.stdout
    if done.returncode == 0 and got == FILE:
        return "the file"
    return f"exit code {done.returncode}, {repr(got[:60]) if got else 'nothing'}"


for name in CLIENTS:
    expect(f"{name}, 200", "the file", fetch(name, 200))
    expect(f"{name}, 203", FOUND.get(name, "the file"), fetch(name, 203))
verdict()
PY
