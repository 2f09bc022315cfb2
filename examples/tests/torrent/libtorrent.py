# Shares a torrent with libtorrent: TORRENT|MAGNET FOLDER PORT [PEER]. It prints where it listens, until it is killed.
import sys
import time

import libtorrent

torrent, folder, port = sys.argv[1:4]
session = libtorrent.session({
    "listen_interfaces": "127.0.0.1:" + port,
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "allow_multiple_connections_per_ip": True,
    # Plain connections; uTP is not asked for either.
    "out_enc_policy": int(libtorrent.enc_policy.disabled),
    "in_enc_policy": int(libtorrent.enc_policy.enabled),
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
})
if torrent.startswith("magnet:"):
    parameters = libtorrent.parse_magnet_uri(torrent)
else:
    parameters = libtorrent.add_torrent_params()
    parameters.ti = libtorrent.torrent_info(torrent)
parameters.save_path = folder
handle = session.add_torrent(parameters)
for peer in sys.argv[4:]:
    host, port = peer.rsplit(":", 1)
    handle.connect_peer((host, int(port)))
while session.listen_port() == 0:
    time.sleep(0.01)
print(session.listen_port(), flush=True)
while True:
    time.sleep(1)
