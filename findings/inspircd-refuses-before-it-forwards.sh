#!/usr/bin/env bash
# InspIRCd 3.15.0-1 (Debian 12), modules redirect and banredirect.
#
# Guess: a channel that forwards answers 470 and the JOIN of the other channel, and nothing else; 471, 473,
# 474 and 475 mean that one is on no channel.
# Seen: so it is for a full channel (+L). For somebody whose ban forwards (+b mask#other) the refusal, 474,
# comes first, and only then 470 and the JOIN:
#   :irc.insp.test 474 bob #room :Cannot join channel (you're banned)
#   :irc.insp.test 470 bob #room #other :You are banned from this channel, so you are automatically …
#   :bob!bob@127.0.0.1 JOIN :#other
# A client that gives up at 474 says nothing to anybody, though it is on #other a moment later.
#
# Guess: a NOTICE for somebody who is not there is passed over in silence, since a NOTICE must never be
# answered automatically (RFC 1459, 4.4.2; RFC 2812, 3.3.2); only echo-message could tell.
# Seen: it is refused like a PRIVMSG:
#   :irc.insp.test 401 bob nobody :No such nick
#
# Ends with 1 if that changes. Needs Debian's apt-get, dpkg and python3.
set -euo pipefail

directory=$(mktemp -d)
server=
clean_up() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$directory"
}
trap clean_up EXIT

cd "$directory"
chmod 755 . # apt-get drops root to download
apt-get -qq download inspircd=3.15.0-1
dpkg-deb -x inspircd_*.deb root

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >settings <<END
<path moduledir="$directory/root/usr/lib/inspircd/modules">
<server name="irc.insp.test" description="x" network="Test" id="001">
<bind address="127.0.0.1" port="$port" type="clients">
<admin name="a" nick="a" email="a@test">
<connect allow="*" timeout="30" pingfreq="120" useident="no">
<options defaultmodes="not">
<module name="redirect"><module name="banredirect">
<log method="file" type="*" level="default" target="$directory/log">
<pid file="$directory/pid">
END
root/usr/sbin/inspircd --nofork --runasroot --config="$directory/settings" >out 2>&1 &
server=$!

python3 - "$port" <<'END'
import socket, sys, time

deadline = time.monotonic() + 60


class Client:
    def __init__(self, nick):
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
                break
            except OSError:
                if time.monotonic() > deadline:
                    sys.exit("the server does not start")
                time.sleep(0.05)
        self.socket.settimeout(60)
        self.file = self.socket.makefile("rw", newline="\r\n")
        self.says(f"NICK {nick}", f"USER {nick} 0 * :x")
        self.until("422", "376")

    def says(self, *lines):
        for line in lines:
            self.file.write(line + "\r\n")
        self.file.flush()

    def until(self, *commands):
        """What comes up to one of these, with the command first."""
        seen = []
        for line in self.file:
            words = line.strip().split(" ")
            if words[0] == "PING":
                self.says("PONG " + words[1])
                continue
            seen.append(words[1:])
            if words[1] in commands:
                return seen
        sys.exit("the server has closed the connection")

    def answers(self, *lines):
        """What the server answers to these lines: all up to a PONG."""
        self.says(*lines, "PING :done")
        return self.until("PONG")[:-1]


ann = Client("ann")
ann.answers("JOIN #other", "JOIN #room", "MODE #room +b bob!*@*#other")
ann.answers("JOIN #full", "MODE #full +lL 1 #other")
bob = Client("bob")


def commands(answers):
    return [answer[0] for answer in answers if answer[0] in ("JOIN", "470", "471", "474", "401")]


failed = False
for what, lines, expected in [
    ("a ban that forwards", ["JOIN #room", "PART #other"], ["474", "470", "JOIN"]),
    ("a full channel that forwards", ["JOIN #full"], ["470", "JOIN"]),
    ("a notice for nobody", ["NOTICE nobody :hello"], ["401"]),
]:
    answers = bob.answers(*lines)
    for answer in answers:
        print("   ", " ".join(answer))
    seen = commands(answers)
    print(f"{what}: {seen}")
    failed |= seen != expected
sys.exit("this has changed" if failed else 0)
END
