#!/usr/bin/env bash
# "PROXY UNKNOWN", which nginx and HAProxy send for a client on a Unix socket: Apache and Twisted hang up, proxy-protocol-js
# cannot read it; with addresses behind the word all of these can, and HAProxy hangs up.
#
# Software: nginx 1.22.1-9+deb12u11, apache2-bin 2.4.71-1~deb12u1, lighttpd 1.4.69-1, haproxy 2.6.12-1+deb12u4
#           (Debian 12); Twisted 26.10.0, aiosmtpd 1.4.6, proxy-protocol 0.11.3 (PyPI); proxy-protocol-js 4.0.6 (npm).
#
# In version 1 of the PROXY protocol (HAProxy's proxy-protocol.txt, 2.1) the sender may leave out everything behind the
# word UNKNOWN, and the receiver has to pass over whatever stands there up to the line's end.
#
# The guess: each of these receivers serves after both forms, and after version 2's LOCAL, with a TLV or without; perhaps
# not those of npm.
#
# What happens with a whole request right behind the header:
#                        UNKNOWN      UNKNOWN ::1 ::1 1111 80      version 2: LOCAL, with a TLV or without
#   nginx, lighttpd,
#   aiosmtpd,
#   proxy-protocol       serves       serves                       serves
#   Apache, Twisted      closes       serves                       serves
#   proxy-protocol-js    error        reads it                     reads it
#   HAProxy              serves       closes                       serves
# And nginx and HAProxy as senders do say "PROXY UNKNOWN" of a client who came by a Unix socket; by version 2 HAProxy calls
# him LOCAL, as it calls its own health checks.
#
# Why it matters: a site behind nginx or HAProxy works until something next to the proxy comes in by its Unix socket, and
# then its connections end without an answer. A receiver has to take both forms; a sender that wants to be understood
# says TCP4 or TCP6, or version 2. And a receiver cannot take LOCAL for "nobody's".
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_root # Apache and lighttpd change user
deb nginx=1.22.1-9+deb12u11 libnginx-mod-stream=1.22.1-9+deb12u11 apache2-bin=2.4.71-1~deb12u1 lighttpd=1.4.69-1
deb haproxy=2.6.12-1+deb12u4
pip twisted==26.10.0 aiosmtpd==1.4.6 proxy-protocol==0.11.3
npm proxy-protocol-js@4.0.6
experiment <<'PY'
import os
import socket
import struct
import subprocess
import time
from lib import ENV, PYTHON, ROOT, TMP, connect, expect, free_port, start, stop_all, verdict

WORK = TMP + "/work"
os.mkdir(WORK)
open(WORK + "/hello", "w").close()
SBIN = ROOT + "/usr/sbin/"


def config(name, text):
    with open(f"{WORK}/{name}", "w") as f:
        f.write(text)
    return f"{WORK}/{name}"


HAPROXY = "defaults\n mode {}\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n"


def server(name, port, backend):
    if name == "nginx":
        text = f"""daemon off; master_process off; pid {WORK}/pid; error_log stderr; events {{}} http {{ access_log off;
            client_body_temp_path {WORK}/body; proxy_temp_path {WORK}/proxy; fastcgi_temp_path {WORK}/f; uwsgi_temp_path {WORK}/u;
            scgi_temp_path {WORK}/s; server {{ listen 127.0.0.1:{port} proxy_protocol; location / {{ return 200; }} }} }}"""
        return [SBIN + "nginx", "-e", "stderr", "-p", WORK, "-c", config("nginx", text)]
    if name == "Apache":
        text = "".join(f"LoadModule {it}_module {ROOT}/usr/lib/apache2/modules/mod_{it}.so\n"
                       for it in ("mpm_event", "authz_core", "remoteip"))
        text += f"""ServerRoot {WORK}\nServerName h\nPidFile {WORK}/apache-pid\nErrorLog /dev/stderr\nListen 127.0.0.1:{port}
            RemoteIPProxyProtocol On\nDocumentRoot {WORK}\nUser nobody\nGroup nogroup\n"""
        return [SBIN + "apache2", "-X", "-f", config("apache", text)]
    if name == "lighttpd":
        text = f"""server.modules = ("mod_extforward")\nserver.document-root = "{WORK}"\nserver.port = {port}
            server.bind = "127.0.0.1"\nextforward.forwarder = ("127.0.0.1" => "trust")\nextforward.hap-PROXY = "enable"\n"""
        return [SBIN + "lighttpd", "-D", "-m", ROOT + "/usr/lib/lighttpd", "-f", config("lighttpd", text)]
    if name == "HAProxy":
        text = HAPROXY.format("http") + f"""frontend f\n bind 127.0.0.1:{port} accept-proxy\n default_backend b
            backend b\n server s 127.0.0.1:{backend}\n"""
        return [SBIN + "haproxy", "-db", "-f", config("haproxy", text)]
    if name == "Twisted":
        return [PYTHON, "-c", f"""from twisted.internet import endpoints, reactor
from twisted.web import server, static
endpoints.serverFromString(reactor, 'haproxy:tcp:{port}:interface=127.0.0.1').listen(server.Site(static.File('{WORK}')))
reactor.run()"""]
    return [PYTHON, "-c", f"""import asyncio; from aiosmtpd.smtp import SMTP; from aiosmtpd.handlers import Sink
class Handler(Sink):
    async def handle_PROXY(self, *_): return True
async def main():
    smtp = lambda: SMTP(Handler(), proxy_protocol_timeout=5, hostname='h')
    async with await asyncio.get_running_loop().create_server(smtp, '127.0.0.1', {port}) as server: await server.serve_forever()
asyncio.run(main())"""]


def two(command, family, body):
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20 | command, family]) + struct.pack("!H", len(body)) + body


HEADERS = {
    "TCP4": b"PROXY TCP4 127.0.0.1 127.0.0.1 1111 80\r\n",
    "UNKNOWN": b"PROXY UNKNOWN\r\n",
    "UNKNOWN and addresses": b"PROXY UNKNOWN ::1 ::1 1111 80\r\n",
    "LOCAL": two(0, 0, b""),
    "LOCAL and a TLV": two(0, 0, b"\x04\0\x03abc"),
}


def answer(port, header):
    """Whether a server serves: any answer of its protocol is one."""
    with connect(port) as s:
        s.settimeout(10)
        try:
            s.sendall(header + b"GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            return "serves" if s.recv(1000)[:4] in (b"HTTP", b"220 ") else "closes"
        except ConnectionError:
            return "closes"


READ = {
    "proxy-protocol": [PYTHON, "-c", """import asyncio, sys
from proxyprotocol.detect import ProxyProtocolDetect; from proxyprotocol.reader import ProxyProtocolReader
async def main():
    reader = asyncio.StreamReader(); reader.feed_data(sys.stdin.buffer.read() + b'rest'); reader.feed_eof()
    await ProxyProtocolReader(ProxyProtocolDetect()).read(reader); assert await reader.read() == b'rest'
asyncio.run(main())"""],
    "proxy-protocol-js": ["node", "-e", """const { V1ProxyProtocol, V2ProxyProtocol } = require('proxy-protocol-js');
const bytes = require('fs').readFileSync(0);
bytes[0] == 80 ? V1ProxyProtocol.parse(bytes.toString('latin1')) : V2ProxyProtocol.parse(bytes);"""],
}
FAILS = {("Apache", "UNKNOWN"), ("Twisted", "UNKNOWN"), ("proxy-protocol-js", "UNKNOWN"), ("HAProxy", "UNKNOWN and addresses")}

backend = free_port()
start(["python3", "-m", "http.server", str(backend), "--bind", "127.0.0.1", "--directory", WORK])
connect(backend).close()
for name in ("nginx", "Apache", "lighttpd", "HAProxy", "Twisted", "aiosmtpd"):
    port = free_port()
    start(server(name, port, backend), cwd=WORK, env=ENV)
    connect(port).close()
    for what, header in HEADERS.items():
        expect(f"{name}, {what}", "closes" if (name, what) in FAILS else "serves", answer(port, header))
for name, argv in READ.items():
    for what, header in HEADERS.items():
        read = subprocess.run(argv, input=header, cwd=TMP, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        expect(f"{name}, {what}", "error" if (name, what) in FAILS else "reads it", "error" if read.returncode else "reads it")

with socket.create_server(("127.0.0.1", 0)) as receiver:
    receiver.settimeout(20)
    to = receiver.getsockname()[1]
    nginx = f"""load_module {ROOT}/usr/lib/nginx/modules/ngx_stream_module.so; daemon off; master_process off; pid {WORK}/pid2;
        events {{}} stream {{ server {{ listen unix:{WORK}/nginx.sock; proxy_pass 127.0.0.1:{to}; proxy_protocol on; }} }}"""
    haproxy = HAPROXY.format("tcp") + "".join(
        f"listen {option}\n bind {WORK}/{option}.sock\n server s 127.0.0.1:{to} {option}\n" for option in ("send-proxy", "send-proxy-v2"))
    start([SBIN + "nginx", "-e", "stderr", "-p", WORK, "-c", config("sender", nginx)], cwd=WORK, env=ENV)
    start([SBIN + "haproxy", "-db", "-f", config("senders", haproxy)], cwd=WORK, env=ENV)
    for name, path, want in (("nginx", "nginx", "UNKNOWN"), ("HAProxy", "send-proxy", "UNKNOWN"),
                             ("HAProxy, version 2", "send-proxy-v2", "LOCAL")):
        deadline = time.monotonic() + 20
        while not os.path.exists(f"{WORK}/{path}.sock") and time.monotonic() < deadline:
            time.sleep(0.05)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{WORK}/{path}.sock")
            client.sendall(b"hello")
            peer, _ = receiver.accept()
            peer.settimeout(10)
            got = b""
            while not got.endswith(b"hello"):
                got += peer.recv(1000)
            peer.close()
        said = [what for what, header in HEADERS.items() if got == header + b"hello"]
        expect(f"{name} says of a client on a Unix socket", want, said[0] if said else got)
stop_all()
verdict()
PY
