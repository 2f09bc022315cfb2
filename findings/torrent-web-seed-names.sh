#!/usr/bin/env bash
# A file in a torrent has a question mark in its name: Transmission asks the web seed for a file with "_" in its place, which
# is not there, again and again.
#
# Software: aria2 1.36.0-1, transmission-cli 3.00-2.1+deb12u1 (Debian 12); libtorrent 2.1.1 (PyPI).
#
# A web seed of several files is asked for its URL, the torrent's name and the file's path behind it (BEP 19), all of
# them as the torrent says them.
#
# The guess: a client that cannot or will not write such a name on its own disk writes another there, and asks for the
# one in the torrent.
#
# What happens: aria2 and libtorrent do so, for names with spaces, "#" and "?" and whether the URL ends with a slash or not.
# Transmission changes < > : " | ? * into "_" (Windows has no such names) as it reads the torrent, on Linux as well, and
# asks for what it has made of them; it takes the 404 for a passing fault. The rest of the torrent comes, and that file never.
#
# Why it matters: "What now?.mp3" from a torrent with a web seed alone never gets whole, though it is there and everybody
# else has it. Whoever makes torrents for web seeds keeps to names that Windows has; whoever writes a client keeps the
# name on the wire apart from the name on the disk; and a seed may look for the one if it is asked for the other.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb aria2=1.36.0-1 transmission-cli=3.00-2.1+deb12u1
pip libtorrent==2.1.1
experiment <<'PY'
import hashlib
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote
from lib import ENV, PYTHON, ROOT, TMP, expect, free_port, start, stop_all, verdict

PIECE = 16384
NAMES = ["two words", "a#1", "what now?", 'a<b>c:d"e|f*g']
BYTES = {name: os.urandom(PIECE) for name in NAMES}
asked = {}


class Seed(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        _, who, place, torrent, name = map(unquote, self.path.split("/"))
        asked.setdefault(who, []).append(name)
        there = (place, torrent) == ("dir", "t") and BYTES.get(name) or b""
        self.send_response((206 if self.headers["Range"] else 200) if there else 404)
        if there and self.headers["Range"]:
            first, last = self.headers["Range"].removeprefix("bytes=").split("-")
            last = min(int(last or PIECE), PIECE - 1)
            self.send_header("Content-Range", f"bytes {first}-{last}/{PIECE}")
            there = there[int(first):last + 1]
        self.send_header("Content-Length", str(len(there)))
        self.end_headers()
        try:
            self.wfile.write(there)
        except OSError:
            pass  # the client has been stopped

    def log_message(self, *_):
        pass


seed = ThreadingHTTPServer(("127.0.0.1", 0), Seed)
threading.Thread(target=seed.serve_forever, daemon=True).start()


def encoded(value):
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        return encoded(value.encode())
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(encoded, value)) + b"e"
    return b"d" + b"".join(encoded(key) + encoded(value[key]) for key in sorted(value)) + b"e"


LIBTORRENT = """import libtorrent, sys, time
session = libtorrent.session({'listen_interfaces': '127.0.0.1:0', 'enable_dht': False, 'enable_lsd': False,
    'enable_upnp': False, 'enable_natpmp': False, 'ssrf_mitigation': False})
session.add_torrent({'ti': libtorrent.torrent_info(sys.argv[1]), 'save_path': sys.argv[2]})
time.sleep(300)"""


def run(name, slash):
    who = name + ("-slash" if slash else "")
    folder = f"{TMP}/{who}"
    os.makedirs(folder + "/conf")
    with open(folder + "/conf/settings.json", "w") as f:  # of transmission
        f.write('{"dht-enabled": false, "lpd-enabled": false, "rpc-enabled": false}')
    pieces = b"".join(hashlib.sha1(BYTES[name]).digest() for name in NAMES)
    info = {"name": "t", "piece length": PIECE, "pieces": pieces, "files": [{"length": PIECE, "path": [name]} for name in NAMES]}
    url = f"http://127.0.0.1:{seed.server_address[1]}/{who}/dir" + "/" * slash
    torrent, port = folder + "/t.torrent", str(free_port())
    with open(torrent, "wb") as f:
        f.write(encoded({"announce": f"http://127.0.0.1:{free_port()}/", "info": info, "url-list": url}))
    start({
        "aria2": [ROOT + "/usr/bin/aria2c", "--no-conf", "-q", "--enable-dht=false", "--enable-dht6=false", "--seed-time=0",
                  "--listen-port=" + port, "-d", folder, torrent],
        "transmission": [ROOT + "/usr/bin/transmission-cli", "-M", "-g", folder + "/conf", "-p", port, "-w", folder, torrent],
        "libtorrent": [PYTHON, "-c", LIBTORRENT, torrent, folder],
    }[name], cwd=folder, env=dict(ENV, HOME=folder))
    return who


RUNS = {name: [run(name, slash) for slash in (False, True)] for name in ("aria2", "libtorrent", "transmission")}
CHANGED = ["two words", "a#1", "what now_", "a_b_c_d_e_f_g"]
end = time.monotonic() + 60
while time.monotonic() < end and not (
        all(set(asked.get(who, [])) >= set(NAMES) for name in ("aria2", "libtorrent") for who in RUNS[name])
        and all(asked.get(who, []).count("what now_") >= 3 for who in RUNS["transmission"])):
    time.sleep(0.1)
for name, runs in RUNS.items():
    for who in runs:
        expect(f"{who} asks for", sorted(CHANGED if name == "transmission" else NAMES), sorted(set(asked.get(who, []))))
        if name == "transmission":
            expect(f"{who} asks again", True, asked.get(who, []).count("what now_") >= 3)
stop_all()
verdict()
PY
