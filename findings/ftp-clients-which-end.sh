#!/usr/bin/env bash
# How an FTP client knows that a file came whole: by the reply or by SIZE, none by both.
#
# Software: aria2 1.36.0-1, lftp 4.9.2-2+b1, tnftp 20210827-4+b1, ncftp 2:3.2.6-1+b1,
#           wget 1.21.3-1+deb12u1 (Debian 12); aioftp 0.28.3 (PyPI); basic-ftp 6.2.6 (npm).
#
# The guess: a 451 in place of 226 fails every client; and a file shorter than SIZE said fails
# all the well-known clients (lftp, wget, tnftp, ncftpget, aria2), though perhaps not the
# libraries.
#
# What happens, with a file of which 10000 bytes come, then FIN:
#               no SIZE        SIZE says 10000   SIZE says 20000
#               451            451               226
#   lftp        fails          success           fails
#   wget        fails          success           success
#   aria2       success        success           fails
#   tnftp       fails          fails             success
#   ncftpget    fails          fails             success
#   aioftp      fails          fails             success
#   basic-ftp   fails          fails             success
# aria2 goes by SIZE alone: the final reply does not count, and where SIZE is not known, a FIN is
# enough. lftp goes by SIZE where it has it (a 451 does not count then), else by the reply. wget
# forgives a 451 when the count matches SIZE, yet is content with a 226 when it does not. The
# others go by the reply alone. Not one fails in both of the last columns.
#
# Why it matters: in stream mode the FIN says "end" for a crashed server as well. A client that
# wants to be sure must look at both: the last reply and, where SIZE was answered, the count.
# And a server must not say 226 for a short file: nearly nobody would see it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb aria2=1.36.0-1 lftp=4.9.2-2+b1 tnftp=20210827-4+b1 ncftp=2:3.2.6-1+b1 wget=1.21.3-1+deb12u1
pip aioftp==0.28.3
npm basic-ftp@6.2.6
experiment <<'PY'
import os
import socket
import subprocess
import tempfile
import threading
from lib import PYTHON, ROOT, TMP, expect, verdict

DATA = b"0123456789" * 1000


def serve(sock, size, last):
    """One control connection of a small FTP server with one file, whose last reply we choose."""

    def say(text):
        sock.sendall(text.encode() + b"\r\n")

    listener, offset = None, 0
    plain = {"USER": "331 password", "PASS": "230 in", "TYPE": "200 ok", "PWD": '257 "/"', "CWD": "250 ok"}
    plain.update(SYST="215 UNIX Type: L8", SIZE=size and f"213 {size}", NOOP="200 ok", STRU="200 ok")
    say("220 ready")
    for line in sock.makefile("r", encoding="latin-1"):
        verb, _, argument = line.strip().partition(" ")
        if plain.get(verb):
            say(plain[verb])
        elif verb == "REST":
            offset = int(argument)
            say("350 ok")
        elif verb in ("PASV", "EPSV"):
            listener = socket.create_server(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            say(f"227 ok (127,0,0,1,{port >> 8},{port & 255})" if verb == "PASV" else f"229 ok (|||{port}|)")
        elif verb == "RETR":
            say("150 here it comes")
            data, _ = listener.accept()
            data.sendall(DATA[offset:])
            data.close()
            listener.close()
            say(last)
            offset = 0
        elif verb == "QUIT":
            say("221 bye")
            break
        else:
            say("502 no")
    sock.close()


def server(size, last):
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=serve, args=(sock, size, last), daemon=True).start()

    threading.Thread(target=run, daemon=True).start()
    return listener.getsockname()[1]


AIOFTP = """import aioftp, asyncio, sys
async def main():
    async with aioftp.Client.context("127.0.0.1", int(sys.argv[1])) as client:
        async with client.download_stream("f") as stream:
            open("f", "wb").write(await stream.read())
asyncio.run(main())"""
BASIC = """const {Client} = require('basic-ftp');
(async () => {
    const client = new Client();
    await client.access({host: '127.0.0.1', port: +process.argv[1]});
    await client.downloadTo('f', 'f');
    client.close();
})().catch(() => process.exit(1));"""


def clients(port):
    url, program = f"ftp://127.0.0.1:{port}", ROOT + "/usr/bin/"
    return {
        "lftp": [program + "lftp", "-c", f"set net:max-retries 1; open {url}; get f"],
        "aria2": [program + "aria2c", "-q", "--no-conf", "--max-tries=2", "-o", "f", url + "/f"],
        "wget": [program + "wget", "--no-config", "-q", "--tries=2", "-O", "f", url + "/f"],
        "tnftp": [program + "tnftp", "-o", "f", url + "/f"],
        "ncftpget": [program + "ncftpget", "-V", "-r", "1", "-P", str(port), "127.0.0.1", ".", "f"],
        "aioftp": [PYTHON, "-c", AIOFTP, str(port)],
        "basic-ftp": ["node", "-e", BASIC, str(port)],
    }


FOUND = {
    "lftp": ("fails", "success", "fails"),
    "aria2": ("success", "success", "fails"),
    "wget": ("fails", "success", "success"),
    "tnftp": ("fails", "fails", "success"),
    "ncftpget": ("fails", "fails", "success"),
    "aioftp": ("fails", "fails", "success"),
    "basic-ftp": ("fails", "fails", "success"),
}
ports = [server(None, "451 Read error"), server(10000, "451 Read error"), server(20000, "226 Done")]
env = dict(os.environ, HOME=TMP, NODE_PATH=TMP + "/node_modules")
for name, found in FOUND.items():
    seen = []
    for port in ports:
        folder = tempfile.mkdtemp(dir=TMP)
        code = subprocess.run(
            clients(port)[name], cwd=folder, env=env, timeout=60,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ).returncode
        seen.append("fails" if code else "success")
        if not code:
            assert os.path.getsize(folder + "/f") == len(DATA)
    expect(name, found, tuple(seen))
verdict()
PY
