# Shares a torrent with libtorrent: TORRENT|MAGNET FOLDER ADDRESS [PEER]. It prints its port, until it is killed.
# The variable ENCRYPTION is a policy and a level. Without it connections are plain. With LAN it looks on the network, with
# DHT it is a node that knows this one, or none if that is empty.
import os
import sys
import time

import libtorrent

torrent, folder, place = sys.argv[1:4]
policy, level = os.environ.get("ENCRYPTION", "disabled pe_both").split()
session = libtorrent.session({
    "listen_interfaces": place,
    "outgoing_interfaces": place.rsplit(":", 1)[0],
    "enable_dht": "DHT" in os.environ,
    "dht_bootstrap_nodes": os.environ.get("DHT", ""),
    # All nodes of the tests have one address.
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_ignore_dark_internet": False,
    "enable_lsd": "LAN" in os.environ,
    "enable_upnp": False,
    "enable_natpmp": False,
    "allow_multiple_connections_per_ip": True,
    "out_enc_policy": int(getattr(libtorrent.enc_policy, policy)),
    "in_enc_policy": int(getattr(libtorrent.enc_policy, policy)),
    "allowed_enc_level": int(getattr(libtorrent.enc_level, level)),
    # uTP is not asked for.
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
    # Where its node was up before the torrent was there, it would ask the DHT after a quarter of an hour only.
    if "DHT" in os.environ and handle.status().num_peers == 0:
        handle.force_dht_announce()
