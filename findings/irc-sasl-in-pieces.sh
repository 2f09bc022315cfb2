#!/usr/bin/env bash
# A password for SASL PLAIN that takes more than one line, or just fills it: irc3 gets in with no more than 57 bytes,
# miniirc and matrix-org-irc never cut it into pieces, and wait for ever where it just fills one.
#
# Software: irc3 1.1.12, miniirc 1.10.0, pydle 1.2.0 with pure-sasl 0.6.2 (PyPI); irc-framework 4.14.0, irc-upd 0.11.0,
#           matrix-org-irc 3.0.0 (npm); irssi 1.4.3-2, weechat-headless 3.8-1 (Debian 12).
#
# What PLAIN says, twice the account and the password, goes as base64 in lines AUTHENTICATE of 400 bytes; one that is
# shorter is the last, and if the last has 400 bytes, "AUTHENTICATE +" follows (IRCv3 sasl-3.1).
#
# The guess: all cut what is longer; half of them forget the + where it ends with a full line. Below that all get in.
#
# What happens with so many bytes (400 of base64 are made of 298 to 300):
#                    60        299       300       450
#   irc-framework    in        in        in        in       and so irc-upd, pydle, irssi, WeeChat
#   miniirc          in        waits     waits     refused  one line of 497 bytes, cut there
#   matrix-org-irc   in        waits     waits     refused  one line of 600 bytes
#   irc3             refused   refused   refused   refused  base64 with a line end each 76 letters: the first of them
# "waits": the server waits for the rest, and the client for the server.
#
# Why it matters: such passwords are tokens (a JWT, an access token), and bots' are made at random: with an account of ten
# letters irc3 takes 35 of a password. Nothing tells why. A server may want a deadline for logins that are begun.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb irssi=1.4.3-2 weechat-headless=3.8-1
pip irc3==1.1.12 miniirc==1.10.0 pydle==1.2.0 pure-sasl==0.6.2
npm irc-framework@4.14.0 irc-upd@0.11.0 matrix-org-irc@3.0.0
experiment <<'PY'
import base64
import os
import socket
import subprocess
from lib import ENV, PYTHON, ROOT, TMP, expect, verdict

LENGTHS = (30, 60, 299, 300, 450)


def hear_login(lines, expected):
    """Takes a login as IRCv3 has it; what comes of it, and the answers to it."""
    text = ""
    while True:
        try:
            piece = lines.readline().split()
        except TimeoutError:
            return "waits", []
        if piece[:1] != [b"AUTHENTICATE"]:
            continue
        piece = piece[1].decode()
        if len(piece) > 400:
            return "refused", ["905 me :SASL message too long"]
        text += "" if piece == "+" else piece
        if len(piece) < 400:
            break
    if text != expected:
        return "refused", ["904 me :SASL authentication failed"]
    return "in", ["900 me me!me@host me :You are now logged in as me", "903 me :SASL authentication successful"]


def serve(listener, expected):
    """Lets a client come as far as its login; what comes of that."""
    connection, _ = listener.accept()
    connection.settimeout(20)
    with connection, connection.makefile("rb") as lines:
        while line := lines.readline():
            words, answer = line.decode().split(), None
            if words[:2] == ["CAP", "LS"]:
                answer = "CAP * LS :sasl=PLAIN"
            elif words[:2] == ["CAP", "REQ"]:
                answer = "CAP me ACK :sasl"
            if answer:
                connection.sendall(f":irc.test {answer}\r\n".encode())
            if words[:2] == ["AUTHENTICATE", "PLAIN"]:
                connection.sendall(b"AUTHENTICATE +\r\n")
                connection.settimeout(15)  # irssi sends a line every two seconds
                outcome, answers = hear_login(lines, expected)
                connection.sendall("".join(f":irc.test {answer}\r\n" for answer in answers).encode())
                return outcome
    return "no login"


NODES = {
    "irc-framework": "new (require('irc-framework').Client)().connect({ host: '127.0.0.1', port, nick: 'me', username: 'me',"
    " auto_reconnect: false, account: { account: 'me', password } })",
    "irc-upd": "new (require('irc-upd').Client)('127.0.0.1', 'me', { port, sasl: true, userName: 'me', password, retryCount: 0 })",
    "matrix-org-irc": "new (require('matrix-org-irc').Client)('127.0.0.1', 'me',"
    " { port, sasl: true, userName: 'me', password, retryCount: 0 })",
}
PYTHONS = {
    "pydle": """import pydle
client = pydle.Client('me', sasl_username='me', sasl_password=password, sasl_identity='me')
client.run('127.0.0.1', port=port, tls=False)""",
    "irc3": """import irc3
irc3.IrcBot.from_config(dict(nick='me', host='127.0.0.1', port=port, ssl=False, sasl_username='me', sasl_password=password,
                             includes=['irc3.plugins.core', 'irc3.plugins.sasl'])).run()""",
    "miniirc": """import miniirc, time
miniirc.IRC('127.0.0.1', port, 'me', ssl=False, persist=False, ns_identity=('me', password))
time.sleep(60)""",
}


def command(name, port, password):
    if name in NODES:
        begin = f"const port = {port}, password = '{password}'; process.on('uncaughtException', () => 0);"
        return ["node", "--no-warnings", "-e", begin + NODES[name]]
    if name in PYTHONS:
        return [PYTHON, "-W", "ignore", "-c", f"port, password = {port}, '{password}'\n{PYTHONS[name]}"]
    home = f"{TMP}/{name}-{port}"
    os.mkdir(home)
    if name == "WeeChat":
        options = {"sasl_mechanism": "plain", "sasl_username": "me", "sasl_password": password, "ssl": "off"}
        said = [f"/server add n 127.0.0.1/{port} -nicks=me -username=me"]
        said += [f"/set irc.server.n.{option} {value}" for option, value in options.items()]
        return [ROOT + "/usr/bin/weechat-headless", "-d", home, "-r", "; ".join([*said, "/connect n"])]
    with open(home + "/config", "w") as f:
        f.write(f"""servers = ( {{ address = "127.0.0.1"; chatnet = "n"; port = "{port}"; autoconnect = "yes"; }} );
chatnets = {{ n = {{ type = "IRC"; nick = "me"; sasl_mechanism = "plain"; sasl_username = "me"; sasl_password = "{password}"; }}; }};
settings = {{ core = {{ nick = "me"; user_name = "me"; real_name = "me"; }}; }};""")
    # It wants a terminal.
    return ["script", "-qec", f"{ROOT}/usr/bin/irssi --home={home}", "/dev/null"]


def logs_in(name, length):
    password = "p" * (length - len("me\0me\0"))
    expected = base64.b64encode(b"me\0me\0" + password.encode()).decode()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        argv = command(name, listener.getsockname()[1], password)
        client = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  cwd=TMP, env=ENV | {"TERM": "xterm"})
        try:
            return serve(listener, expected)
        except TimeoutError:
            return "no connection"
        finally:
            client.kill()
            client.wait()


WANT = {
    "miniirc": ["in", "in", "waits", "waits", "refused"],
    "matrix-org-irc": ["in", "in", "waits", "waits", "refused"],
    "irc3": ["in", "refused", "refused", "refused", "refused"],
}
for name in (*NODES, *PYTHONS, "irssi", "WeeChat"):
    expect(f"{name}, with {LENGTHS} bytes", WANT.get(name, ["in"] * 5), [logs_in(name, length) for length in LENGTHS])
verdict()
PY
