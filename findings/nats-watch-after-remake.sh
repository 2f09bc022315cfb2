#!/usr/bin/env bash
# A key-value bucket is made anew under those who watch it: what is put before they have noticed is never told to any
# of three clients, nor that anything was missed.
#
# Software: nats-server 2.9.10-1+b3 (Debian 12), nats-py 2.16.0 (PyPI), nats 2.29.3 and @nats-io/kv 3.4.0 (npm).
#
# A watch is "an ordered consumer": the client makes it anew when it misses its heartbeats, and has it start behind the
# last number that it saw. A bucket in memory is gone with its server, and a program that makes it at its start makes
# it again, its numbers from one. So it is when somebody deletes a bucket and makes it.
#
# The guess: each watch tells of what is put after the restart, some 15 s late, since a heartbeat must be missed first.
#
# What happens: k1 to k5 are put and told. The server is started again, the bucket made anew, a1 to a3 are put at once
# and one key every two seconds from then on. All are in the bucket.
#   each of the three    never tells of a1, a2, a3; after ten to sixty seconds it goes on with what is put then. The
#                        watch does not end, raises nothing, and says nothing of a gap; k1 to k5 are not taken back
# (With storage in files and a server that only starts again, each tells of everything: the numbers go on.)
#
# Why it matters: configuration, leases and service lists are kept in sync by a watch. After such a restart every
# program acts on the old world and on a new one with a hole in it, until it is started again. Whoever watches has to
# look whether the bucket is still the one that he knew (when was its stream made?), and begin from nothing if not.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
deb nats-server=2.9.10-1+b3
pip nats-py==2.16.0
npm nats@2.29.3 @nats-io/kv@3.4.0 @nats-io/jetstream@3.4.0 @nats-io/transport-node@3.4.0
experiment <<'PY'
import subprocess
import threading
import time
from lib import PYTHON, ROOT, TMP, connect, expect, free_port, start, verdict

port = free_port()
url = f"nats://127.0.0.1:{port}"


def start_server():
    server = start([ROOT + "/usr/sbin/nats-server", "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", TMP + "/js"])
    connect(port).close()
    return server


NATS_PY = """import asyncio, nats
async def main():
    client = await nats.connect(ADDRESS, max_reconnect_attempts=-1)
    watch = await (await client.jetstream().key_value('b')).watchall()
    while True:
        entry = await watch.updates(timeout=200)
        if entry: print(entry.key, flush=True)
asyncio.run(main())"""
NATS_JS = """require('nats').connect({ servers: ADDRESS, maxReconnectAttempts: -1 }).then(async client => {
    const bucket = await client.jetstream().views.kv('b', { bindOnly: true });
    for await (const entry of await bucket.watch()) console.log(entry.key);
    console.log('ended');
});"""
NATS_IO = """const { connect } = require('@nats-io/transport-node'), { Kvm } = require('@nats-io/kv');
connect({ servers: ADDRESS, maxReconnectAttempts: -1 }).then(async client => {
    const bucket = await new Kvm(client).open('b');
    for await (const entry of await bucket.watch()) console.log(entry.key);
    console.log('ended');
});"""
# Makes the bucket if the first word says so, puts the others, and says what keys there are.
HAND = """import asyncio, sys, nats
from nats.js.api import KeyValueConfig, StorageType
async def main():
    client = await nats.connect(ADDRESS)
    stream = client.jetstream()
    if sys.argv[1] == 'make':
        await stream.create_key_value(config=KeyValueConfig(bucket='b', storage=StorageType.MEMORY))
    bucket = await stream.key_value('b')
    for key in sys.argv[2:]: await bucket.put(key, b'value')
    print(*sorted(await bucket.keys()))
    await client.close()
asyncio.run(main())"""


def python(text):
    return [PYTHON, "-W", "ignore", "-c", f"ADDRESS = '{url}'\n{text}"]


def node(text):
    return ["node", "--no-warnings", "-e", f"const ADDRESS = '{url}';\n{text}"]


def hand(*words):
    done = subprocess.run([*python(HAND), *words], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()


class Watcher:
    def __init__(self, name, command):
        self.name, self.told = name, []
        self.program = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=TMP)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.program.stdout:
            self.told.append(line.strip())


def wait(what, is_so):
    deadline = time.monotonic() + 60
    while not is_so():
        if time.monotonic() > deadline:
            print(f"cannot run: {what}")
            raise SystemExit(77)
        time.sleep(0.05)


server = start_server()
hand("make", "k1", "k2", "k3", "k4", "k5")
watchers = [
    Watcher("nats-py", python(NATS_PY)), Watcher("nats", node(NATS_JS)), Watcher("@nats-io/kv", node(NATS_IO))
]
try:
    wait("a watch does not begin", lambda: all("k5" in watcher.told for watcher in watchers))
    server.terminate()
    server.wait(20)
    start_server()
    early, later = ["a1", "a2", "a3"], []
    expect("in the bucket, made anew", early, hand("make", *early))
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not all(set(later) & set(watcher.told) for watcher in watchers):
        later.append(f"b{len(later)}")
        hand("put", later[-1])
        time.sleep(2)
    for watcher in watchers:
        told = watcher.told
        expect(f"{watcher.name}: told of what was put at once", [], [key for key in told if key in early])
        expect(f"{watcher.name}: told of something that was put later", True, bool(set(told) & set(later)))
        expect(f"{watcher.name}: the watch has ended", False, "ended" in told or watcher.program.poll() is not None)
finally:
    for watcher in watchers:
        watcher.program.kill()
verdict()
PY
