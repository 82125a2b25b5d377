#!/usr/bin/env python3
"""The ends of a measured path, run by run.py inside pods: a server of tiny answers, and clients of it.

  load.py serve PORT
  load.py requests HOST PORT CONNECTIONS SECONDS    keep-alive, each connection asks again once answered
  load.py connect HOST PORT CONCURRENT SECONDS      a new connection for each request
  load.py hold HOST PORT CONNECTIONS                open them, one request on each, then keep them idle

Python without frameworks: one thread, epoll, no parsing beyond what these two need of each other. Clients print one line of JSON.
"""
import json
import resource
import select
import socket
import sys
import time

REQUEST = b'GET / HTTP/1.1\r\nHost: bench\r\n\r\n'
ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nok\n'
BACKLOG = 4096
PATIENCE_S = 20


def serve(port):
    listener = socket.create_server(('', port), backlog=BACKLOG)
    listener.setblocking(False)
    poll, connections, own = select.epoll(), {}, listener.fileno()
    poll.register(own, select.EPOLLIN)
    print('serving', flush=True)
    while True:
        for fd, _ in poll.poll():
            if fd == own:
                accept(listener, poll, connections)
                continue
            connection = connections[fd]
            try:
                data = connection.recv(4096)
                if data:
                    connection.send(ANSWER * data.count(b'\r\n\r\n'))
                    continue
            except OSError:
                pass
            del connections[fd]
            connection.close()


def accept(listener, poll, connections):
    while True:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connections[connection.fileno()] = connection
        poll.register(connection, select.EPOLLIN)


def opened(target):
    connection = socket.create_connection(target, PATIENCE_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(REQUEST)
    if connection.recv(4096) != ANSWER:
        sys.exit('the first answer is not whole')
    connection.setblocking(False)
    return connection


def summary(latencies, seconds):
    latencies.sort()
    count = len(latencies)
    if not count:
        sys.exit('no answer at all')
    print(json.dumps({'per_second': count / seconds, 'count': count, 'p50_us': latencies[count // 2] / 1000,
                      'p99_us': latencies[min(count - 1, count * 99 // 100)] / 1000}), flush=True)


def requests(target, count, seconds):
    poll, now = select.epoll(), time.perf_counter_ns
    connections = {c.fileno(): c for c in (opened(target) for _ in range(count))}
    for fd in connections:
        poll.register(fd, select.EPOLLIN)
    start, latencies, sent = now(), [], {}
    end = start + int(seconds * 1e9)
    for fd, connection in connections.items():
        sent[fd] = now()
        connection.send(REQUEST)
    moment = start
    while moment < end:
        ready = poll.poll(PATIENCE_S)
        if not ready:
            sys.exit(f'nothing for {PATIENCE_S} s')
        for fd, _ in ready:
            connection = connections[fd]
            # An answer is one small segment; one cut in two would be a length error, not a wrong number.
            if len(connection.recv(4096)) != len(ANSWER):
                sys.exit('an answer is not whole')
            moment = now()
            latencies.append(moment - sent[fd])
            sent[fd] = moment
            connection.send(REQUEST)
    summary(latencies, (moment - start) / 1e9)


def begin(target, poll, connections, now):
    connection = socket.socket()
    connection.setblocking(False)
    connection.connect_ex(target)
    connections[connection.fileno()] = (connection, now())
    poll.register(connection, select.EPOLLOUT | select.EPOLLONESHOT)


def connect(target, concurrent, seconds):
    poll, now, connections, latencies = select.epoll(), time.perf_counter_ns, {}, []
    start = moment = now()
    end = start + int(seconds * 1e9)
    for _ in range(concurrent):
        begin(target, poll, connections, now)
    while moment < end:
        ready = poll.poll(PATIENCE_S)
        if not ready:
            sys.exit(f'nothing for {PATIENCE_S} s')
        for fd, events in ready:
            connection, began = connections[fd]
            if events & select.EPOLLOUT:
                connection.send(REQUEST)
                poll.modify(fd, select.EPOLLIN)
                continue
            if connection.recv(4096) != ANSWER:
                sys.exit('an answer is not whole')
            connection.close()
            del connections[fd]
            moment = now()
            latencies.append(moment - began)
            begin(target, poll, connections, now)
    summary(latencies, (moment - start) / 1e9)


def hold(target, count):
    held = [opened(target) for _ in range(count)]
    print(json.dumps({'held': len(held)}), flush=True)
    poll = select.poll()
    for connection in held:
        poll.register(connection, select.POLLIN)
    poll.poll()
    sys.exit('an idle connection was closed')


def main():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    verb, *words = sys.argv[1:]
    if verb == 'serve':
        serve(int(words[0]))
    target = (words[0], int(words[1]))
    if verb == 'hold':
        hold(target, int(words[2]))
    {'requests': requests, 'connect': connect}[verb](target, int(words[2]), float(words[3]))


if __name__ == '__main__':
    main()
