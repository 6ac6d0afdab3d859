#!/usr/bin/env python3
"""A way to a server that breaks when it is told to: cutting_proxy.py HOST:PORT COMMANDS

Prints its own address, HOST:PORT. COMMANDS is a named pipe, from which it reads one command a line:

  cut SECONDS      breaks all connections, and takes no new ones for that time
  reply SECONDS    the same, in the middle of what the server says next
  request SECONDS  the same, before what a client says next reaches the server
  half             ends all connections towards the clients only
  pause SECONDS    carries nothing for that time
"""

import asyncio
import os
import struct
import socket
import sys


class Proxy:
    def __init__(self, host, port):
        self.target = host, port
        self.links = set()
        self.armed = {}
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.flows = asyncio.Event()
        self.flows.set()

    async def serve(self, reader, writer):
        if not self.is_open.is_set():
            return abort(writer)
        try:
            above, below = await asyncio.open_connection(*self.target, limit=1 << 20)
        except OSError:
            return abort(writer)
        link = (writer, below)
        self.links.add(link)
        await asyncio.gather(self.carry('request', reader, below), self.carry('reply', above, writer))
        self.links.discard(link)
        writer.close()
        below.close()

    async def carry(self, what, reader, writer):
        try:
            while True:
                data = await reader.read(1 << 16)
                await self.flows.wait()
                if data and what in self.armed:
                    seconds = self.armed.pop(what)
                    if what == 'reply':
                        writer.write(data[:len(data) // 2])
                        await writer.drain()
                    self.cut(seconds)
                    return
                if not data:
                    if writer.can_write_eof():
                        writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()
        except (OSError, RuntimeError):
            pass

    def cut(self, seconds):
        self.is_open.clear()
        for link in self.links:
            for writer in link:
                abort(writer)
        self.links.clear()
        asyncio.get_running_loop().call_later(seconds, self.is_open.set)

    def obey(self, command, seconds=0.0):
        seconds = float(seconds)
        if command == 'cut':
            self.cut(seconds)
        elif command == 'half':
            for client, _ in self.links:
                try:
                    client.write_eof()
                except (OSError, RuntimeError):
                    pass
        elif command == 'pause':
            self.flows.clear()
            asyncio.get_running_loop().call_later(seconds, self.flows.set)
        else:
            self.armed[command] = seconds


def abort(writer):
    sock = writer.get_extra_info('socket')
    if sock is not None:
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        except OSError:
            pass
    writer.transport.abort()


async def main(target, commands):
    host, _, port = target.rpartition(':')
    proxy = Proxy(host, int(port))
    server = await asyncio.start_server(proxy.serve, '127.0.0.1', 0)
    print('%s:%d' % server.sockets[0].getsockname()[:2], flush=True)
    # Open for writing too, so that it does not end with its first writer.
    pipe = os.fdopen(os.open(commands, os.O_RDWR), 'rb', buffering=0)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    while True:
        proxy.obey(*(await reader.readline()).decode().split())


try:
    asyncio.run(main(*sys.argv[1:]))
except KeyboardInterrupt:
    pass
