#!/usr/bin/env bash
# One ACK that arrives twice: npm's tftp server sends a file of 40 blocks with 1561 packets.
#
# Software: tftpd-hpa 5.2+20150808-1.4, atftpd 0.8.0-3 (Debian 12); tftpy 0.8.7,
#           py3tftp 1.3.0 (PyPI); tftp 0.1.2 (npm).
#
# RFC 1123, 4.2.3.1 (1989), fixed the "Sorcerer's Apprentice": a sender must not answer a
# repeated ACK with the next block again, or each block is sent twice to the end of the file.
#
# The guess: nobody has it any more, but perhaps atftpd, as it has an option against it
# (--prevent-sas, not the default); the worst case is then a doubling, three-fold with timeouts.
#
# What happens, with a file of 40 blocks, read by a client that acknowledges each DATA packet it
# gets (as RFC 1350 says), and whose ACK of block 1 is doubled on the way, once:
#   tftpd-hpa, tftpy, py3tftp    40 DATA packets
#   atftpd                       79: each block but the first twice
#   tftp (npm)                   1561 = 1 + 40 * 39: blocks are sent that were never asked for, the
#                                earlier ones come again, and each of them is acknowledged again
# All end with the whole file; without the doubled ACK all send 40.
#
# Why it matters: a lock-step protocol has to compare the block number of an ACK with the one it
# waits for, and be silent when it is not that. "An ACK came, so send on" passes each test on a
# good network; one doubled packet then costs double, or the square.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_root
deb tftpd-hpa=5.2+20150808-1.4 atftpd=0.8.0-3
pip tftpy==0.8.7 py3tftp==1.3.0
npm tftp@0.1.2
experiment <<'PY'
import os
import socket
import struct
import time
from lib import PYTHON, ROOT, TMP, expect, free_port, start, stop_all, verdict

BLOCKS, RRQ, DATA, ACK = 40, 1, 3, 4
FOLDER = TMP + "/tftp"
os.mkdir(FOLDER)
with open(FOLDER + "/file", "wb") as f:
    f.write(b"z" * (512 * (BLOCKS - 1) + 100))
NODE = """const [, port, root] = process.argv;
const server = require('tftp').createServer({host: '127.0.0.1', port: +port, root, denyPUT: true});
server.on('error', () => {});
server.listen();"""
TFTPY = "import sys, tftpy; tftpy.TftpServer(sys.argv[2]).listen('127.0.0.1', int(sys.argv[1]))"
SERVERS = {
    "tftpd-hpa": lambda port: [ROOT + "/usr/sbin/in.tftpd", "-L", "-4", "-a", f"127.0.0.1:{port}", "-s", "-u", "nobody", FOLDER],
    "atftpd": lambda port: [ROOT + "/usr/sbin/atftpd", "--daemon", "--no-fork", "--bind-address", "127.0.0.1"]
    + ["--port", port, "--user", "nobody", "--group", "nogroup", FOLDER],
    "tftpy": lambda port: [PYTHON, "-c", TFTPY, port, FOLDER],
    "py3tftp": lambda port: [PYTHON, "-m", "py3tftp", "--host", "127.0.0.1", "-p", port],
    "tftp (npm)": lambda port: ["node", "-e", NODE, port, FOLDER],
}


def read_file(port, doubled):
    """Reads the file; returns how many DATA packets it took. One ACK of block 1 is doubled."""
    deadline = time.monotonic() + 30
    while True:  # until the server is up
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(1)
        sock.sendto(struct.pack("!H", RRQ) + b"file\0octet\0", ("127.0.0.1", port))
        try:
            packet, peer = sock.recvfrom(2000)
            break
        except TimeoutError:
            assert time.monotonic() < deadline, "no answer"
    count, last = 0, False
    while time.monotonic() < deadline:
        op, block = struct.unpack("!HH", packet[:4])
        assert op == DATA, packet
        count += 1
        last = last or block == BLOCKS
        for _ in range(2 if doubled and count == 1 else 1):
            sock.sendto(struct.pack("!HH", ACK, block), peer)
        sock.settimeout(0.7 if last else 5)
        try:
            packet = sock.recv(2000)
        except TimeoutError:
            break
    assert last, f"only {count} packets"
    return count


FOUND = {"atftpd": 2 * BLOCKS - 1, "tftp (npm)": "more than 1000"}
for name, argv in SERVERS.items():
    counts = []
    for doubled in (False, True):
        port = free_port(socket.SOCK_DGRAM)
        start(argv(str(port)), cwd=FOLDER, env=dict(os.environ, NODE_PATH=TMP + "/node_modules"))
        time.sleep(1)
        counts.append(read_file(port, doubled))
        stop_all()
    if counts[1] > 1000:
        print(f"          {name} took {counts[1]}")
        counts[1] = "more than 1000"
    expect(name, [BLOCKS, FOUND.get(name, BLOCKS)], counts)
verdict()
PY
