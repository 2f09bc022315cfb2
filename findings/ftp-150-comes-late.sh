#!/usr/bin/env bash
# "150 about to open data connection" does not come before the client has connected.
#
# Software: vsftpd, pure-ftpd, proftpd, pyftpdlib, aioftp and ftp-srv, in the versions that
#           six_ftp_servers in lib.sh pins.
#
# RFC 959 words 150 as "File status okay; about to open data connection", and 125 as "Data
# connection already open; transfer starting".
#
# The guess: after PASV and RETR, most servers send 150 at once (the file was found) and wait
# for the connection afterwards; so a client may read the 150 first and connect on it. Only
# vsftpd, of those tried here, was guessed to accept first.
#
# What happens, with PASV and RETR and no data connection for two seconds, and then one:
#   vsftpd, pure-ftpd, proftpd, ftp-srv   silence; "150" once the client has connected
#   pyftpdlib, aioftp                     "150" at once
# So four of six wait for each other with a client that wants the 150 first, until a timer
# ends it; and their 150 says what 125 is there to say.
#
# Why it matters: a client's state machine has to connect to the passive port before or while it
# waits for 150, never after it. A server that answers at once is the odd one out, and a test
# against it alone does not show the dead end.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
six_ftp_servers
experiment <<'PY'
import ftp_servers
from lib import connect, expect, stop_all, verdict

WAITS, AT_ONCE = ("silence", "150"), ("150", "nothing more")
FOUND = {"vsftpd": WAITS, "pure_ftpd": WAITS, "proftpd": WAITS, "ftp_srv": WAITS, "pyftpdlib": AT_ONCE, "aioftp": AT_ONCE}
for server in ftp_servers.ALL:
    ftp = server()
    port = ftp.passive()
    before = ftp.command("RETR big", 2)
    data = connect(port)
    if before == "silence":
        seen = (before, ftp.reply()[:3])
    else:
        seen = (before[:3], "nothing more")
    expect(server.__name__, FOUND[server.__name__], seen)
    data.close()
    stop_all()
verdict()
PY
