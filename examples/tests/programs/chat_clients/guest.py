"""A guest for the chat server, on the Python library `irc`.

Told on standard input what to do (join, say, nick, leave, connect, quit), it tells on standard output what
it sees, a line each.
"""

import sys
import threading

import irc.client

HOST, PORT = sys.argv[1], int(sys.argv[2])


class Guest(irc.client.SimpleIRCClient):
    def see(self, *words):
        print(*words, flush=True)

    def on_welcome(self, connection, event):
        self.see("welcome", event.target)

    def on_namreply(self, connection, event):
        for name in event.arguments[-1].split():
            self.see("member", name.lstrip("~&@%+"))

    def on_pubmsg(self, connection, event):
        self.see("message", event.source.nick, event.arguments[0])

    def on_privmsg(self, connection, event):
        self.see("private", event.source.nick, event.arguments[0])

    def on_nick(self, connection, event):
        self.see("nick", event.source.nick, event.target)

    def on_topic(self, connection, event):
        self.see("topic", event.arguments[0])

    def on_kick(self, connection, event):
        self.see("kick", *event.arguments)

    def obey(self, line):
        verb, _, rest = line.strip().partition(" ")
        if verb == "join":
            self.connection.join(rest)
        elif verb == "say":
            self.connection.privmsg(*rest.split(" ", 1))
        elif verb == "nick":
            self.connection.nick(rest)
        elif verb == "leave":
            self.connection.disconnect("back in a moment")
        elif verb == "connect":
            self.connect(HOST, PORT, rest)
        elif verb == "quit":
            self.connection.disconnect("so long")
            sys.exit(0)


def main():
    guest = Guest()
    guest.connect(HOST, PORT, "guest")
    lines = []

    def read():
        for line in sys.stdin:
            lines.append(line)
        lines.append("quit")

    threading.Thread(target=read, daemon=True).start()
    while True:
        guest.reactor.process_once(timeout=0.05)
        while lines:
            guest.obey(lines.pop(0))


main()
