#!/usr/bin/env bash
# A tracker says "interval 2": aria2, Transmission, ctorrent, rqbit and WebTorrent ask it every two seconds; and with
# "min interval 30" beside it all of these but rqbit do so all the same.
#
# Software: aria2 1.36.0-1, transmission-cli 3.00-2.1+deb12u1, rtorrent 0.9.8-1, ctorrent 1.3.4.dnh3.3.2-5+b1 (Debian 12);
#           libtorrent 2.1.1, pyrqbit 0.1.0, which is rqbit's library (PyPI); bittorrent-tracker 10.0.12, which is
#           WebTorrent's (npm).
#
# "interval" is how many seconds to wait between regular announces (BEP 3); "min interval", which many trackers
# send, how many at least.
#
# The guess: everybody has a lower bound of his own, of a minute or so, but WebTorrent's; and "min interval" holds
# them all.
#
# What happens, in the ten seconds after the first announce, with a tracker that knows of no peers:
#                                      interval 2       interval 2, min interval 30
#   aria2, transmission, ctorrent,
#   bittorrent-tracker                 every 2 s        every 2 s
#   rqbit                              every 2 s        once
#   rtorrent, libtorrent               once             once
# rtorrent asks again after 30 s, whatever is said.
#
# Why it matters: one wrong number in a tracker's configuration, seconds for minutes, and its own clients bring it down:
# each swarm of a thousand peers makes 500 requests a second, and who asks is not slowed by "min interval". A tracker
# looks after its own number; a client has a bound of its own.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb aria2=1.36.0-1 transmission-cli=3.00-2.1+deb12u1 rtorrent=0.9.8-1 ctorrent=1.3.4.dnh3.3.2-5+b1
pip libtorrent==2.1.1 pyrqbit==0.1.0
npm bittorrent-tracker@10.0.12
experiment <<'PY'
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from lib import ENV, PYTHON, ROOT, TMP, expect, free_port, start, stop_all, verdict

ANSWERS = {
    "2": b"d8:intervali2e5:peers0:e",
    "2-30": b"d8:intervali2e12:min intervali30e5:peers0:e",
}
announced = {}


class Tracker(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, _, query = self.path.partition("?")
        name, kind = path.split("/")[2:4]
        if "event=stopped" not in query:
            announced.setdefault((name, kind), []).append(time.monotonic())
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWERS[kind])))
        self.end_headers()
        try:
            self.wfile.write(ANSWERS[kind])
        except OSError:
            pass  # the client has been stopped

    def log_message(self, *_):
        pass


tracker = ThreadingHTTPServer(("127.0.0.1", 0), Tracker)
threading.Thread(target=tracker.serve_forever, daemon=True).start()

LIBTORRENT = """import libtorrent, sys, time
torrent, folder, port = sys.argv[1:]
session = libtorrent.session({'listen_interfaces': '127.0.0.1:' + port, 'enable_dht': False, 'enable_lsd': False,
    'enable_upnp': False, 'enable_natpmp': False})
session.add_torrent({'ti': libtorrent.torrent_info(torrent), 'save_path': folder})
time.sleep(300)"""
RQBIT = """import pyrqbit, sys, time
torrent, folder, port = sys.argv[1:]
session = pyrqbit.Session(folder, listen_port=int(port), disable_dht=True)
session.add_torrent(torrent)
time.sleep(300)"""
NODE = f"""import('{TMP}/node_modules/bittorrent-tracker/index.js').then(({{ default: Client }}) => {{
    const [, announce, port] = process.argv;
    const client = new Client({{ infoHash: 'a'.repeat(40), peerId: 'b'.repeat(40), announce, port: +port, wrtc: false }});
    client.on('error', () => {{}}); client.start({{ left: 16384 }});
    setInterval(() => {{}}, 1000);
}})"""


def command(name, announce, folder):
    torrent, port = folder + "/t.torrent", str(free_port())
    with open(torrent, "wb") as f:
        f.write(b"d8:announce%d:%s4:infod6:lengthi16384e4:name1:f12:piece lengthi16384e6:pieces20:%see" %
                (len(announce), announce.encode(), b"a" * 20))
    return {
        "aria2": [ROOT + "/usr/bin/aria2c", "--no-conf", "-q", "--enable-dht=false", "--enable-dht6=false",
                  "--listen-port=" + port, "-d", folder, torrent],
        "transmission": [ROOT + "/usr/bin/transmission-cli", "-M", "-g", folder + "/conf", "-p", port, "-w", folder, torrent],
        "ctorrent": [ROOT + "/usr/bin/ctorrent", "-p", port, "-s", folder + "/f", torrent],
        "rtorrent": ["script", "-qfc", f"{ROOT}/usr/bin/rtorrent -n -o dht.mode.set=disable -o network.port_range.set={port}-{port}"
                     f" -o directory.default.set={folder} {torrent}", "/dev/null"],
        "libtorrent": [PYTHON, "-c", LIBTORRENT, torrent, folder, port],
        "rqbit": [PYTHON, "-c", RQBIT, torrent, folder, port],
        "bittorrent-tracker": ["node", "-e", NODE, announce, port],
    }[name]


def often(kind):
    """Who announces four times or more in the ten seconds after all have done so first."""
    for name in NAMES:
        folder = f"{TMP}/{kind}/{name}"
        os.makedirs(folder + "/conf")
        with open(folder + "/conf/settings.json", "w") as f:  # of transmission
            f.write('{"dht-enabled": false, "lpd-enabled": false, "rpc-enabled": false}')
        # libtorrent asks a tracker on loopback only if its path begins so.
        announce = f"http://127.0.0.1:{tracker.server_address[1]}/announce/{name}/{kind}"
        start(command(name, announce, folder), cwd=folder, env=dict(ENV, HOME=folder, TERM="xterm"))
    end = time.monotonic() + 60
    while time.monotonic() < end and not all((name, kind) in announced for name in NAMES):
        time.sleep(0.1)
    begin = time.monotonic()
    time.sleep(10)
    stop_all()
    return {name: sum(begin <= when < begin + 10 for when in announced[name, kind]) >= 3 for name in NAMES}


NAMES = ["aria2", "transmission", "ctorrent", "bittorrent-tracker", "rqbit", "rtorrent", "libtorrent"]
for kind, want in (("2", NAMES[:5]), ("2-30", NAMES[:4])):
    for name, got in often(kind).items():
        expect(f"{name}, {kind}", "often" if name in want else "once", "often" if got else "once")
verdict()
PY
