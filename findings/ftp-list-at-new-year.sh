#!/usr/bin/env bash
# A file was written a minute ago on a server some hours to the east, where a new month or year has begun: to wget,
# File::Listing, ftputil and parse-listing it is a year old, at New Year to lftp as well, and two years to @icetee/ftp.
#
# Software: lftp 4.9.2-2+b1, wget 1.21.3-1+deb12u1, libfile-listing-perl 6.15-1 (Debian 12); aioftp 0.28.3, ftputil 5.2.0,
#           fs 2.4.16 (PyPI); ftp 0.3.10, @icetee/ftp 1.0.8, parse-listing 1.1.3 (npm); the client's clock is set by
#           libfaketime 0.9.10-2.1 (Debian 12).
#
# A line of LIST, as `ls -l` makes it, says "Jan  1 05:00" of what is younger than half a year, and no year and no zone:
# it is the server's time. With MLSD there is nothing to be guessed, but not all servers have it, and these read LIST.
#
# The guess: everybody takes what is up to a day ahead of his clock for new, as `ls` does, but wget, which compares
# months, and ftp of npm.
#
# What happens (the year that the client says; its clock is UTC, and the server nine hours ahead or eight behind):
#                        31 March 2026, 20:00    31 December 2026, 20:00    1 January 2027, 02:00
#                        "Apr  1 05:00"          "Jan  1 05:00"             "Dec 31 18:00"
#   aioftp, ftp          2026                    2027                       2026
#   lftp                 2026                    2026                       2026
#   @icetee/ftp          2026                    2025                       2026
#   wget -N, ftputil,
#   File::Listing,
#   parse-listing        2025                    2026                       2026
#   fs                   2026                    2026                       2027
# @icetee/ftp is a fork of ftp. ftputil has set_time_shift for a server elsewhere, which nobody is made to call: two hours
# ahead are a year to it on any day. fs (PyFilesystem2) takes all for this year, and so last year's for next year's.
#
# Why it matters: "fetch what is newer" leaves out what is newest, for as long as the day lasts there, or fetches
# all again. A server that wants to be mirrored has MLSD, or LIST in UTC; a client asks MDTM before it believes a year.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb lftp=4.9.2-2+b1 wget=1.21.3-1+deb12u1 libfile-listing-perl=6.15-1 libfaketime=0.9.10-2.1
pip aioftp==0.28.3 ftputil==5.2.0 fs==2.4.16 'setuptools<81'
npm ftp@0.3.10 @icetee/ftp@1.0.8 parse-listing@1.1.3
experiment <<'PY'
import glob
import re
import socket
import subprocess
import threading
from lib import ENV, PYTHON, ROOT, TMP, expect, verdict

LINE = "-rw-r--r--   1 user     group           5 {} file"
listed = ""


def serve(control):
    """An FTP server of 1985 with one file: it has LIST, and neither MLSD nor MDTM."""
    def say(line):
        control.sendall(line.encode() + b"\r\n")

    def send(text):
        say("150 here it comes")
        data, _ = passive.accept()
        data.sendall(text.encode())
        data.close()
        passive.close()
        say("226 done")

    say("220 hello")
    for line in control.makefile("r", encoding="latin1", newline="\r\n"):
        verb, _, word = line.strip().partition(" ")
        verb = verb.upper()
        if verb == "PASV":
            passive = socket.create_server(("127.0.0.1", 0))
            port = passive.getsockname()[1]
            say(f"227 at (127,0,0,1,{port >> 8},{port & 255})")
        elif verb == "LIST":
            send(LINE.format(listed) + "\r\n")
        elif verb == "RETR":
            send("12345")
        elif verb == "CWD":
            say("550 it is none" if word.endswith("file") else "250 there")
        else:
            say({"USER": "331 and the password", "PASS": "230 welcome", "PWD": '257 "/"', "SYST": "215 UNIX Type: L8",
                 "TYPE": "200 yes", "SIZE": "213 5", "QUIT": "221 bye"}.get(verb, "502 no"))


listener = socket.create_server(("127.0.0.1", 0))
PORT = listener.getsockname()[1]


def accept():
    while True:
        threading.Thread(target=serve, args=[listener.accept()[0]], daemon=True).start()


threading.Thread(target=accept, daemon=True).start()


def node(package):
    return ["node", "-e", f"""const Client = require('{package}'), client = new Client();
client.on('ready', () => client.list((error, list) => {{ console.log(list[0].date.toISOString()); client.end(); }}));
client.connect({{ host: '127.0.0.1', port: {PORT} }});"""]


# Each prints a time with its year; the line of the listing is the last argument.
CLIENTS = {
    "lftp": ["lftp", "-c", f"set ftp:use-mlsd no; open 127.0.0.1:{PORT}; cls -l --time-style=%Y-%m-%d"],
    "wget": ["sh", "-c", f"rm -f file; wget -q -N ftp://127.0.0.1:{PORT}/file; stat -c %y file"],
    "File::Listing": ["perl", "-MFile::Listing", "-e", "print 1900 + (gmtime((parse_dir($ARGV[0], '+0000'))[0][3]))[5]", "--"],
    "ftputil": [PYTHON, "-W", "ignore", "-c", f"""import datetime, ftplib, ftputil
class Session(ftplib.FTP):
    def __init__(self, host, user, password):
        super().__init__(); self.connect(host, {PORT}); self.login(user, password)
print(datetime.datetime.fromtimestamp(ftputil.FTPHost('127.0.0.1', 'a', 'b', session_factory=Session).stat('/file').st_mtime))"""],
    "aioftp": [PYTHON, "-c", f"""import aioftp, asyncio
async def main():
    async with aioftp.Client.context('127.0.0.1', {PORT}) as client: print((await client.list('/'))[0][1]['modify'])
asyncio.run(main())"""],
    "fs": [PYTHON, "-W", "ignore", "-c", """import datetime, sys; from fs._ftp_parse import parse
print(datetime.datetime.fromtimestamp(parse(sys.argv[-1:])[0]['details']['modified']))"""],
    "ftp": node("ftp"),
    "@icetee/ftp": node("@icetee/ftp"),
    "parse-listing": ["node", "-e", """require('parse-listing').parseEntries(process.argv.at(-1), (error, list) =>
    console.log(new Date(list[0].time).toISOString()))""", "--"],
}
ONLY_PARSES = {"File::Listing", "fs", "parse-listing"}
[FAKE] = glob.glob(ROOT + "/usr/lib/*/faketime/libfaketime.so.1") or glob.glob("/usr/lib/*/faketime/libfaketime.so.1")


def year(name, now):
    argv = CLIENTS[name] + ([LINE.format(listed)] if name in ONLY_PARSES else [])
    env = dict(ENV, TZ="UTC", HOME=TMP, LD_PRELOAD=FAKE, FAKETIME="@" + now)
    got = subprocess.run(argv, cwd=TMP, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    said = re.search(r"20\d\d", got.stdout)
    return said[0] if said else got.stderr.strip()[-200:]


WANT = {
    "lftp": ["2026", "2026", "2026"],
    "@icetee/ftp": ["2026", "2025", "2026"],
    "aioftp": ["2026", "2027", "2026"],
    "ftp": ["2026", "2027", "2026"],
    "fs": ["2026", "2026", "2027"],
}
for at, (now, listed) in enumerate((("2026-03-31 20:00:00", "Apr  1 05:00"), ("2026-12-31 20:00:00", "Jan  1 05:00"),
                                    ("2027-01-01 02:00:00", "Dec 31 18:00"))):
    for name in CLIENTS:
        expect(f"{name}, {now}, {listed!r}", WANT.get(name, ["2025", "2026", "2026"])[at], year(name, now))
verdict()
PY
