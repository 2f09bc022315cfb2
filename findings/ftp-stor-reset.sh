#!/usr/bin/env bash
# An upload whose data connection is reset: pyftpdlib answers "226 Transfer complete".
#
# Software: vsftpd, pure-ftpd, proftpd, pyftpdlib, aioftp and ftp-srv, in the versions that
#           six_ftp_servers in lib.sh pins.
#
# The guess: in stream mode only a FIN is the end of the file; a reset (the uploading program
# was killed with data unsent, or a firewall gave up) is an error, so every server answers 426
# or 451 and none says 226.
#
# What happens, with STOR, 100000 bytes, then RST on the data connection:
#   vsftpd, proftpd   426
#   pure-ftpd         451
#   ftp-srv           550
#   pyftpdlib         226 Transfer complete.   a reset is read as an end of file
#   aioftp            closes the control connection without a reply
# ftp-srv removes the file; all others keep the 100000 bytes under the final name.
#
# Why it matters: read() that gives 0 and read() that fails with ECONNRESET must stay two things
# all the way up to the reply. One `except (EOF, reset): done()` turns a broken upload into a
# good one, and the side that could send the file again is told that it need not.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
six_ftp_servers
experiment <<'PY'
import os
import time
import ftp_servers
from lib import connect, expect, reset, stop_all, verdict

FOUND = {
    "vsftpd": ("426", "kept"),
    "pure_ftpd": ("451", "kept"),
    "proftpd": ("426", "kept"),
    "pyftpdlib": ("226", "kept"),
    "aioftp": ("closed", "kept"),
    "ftp_srv": ("550", "removed"),
}
for server in ftp_servers.ALL:
    ftp = server()
    data = connect(ftp.passive())
    ftp.command(f"STOR {ftp.prefix}new")
    data.sendall(b"y" * 100_000)
    time.sleep(0.5)  # the server has read them all
    reset(data)
    reply = ftp.reply()
    time.sleep(0.5)  # ftp-srv removes the file after its reply
    file = ftp.uploads + "/new"
    kept = "removed" if not os.path.exists(file) else "kept" if os.path.getsize(file) == 100_000 else "cut"
    expect(server.__name__, FOUND[server.__name__], (reply if reply == "closed" else reply[:3], kept))
    stop_all()
verdict()
PY
