#!/usr/bin/env bash
# Nine makers of torrents and the same seven files: those that sort at all sort in three ways, so that the
# swarms never meet, and three of the nine leave the empty file out.
#
# Software: mktorrent 1.1-3, buildtorrent 0.8-7 (Debian 12); torf 4.3.1, torrentfile 0.9.2,
#           py3createtorrent 1.2.1, dottorrent 1.10.1, torrentool 1.2.0, libtorrent 2.1.1 (PyPI);
#           create-torrent 6.1.3 (npm).
#
# The files of a torrent are one stream of bytes in the order of its list, and the info hash, which
# names the swarm, is over that list. BEP 3 says nothing of the order.
#
# The guess: all sort by the bytes of the path, since a torrent that is made twice should be the same
# swarm; so all hashes are equal where nobody adds a key, and libtorrent's hybrid alone stands apart.
# Empty files are kept by all, for whoever downloads wants the whole tree.
#
# What happens, with 10.txt 9.txt B.txt a-1/x.txt a.txt a/x.txt and an empty file:
#   mktorrent, torrentfile     sort by the bytes of the path, and agree
#   create-torrent             sorts folder by folder: a/x.txt before a-1/x.txt before a.txt
#   py3createtorrent           the same without regard to case: B.txt comes last but one
#   torf                       as create-torrent, without the empty file
#   dottorrent, torrentool     leave the empty file out, too; their order is that of the folder
#   buildtorrent, libtorrent   the order of the folder on the disk: another one on another machine
#                              (libtorrent in its v1 mode; its default is a hybrid with padding, sorted)
#
# Why it matters: a tool that "makes the same torrent again" to seed what another has made, to check it
# or to join its swarm, cannot: it has to take the list as it came. And a tree that was sent by torrent
# may lack files that nobody missed: an empty __init__.py, .gitkeep or lock file.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb mktorrent=1.1-3 buildtorrent=0.8-7
pip torf==4.3.1 torrentfile==0.9.2 py3createtorrent==1.2.1 dottorrent==1.10.1 torrentool==1.2.0 libtorrent==2.1.1
npm create-torrent@6.1.3
experiment <<'PY'
import hashlib
import os
import subprocess
from lib import PYTHON, ROOT, TMP, expect, verdict

PIECE, URL = 32768, "http://127.0.0.1:1/announce"
SORTED = ["10.txt", "9.txt", "B.txt", "a-1/x.txt", "a.txt", "a/x.txt", "empty.txt"]
BY_FOLDER = ["10.txt", "9.txt", "B.txt", "a/x.txt", "a-1/x.txt", "a.txt", "empty.txt"]
NO_CASE = ["10.txt", "9.txt", "a/x.txt", "a-1/x.txt", "a.txt", "B.txt", "empty.txt"]

for path in SORTED:
    place = TMP + "/tree/" + path
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with open(place, "wb") as f:
        f.write(b"" if path == "empty.txt" else path[0].encode() * 20000)

TORF = """import torf
torrent = torf.Torrent(path='tree', trackers=[URL], piece_size=PIECE)
torrent.generate()
torrent.write(OUT)"""
TORRENTFILE = """from torrentfile.torrent import TorrentFile
TorrentFile(path='tree', announce=URL, piece_length=PIECE, outfile=OUT, progress=0).write()"""
DOTTORRENT = """from dottorrent import Torrent
torrent = Torrent('tree', trackers=[URL], piece_size=PIECE)
torrent.generate()
torrent.save(open(OUT, 'wb'))"""
TORRENTOOL = """from torrentool.api import Torrent
torrent = Torrent.create_from('tree')
torrent.announce_urls = URL
torrent.to_file(OUT)"""
LIBTORRENT = """import libtorrent
files = libtorrent.file_storage()
libtorrent.add_files(files, 'tree')
torrent = libtorrent.create_torrent(files, PIECE, flags=libtorrent.create_torrent.v1_only)
torrent.add_tracker(URL)
libtorrent.set_piece_hashes(torrent, '.')
open(OUT, 'wb').write(libtorrent.bencode(torrent.generate()))"""
NODE = """import create from 'create-torrent';
import fs from 'fs';
const options = {pieceLength: PIECE, announceList: [[URL]]};
create('tree', options, (error, torrent) => { if (error) throw error; fs.writeFileSync(OUT, torrent); });"""


def python(text):
    return lambda out: [PYTHON, "-W", "ignore", "-c", f"URL, PIECE, OUT = {URL!r}, {PIECE}, {out!r}\n{text}"]


def node(out):
    text = f"const [URL, PIECE, OUT] = [{URL!r}, {PIECE}, {out!r}];\n{NODE}"
    return ["node", "--input-type=module", "-e", text]


MAKERS = {
    "mktorrent": lambda out: [ROOT + "/usr/bin/mktorrent", "-l", "15", "-a", URL, "-o", out, "tree"],
    "torrentfile": python(TORRENTFILE),
    "create-torrent": node,
    "py3createtorrent": lambda out: [TMP + "/py/bin/py3createtorrent", "-p", "32", "-t", URL, "-o", out, "tree"],
    "torf": python(TORF),
    "dottorrent": python(DOTTORRENT),
    "torrentool": python(TORRENTOOL),
    "buildtorrent": lambda out: [ROOT + "/usr/bin/buildtorrent", "-l", str(PIECE), "-a", URL, "tree", out],
    "libtorrent": python(LIBTORRENT),
}


def decode(data, at):
    kind = data[at : at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if kind in (b"l", b"d"):
        items, at = [], at + 1
        while data[at : at + 1] != b"e":
            item, at = decode(data, at)
            items.append(item)
        return (items if kind == b"l" else dict(zip(items[::2], items[1::2]))), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1 : end], end


def make(name):
    """Makes the torrent; returns its info hash and the list of its files."""
    out = f"{TMP}/{name}.torrent"
    done = subprocess.run(MAKERS[name](out), cwd=TMP, capture_output=True, text=True)
    if not os.path.exists(out):
        return "none: " + (done.stderr or done.stdout)[-200:], []
    data = open(out, "rb").read()
    begin = data.index(b"4:info") + len(b"4:info")
    info, end = decode(data, begin)
    return hashlib.sha1(data[begin:end]).hexdigest(), [b"/".join(file[b"path"]).decode() for file in info[b"files"]]


made = {name: make(name) for name in MAKERS}
for name, order in [("mktorrent", SORTED), ("torrentfile", SORTED), ("create-torrent", BY_FOLDER)]:
    expect(f"{name}: its order", order, made[name][1])
expect("py3createtorrent: its order", NO_CASE, made["py3createtorrent"][1])
expect("torf: its order", BY_FOLDER[:-1], made["torf"][1])
for name in ("dottorrent", "torrentool"):
    expect(f"{name}: its files, sorted", SORTED[:-1], sorted(made[name][1]))
for name in ("buildtorrent", "libtorrent"):
    expect(f"{name}: its files, sorted", SORTED, sorted(made[name][1]))
expect("mktorrent and torrentfile agree on the hash", True, made["mktorrent"][0] == made["torrentfile"][0])
apart = ["mktorrent", "create-torrent", "py3createtorrent", "torf"]
expect("different hashes of four that sort, with the same pieces and keys", 4, len({made[name][0] for name in apart}))
verdict()
PY
