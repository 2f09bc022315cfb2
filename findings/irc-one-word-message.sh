#!/usr/bin/env bash
# A message of one word needs no colon, and AnyEvent::IRC writes none; irc3 does not see such a message, Tcl's irc sees
# it empty. The server of Python's irc passes the text on as it came, so the three do not understand each other.
#
# Software: libanyevent-irc-perl 0.97-3, tcllib 1.21+dfsg-1, ngircd 26.1-1+deb12u1 (Debian 12);
#           irc 20.5.0 with its irc.server, irc3 1.1.12 (PyPI).
#
# RFC 2812 (section 2.3.1): the last parameter is "trailing" or one more "middle", and the two are the same but for how
# they are written: "PRIVMSG #c hello" is "PRIVMSG #c :hello".
#
# The guess: every library shows both alike; they split the line by the grammar.
#
# What happens, when a program made with AnyEvent::IRC says "first word", "hello", "last word" in a channel:
#   server         irc3                      Tcl's irc                       irc, AnyEvent::IRC
#   irc.server     "first word" "last word"  "first word" "" "last word"     all three
#   ngIRCd         all three                 all three                       all three
# ngIRCd writes the lines anew, with a colon whether one is needed or not. irc3 takes lines apart by a regular expression
# with " :" in it.
#
# Why it matters: a server writes the colon of the last parameter of PRIVMSG and NOTICE always, even where its writer of
# lines knows that it could go without, and does not relay the client's spelling; and who tests a client
# or a bot with one server has not tested it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb libanyevent-irc-perl=0.97-3 libev-perl=4.33-2
deb tcllib=1.21+dfsg-1 tcl8.6=8.6.13+dfsg-2 ngircd=26.1-1+deb12u1
pip irc==20.5.0 irc3==1.1.12
experiment <<'PY'
import subprocess
import tempfile
import threading
import time
from lib import ENV, PYTHON, ROOT, TMP, connect, expect, free_port, start, stop_all, verdict


def irc_server(port):
    return [PYTHON, "-W", "ignore", "-m", "irc.server", "-a", "127.0.0.1", "-p", str(port)]


def ngircd(port):
    with open(TMP + "/ngircd", "w") as f:
        f.write(f"[Global]\nName=irc.test\nInfo=x\nListen=127.0.0.1\nPorts={port}\n"
                "ServerUID=nobody\nServerGID=nogroup\n[Options]\nDNS=no\nIdent=no\nPAM=no\n")
    return [ROOT + "/usr/sbin/ngircd", "-n", "-f", TMP + "/ngircd"]


# Each joins #c and prints what is said there, one line a message, in bars. The port is the last argument.
RECEIVERS = {
    "irc3": [PYTHON, "-W", "ignore", "-u", "-c", """import irc3, sys
@irc3.plugin
class Plugin:
    def __init__(self, bot): self.bot = bot
    @irc3.event(irc3.rfc.CONNECTED)
    def connected(self, **_): self.bot.join('#c')
    @irc3.event(irc3.rfc.PRIVMSG)
    def said(self, data=None, **_): print(f'|{data}|')
irc3.IrcBot.from_config(dict(nick='ear', host='127.0.0.1', port=int(sys.argv[1]), ssl=False,
    includes=['irc3.plugins.core', __name__])).run(forever=True)"""],
    "Tcl": ["tclsh8.6", TMP + "/ear.tcl"],
    "irc": [PYTHON, "-W", "ignore", "-u", "-c", """import sys, irc.bot
class Bot(irc.bot.SingleServerIRCBot):
    def on_welcome(self, connection, event): connection.join('#c')
    def on_pubmsg(self, connection, event): print(f'|{event.arguments[0]}|')
Bot([('127.0.0.1', int(sys.argv[1]))], 'ear', 'ear').start()"""],
    "AnyEvent::IRC": ["perl", "-e", """use AnyEvent; use AnyEvent::IRC::Client; $| = 1;
my $irc = AnyEvent::IRC::Client->new;
$irc->reg_cb(registered => sub { $irc->send_srv(JOIN => '#c') }, publicmsg => sub { print "|$_[2]{params}[1]|\\n" });
$irc->connect('127.0.0.1', $ARGV[0], { nick => 'ear', user => 'ear', real => 'ear' }); AnyEvent->condvar->recv;"""],
}
with open(TMP + "/ear.tcl", "w") as f:
    f.write("""package require irc
set irc [irc::connection]
$irc connect 127.0.0.1 [lindex $argv 0]
$irc registerevent 001 { cmd-send "JOIN #c" }
$irc registerevent PRIVMSG { puts "|[msg]|"; flush stdout }
$irc user ear localhost x ear
$irc nick ear
vwait forever""")
# Joins #c, waits until the other is there, says its three messages, stays for a second.
SPEAKER = """use AnyEvent; use AnyEvent::IRC::Client; my $end = AnyEvent->condvar; my $irc = AnyEvent::IRC::Client->new;
my ($said, $timer);
$irc->reg_cb(registered => sub { $irc->send_srv(JOIN => '#c') }, channel_add => sub {
    my (undef, undef, $channel, @nicks) = @_;
    return if $said or not exists $irc->channel_list('#c')->{ear};
    $said = 1;
    $irc->send_srv(PRIVMSG => '#c', $_) for 'first word', 'hello', 'last word';
    $timer = AnyEvent->timer(after => 1, cb => sub { $end->send });
});
$irc->connect('127.0.0.1', $ARGV[0], { nick => 'mouth', user => 'mouth', real => 'mouth' });
my $limit = AnyEvent->timer(after => 20, cb => sub { $end->send }); $end->recv;"""


def shows(server, name):
    port = free_port()
    start(server(port), env=ENV)
    connect(port).close()
    speaker = start(["perl", "-e", SPEAKER, str(port)], env=ENV)
    time.sleep(1)
    receiver = subprocess.Popen([*RECEIVERS[name], str(port)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, env=ENV, cwd=tempfile.mkdtemp(dir=TMP))
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(receiver.stdout.read().decode().splitlines()), daemon=True)
    reader.start()
    try:
        speaker.wait(30)
        time.sleep(0.5)
    finally:
        receiver.kill()
        receiver.wait()
        reader.join(5)
        stop_all()
    return [line.strip("|") for line in lines if line.startswith("|")]


SAID = ["first word", "hello", "last word"]
FOUND = {"irc3": ["first word", "last word"], "Tcl": ["first word", "", "last word"]}
for name in RECEIVERS:
    expect(f"irc.server, {name}", FOUND.get(name, SAID), shows(irc_server, name))
    expect(f"ngIRCd, {name}", SAID, shows(ngircd, name))
verdict()
PY
