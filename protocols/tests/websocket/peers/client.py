"""A client by the package `websockets`: python3 client.py URL. It prints what was agreed on, and ends with 0
if everything came back."""

import asyncio
import sys

import websockets


async def main(url):
    async with websockets.connect(url, max_size=None, subprotocols=["chat"]) as socket:
        for message in ["grüß dich", b"\x00\xff", "", "a message " * 30_000, bytes(300_000)]:
            await socket.send(message)
            assert await socket.recv() == message
        await socket.send(["in ", "three ", "fragments"])
        assert await socket.recv() == "in three fragments"
        await (await socket.ping(b"there?"))
        print(socket.subprotocol, socket.response.headers.get("Sec-WebSocket-Extensions"), flush=True)
        await socket.close(4_001, "done")
        assert (socket.close_code, socket.close_reason) == (4_001, ""), socket.close_reason


asyncio.run(main(sys.argv[1]))
