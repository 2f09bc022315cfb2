#!/usr/bin/env bash
# rinetd begins each client's conversation over UDP with an empty datagram of its own, and passes none on; to socat one
# ends the conversation.
#
# Software: rinetd 0.73-1, socat 1.7.4.4-2, nginx 1.22.1-9+deb12u11 with libnginx-mod-stream (Debian 12).
#
# A datagram may be empty (RFC 768): it is one all the same, of which the receiver hears.
#
# The guess: what one side sends the other hears, datagram by datagram; an empty one is lost in socat, which takes it for
# the end, and in rinetd, and passed on by nginx.
#
# What happens, to a server of datagrams behind the relay:
#                    a client says "one", "two"      then an empty one, and "three" two seconds later
#   nginx            "one", "two"                    "", "three"
#   socat            "one", "two"                    "three"
#   rinetd           "", "one", "two"                "three"
# (socat begins a new conversation with "three"; what comes sooner than half a second after the empty one is lost); and
# what the server answers to the first of rinetd's comes to the client, who has not asked.
#
# Why it matters: whoever matches answers to questions by their order (an echo, a lookup of one line, a count) is behind
# rinetd wrong by one from the first on, and a server that logs or bans who sends rubbish bans the relay. A server of
# datagrams answers an empty one with nothing unless the protocol says what, and a client looks at what an answer is for.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb rinetd=0.73-1 socat=1.7.4.4-2 nginx=1.22.1-9+deb12u11 libnginx-mod-stream=1.22.1-9+deb12u11
experiment <<'PY'
import socket
import time
from lib import ENV, ROOT, TMP, expect, free_port, start, stop_all, verdict

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
BACKEND = server.getsockname()[1]


def relay(name, port):
    if name == "socat":
        return [ROOT + "/usr/bin/socat", f"UDP-LISTEN:{port},bind=127.0.0.1,fork", f"UDP:127.0.0.1:{BACKEND}"]
    text = {
        "rinetd": f"127.0.0.1 {port}/udp 127.0.0.1 {BACKEND}/udp\n",
        "nginx": f"""load_module {ROOT}/usr/lib/nginx/modules/ngx_stream_module.so; daemon off; master_process off;
            pid {TMP}/pid; events {{}} stream {{ server {{ listen 127.0.0.1:{port} udp; proxy_pass 127.0.0.1:{BACKEND}; }} }}""",
    }[name]
    with open(f"{TMP}/{name}.conf", "w") as f:
        f.write(text)
    if name == "rinetd":
        return [ROOT + "/usr/sbin/rinetd", "-f", "-c", f"{TMP}/rinetd.conf"]
    return [ROOT + "/usr/sbin/nginx", "-e", "stderr", "-p", TMP, "-c", f"{TMP}/nginx.conf"]


def heard(sock, last, seconds=20):
    """What comes until `last` has, and who sent it."""
    got = []
    sock.settimeout(seconds)
    while not got or got[-1] != last:
        data, peer = sock.recvfrom(100)
        got.append(data)
    return got, peer


def wait_for(port):
    """Until a relay passes on what a client of its own says."""
    deadline = time.monotonic() + 20
    server.settimeout(0.3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        while True:
            probe.sendto(b"probe", ("127.0.0.1", port))
            try:
                while server.recvfrom(100)[0] != b"probe":
                    pass
                break
            except (TimeoutError, ConnectionError):
                if time.monotonic() > deadline:
                    print("cannot run: the relay passes nothing on")
                    raise SystemExit(77)
    try:
        while True:
            server.recvfrom(100)  # more of the probes
    except TimeoutError:
        pass


WANT = {"nginx": ([b"one", b"two"], [b"", b"three"]), "socat": ([b"one", b"two"], [b"three"]),
        "rinetd": ([b"", b"one", b"two"], [b"three"])}
for name in WANT:
    port = free_port(socket.SOCK_DGRAM)
    start(relay(name, port), cwd=TMP, env=ENV)
    wait_for(port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.send(b"one")
        first, peer = heard(server, b"one")
        client.send(b"two")
        first += heard(server, b"two")[0]
        for asked in first:
            server.sendto(b"answer to " + asked, peer)
        answers, _ = heard(client, b"answer to two")
        expect(f"{name}: the first answer", b"answer to " + WANT[name][0][0], answers[0])
        client.send(b"")
        time.sleep(2)
        client.send(b"three")
        expect(f"{name}: one, two", WANT[name][0], first)
        expect(f"{name}: an empty one, three", WANT[name][1], heard(server, b"three")[0])
    stop_all()
verdict()
PY
