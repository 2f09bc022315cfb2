#!/usr/bin/env bash
# NATS: a direct read of a stream that is not there is answered by nobody, and nobody says so.
#
# Software: nats-server 2.9.10-1+b3 (Debian 12), with JetStream.
#
# A client that connects with "no_responders" is told at once, by a message with the status 503,
# that nobody has subscribed to what it asks. A value of JetStream is read by asking
# $JS.API.DIRECT.GET.<stream>.<subject>, which the servers that have the stream answer.
#
# The guess: where no server has the stream, nobody has subscribed, and 503 comes at once; as it does
# where a message is published to a stream that is not there.
#
# What happens: nothing comes at all. Nor does anything if the stream is there and was made without
# "allow_direct" (as all were before 2.9), nor for a word of the API that there is not. The server
# itself has subscribed to $JS.API.>, so somebody is there, who says nothing. STREAM.INFO and
# STREAM.MSG.GET answer with an error that names the reason.
#
# Why it matters: a client that takes 503 for "no such bucket" waits for its time to pass instead,
# and tells of a slow network. A read by STREAM.MSG.GET says what is wrong.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb nats-server=2.9.10-1+b3
experiment <<'PY'
import json
import re
import time

from lib import ROOT, TMP, connect, expect, free_port, start, verdict

port = free_port()
start([ROOT + "/usr/sbin/nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", TMP + "/js"])
sock = connect(port)
sock.settimeout(20)
count = 0


def until(word):
    text = b""
    while word not in text:
        data = sock.recv(65536)
        assert data, text
        if b"PING\r\n" in data:
            sock.sendall(b"PONG\r\n")
            data = data.replace(b"PING\r\n", b"")
        text += data
    return text.decode()


def ask(subject, body=""):
    """What comes for a question, up to the answer to another one that was asked behind it."""
    global count
    count += 1
    sock.sendall(f"PUB {subject} in.{count} {len(body)}\r\n{body}\r\n".encode())
    # JetStream answers in another order than it is asked: what is to come has come by then.
    time.sleep(1)
    sock.sendall(b"PUB $JS.API.INFO in.info 0\r\n\r\n")
    text = until(b"account_info_response")
    text = re.split(r"MSG in\.info ", text)[0]
    code = re.search(r'"err_code":(\d+)', text) or re.search(r"NATS/1.0 (\d+)", text)
    return code.group(1) if code else ("an answer" if text.strip() else "nothing")


until(b"INFO ")
sock.sendall(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\nSUB in.* 1\r\nPING\r\n')
until(b"PONG\r\n")
expect("asked what nobody has subscribed to", "503", ask("nobody"))
expect("STREAM.INFO of no stream", "10059", ask("$JS.API.STREAM.INFO.nope"))
expect("STREAM.MSG.GET of no stream", "10059", ask("$JS.API.STREAM.MSG.GET.nope", '{"seq":1}'))
expect("DIRECT.GET of no stream", "nothing", ask("$JS.API.DIRECT.GET.nope.a"))
expect("a word that is not of the API", "nothing", ask("$JS.API.NONSENSE"))
config = {"name": "plain", "subjects": ["p.>"], "storage": "memory"}
expect("a stream is made", "an answer", ask("$JS.API.STREAM.CREATE.plain", json.dumps(config)))
expect("a message goes into it", "an answer", ask("p.a", "x"))
expect("STREAM.MSG.GET of it", "an answer", ask("$JS.API.STREAM.MSG.GET.plain", '{"last_by_subj":"p.a"}'))
expect("DIRECT.GET of it, not allowed", "nothing", ask("$JS.API.DIRECT.GET.plain.p.a"))
verdict()
PY
