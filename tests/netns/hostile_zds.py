"""Both ends of ZDS gone bad: a relay between aquifer-cni and a node proxy that a test can speak through, and packets."""
import array
import contextlib
import os
import select
import socket
import threading

import lib
from wire import parse, proto

HELLO = proto((1, 1))
MOST = 1 << 16


def add(uid, name='ghost', namespace='default', account='default'):
    return proto((1, proto((1, uid), (2, proto((1, name), (2, namespace), (3, account))))))


def receive(connection):
    """(packet, descriptors); an empty packet is the end."""
    packet, rights, _, _ = connection.recvmsg(MOST, socket.CMSG_SPACE(16 * 4), socket.MSG_CMSG_CLOEXEC)
    descriptors = array.array('i')
    for level, kind, raw in rights:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(raw[:len(raw) - len(raw) % 4])
    return packet, list(descriptors)


def send(connection, packet, descriptors=()):
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', descriptors))] if descriptors else []
    connection.sendmsg([packet], rights)


def dial(path):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(10)
    connection.connect(str(path))
    return connection


class Relay:
    """Listens like aquifer-cni and passes on to the real one. What a test says goes in between two requests."""

    def __init__(self, path, real):
        self.path, self._real = path, real
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(path))
        self._listener.listen(8)
        self._orders, self._changed = [], threading.Condition()
        self._wake_out, self._wake_in = os.pipe()
        self._replies = []
        self.connections = self.idle = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def say(self, packet, descriptors=()):
        """Sends a packet to the proxy as if it were the agent's."""
        with self._changed:
            self._orders.append((packet, descriptors))
        os.write(self._wake_in, b'x')

    def reply(self, seconds=10):
        """The error text of the proxy's answer to the last say; None when it hung up instead."""
        with self._changed:
            lib.check(self._changed.wait_for(lambda: self._replies, seconds), 'the proxy does not answer')
            packet = self._replies.pop(0)
        return parse(parse(packet)[1][0]).get(1, [b''])[0].decode() if packet else None

    def await_snapshot(self, connections, seconds=20):
        """Until a connection after the first ones has had its whole snapshot."""
        with self._changed:
            lib.check(self._changed.wait_for(lambda: self.connections > connections and self.idle, seconds), 'the proxy does not come back')

    def _accept(self):
        while True:
            proxy, _ = self._listener.accept()
            with contextlib.suppress(OSError), proxy, dial(self._real) as agent:
                proxy.settimeout(None)
                agent.settimeout(None)
                self._pass_on(proxy, agent)

    def _pass_on(self, proxy, agent):
        with self._changed:
            self.connections += 1
            self.idle = False
        ours = snapshot = False  # whose request the proxy's next answer is for
        while True:
            ready, _, _ = select.select([proxy, agent, self._wake_out], [], [])
            if self._wake_out in ready:
                os.read(self._wake_out, 1)
                with self._changed:
                    packet, descriptors = self._orders.pop(0)
                    self._replies.clear()
                ours = True
                send(proxy, packet, descriptors)
            if agent in ready and not ours:
                packet, descriptors = receive(agent)
                if not packet:
                    return
                snapshot = 3 in parse(packet)
                send(proxy, packet, descriptors)
                for each in descriptors:
                    os.close(each)
            if proxy in ready and not self._from_proxy(proxy, agent, ours, snapshot):
                return
            if proxy in ready:
                ours = False

    def _from_proxy(self, proxy, agent, ours, snapshot):
        try:
            packet, _ = receive(proxy)
        except OSError:
            packet = b''
        with self._changed:
            if ours:
                self._replies.append(packet)
            self.idle = self.idle or (snapshot and bool(packet))
            self._changed.notify_all()
        if packet and not ours:
            send(agent, packet)
        return bool(packet)
