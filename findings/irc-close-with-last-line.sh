#!/usr/bin/env bash
# InspIRCd does not see a close that comes together with the last line.
#
# Software: inspircd 3.15.0-1, ngircd 26.1-1+deb12u1 (Debian 12); irc 20.5.0 (PyPI).
#
# The guess: a client that sends a last PRIVMSG and closes at once is gone at once: the server
# reads the line, then 0 bytes, and the channel sees the line and a QUIT.
#
# What happens, with eight members, each of whom sends one line to a channel and closes:
#                 line and close in one turn of   close 0.3 s after
#                 the server's loop               the line
#   ngircd, irc   8 lines, 8 QUITs                8 lines, 8 QUITs
#   inspircd      8 lines, 0 or 1 QUIT in 6 s    8 lines, 8 QUITs
# (To have both in one turn, the server is halted with SIGSTOP while the members send and close;
# a server that is busy with others for that moment does as well.) The sockets sit in CLOSE-WAIT
# and the nicks stay taken; 40 seconds changed nothing, the next line written to them does.
#
# Under strace: epoll_wait with EPOLLET gives one event for the line and the FIN, recvfrom gives
# 25 bytes of 10240, and it is not called again. No further edge is owed, so none comes.
#
# Why it matters: a short read does not mean that a socket is drained, since a FIN may stand
# behind it. An edge-triggered loop has to read on until EAGAIN or 0, or to heed EPOLLRDHUP. Tests
# that sleep between the last write and the close never see it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb inspircd=3.15.0-1 ngircd=26.1-1+deb12u1
pip irc==20.5.0
experiment <<'PY'
import signal
import time
from lib import PYTHON, ROOT, TMP, connect, expect, free_port, start, stop_all, verdict


def write(name, text):
    with open(f"{TMP}/{name}", "w") as f:
        f.write(text)
    return f"{TMP}/{name}"


def inspircd(port):
    conf = write("inspircd.conf", f"""<path moduledir="{ROOT}/usr/lib/inspircd/modules">
<server name="irc.example.net" description="x" network="X">
<admin name="a" nick="a" email="a@example.net">
<bind address="127.0.0.1" port="{port}" type="clients">
<connect allow="*" timeout="60" localmax="50" globalmax="50" resolvehostnames="no">
<class name="a"><type name="a">
""")
    return start([ROOT + "/usr/sbin/inspircd", "--config=" + conf, "--nofork", "--runasroot", "--nolog", "--nopid"])


def ngircd(port):
    conf = write("ngircd.conf", f"""[Global]
Name = irc.example.net
Info = x
Listen = 127.0.0.1
Ports = {port}
MotdPhrase = hi
[Options]
DNS = no
Ident = no
PAM = no
[Limits]
MaxConnectionsIP = 0
""")
    return start([ROOT + "/usr/sbin/ngircd", "-n", "-f", conf])


def irc(port):
    return start([PYTHON, "-m", "irc.server", "-a", "127.0.0.1", "-p", str(port)])


class Client:
    def __init__(self, port, nick):
        self.sock, self.text = connect(port), ""
        self.send(f"NICK {nick}\r\nUSER {nick} 0 * :{nick}\r\n")
        self.wait(" 001 ")

    def join(self, channel):
        self.send(f"JOIN {channel}\r\n")
        self.wait(f" 366 {self.text.split(' 001 ')[1].split()[0]} {channel} ")

    def send(self, text):
        self.sock.sendall(text.encode())

    def wait(self, word, seconds=20, count=1):
        """Waits until the word has come so many times; returns how many times it came."""
        deadline = time.monotonic() + seconds
        while self.text.count(word) < count and time.monotonic() < deadline:
            self.sock.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self.sock.recv(4096).decode("latin-1")
            except TimeoutError:
                break
            assert data, "closed: " + self.text
            self.text += data
            for line in data.split("\r\n"):
                if line.startswith("PING "):
                    self.send("PONG " + line[5:] + "\r\n")
        return self.text.count(word)


def quits_seen(port, server, in_one_turn):
    """Each member has a channel of its own with the watcher, so nothing is written to the others."""
    watcher, members = Client(port, "watcher"), []
    for i in range(MEMBERS):
        watcher.join(f"#c{i}")
        members.append(Client(port, f"member{i}"))
        members[i].join(f"#c{i}")
    watcher.wait(" JOIN ", count=2 * MEMBERS)
    time.sleep(1)  # the server is idle
    if in_one_turn:
        server.send_signal(signal.SIGSTOP)
    for i, member in enumerate(members):
        member.send(f"PRIVMSG #c{i} :last words\r\n")
        time.sleep(0 if in_one_turn else 0.3)
        member.sock.close()
    if in_one_turn:
        time.sleep(0.2)
        server.send_signal(signal.SIGCONT)
    assert watcher.wait("last words", count=MEMBERS) == MEMBERS, watcher.text
    seen = watcher.wait(" QUIT ", 6, MEMBERS)
    return "all" if seen == MEMBERS else "hardly any" if seen < MEMBERS / 2 else f"{seen} of {MEMBERS}"


MEMBERS = 8
FOUND = {"inspircd": ("hardly any", "all"), "ngircd": ("all", "all"), "irc": ("all", "all")}
for server in (inspircd, ngircd, irc):
    seen = []
    for in_one_turn in (True, False):
        port = free_port()
        child = server(port)
        seen.append(quits_seen(port, child, in_one_turn))
        stop_all()
    expect(server.__name__, FOUND[server.__name__], tuple(seen))
verdict()
PY
