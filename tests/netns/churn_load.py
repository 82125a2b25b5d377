#!/usr/bin/env python3
"""The load of churn.py: one process in each pod, client of the other pod and server for its clients at once.

A connection's number is its first eight bytes; what it does follows from the run's seed and that number, so both
ends know. It listens at once, opens connections from SIGUSR1 on, and ends on SIGTERM when the last is closed. Most of them sleep, that is, neither read nor write; random ones are woken, and the longest awake go back
to sleep. The pace is that of the work done: nothing waits for a time. What became of each connection is a line of the
ledger; comparing the two ends' ledgers is the test's part.
"""
import argparse
import errno
import json
import random
import resource
import select
import signal
import socket
import sys
import time

CLIENT, SERVER = 'client', 'server'
OTHER = {CLIENT: SERVER, SERVER: CLIENT}
HEAD = 8
PORTS = (80, 5201)
# Every connection's bytes are this stream from a place of its own on: a byte that is lost, doubled or another's is seen.
PERIOD, LONGEST = 1_048_573, 256 * 1024
STREAM = memoryview(random.Random(1).randbytes(PERIOD) * 2)[:PERIOD + LONGEST]
AWAKE = 256
OPENED_A_TURN, WOKEN_A_TURN, CONNECTING = 16, 16, 64
STUCK_SECONDS = 90


class Plan:
    """What the connection of this number does."""

    def __init__(self, seed, number):
        self.number = number
        chance = random.Random(f'{seed}/{number}')
        self.size = {CLIENT: HEAD + self._size(chance), SERVER: self._size(chance)}
        self.start = {CLIENT: chance.randrange(PERIOD), SERVER: chance.randrange(PERIOD)}
        self.most = {end: max(chance.choice((1, 100, 5000, LONGEST)), max(self.size.values()) // 100) for end in (CLIENT, SERVER)}
        # The end that sends its FIN only after the other's; both, and none would come.
        self.last = chance.choice((None, None, CLIENT, SERVER))
        self.resetter = chance.choices((None, CLIENT, SERVER), (6, 2, 2))[0]
        if self.resetter:
            self.reset_sent = self._share(chance, self.size[self.resetter])
            self.reset_received = self._share(chance, self.size[OTHER[self.resetter]])
            self.reset_after_fin = self.reset_sent == self.size[self.resetter] and self.last != self.resetter

    @staticmethod
    def _size(chance):
        most = chance.choices((0, 100, 10_000, 100_000, 4_000_000), (2, 8, 17, 12, 1))[0]
        return chance.randint(min(most, 1), most)

    @staticmethod
    def _share(chance, size):
        return chance.choice((0, 0, size, chance.randint(0, size)))

    def bytes_at(self, end, offset, length):
        if end == CLIENT and offset < HEAD:
            return memoryview(self.number.to_bytes(HEAD, 'big'))[offset:offset + length]
        place = (self.start[end] + offset) % PERIOD
        return STREAM[place:place + min(length, LONGEST)]


class Connection:
    def __init__(self, load, sock, end, plan=None):
        self.load, self.socket, self.end, self.plan = load, sock, end, plan
        self.sent = self.received = 0
        self.fin_sent = self.fin_seen = False
        self.wrong = None
        self.head = b''
        self.connecting = end == CLIENT
        self.interest = None
        self.port = sock.getsockname()[1]

    def wanted(self):
        mask = 0
        if not self.fin_seen and not self.connecting:
            mask |= select.EPOLLIN
        if self.connecting or (self.plan and self.sent < self.plan.size[self.end]):
            mask |= select.EPOLLOUT
        return mask

    def on_event(self, events):
        try:
            if self.connecting:
                self._connected()
            if events & (select.EPOLLIN | select.EPOLLERR | select.EPOLLHUP) and not self._closed():
                self._read()
            if events & select.EPOLLOUT and not self._closed():
                self._write()
            if not self._closed():
                self._advance()
        except BlockingIOError:
            pass
        except OSError as error:
            self._drain()
            self._end(errno.errorcode.get(error.errno, str(error)))

    def _closed(self):
        return self.socket is None

    def _connected(self):
        number = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, 'connect')
        self.connecting = False
        self.load.connecting -= 1

    def _read(self):
        if self.fin_seen:
            # Nothing more is to come; recv says whether that was by a reset.
            self.socket.recv(1)
            return
        data = self.socket.recv(self.plan.most[self.end] if self.plan else HEAD - len(self.head))
        self.load.progress()
        if not data:
            self.fin_seen = True
            return
        if self.plan is None:
            self.head += data
            if len(self.head) == HEAD:
                self.plan = self.load.plan(int.from_bytes(self.head, 'big'))
                self.received = HEAD
            return
        self._compare(data)

    def _compare(self, data):
        view, other = memoryview(data), OTHER[self.end]
        while len(view):
            expected = self.plan.bytes_at(other, self.received, len(view))
            if self.wrong is None and (expected != view[:len(expected)] or self.received + len(expected) > self.plan.size[other]):
                self.wrong = self.received
            self.received += len(expected)
            view = view[len(expected):]

    def _write(self):
        left = self.plan.size[self.end] - self.sent if self.plan else 0
        if self._reset_is_due():
            return
        if left:
            most = min(left, self.plan.most[self.end])
            if self.plan.resetter == self.end and self.sent < self.plan.reset_sent:
                most = min(most, self.plan.reset_sent - self.sent)
            self.sent += self.socket.send(self.plan.bytes_at(self.end, self.sent, most))
            self.load.progress()

    def _reset_is_due(self):
        plan = self.plan
        return (plan is not None and plan.resetter == self.end and self.sent >= plan.reset_sent and
                self.received >= plan.reset_received and (self.fin_sent or not plan.reset_after_fin))

    def _advance(self):
        plan = self.plan
        if self._reset_is_due():
            self._reset()
            return
        if plan and not self.fin_sent and self.sent == plan.size[self.end] and (plan.last != self.end or self.fin_seen):
            self.fin_sent = True
            self.socket.shutdown(socket.SHUT_WR)
            if self._reset_is_due():
                self._reset()
                return
        if self.fin_seen and (self.fin_sent or plan is None):
            self._end('closed')

    def _reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
        self._end('reset')

    def _drain(self):
        """What had arrived before the error is still to be compared."""
        try:
            while self.plan and not self.fin_seen and not self.connecting:
                data = self.socket.recv(LONGEST)
                if not data:
                    return
                self._compare(data)
        except OSError:
            pass

    def _end(self, how):
        self.load.ended(self, how)
        self.socket.close()
        self.socket = None

    def entry(self, how):
        number = self.plan.number if self.plan else None
        return [number, self.end, self.port, self.sent, self.received if self.plan else len(self.head), self.fin_sent, self.fin_seen, how,
                self.wrong]


class Load:
    def __init__(self, options):
        self.options = options
        self.random = random.Random(f'{options.seed}/{options.first}')
        self.epoll = select.epoll()
        self.awake, self.asleep = {}, []
        self.open = {CLIENT: 0, SERVER: 0}
        self.peak = {CLIENT: 0, SERVER: 0}
        self.opened = self.connecting = 0
        self.begun = self.ending = False
        self.started = self.last_progress = time.monotonic()
        self.ledger = open(options.ledger, 'w')
        self.listeners = {}
        for port in PORTS:
            listener = socket.create_server(('', port), backlog=4096)
            listener.setblocking(False)
            self.listeners[listener.fileno()] = listener
            self.epoll.register(listener.fileno(), select.EPOLLIN)

    def plan(self, number):
        return Plan(self.options.seed, number)

    def progress(self):
        self.last_progress = time.monotonic()

    def may_open(self):
        if self.options.seconds:
            return time.monotonic() - self.started < self.options.seconds
        return self.opened < self.options.connections

    def _open_some(self):
        for _ in range(OPENED_A_TURN):
            if self.open[CLIENT] >= self.options.population or self.connecting >= CONNECTING or not self.may_open():
                return
            sock = socket.socket()
            sock.setblocking(False)
            try:
                sock.connect((self.random.choice(self.options.to), self.random.choice(PORTS)))
            except BlockingIOError:
                pass
            connection = Connection(self, sock, CLIENT, self.plan(self.options.first + 2 * self.opened))
            self.opened += 1
            self.connecting += 1
            self._add(connection)

    def _add(self, connection):
        self.open[connection.end] += 1
        self.peak[connection.end] = max(self.peak[connection.end], self.open[connection.end])
        self.progress()
        self._wake(connection)

    def _accept(self, listener):
        for _ in range(OPENED_A_TURN):
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                return
            sock.setblocking(False)
            self._add(Connection(self, sock, SERVER))

    def _wake(self, connection):
        self.awake[connection.socket.fileno()] = connection
        self._watch(connection)
        # A connection without its number, or not there yet, does not count as one that sleeps.
        if len(self.awake) > AWAKE:
            fileno, oldest = next(iter(self.awake.items()))
            del self.awake[fileno]
            if oldest.plan is None or oldest.connecting:
                self.awake[fileno] = oldest
                return
            self.epoll.unregister(fileno)
            oldest.interest = None
            self.asleep.append(oldest)

    def _wake_some(self):
        full = self.open[CLIENT] >= self.options.population or not self.may_open()
        for _ in range(min(len(self.asleep), WOKEN_A_TURN if full else 1)):
            place = self.random.randrange(len(self.asleep))
            self.asleep[place], self.asleep[-1] = self.asleep[-1], self.asleep[place]
            self._wake(self.asleep.pop())

    def _watch(self, connection):
        wanted = connection.wanted()
        if connection.interest is None:
            self.epoll.register(connection.socket.fileno(), wanted)
        elif connection.interest != wanted:
            self.epoll.modify(connection.socket.fileno(), wanted)
        connection.interest = wanted

    def ended(self, connection, how):
        if connection.connecting:
            self.connecting -= 1
        self.epoll.unregister(connection.socket.fileno())
        del self.awake[connection.socket.fileno()]
        self._write_down(connection, how)

    def _write_down(self, connection, how):
        self.open[connection.end] -= 1
        self.progress()
        json.dump(connection.entry(how), self.ledger)
        self.ledger.write('\n')

    def run(self):
        said = False
        while True:
            if self.begun:
                self._open_some()
            if self.begun and not said and not self.open[CLIENT] and not self.may_open():
                said = True
                print('clients are done', flush=True)
            if self.ending and not self.open[CLIENT] and not self.open[SERVER]:
                return
            if (self.open[CLIENT] or self.ending) and time.monotonic() - self.last_progress > STUCK_SECONDS:
                self._give_up()
                return
            self._wake_some()
            self._turn()

    def _turn(self):
        for fileno, events in self.epoll.poll(0.01, 512):
            if fileno in self.listeners:
                self._accept(self.listeners[fileno])
                continue
            connection = self.awake.get(fileno)
            if connection:
                connection.on_event(events)
                if connection.socket:
                    self._watch(connection)

    def _give_up(self):
        print(f'nothing moved for {STUCK_SECONDS} s', flush=True)
        for connection in [*self.awake.values(), *self.asleep]:
            self._write_down(connection, 'stuck')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--to', action='append', required=True, help='addresses of the server')
    parser.add_argument('--first', type=int, required=True, help='the first number; every second one is ours')
    parser.add_argument('--seed', type=int, required=True)
    parser.add_argument('--connections', type=int, default=0)
    parser.add_argument('--seconds', type=float, default=0)
    parser.add_argument('--population', type=int, required=True)
    parser.add_argument('--ledger', required=True)
    load = Load(parser.parse_args())

    def begin(*_):
        load.begun, load.started = True, time.monotonic()

    def end(*_):
        load.ending = True
        load.progress()
    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGTERM, end)
    print('listening', flush=True)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    load.run()
    load.ledger.close()
    print(f'peak {load.peak[CLIENT]} clients {load.peak[SERVER]} servers', flush=True)
    sys.exit(0)


if __name__ == '__main__':
    main()
