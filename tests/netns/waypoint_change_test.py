#!/usr/bin/env python3
"""What goes on at a waypoint while something else happens: routes and policies that change under load, connections that
are open when they do, copies of requests, clients that leave; and what is counted of it."""
import contextlib
import json
import math
import os
import random
import re
import socket
import struct
import threading
import time

import h2
import lib
from support import EchoServer
from waypoint_world import Connection, World, backend, main, policy, request_bytes, route

BODY = os.urandom(200_000)


class Load:
    """Clients that ask one service without a pause, on connections that they keep."""

    def __init__(self, world, service, clients=4, path='/load'):
        self.world, self.service, self.path = world, service, path
        self.answers, self.failures, self.over = 0, [], threading.Event()
        self.names = set()
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]

    def run(self):
        try:
            with self.world.connect(self.service) as connection:
                while not self.over.is_set():
                    connection.send(request_bytes('POST', self.path, {}, b'body'))
                    answer = connection.answer()
                    self.answers += 1
                    if answer.status != 200:
                        self.failures.append(answer)
                    else:
                        self.names.add(answer.echo['name'])
        except (OSError, lib.Failure) as problem:
            self.failures.append(problem)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


def a_route_changes_under_load(world):
    def to(name):
        world.apply('50-live.yaml', route('live', 'live', [{'backendRefs': [backend(name)]}]))
        lib.eventually(lambda: world.ask('live').echo['name'] == name, f'{name} answers')
    to('v1')
    with Load(world, 'live') as load:
        for _ in range(5):
            for name in ('v2', 'v1'):
                to(name)
                time.sleep(0.1)
    lib.equal((load.failures, load.names), ([], {'v1', 'v2'}), f'of {load.answers} requests')
    lib.check(load.answers > 200, f'only {load.answers} requests were made')


def a_policy_changes_under_load(world):
    def forbid(path):
        world.mesh.apply('51-live.yaml', json.dumps(policy('live', 'DENY', [{'to': [{'operation': {'paths': [path]}}]}], 'live')))
        lib.eventually(lambda: world.ask('live', path=path).status == 403, f'{path} is forbidden')
    with Load(world, 'live') as load:
        for number in range(10):
            forbid(f'/forbidden/{number}')
            lib.equal(world.ask('live', path=f'/forbidden/{number - 1}').status, 200, 'what was forbidden before')
    lib.equal(load.failures, [], f'of {load.answers} requests')


def open_connections_are_judged_anew(world):
    with EchoServer(world.pods['v1'], 9000, '0.0.0.0'), contextlib.ExitStack() as stack:
        ws = {'Connection': 'Upgrade', 'Upgrade': 'websocket', 'x-do': 'upgrade'}
        good, bad = (stack.enter_context(Connection(netns, world.address('open'), 9000)) for netns in (world.client, world.intruder))
        good_ws, bad_ws = (stack.enter_context(Connection(netns, world.address('open'))) for netns in (world.client, world.intruder))
        for connection in (good, bad):
            connection.send(b'one\n')
            connection.until(b'one\n')
        for connection in (good_ws, bad_ws):
            connection.send(request_bytes('GET', '/ws', ws))
            lib.equal(connection.answer().status, 101, 'upgraded')
        counted = connections(world, 'opened', 'open')
        lib.equal((counted, connections(world, 'closed', 'open')), (2, 0), 'connections that are open are counted')
        world.apply('52-open.yaml', policy('open', 'DENY', [{'from': [{'source': {'principals': ['*/sa/intruder']}}]}], 'open'))
        for connection, what in ((bad, 'TCP'), (bad_ws, 'WebSocket')):
            lib.check(connection.closed(10), f'{what}: the intruder is still connected')
        good.send(b'two\n')
        good.until(b'two\n')
        good_ws.send(b'still')
        lib.equal(good_ws.exactly(5), b'STILL', 'others go on')
        lib.eventually(lambda: 'rbac_access_denied_matched_policy[ns[default]-policy[open]-rule[0]]' in world.waypoint.process.log(), 'logged')


def connections(world, what, service):
    pattern = rf'^istio_tcp_connections_{what}_total{{[^}}]*destination_service_name="{service}"[^}}]*}} (\d+)'
    return sum(int(number) for number in re.findall(pattern, world.metrics(world.waypoint), re.M))


def mirror(*mirrors):
    return [{'type': 'RequestMirror', 'requestMirror': {'backendRef': {'name': name, 'port': 80}, **share}} for name, share in mirrors]


def copies_of_requests_are_sent(world):
    rules = [{'matches': [{'path': {'value': '/all'}}], 'filters': mirror(('v2', {})), 'backendRefs': [backend('v1')]},
             {'matches': [{'path': {'value': '/none'}}], 'filters': mirror(('v2', {'percent': 0})), 'backendRefs': [backend('v1')]},
             {'matches': [{'path': {'value': '/some'}}], 'filters': mirror(('v2', {'fraction': {'numerator': 1, 'denominator': 5}})),
              'backendRefs': [backend('v1')]},
             {'matches': [{'path': {'value': '/bad'}}], 'filters': mirror(('refused', {}), ('missing', {}), ('nobody', {})),
              'backendRefs': [backend('v1')]}]
    world.apply('50-mirror.yaml', route('mirror', 'mirror', rules))
    lib.eventually(lambda: world.ask('mirror', path='/all').status == 200, 'the route holds')
    copies = world.echo['v2']
    answer = world.ask('mirror', 'POST', '/all/body?q=1', {'x-a': 'b'}, BODY)
    lib.equal((answer.status, answer.echo['name'], answer.echo['body_bytes']), (200, 'v1', len(BODY)), 'the answer')
    copy = lib.eventually(lambda: next((each for each in copies.seen('/all/body?q=1') if each.body_bytes == len(BODY)), None), 'the copy')
    lib.equal((copy.method, copy.get('x-a'), copy.body == BODY[:len(copy.body)]), ('POST', 'b', True), 'is the same request')
    for number in range(20):
        world.ask('mirror', path=f'/all/{number}')
    lib.eventually(lambda: all(copies.seen(f'/all/{number}') for number in range(20)), 'every request is copied')
    total = 600
    with world.connect('mirror') as connection:
        for path, count in (('/none', 50), ('/some', total)):
            for _ in range(count):
                connection.send(request_bytes('GET', path))
                lib.equal(connection.answer().status, 200, path)
    time.sleep(0.3)
    lib.equal(len(copies.seen('/none')), 0, 'copies of no share')
    some, bound = len(copies.seen('/some')), 6 * math.sqrt(total * 0.2 * 0.8)
    lib.check(abs(some - total / 5) < bound, f'{some} of {total} were copied, expected {total // 5} within {bound:.0f}')
    for number in range(20):
        lib.equal(world.ask('mirror', 'POST', '/bad', {}, b'x' * 10000).status, 200, 'a copy that fails')


def a_slow_copy_holds_nobody_up(world):
    with Load(world, 'mirror', path='/all/load') as load:
        time.sleep(1)
    quick = load.answers
    stalled = {'x-do': 'stall=3000'}
    # v1 gets the same order, so the answer is late as well; what counts is that the next ones are not.
    started = time.monotonic()
    with world.connect('mirror') as connection:
        connection.send(request_bytes('POST', '/all/slow', stalled, BODY * 4))
        lib.equal(connection.answer().status, 200, 'a large body whose copy does not move')
    lib.check(time.monotonic() - started < 10, 'it took too long')
    lib.equal((load.failures, quick > 50), ([], True), f'{quick} requests')


def a_client_that_leaves_takes_its_request_along(world):
    for version in ('HTTP/1.1', 'HTTP/2'):
        for body in (b'', b'abc'):
            target = f'/leave/{version[-1]}/{len(body)}'
            connection = world.connect()
            if version == 'HTTP/2':
                client = h2.Client(connection.socket)
                stream = client.request('POST', target, fields=[('x-do', 'delay=20000')], end=not body)
                if body:
                    client.send(h2.data(stream, body, end=True))
            else:
                connection.send(request_bytes('POST', target, {'x-do': 'delay=20000'}, body))
            lib.eventually(lambda: world.echo['v1'].seen(target), f'{target} reaches the backend')
            time.sleep(0.2)
            (client if version == 'HTTP/2' else connection).close()
            lib.eventually(lambda: world.echo['v1'].left(target), f'{target}: the backend is let go', 5)
    target = '/leave/stream'
    with world.connect() as connection:
        connection.send(request_bytes('GET', target, {'x-do': 'drip=1*20000'}))
        connection.until(b'drip 0')
    lib.eventually(lambda: world.echo['v1'].left(target), 'a response that has begun: the backend is let go', 5)


def requests_and_connections_are_counted_as_istio_does(world):
    client = h2.Client(world.connect('v1', port=82).socket)
    message = b'\0\0\0\0\5hello'
    stream = client.request('POST', '/pkg.Service/Method', fields=[('content-type', 'application/grpc'), ('te', 'trailers'),
                                                                   ('x-do', 'trailer=grpc-status:5')], end=False)
    client.send(h2.data(stream, message * 3, end=True))
    client.response(stream)
    client.close()
    lib.equal(world.ask('v1', path='/counted').status, 200, 'a request')
    text = world.metrics(world.waypoint)
    common = {'reporter': 'waypoint', 'source_workload': 'app-a', 'source_canonical_service': 'app', 'source_canonical_revision': 'latest',
              'source_workload_namespace': 'default', 'source_principal': 'spiffe://cluster.local/ns/default/sa/app-a', 'source_app': 'app',
              'source_version': 'latest', 'source_cluster': 'Kubernetes', 'destination_workload': 'v1', 'destination_workload_namespace': 'default',
              'destination_principal': 'spiffe://cluster.local/ns/default/sa/v1', 'destination_app': 'v1', 'destination_version': 'latest',
              'destination_service': 'v1.default.svc.cluster.local', 'destination_canonical_service': 'v1', 'destination_canonical_revision': 'latest',
              'destination_service_name': 'v1', 'destination_service_namespace': 'default', 'destination_cluster': 'Kubernetes',
              'connection_security_policy': 'mutual_tls', 'response_flags': '-'}
    http = {**common, 'request_protocol': 'http', 'response_code': '200'}
    grpc = {**common, 'request_protocol': 'grpc', 'response_code': '200', 'grpc_response_status': '5'}
    for labels in (http, grpc):
        for name in ('istio_requests_total', 'istio_request_duration_milliseconds_count', 'istio_request_bytes_sum', 'istio_response_bytes_bucket'):
            lib.check(value(text, name, labels) is not None, f'no {name} with these labels: {near(text, name)}')
    lib.check(value(text, 'istio_request_messages_total', grpc) == 3, f'messages: {near(text, "istio_request_messages_total")}')
    lib.check(value(text, 'istio_response_messages_total', grpc) is not None, 'messages of answers')
    with EchoServer(world.pods['v1'], 9000, '0.0.0.0'):
        with world.connect('v1', 9000) as connection:
            connection.send(b'count\n')
            connection.until(b'\n')
    tcp = {**common, 'request_protocol': 'tcp'}

    def closed():
        return value(world.metrics(world.waypoint), 'istio_tcp_connections_closed_total', tcp)
    lib.eventually(closed, 'a TCP connection is counted')
    text = world.metrics(world.waypoint)
    lib.equal(value(text, 'istio_tcp_received_bytes_total', tcp), 6, 'bytes from the client')
    lib.check(value(text, 'istio_tcp_sent_bytes_total', tcp) > 6 and value(text, 'istio_tcp_connections_opened_total', tcp), 'bytes to the client')


def value(text, name, labels):
    """Of the series with exactly these labels; "le" aside."""
    for line in text.splitlines():
        found = re.fullmatch(rf'{name}{{(.*)}} (\S+)', line)
        if found:
            has = dict(re.findall(r'(\w+)="([^"]*)"', found[1]))
            has.pop('le', None)
            if has == labels:
                return float(found[2])
    return None


def near(text, name):
    return [line for line in text.splitlines() if line.startswith(name) and 'service_name="v1"' in line][:3]


def misbehave(world, chance):
    """One client: some requests, cut somewhere, then an end, a reset or silence for a moment."""
    connection = world.connect(chance.choice(('v1', 'mirror')), chance.choice((80, 82, 9080)))
    version2 = chance.random() < 0.4
    orders = ('', 'chunked', 'drip=3*20', 'delay=50', 'stream=300000', 'close', 'reset', 'trailer=a:b', 'status=204')
    text = b'' if not version2 else h2.PREFACE + h2.frame(h2.SETTINGS, 0, 0)
    for number in range(chance.randrange(1, 8)):
        body, target, todo = chance.randbytes(chance.choice((0, 0, 10, 70000))), f'/all/{number}', chance.choice(orders)
        if version2:
            fields = [(':method', 'POST'), (':scheme', 'http'), (':path', target), (':authority', 'a'), ('x-do', todo)]
            text += h2.headers(2 * number + 1, fields, end=not body) + (h2.data(2 * number + 1, body[:30000], end=True) if body else b'')
            if chance.random() < 0.3:
                text += h2.frame(h2.RST_STREAM, 0, 2 * number + 1, b'\0\0\0\x08')
        else:
            text += request_bytes('POST', target, {'x-do': todo}, body)
    with contextlib.suppress(OSError):
        connection.send(text[:chance.choice((len(text), chance.randrange(len(text))))])
        connection.socket.settimeout(chance.choice((0.001, 0.05, 0.2)))
        connection.more()
        if chance.random() < 0.3:
            connection.socket.shutdown(socket.SHUT_WR)
            connection.more()
    if chance.random() < 0.5:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    connection.close()


def clients_that_break_off_leave_nothing_behind(world):
    seed = int.from_bytes(os.urandom(4), 'big')
    print(f'  seed {seed}')
    pid = world.waypoint.process.pid

    def descriptors():
        return len(os.listdir(f'/proc/{pid}/fd'))

    def run(number):
        chance = random.Random(seed + number)
        for _ in range(40):
            try:
                misbehave(world, chance)
            except OSError as problem:
                failed.append(problem)
    failed = []
    threads = [threading.Thread(target=run, args=(number,)) for number in range(12)]
    with Load(world, 'live', clients=2) as load:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lib.equal((load.failures, failed), ([], []), f'of {load.answers} requests beside them, seed {seed}')
    lib.check(world.waypoint.process.running(), 'the waypoint runs')
    lib.eventually(lambda: descriptors() < 120, f'{descriptors()} descriptors are open', 30)
    lib.equal(world.ask('mirror', path='/all/after').status, 200, 'afterwards')


def make_world():
    world = World(ingress=False)
    for name in ('live', 'open', 'mirror'):
        world.service(name)
    world.service('nobody', pod='nobody')
    world.service('refused', pod='intruder-b')
    world.service('last')
    return world


if __name__ == '__main__':
    main(make_world, [
        a_route_changes_under_load, a_policy_changes_under_load, open_connections_are_judged_anew, copies_of_requests_are_sent,
        a_slow_copy_holds_nobody_up, a_client_that_leaves_takes_its_request_along, requests_and_connections_are_counted_as_istio_does,
        clients_that_break_off_leave_nothing_behind])
