"""xDS gone wrong: resources that a client refuses, by name, and applies the good ones beside them; and broken streams."""
import itertools
import json

import lib
import wire
from bad_input import SECONDS, Entry, Metric, World, http_get
from hostile_xds import ADDRESS, AUTHORIZATION, GATEWAY, POLICY, ROUTE, resource
from wire import proto

_numbers = itertools.count(1)
NAMESPACE = 1
DENY = 1
APP_B = 'app-b.default.svc.cluster.local'
INTRUDER = 'cluster.local/ns/default/sa/intruder'


# --- good ones -------------------------------------------------------------------------------------------------------
def workload(uid, *more, name='ghost', address=b'\x0a\x63\x00\x01'):
    fields = [(1, name), (2, 'default'), *([(3, address)] if address is not None else []), (7, 'ghost'), (20, uid), *more]
    return proto((1, proto(*fields)))


def service(hostname, *more, namespace='default'):
    return proto((2, proto((1, 'ghost'), (2, namespace), (3, hostname), *more)))


def policy(name, *matches, action=DENY, scope=NAMESPACE, namespace='default', more=()):
    return proto((1, name), (2, namespace), (3, scope), (4, action), (5, proto((1, proto((2, proto(*matches)))))), *more)


def exact(value):
    return proto((1, value))


def way_policy(name, path, *more):
    """An AuthorizationPolicy of a waypoint that denies a path of the service app-b."""
    target = proto((1, 3), (2, 'default'), (3, APP_B))
    rules = proto((2, proto((7, path))))
    return proto((1, 'default'), (2, name), (3, 1), (5, target), (6, rules), *more)


def good(kind, name):
    if kind == ADDRESS:
        return f'good//{name}', workload(f'good//{name}', name=name)
    if kind == AUTHORIZATION:
        return f'default/{name}', policy(name, (3, exact('cluster.local/ns/none/sa/none')))
    return f'default/{name}', way_policy(name, '/good')


# --- what works after each -------------------------------------------------------------------------------------------
def node_change(world):
    """A policy from the hostile server comes into force on node a, or goes."""
    world.turn = not world.turn
    one = [('default/turn', policy('turn', (3, exact(INTRUDER))))]
    nonce = world.xds.push('node', AUTHORIZATION, one if world.turn else [], [] if world.turn else ['default/turn'])
    lib.equal(world.xds.answer(nonce).text, '', 'the answer to a good policy')
    wanted = (0,) if world.turn else (200,)
    lib.eventually(lambda: http_get(world.mesh.b.intruder, world.mesh.a.app.address)[:1] == wanted, 'an ordinary change on node a', SECONDS)


def way_change(world):
    world.way_turn = not world.way_turn
    one = [('default/turn', way_policy('turn', '/turn'))]
    nonce = world.xds.push('way', POLICY, one if world.way_turn else [], [] if world.way_turn else ['default/turn'])
    lib.equal(world.xds.answer(nonce).text, '', 'the answer to a good policy')
    wanted = 403 if world.way_turn else 404
    lib.eventually(lambda: http_get(world.mesh.a.app, world.mesh.b.service, '/turn')[0] == wanted,
                   'an ordinary change at the waypoint', SECONDS)


CHANGES = {'node': node_change, 'way': way_change}
PROGRAMS = {'node': World.proxy_a, 'way': World.waypoint}
REFUSED = 'aquifer_xds_refused_total'


# --- resources -------------------------------------------------------------------------------------------------------
class Bad:
    """A refused resource between two good ones: the NACK names it, the others are applied."""

    def __init__(self, client, kind, what, name, body, why, closed=None, whole=None, shown=None):
        self.client, self.kind, self.what, self.name, self.body, self.why = client, kind, what, name, body, why
        self.closed, self.whole, self.shown = closed, whole, shown or name

    def send(self, world):
        beside = [f'beside-{next(_numbers)}' for _ in range(2)]
        first, last = (good(POLICY if self.client == 'way' and self.kind in (GATEWAY, ROUTE) else self.kind, name) for name in beside)
        bad = self.whole or [(self.name, self.body)]
        resources = [first, *bad, last] if self.kind in (ADDRESS, AUTHORIZATION, POLICY) else bad
        answer = world.xds.answer(world.xds.push(self.client, self.kind, resources))
        lib.equal(answer.code, 3, f'the code of the answer ({answer.text})')
        for word in (self.shown, self.why):
            lib.check(word in answer.text, f'the NACK does not say {word}: {answer.text}')
        lib.equal(answer.text.count('beside-'), 0, 'good resources in the NACK')
        if len(resources) > len(bad):
            program = PROGRAMS[self.client](world)
            # Policies that nothing refers to are in the dump of neither; addresses and policies of node proxies are.
            if self.client == 'node':
                dump = json.dumps(json.loads(program.page('/config_dump', 15000, '127.0.0.1')))
                lib.check(all(name in dump for name in beside), f'good resources are not applied: {beside}')

    def after(self, world):
        if self.closed:
            self.closed(world)
        if self.name:
            world.xds.answer(world.xds.push(self.client, self.kind, removed=[self.name]))

    def entry(self):
        return Entry(f'{"a node" if self.client == "node" else "a waypoint"} gets xDS: {self.what}', self.send, PROGRAMS[self.client],
                     ['resource refused', self.shown, self.why], Metric(REFUSED, url=self.kind), change=CHANGES[self.client],
                     after=self.after)


def denied_on_a(world):
    lib.eventually(lambda: http_get(world.mesh.b.app, world.mesh.a.app.address)[0] == 0, 'a policy that cannot be read denies')
    lib.equal(http_get(world.mesh.a.app, world.mesh.b.app.address), (200, 'app-b\n'), 'traffic elsewhere')


def denied_at_way(world):
    lib.eventually(lambda: http_get(world.mesh.a.app, world.mesh.b.service)[0] == 403, 'a policy that cannot be read denies')


UID = 'k//Pod/default/ghost'
HOST = 'ghost.default.svc.cluster.local'
BAD = 'default/bad'


def address(what, body, why, name=UID, **more):
    return Bad('node', ADDRESS, what, name, body, why, **more)


def authorization(what, body, why, **more):
    return Bad('node', AUTHORIZATION, f'a policy: {what}', BAD, body, why, **({'closed': denied_on_a} | more))


def of_service(what, why, *fields):
    return address(what, service(HOST, *fields), why, f'default/{HOST}')


def at_way(kind, what, body, why, **more):
    return Bad('way', kind, what, BAD, body, why, **more)


def route(rule):
    return proto((1, 'default'), (2, 'bad'), (6, rule))


def target(kind=3, name=APP_B):
    return proto((1, kind), (2, 'default'), (3, name))


LONG = 'n' * 5000
GHOST = workload(UID)
RESOURCES = [
    address('not protobuf', b'\xff\xff\xff\xff', 'is not a message of its type'),
    address('neither workload nor service', b'', ''),
    address('an address of 5 bytes', workload(UID, address=b'12345'), 'addresses[0]'),
    address('an address of no bytes', workload(UID, address=b''), 'addresses[0]'),
    address('no uid', workload(''), 'uid'),
    address('another uid', workload('k//Pod/default/other'), 'uid'),
    address('a uid with a line break', workload('k\nERROR forged'), 'uid', name='k\nERROR forged', shown='ERROR forged'),
    address('an over-long name field', workload(UID, name=LONG), 'name'),
    address('port 70000', workload(UID, (22, proto((1, f'default/{HOST}'), (2, proto((1, proto((1, 70000)))))))), 'service_port'),
    address('an unknown protocol', workload(UID, (5, 9)), 'tunnel_protocol'),
    address('an unknown network mode', workload(UID, (25, 7)), 'network_mode'),
    address('a waypoint without destination', workload(UID, (8, proto((3, 15008)))), 'waypoint'),
    address('a bad service account', workload(UID, (6, 'a domain')), 'trust_domain'),
    address('1100 addresses', workload(UID, *((3, bytes([10, 99, i >> 8, i & 255])) for i in range(1100))), 'addresses'),
    address('an over-long name', GHOST, 'too long', name='', whole=[(LONG, GHOST)], shown='n' * 64 + '...'),
    address('an empty name', GHOST, 'has no name', name='', whole=[('', GHOST)], shown='resources[1]'),
    address('a name twice', GHOST, 'is twice', whole=[(UID, GHOST), (UID, GHOST)]),
    address('a resource of another type', GHOST, 'is of another type', whole=[resource(UID, AUTHORIZATION, GHOST)]),
    of_service('a VIP of 3 bytes', 'addresses[0]', (4, proto((2, b'123')))),
    of_service('a VIP with a length of 99', 'length', (4, proto((2, b'\x0a\x60\x00\x63'), (3, 99)))),
    of_service('an unknown load balancing mode', 'mode', (8, proto((2, 9)))),
    of_service('a port of 70000', 'service_port', (5, proto((1, 70000)))),
    authorization('not protobuf', b'\xff\xff\xff\xff', 'is not a message of its type'),
    authorization('a match without a kind', policy('bad', (3, b'')), 'match_type'),
    authorization('an unknown match', policy('bad', (77, 'x')), 'unknown field'),
    authorization('an unknown action', policy('bad', (3, exact('x')), action=9), 'action'),
    authorization('an unknown scope', policy('bad', (3, exact('x')), scope=9), 'scope'),
    authorization('an IP block of 5 bytes', policy('bad', (5, proto((1, b'12345'), (2, 8)))), 'source_ips[0]'),
    authorization('a prefix length of 99', policy('bad', (5, proto((1, b'\x0a\x00\x00\x00'), (2, 99)))), 'length'),
    authorization('port 70000', policy('bad', (9, 70000)), 'destination_ports[0]'),
    at_way(POLICY, 'a policy that is not protobuf', b'\xff\xff\xff\xff', 'is not a message of its type', closed=denied_at_way),
    at_way(POLICY, 'a policy with an unknown action', proto((1, 'default'), (2, 'bad'), (3, 9), (5, target()), (6, b'')), 'action',
           closed=denied_at_way),
    at_way(POLICY, 'a policy with an unknown field', way_policy('bad', '/x', (99, 'x')), 'does not know', closed=denied_at_way),
    at_way(POLICY, 'a policy with a bad CIDR',
           proto((1, 'default'), (2, 'bad'), (3, 1), (5, target()), (6, proto((1, proto((7, '10.0.0.0/99')))))), 'ip_blocks[0]',
           closed=denied_at_way),
    at_way(POLICY, 'a policy with an empty path', way_policy('bad', ''), 'is empty', closed=denied_at_way),
    at_way(ROUTE, 'a route that is not protobuf', b'\xff\xff\xff\xff', 'is not a message of its type'),
    at_way(ROUTE, 'a route without a name', proto((1, 'default'), (6, b'')), 'name'),
    at_way(ROUTE, 'a route with a bad regular expression', route(proto((2, proto((1, proto((1, 3), (2, '/(a'))))))), 'path'),
    at_way(ROUTE, 'a route with an unspecified match', route(proto((2, proto((1, proto((2, '/a'))))))), 'path'),
    at_way(ROUTE, 'a route with a bad header', route(proto((2, proto((2, proto((1, 'a\r\nb'), (2, 1), (3, 'x'))))))), 'name'),
    at_way(GATEWAY, 'a Gateway that is not protobuf', b'\xff\xff\xff\xff', 'is not a message of its type'),
    at_way(GATEWAY, 'a Gateway with port 70000', proto((1, 'default'), (2, 'way'), (7, proto((1, 'x'), (2, 70000)))), 'port'),
    at_way(GATEWAY, 'a Gateway with an unknown kind', proto((1, 'default'), (2, 'way'), (5, 1), (6, 9)), 'waypoint_for'),
]


# --- streams ---------------------------------------------------------------------------------------------------------
def stream(what, act, why, reason='Error'):
    """The stream makes no sense and ends; the client comes back and has lost nothing."""
    for client in ('node', 'way'):
        def send(world, client=client):
            opened = world.xds.opened[client]
            act(world.xds, client)
            world.xds.await_new_stream(client, opened)
        yield Entry(f'{"a node" if client == "node" else "a waypoint"} gets xDS: {what}', send, PROGRAMS[client],
                    ['stream ended', why],
                    Metric('istio_xds_connection_terminations_total', reason=reason), change=CHANGES[client])


def trailers(*fields):
    return lambda number: wire.frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, number, wire.headers(*fields))


ENTRIES = [
    *(bad.entry() for bad in RESOURCES),
    *stream('a response that is not protobuf', lambda xds, client: xds.send(client, wire.grpc(b'\xff\xff\xff')), 'DeltaDiscoveryResponse'),
    *stream('a response of a type that nobody asked for', lambda xds, client: xds.push(client, 'type.googleapis.com/x.Y'), 'x.Y'),
    *stream('an over-long nonce', lambda xds, client: xds.push(client, ADDRESS, nonce='n' * 2000), 'nonce'),
    *stream('a compressed message', lambda xds, client: xds.send(client, wire.grpc(b'\x1f\x8b', flag=1)), 'compressed'),
    *stream('a message of 4 GiB', lambda xds, client: xds.send(client, wire.grpc(b'', length=0xffffffff)), '4294967295'),
    *stream('an end within a message', lambda xds, client: xds.send(client, wire.grpc(b'x', length=100), wire.END_STREAM), 'status',
            'Reconnect'),
    *stream('an error',
            lambda xds, client: xds.frames(client, trailers(('grpc-status', '13'), ('grpc-message', 'a%0AERROR forged'))), 'INTERNAL'),
    *stream('a status that is none', lambda xds, client: xds.frames(client, trailers(('grpc-status', 'x'))), 'grpc-status', 'Reconnect'),
    *stream('a reset', lambda xds, client: xds.frames(client, lambda number: wire.frame(wire.RST_STREAM, 0, number, b'\0\0\0\2')), 'peer',
            'Reconnect'),
]
