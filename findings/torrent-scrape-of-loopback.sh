#!/usr/bin/env bash
# libtorrent announces to a tracker on this machine, and never scrapes it.
#
# Software: libtorrent 2.1.1 (PyPI), with its default settings.
#
# A scrape (BEP 48) asks a tracker how many peers a torrent has. Over HTTP its URL is that of the
# announce with the word "announce" replaced by "scrape": who may ask the one may ask the other.
#
# The guess: a tracker that libtorrent has announced to, and that has answered, is scraped at
# /scrape beside it, on whatever address it is.
#
# What happens, with a tracker on 127.0.0.1:
#   announce over HTTP           asked and answered
#   scrape over HTTP             fails, and nothing is sent: "blocked by SSRF mitigation"
#   the same, setting turned off asked and answered
#   scrape over UDP              asked and answered, whatever the setting
# Its guard against trackers that lead inwards lets a loopback address through if the path begins with
# /announce. The path of a scrape never does, so the guard refuses each one that has a right to exist.
# The alert's message is empty; only its error says why.
#
# Why it matters: a client behind a tunnel or a proxy on the same machine, and any test on loopback,
# shows no counts of seeds and peers for HTTP trackers, and whoever looks at the tracker's side
# finds no request to explain it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
pip libtorrent==2.1.1
cat >"$TMP/client.py" <<'PY'
"""Announces and scrapes: URL, and whether the guard is on. Prints what became of both."""
import sys
import time
import libtorrent as lt

url, guard = sys.argv[1], sys.argv[2] == "on"
info = b"d6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces20:" + b"x" * 20 + b"e"
settings = {"listen_interfaces": "127.0.0.1:0", "enable_dht": False, "enable_lsd": False, "enable_upnp": False,
            "enable_natpmp": False, "alert_mask": lt.alert.category_t.all_categories}
if not guard:
    settings["ssrf_mitigation"] = False
session = lt.session(settings)
torrent = lt.add_torrent_params()
torrent.ti, torrent.save_path, torrent.trackers = lt.torrent_info(b"d4:info" + info + b"e"), "/nonexistent", [url]
handle = session.add_torrent(torrent)


def wait(kinds, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        session.wait_for_alert(200)
        for alert in session.pop_alerts():
            if type(alert).__name__ in kinds:
                return alert
    return None


announced = wait(("tracker_reply_alert", "tracker_error_alert"))
handle.scrape_tracker()
scraped = wait(("scrape_reply_alert", "scrape_failed_alert"))
error = getattr(scraped, "error", None)
print(type(announced).__name__, type(scraped).__name__, error.message().strip() if error else "", sep="|")
PY
experiment <<'PY'
import http.server
import socket
import struct
import subprocess
import threading
from lib import PYTHON, TMP, expect, verdict

asked = []


class Tracker(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        what = self.path.split("?")[0]
        asked.append("http " + what)
        hash = self.path.split("info_hash=")[1].split("&")[0]
        raw = bytes(int(c[1:], 16) if c[0] == "%" else ord(c) for c in pieces(hash))
        counts = b"d8:completei1e10:downloadedi0e10:incompletei1ee"
        body = b"d5:filesd20:" + raw + counts + b"ee" if what == "/scrape" else b"d8:intervali1800e5:peers0:e"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def pieces(text):
    while text:
        length = 3 if text[0] == "%" else 1
        yield text[:length]
        text = text[length:]


def udp_tracker(sock):
    while True:
        datagram, who = sock.recvfrom(2048)
        action, transaction = struct.unpack(">II", datagram[8:16])
        asked.append("udp " + ["connect", "announce", "scrape"][action])
        body = [struct.pack(">Q", 7), struct.pack(">III", 1800, 1, 1), struct.pack(">III", 1, 0, 1)][action]
        sock.sendto(struct.pack(">II", action, transaction) + body, who)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tracker)
threading.Thread(target=server.serve_forever, daemon=True).start()
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("127.0.0.1", 0))
threading.Thread(target=udp_tracker, args=(datagrams,), daemon=True).start()
http_url = f"http://127.0.0.1:{server.server_address[1]}/announce"
udp_url = f"udp://127.0.0.1:{datagrams.getsockname()[1]}"


def run(url, guard):
    asked.clear()
    said = subprocess.run([PYTHON, "-W", "ignore", TMP + "/client.py", url, guard], capture_output=True, text=True, timeout=90)
    announced, scraped, error = said.stdout.strip().split("|")
    was_asked = any(what.endswith("scrape") for what in asked)
    return announced, scraped, error, "the tracker was asked" if was_asked else "the tracker was not asked"


ANSWERED = ("tracker_reply_alert", "scrape_reply_alert", "", "the tracker was asked")
REFUSED = ("tracker_reply_alert", "scrape_failed_alert", "blocked by SSRF mitigation", "the tracker was not asked")
expect("HTTP, as it comes", REFUSED, run(http_url, "on"))
expect("HTTP, guard off", ANSWERED, run(http_url, "off"))
expect("UDP, as it comes", ANSWERED, run(udp_url, "on"))
verdict()
PY
