"""Stands between a daemon and its Redis and spoils what passes: `FaultProxy` bytes, `ScriptedRedis` commands.

      clawd ── up ──▶ proxy ── up ──▶ redis-server
            ◀── down ──     ◀── down ──

All of it runs in one thread with an event loop of its own; the methods may be called from the test's thread, and have
taken effect when they return.
"""

import asyncio
import contextlib
import socket
import struct
import threading
import time

PATIENCE = 30
DRIP = 0.0001  # seconds between two bytes
# What `accept` may be: how a new connection is met.
PASS, STALL, CLOSE, RESET = "pass", "stall", "close", "reset"


class Way:
    """One direction of one connection: how its bytes go on."""

    def __init__(self, mode=PASS):
        self.mode = mode
        self.passed = 0
        self.last = None
        self.cut = None
        self.waiting = bytearray()

    def take(self, data):
        """The pieces to send on now, and how to end the connection afterwards, or None."""
        if self.mode == "drop":
            return [], None
        if self.mode == "hold":
            self.waiting += data
            return [], None
        if self.cut is not None:
            count, how = self.cut
            self.cut = (count - len(data), how)
            if count <= len(data):
                return [data[:count]], how
        if self.mode == "drip":
            return [data[index : index + 1] for index in range(len(data))], None
        return [data], None


class Connection:
    """One connection through the proxy. `up` is the way to the server, `down` the way to the client."""

    def __init__(self, proxy, number):
        self.proxy = proxy
        self.number = number
        self.up = Way(proxy.up)
        self.down = Way(proxy.down)
        self.client = None
        self.server = None
        self.is_open = True
        self.is_subscriber = False
        self.accepted_at = time.monotonic()

    @property
    def port(self):
        """The port from which the server is reached: by it the server's CLIENT LIST names this connection."""
        return self.server.get_extra_info("sockname")[1] if self.server else None

    def send(self, way, data):
        way.passed += len(data)
        if way is self.down:
            self.client.write(data)
        else:
            self.server.write(data)

    def pass_on(self, way, data):
        pieces, end = way.take(data)
        for piece in pieces:
            self.send(way, piece)
            if way.mode == "drip":
                # Time for the other side to read this one before the next one is there.
                time.sleep(DRIP)
        if end:
            self.end(end)

    def end(self, how=CLOSE):
        """Ends both halves: `close` after what was written (FIN), `reset` at once (RST)."""
        if not self.is_open:
            return
        self.is_open = False
        for transport in (self.client, self.server):
            if transport is None:
                continue
            if how == RESET:
                linger = struct.pack("ii", 1, 0)
                # The other side may have ended it a moment ago.
                with contextlib.suppress(OSError):
                    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                transport.abort()
            else:
                transport.close()


class Half(asyncio.Protocol):
    def __init__(self, connection, is_client):
        self.connection = connection
        self.is_client = is_client

    def data_received(self, data):
        if self.is_client:
            self.connection.proxy.from_client(self.connection, data)
        else:
            self.connection.proxy.from_server(self.connection, data)

    def pause_writing(self):
        # Who is not read from must feel it at the other end too.
        other = self.connection.server if self.is_client else self.connection.client
        if other is not None and not other.is_closing():
            other.pause_reading()

    def resume_writing(self):
        other = self.connection.server if self.is_client else self.connection.client
        if other is not None and not other.is_closing():
            other.resume_reading()

    def connection_lost(self, error):
        if isinstance(error, ConnectionResetError):
            self.connection.end(RESET)
        # A server that has ended is not heard of through a way that is held or dropped.
        elif self.is_client or self.connection.down.mode not in ("hold", "drop"):
            self.connection.end()


class ClientHalf(Half):
    def connection_made(self, transport):
        self.connection.client = transport
        # Nothing is read before there is a server to give it to.
        transport.pause_reading()
        self.connection.proxy.accepted(self.connection)


class ServerHalf(Half):
    def connection_made(self, transport):
        self.connection.server = transport
        self.connection.client.resume_reading()


class FaultProxy:
    """A proxy on a loopback port, before a server's port or unix socket."""

    def __init__(self, target, host="127.0.0.1", port=0):
        """`target` is a port of 127.0.0.1 or the path of a unix socket."""
        self.target = target
        self.host = host
        self.port = port
        self.accept = PASS
        self.up = PASS
        self.down = PASS
        self.cuts_to_come = []
        self.connections = []
        self.listener = None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.allow()

    # For the test's thread

    def run(self, function, *arguments):
        """Runs a function, or a coroutine function, in the proxy's thread and gives its answer."""

        async def call():
            answer = function(*arguments)
            return await answer if asyncio.iscoroutine(answer) else answer

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(PATIENCE)

    def allow(self):
        """Listens again, on the port it always had."""

        async def listen():
            if self.listener is None:
                self.listener = await self.loop.create_server(self.new_connection, self.host, self.port)
                self.port = self.listener.sockets[0].getsockname()[1]

        self.run(listen)

    def refuse(self):
        """Listens no more: who connects is refused. The connections that stand are left alone."""

        async def shut():
            if self.listener is not None:
                self.listener.close()
                self.listener = None

        self.run(shut)

    def set(self, up=None, down=None, accept=None, only=None):
        """Ways of all connections, those that stand and those to come: `pass`, `drop` (read and lost), `hold` (kept until
        it passes again) or `drip` (one byte at a time); and how new connections are met. With `only`, the ways of those
        that stand and for which it holds."""

        def change():
            if only is None:
                self.accept = accept or self.accept
                self.up = up or self.up
                self.down = down or self.down
            for connection in self.live_connections():
                if only and not only(connection):
                    continue
                for way, mode in ((connection.up, up), (connection.down, down)):
                    if mode:
                        way.mode = mode
                    if way.waiting and way.mode != "hold":
                        kept, way.waiting = bytes(way.waiting), bytearray()
                        connection.pass_on(way, kept)

        self.run(change)

    def cut(self, how=CLOSE, after=0, up=False, only=None):
        """Ends the connections that stand (those for which `only` holds): at once, or after so many more bytes."""

        def change():
            for connection in self.live_connections():
                if only is None or only(connection):
                    if after:
                        (connection.up if up else connection.down).cut = (after, how)
                    else:
                        connection.end(how)

        self.run(change)

    def cut_next(self, *places):
        """Ends each of the next connections after so many bytes on the way down."""
        self.run(self.cuts_to_come.extend, places)

    def live(self):
        return self.run(self.live_connections)

    @property
    def attempts(self):
        """When each connection was accepted, in seconds of the monotonic clock."""
        return self.run(lambda: [connection.accepted_at for connection in self.connections])

    def stop(self):
        async def end():
            if self.listener is not None:
                self.listener.close()
            for connection in self.live_connections():
                connection.end(RESET)
            # Two turns: one to close, one to tell the protocols.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self.loop.stop()

        if self.loop.is_running():
            asyncio.run_coroutine_threadsafe(end(), self.loop)
            self.thread.join(PATIENCE)
            self.loop.close()

    # In the proxy's thread

    def live_connections(self):
        return [connection for connection in self.connections if connection.is_open]

    def new_connection(self):
        connection = Connection(self, len(self.connections))
        self.connections.append(connection)
        if self.cuts_to_come:
            connection.down.cut = (self.cuts_to_come.pop(0), CLOSE)
        return ClientHalf(connection, is_client=True)

    def accepted(self, connection):
        if self.accept in (CLOSE, RESET):
            connection.end(self.accept)
        elif self.accept == PASS:
            self.loop.create_task(self.reach_server(connection))

    async def reach_server(self, connection):
        def half():
            return ServerHalf(connection, is_client=False)

        try:
            if isinstance(self.target, int):
                await self.loop.create_connection(half, "127.0.0.1", self.target)
            else:
                await self.loop.create_unix_connection(half, str(self.target))
        except OSError:
            connection.end(RESET)

    def from_client(self, connection, data):
        # Plain text alone shows which of the two connections subscribes.
        connection.is_subscriber = connection.is_subscriber or b"SUBSCRIBE" in data.upper()
        connection.pass_on(connection.up, data)

    def from_server(self, connection, data):
        connection.pass_on(connection.down, data)


def take_command(buffer):
    """Takes a command, an array of bulk strings, from the front of a buffer: its words and its bytes, or None."""
    end = buffer.find(b"\r\n")
    if end < 0:
        return None
    assert buffer[:1] == b"*", f"no command: {bytes(buffer[:40])}"
    count, at, words = int(buffer[1:end]), end + 2, []
    for _ in range(count):
        end = buffer.find(b"\r\n", at)
        if end < 0:
            return None
        length = int(buffer[at + 1 : end])
        at = end + 2 + length + 2
        if len(buffer) < at:
            return None
        words.append(bytes(buffer[end + 2 : end + 2 + length]))
    raw = bytes(buffer[:at])
    del buffer[:at]
    return words, raw


class Rule:
    """What happens to a command instead of its being served."""

    def __init__(self, reply, times, then, served):
        self.reply = reply
        self.times = times
        self.then = then
        self.served = served


class ScriptedRedis(FaultProxy):
    """A Redis that answers what the test says: the commands without a rule go to a real server, so that every script
    and every command works as ever."""

    def __init__(self, target, **more):
        self.rules = {}
        self.greeting = None
        self.commands = []
        super().__init__(target, **more)

    def answer(self, word, reply=b"", times=None, then=None, served=False):
        """Meets a command with these bytes: for so many times, or for ever. `then` ends the connection afterwards
        (`close` or `reset`). Where the command is `served` too, the real answer follows. No reply and no end is silence."""
        self.run(self.rules.__setitem__, word, Rule(reply, times, then, served))

    def greet(self, reply, then=CLOSE):
        """Meets every new connection with these bytes, before any command, and ends it."""
        self.run(setattr, self, "greeting", (reply, then))

    def behave(self):
        """No rule any more."""

        def change():
            self.rules.clear()
            self.greeting = None

        self.run(change)

    def say(self, data, to_subscriber, then=None):
        """Sends bytes that nobody asked for, on the connections that subscribe or on the others."""

        def send():
            told = [one for one in self.live_connections() if one.is_subscriber == to_subscriber]
            for connection in told:
                connection.send(connection.down, data)
                if then:
                    connection.end(then)
            return len(told)

        return self.run(send)

    def count(self, word):
        """How often this command came."""
        return self.run(lambda: sum(words[0].upper() == word.encode() for _, words in self.commands))

    def accepted(self, connection):
        connection.incoming = bytearray()
        if self.greeting:
            reply, then = self.greeting
            connection.client.write(reply)
            connection.end(then)
        else:
            super().accepted(connection)

    def from_client(self, connection, data):
        connection.incoming += data
        while connection.is_open and (command := take_command(connection.incoming)):
            words, raw = command
            self.commands.append((connection.number, words))
            word = words[0].upper().decode()
            connection.is_subscriber = connection.is_subscriber or word == "SUBSCRIBE"
            rule = self.rules.get(word)
            if rule is None or rule.times == 0:
                connection.pass_on(connection.up, raw)
                continue
            if rule.times is not None:
                rule.times -= 1
            reply = rule.reply(words) if callable(rule.reply) else rule.reply
            if reply:
                connection.send(connection.down, reply)
            if rule.then:
                connection.end(rule.then)
            elif rule.served:
                connection.pass_on(connection.up, raw)
