#!/usr/bin/env bash
# A server asks for Digest authentication with SHA-256 or MD5, as RFC 7616's example does: with SHA-256 first four of
# twelve clients do not get in, with MD5 first two others, and requests takes the last of the two.
#
# Software: lftp 4.9.2-2+b1, wget 1.21.3-1+deb12u1, wget2 1.99.1-2.2, libwww-perl 6.68-1, and curl as the machine has it
#           (7.88.1), all Debian 12; requests 2.34.2, httpx 0.28.1, aiohttp 3.14.5, httplib2 0.32.1 (PyPI), Python 3.11's
#           urllib; urllib 4.9.2, digest-fetch 3.1.1 (npm).
#
# Each challenge is a WWW-Authenticate line of its own, in the order that the server prefers (RFC 7616, section 3.7); a
# client takes the first that it can do (3.3: what has an algorithm that is not understood is to be ignored), and the
# user and the password are right.
#
# The guess: all get in, with either order, by SHA-256 or by MD5: there are two challenges so that nobody is locked out.
#
# What happens:            SHA-256 first                                 MD5 first
#   curl, wget2, httpx,
#   aiohttp                SHA-256                                       MD5
#   LWP                    MD5, after a false answer to SHA-256          MD5
#   requests               MD5                                           SHA-256: the last line wins
#   lftp                   refused: says SHA-256, but reckons MD5        MD5
#   urllib (Python)        ValueError                                    MD5
#   urllib, digest-fetch
#   (npm)                  refused: MD5 for the challenge of SHA-256     MD5
#   wget                   MD5                                           refused: MD5 for that of SHA-256
#   httplib2               MD5                                           TypeError
#
# Why it matters: no order of the two suits everybody. A server that has to let all of them in can only offer MD5 alone;
# one that offers SHA-256 as well puts it last if lftp and urllib matter, first if wget does. A client has to read all
# lines, leave out those that it cannot do, and take the nonce and the algorithm of one line.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
command -v curl >/dev/null || cannot "no curl here"
deb lftp=4.9.2-2+b1 wget=1.21.3-1+deb12u1 wget2=1.99.1-2.2 libwww-perl=6.68-1
pip requests==2.34.2 httpx==0.28.1 aiohttp==3.14.5 httplib2==0.32.1
npm urllib@4.9.2 digest-fetch@3.1.1
experiment <<'PY'
import hashlib
import os
import re
import socket
import subprocess
import threading
from lib import PYTHON, ROOT, TMP, expect, verdict

NONCES = {"SHA-256": "7ypf/xlj9XXwfDPEoM4URrv", "MD5": "dcd98b7102dd2f0e8b11d0f600bfb0c"}
HASHES = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}


def challenge(algorithm):
    return (f'WWW-Authenticate: Digest realm="files", qop="auth", algorithm={algorithm}, '
            f'nonce="{NONCES[algorithm]}", opaque="{algorithm.lower()}"\r\n')


def judge(method, answer):
    """Returns the algorithm if the answer is right, or None."""
    said = {name.lower(): value.strip('"') for name, value in re.findall(r'(\w+)\s*=\s*("[^"]*"|[^,\s]+)', answer)}
    algorithm = said.get("algorithm", "MD5").upper()
    if algorithm not in HASHES:
        return None

    def digest(*parts):
        return HASHES[algorithm](":".join(parts).encode()).hexdigest()

    once = [said.get(name, "") for name in ("nonce", "nc", "cnonce", "qop")]
    right = digest(digest("user", "files", "secret"), *once, digest(method, said.get("uri", "")))
    return algorithm if said.get("response") == right and once[0] == NONCES[algorithm] else None


def serve(connection, order):
    with connection, connection.makefile("rb") as lines:
        while line := lines.readline():
            method, answer = line.split()[0].decode(), None
            while field := lines.readline().strip():
                name, _, value = field.decode("latin-1").partition(":")
                if name.lower() == "authorization":
                    answer = value
            taken = answer and judge(method, answer)
            seen.append(taken or ("wrong" if answer else "none"))
            if taken:
                reply = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n"
                reply += "" if method == "HEAD" else "the file\n"
            else:
                challenges = "".join(challenge(algorithm) for algorithm in order)
                reply = f"HTTP/1.1 401 Unauthorized\r\n{challenges}Content-Length: 0\r\n\r\n"
            connection.sendall(reply.encode())


def accept(listener, order):
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(connection, order), daemon=True).start()


program, python = ROOT + "/usr/bin/", [PYTHON, "-W", "ignore", "-c"]
CLIENTS = {
    "curl": ["curl", "-s", "--digest", "-u", "user:secret"],
    "wget2": [program + "wget2", "-q", "-O", "-", "--user=user", "--password=secret"],
    "httpx": [*python, "import sys, httpx; print(httpx.get(sys.argv[1], auth=httpx.DigestAuth('user', 'secret')).text)"],
    "aiohttp": [*python, """import aiohttp, asyncio, sys
async def main():
    digest = aiohttp.DigestAuthMiddleware('user', 'secret')
    async with aiohttp.ClientSession(middlewares=(digest,)) as session, session.get(sys.argv[1]) as answer:
        print(await answer.text())
asyncio.run(main())"""],
    "LWP": ["perl", "-MLWP::UserAgent", "-e", """my $agent = LWP::UserAgent->new; my ($server) = $ARGV[0] =~ m{//([^/]+)};
$agent->credentials($server, 'files', 'user', 'secret'); print $agent->get($ARGV[0])->decoded_content"""],
    "requests": [*python, """import requests, sys
print(requests.get(sys.argv[1], auth=requests.auth.HTTPDigestAuth('user', 'secret')).text)"""],
    "lftp": [program + "lftp", "-c"],
    "urllib (Python)": [*python, """import sys, urllib.request
handler = urllib.request.HTTPDigestAuthHandler(); handler.add_password('files', sys.argv[1], 'user', 'secret')
print(urllib.request.build_opener(handler).open(sys.argv[1]).read().decode())"""],
    "urllib (npm)": ["node", "-e", """require('urllib').request(process.argv[1],
    { digestAuth: 'user:secret', dataType: 'text' }).then(answer => console.log(answer.data))"""],
    "digest-fetch": ["node", "-e", """const Digest = require('digest-fetch');
new (Digest.default || Digest)('user', 'secret').fetch(process.argv[1]).then(answer => answer.text()).then(console.log)"""],
    "wget": [program + "wget", "-q", "-O", "-", "--user=user", "--password=secret"],
    "httplib2": [*python, """import httplib2, sys; client = httplib2.Http(); client.add_credentials('user', 'secret')
print(client.request(sys.argv[1])[1].decode())"""],
}
ENV = dict(os.environ, HOME=TMP, TERM="dumb", LC_ALL="C",
           PERL5LIB=f"{ROOT}/usr/share/perl5:{ROOT}/usr/lib/x86_64-linux-gnu/perl5/5.36")
# The machine's own curl with its own libraries.
OWN = {name: value for name, value in ENV.items() if name != "LD_LIBRARY_PATH"}
ERRORS = ["ValueError", "TypeError"]


def fetch(name, order):
    seen.clear()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=(listener, order), daemon=True).start()
        server = "http://127.0.0.1:%d/" % listener.getsockname()[1]
        command = [*CLIENTS[name], server + "file"]
        if name == "lftp":
            command[-1] = f"set net:max-retries 1; open -u user,secret {server}; cat /file"
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=TMP,
                              stdin=subprocess.DEVNULL, env=OWN if name in ("curl", "urllib (npm)", "digest-fetch") else ENV)
        listener.shutdown(socket.SHUT_RDWR)
    if "the file" in done.stdout:
        return seen[-1] + (" after a wrong one" if "wrong" in seen else "")
    return next((error for error in ERRORS if error in done.stderr), "refused" if "wrong" in seen else "none")


seen = []
for name, sha_first, md5_first in [
    ("curl", "SHA-256", "MD5"),
    ("wget2", "SHA-256", "MD5"),
    ("httpx", "SHA-256", "MD5"),
    ("aiohttp", "SHA-256", "MD5"),
    ("LWP", "MD5 after a wrong one", "MD5"),
    ("requests", "MD5", "SHA-256"),
    ("lftp", "refused", "MD5"),
    ("urllib (Python)", "ValueError", "MD5"),
    ("urllib (npm)", "refused", "MD5"),
    ("digest-fetch", "refused", "MD5"),
    ("wget", "MD5", "refused"),
    ("httplib2", "MD5", "TypeError"),
]:
    expect(f"{name}, MD5 alone", "MD5", fetch(name, ["MD5"]))
    expect(f"{name}, SHA-256 first", sha_first, fetch(name, ["SHA-256", "MD5"]))
    expect(f"{name}, MD5 first", md5_first, fetch(name, ["MD5", "SHA-256"]))
verdict()
PY
