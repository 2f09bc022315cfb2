#!/usr/bin/env bash
# An interim answer (103 Early Hints) comes before the file: apt, lftp, links and elinks take it for the answer and
# fail, wget2 writes an empty file and says that all is well.
#
# Software: wget2 1.99.1-2.2, lftp 4.9.2-2+b1, elinks 0.13.2-1+b4, links 2.28-1+b2, apt 2.6.1, and for comparison
#           aria2 1.36.0-1, wget 1.21.3-1+deb12u1 (Debian 12). Each asks with HTTP/1.1.
#
# RFC 9110 (section 15.2): a client must be able to parse one or more 1xx answers before the final one, even if it
# does not expect them, and may ignore them. RFC 8297 adds that some old clients do not.
#
# The guess: all of them skip it. They are maintained, 100 is skipped by every client that ever sent a body, and 103 is
# eleven years younger than the rule.
#
# What happens, with "103 Early Hints" and one field, an empty line, then 200 and nine bytes:
#   wget, aria2         the file
#   wget2               exit code 0, and not a byte of the file; no word about it
#   lftp                "Access failed: 103 Early Hints"
#   links, elinks       "Bad HTTP response"
#   apt                 "Download Failed"
#
# Why it matters: a server must not send 103 to whoever has not said that he knows it, as browsers do by
# "Sec-Fetch-Mode: navigate": a mirror that hints at style sheets would lock apt out. A proxy that passes on what its
# backend says passes on 103 as well. And whoever downloads by wget2 should compare lengths.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
[ -x /usr/lib/apt/apt-helper ] || cannot "no apt here"
deb wget2=1.99.1-2.2 lftp=4.9.2-2+b1 elinks=0.13.2-1+b4 links=2.28-1+b2 aria2=1.36.0-1 wget=1.21.3-1+deb12u1
experiment <<'PY'
import os
import socket
import subprocess
import tempfile
import threading
from lib import ROOT, TMP, expect, verdict

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </page.css>; rel=preload\r\n\r\n"
FINAL = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n"
FILE = b"the file\n"


def serve(connection):
    with connection, connection.makefile("rb") as lines:
        while request := lines.readline():
            while lines.readline().strip():
                pass
            method, path, version = request.split()
            assert version == b"HTTP/1.1", request
            hints = HINTS if path == b"/hinted" else b""
            connection.sendall(hints + FINAL + (b"" if method == b"HEAD" else FILE))


def accept(listener):
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=accept, args=(listener,), daemon=True).start()
base = "http://127.0.0.1:%d/" % listener.getsockname()[1]
program = ROOT + "/usr/bin/"
CLIENTS = {
    "wget": [program + "wget", "-q", "-O", "f"],
    "aria2": [program + "aria2c", "-q", "--no-conf", "--max-tries=1", "-o", "f"],
    "wget2": [program + "wget2", "-q", "-O", "f"],
    "lftp": [program + "lftp", "-c"],
    "links": [program + "links", "-source"],
    "elinks": [program + "elinks", "-no-home", "-source"],
    "apt": ["/usr/lib/apt/apt-helper", "-o", "Acquire::Retries=0", "-o", "APT::Sandbox::User=root", "download-file"],
}
FOUND = {
    "wget": "the file",
    "aria2": "the file",
    "wget2": "exit code 0, nothing",
    "lftp": "exit code 1, Access failed: 103 Early Hints",
    "links": "exit code 1, Bad HTTP response",
    "elinks": "exit code 1, Bad HTTP response",
    "apt": "exit code 100, Download Failed",
}
ENV = dict(os.environ, HOME=TMP, TERM="dumb")
TOLD = ["Access failed: 103 Early Hints", "Bad HTTP response", "Download Failed"]


def fetch(name, path):
    folder = tempfile.mkdtemp(dir=TMP)
    command = CLIENTS[name] + [base + path] + (["f"] if name == "apt" else [])
    if name == "lftp":
        command[-1] = f"set net:max-retries 1; get {base}{path} -o f"
    done = subprocess.run(command, cwd=folder, env=ENV, timeout=60,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    file = folder + "/f"
    got = open(file, "rb").read() if os.path.exists(file) else done.stdout
    if done.returncode == 0 and got == FILE:
        return "the file"
    said = (done.stdout + done.stderr).decode("latin-1")
    told = next((told for told in TOLD if told in said), "nothing" if not got else repr(got[:60]))
    return f"exit code {done.returncode}, {told}"


for name, found in FOUND.items():
    expect(name + ", without a hint", "the file", fetch(name, "plain"))
    expect(name, found, fetch(name, "hinted"))
verdict()
PY
