#!/usr/bin/env bash
# QUIT while a file is coming: three of six FTP servers do not keep to RFC 959.
#
# Software: vsftpd, pure-ftpd, proftpd, pyftpdlib, aioftp and ftp-srv, in the versions that
#           six_ftp_servers in lib.sh pins.
#
# RFC 959, 4.1.1: "If file transfer is in progress, the connection will remain open for
# result response and the server will then close it."
#
# The guess: all six send the whole file, then 226, then 221, then close. A client that sends
# QUIT right behind RETR, to save a round trip, would be right everywhere.
#
# What happens, with QUIT half a second into a RETR of 30 MB that is read to its end:
#   vsftpd, proftpd, ftp-srv   whole file  226, 221, closed       as RFC 959 says
#   pyftpdlib                  whole file  221, 226, closed       goodbye before the result
#   pure-ftpd                  part of it  426, 226, stays open   QUIT is taken as ABOR: the file is
#                                                                 cut, and a 226 follows all the same
#   aioftp                     part of it  221, closed            a cut file with a clean end (FIN);
#                                                                 no result at all
#
# Why it matters: a client must wait for the transfer's reply before it says QUIT; the reply
# after a QUIT cannot be told by its place, and a 226 after a 426 is the answer to the abort,
# not to the file. A server has to hold QUIT back while a transfer runs.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
six_ftp_servers
experiment <<'PY'
import time
import ftp_servers
from lib import connect, expect, read_to_end, stop_all, verdict

FOUND = {
    "vsftpd": ("whole file", "EOF", ["226", "221", "closed"]),
    "pure_ftpd": ("cut file", "EOF", ["426", "226", "silence"]),
    "proftpd": ("whole file", "EOF", ["226", "221", "closed"]),
    "pyftpdlib": ("whole file", "EOF", ["221", "226", "closed"]),
    "aioftp": ("cut file", "EOF", ["221", "closed"]),
    "ftp_srv": ("whole file", "EOF", ["226", "221", "closed"]),
}
for server in ftp_servers.ALL:
    ftp = server()
    data = connect(ftp.passive())
    ftp.command("RETR big")
    time.sleep(0.5)  # the transfer runs, and has filled the socket buffers
    ftp.sock.sendall(b"QUIT\r\n")
    time.sleep(1)
    count, end = read_to_end(data)
    data.close()
    part = "whole file" if count == ftp_servers.SIZE else "cut file"
    expect(server.__name__, FOUND[server.__name__], (part, end, ftp.codes()))
    stop_all()
verdict()
PY
