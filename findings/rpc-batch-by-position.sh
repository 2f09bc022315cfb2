#!/usr/bin/env bash
# A JSON-RPC batch is answered in another order: three of five clients hand each caller the answer to another's call,
# and say nothing.
#
# Software: jsonrpclib-pelix 1.2.0, python-bitcoinrpc 1.0, pjrpc 2.2.0 (PyPI);
#           bitcoin-core 5.0.0, simple-jsonrpc-js 1.2.0 (npm).
#
# A server may work on the calls of a batch in any order, and may answer them in any order; "the Client SHOULD match
# contexts between the set of Request objects and the resulting set of Response objects based on the id member within
# each Object" (JSON-RPC 2.0, section 6). The server here answers the last call of a batch first.
#
# The guess: all pair by id; at the worst one raises an error because the ids are not in its order.
#
# What happens: each is asked for the double of 1, of 2 and of 3, in one batch.
#   jsonrpclib-pelix (MultiCall), python-bitcoinrpc (batch_), bitcoin-core (command([...]))
#                        send an id with each call, and never look at it again: 6, 4, 2
#   pjrpc, simple-jsonrpc-js
#                        pair by id: 2, 4, 6
#
# Why it matters: a server that works on the calls side by side and answers as they come is right by the letter, and
# gives such a caller another block's hash or another wallet's balance. Answer in the order of the calls, though
# nobody has to; and never send a batch through such a client to a server that you do not know.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
pip jsonrpclib-pelix==1.2.0 python-bitcoinrpc==1.0 'pjrpc[requests]==2.2.0'
npm bitcoin-core@5.0.0 simple-jsonrpc-js@1.2.0
experiment <<'PY'
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from lib import PYTHON, TMP, expect, verdict


class Server(BaseHTTPRequestHandler):
    """Answers the last call of a batch first."""

    def do_POST(self):
        calls = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answers = [
            {"jsonrpc": "2.0", "id": call["id"], "result": 2 * call["params"][0], **extra} for call in reversed(calls)
        ]
        body = json.dumps(answers).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


# The server of python-bitcoinrpc says both members, as JSON-RPC 1.0 has it; so does that of bitcoin-core.
extra = {}
server = HTTPServer(("127.0.0.1", 0), Server)
port = server.server_address[1]
threading.Thread(target=server.serve_forever, daemon=True).start()

PELIX = """import jsonrpclib
batch = jsonrpclib.MultiCall(jsonrpclib.ServerProxy(f'http://127.0.0.1:{PORT}'))
for n in (1, 2, 3): batch.double(n)
print(list(batch()))"""
BITCOINRPC = """from bitcoinrpc.authproxy import AuthServiceProxy
print(AuthServiceProxy(f'http://u:p@127.0.0.1:{PORT}').batch_([['double', n] for n in (1, 2, 3)]))"""
PJRPC = """from pjrpc.client.backend import requests
client = requests.Client(f'http://127.0.0.1:{PORT}')
with client.batch() as batch:
    for n in (1, 2, 3): batch.call('double', n)
print(list(batch.get_results()))"""
BITCOIN_CORE = """const Client = require('bitcoin-core');
const client = new Client({ host: `http://127.0.0.1:${PORT}`, port: PORT, username: 'u', password: 'p' });
client.command([1, 2, 3].map(n => ({ method: 'double', parameters: [n] }))).then(shown);"""
SIMPLE = """const rpc = require('simple-jsonrpc-js'), http = require('http');
const client = new rpc();
client.toStream = text => {
    const request = http.request({ port: PORT, host: '127.0.0.1', method: 'POST',
        headers: { 'Content-Length': Buffer.byteLength(text) } }, answer => {
        let body = '';
        answer.on('data', piece => body += piece);
        answer.on('end', () => client.messageHandler(body));
    });
    request.end(text);
};
client.batch([1, 2, 3].map(n => ({ call: { method: 'double', params: [n] } }))).then(shown);"""


def python(text):
    return [PYTHON, "-W", "ignore", "-c", f"PORT = {port}\n{text}"]


def node(text):
    shown = "const shown = all => console.log('[' + all.join(', ') + ']');"
    return ["node", "--no-warnings", "-e", f"const PORT = {port}; {shown}\n{text}"]


SWAPPED, RIGHT = "[6, 4, 2]", "[2, 4, 6]"
for name, command, said, members in [
    ("jsonrpclib-pelix", python(PELIX), SWAPPED, {}),
    ("python-bitcoinrpc", python(BITCOINRPC), SWAPPED, {"error": None}),
    ("bitcoin-core", node(BITCOIN_CORE), SWAPPED, {"error": None}),
    ("pjrpc", python(PJRPC), RIGHT, {}),
    ("simple-jsonrpc-js", node(SIMPLE), RIGHT, {}),
]:
    extra = members
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=TMP)
    expect(f"{name}: the doubles of 1, 2 and 3", said, done.stdout.strip() or done.stderr[-600:])
verdict()
PY
