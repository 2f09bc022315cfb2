// Shares a torrent with webtorrent: TORRENT|MAGNET FOLDER [PEER]. It prints the port where it listens, until it is killed.
const net = require('net')
const WebTorrent = require('webtorrent')

// It cannot be told where to listen.
const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (port, ...rest) {
  return listen.call(this, port, '127.0.0.1', ...rest)
}
const [torrent, folder, peer] = process.argv.slice(1)
const client = new WebTorrent({ dht: false, lsd: false, utp: false, natUpnp: false, natPmp: false })
client.on('error', error => { console.error(error.message); process.exit(1) })
const shared = client.add(torrent, { path: folder })
if (peer) shared.on('infoHash', () => shared.addPeer(peer))
const said = () => console.log(client.torrentPort)
client.listening ? said() : client.on('listening', said)
