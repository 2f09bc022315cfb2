#!/usr/bin/env bash
# A kept HTTP connection ends just when its second request has come: httplib2 and Furl send a POST again, so
# that what it does is done twice, and undici does not even send a GET again.
#
# Software: httplib2 0.32.1, geventhttpclient 2.6.1, PySide6-Essentials 6.12.0 (PyPI); undici 7.30.2 (npm);
#           libfurl-perl 3.14-2 (Debian 12).
#
# A server may end a kept connection at any time: it restarts, it is full, its patience is over. A request that
# is under way then gets no answer, and nobody knows whether it was done. RFC 9110 (section 9.2.2) has clients
# send again by themselves only what is idempotent: a GET, not a POST.
#
# The server here answers the first request of a connection, reads the whole of the second, and ends the
# connection with FIN, once. It answers whatever comes later.
#
# The guess: curl's family and wget send the POST again, which is known of them, and so does Qt, whose HTTP
# connection counts three attempts; of the libraries for scripting languages Ruby's httpclient alone. A GET is
# sent again by undici as well; geventhttpclient is too small for that.
#
# What happens:
#   httplib2, Furl       send the POST again on a new connection, and report 200: the caller hears nothing of it
#   Qt                   does not; RemoteHostClosedError
#   geventhttpclient     sends a GET again, not a POST
#   undici               sends neither again, though it keeps connections without being asked; nor does
#                        Node's fetch, which is made of it
#
# Why it matters: a server that ends idle connections cannot do so without a race, so with these clients an
# order is now and then placed twice, or a page now and then fails. Say "Connection: close" in the last answer,
# end the sending half first and read on for a moment, and give a POST a key by which its second coming shows.
# A proxy that keeps connections to its backends is such a client itself.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb libfurl-perl=3.14-2
pip httplib2==0.32.1 geventhttpclient==2.6.1 PySide6-Essentials==6.12.0
npm undici@7.30.2
experiment <<'PY'
import os
import socket
import subprocess
import threading
from lib import ENV, PYTHON, TMP, expect, verdict


class Server:
    """Counts the requests that come after the first; the first of those gets no answer."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d/" % self.listener.getsockname()[1]
        self.came = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, connection):
        lines, kept = connection.makefile("rb"), False
        while request := lines.readline():
            length = 0
            while (line := lines.readline().strip().lower()):
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            lines.read(length)
            self.came.append(request.split()[0].decode())
            if kept and len(self.came) == 2:
                break
            kept = True
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        lines.close()
        connection.close()


def python(text):
    return lambda url, method: [PYTHON, "-W", "ignore", "-c", f"URL, METHOD = {url!r}, {method!r}\n{text}"]


HTTPLIB2 = """import httplib2
http = httplib2.Http()
http.request(URL)
print(http.request(URL, METHOD, body='x=1' if METHOD == 'POST' else None)[0].status)"""
GEVENT = """from geventhttpclient import HTTPClient
http = HTTPClient.from_url(URL)
http.get('/').read()
print((http.post('/', body='x=1') if METHOD == 'POST' else http.get('/')).status_code)"""
QT = """from PySide6.QtCore import QCoreApplication, QUrl
from PySide6.QtNetwork import QNetworkAccessManager, QNetworkRequest
app, http, request = QCoreApplication([]), QNetworkAccessManager(), QNetworkRequest(QUrl(URL))
request.setHeader(QNetworkRequest.ContentTypeHeader, 'text/plain')
first = http.get(request)
def go_on():
    first.readAll()
    second = http.post(request, b'x=1') if METHOD == 'POST' else http.get(request)
    def end():
        status = second.attribute(QNetworkRequest.HttpStatusCodeAttribute)
        print(status if status else second.error().name)
        app.quit()
    second.finished.connect(end)
first.finished.connect(go_on)
app.exec()"""
UNDICI = """import { request } from 'undici';
await (await request(URL)).body.text();
await new Promise(done => setTimeout(done, 200));
try {
    const options = METHOD === 'POST' ? { method: METHOD, body: 'x=1' } : {};
    console.log((await request(URL, options)).statusCode);
} catch (error) { console.log(error.code); }"""
FURL = """use Furl; my ($url, $method) = @ARGV; my $http = Furl->new; $http->get($url);
print $method eq 'POST' ? $http->post($url, [], 'x=1')->code : $http->get($url)->code"""


def node(url, method):
    with open(TMP + "/client.mjs", "w") as f:
        f.write(f"const URL = {url!r}, METHOD = {method!r};\n{UNDICI}")
    return ["node", "--no-warnings", TMP + "/client.mjs"]


def perl(url, method):
    return ["perl", "-e", FURL, url, method]


os.environ["PERL5LIB"] = ENV["PERL5LIB"]


def runs(client, method):
    server = Server()
    done = subprocess.run(client(server.url, method), capture_output=True, text=True, timeout=60, cwd=TMP)
    return server.came[1:], done.stdout.strip()


for name, client, get, post in [
    ("httplib2", python(HTTPLIB2), (["GET"] * 2, "200"), (["POST"] * 2, "200")),
    ("Furl", perl, (["GET"] * 2, "200"), (["POST"] * 2, "200")),
    ("Qt", python(QT), (["GET"] * 2, "200"), (["POST"], "RemoteHostClosedError")),
    ("geventhttpclient", python(GEVENT), (["GET"] * 2, "200"), (["POST"], "")),
    ("undici", node, (["GET"], "UND_ERR_SOCKET"), (["POST"], "UND_ERR_SOCKET")),
]:
    expect(f"{name}: a GET came, and it said", get, runs(client, "GET"))
    expect(f"{name}: a POST came, and it said", post, runs(client, "POST"))
verdict()
PY
