"""A control plane that says what a test tells it to (delta xDS over TLS), and what the real one says, recorded."""
import contextlib
import select
import socket
import ssl
import struct
import threading

import lib
import wire
from wire import proto

_PREFIX = 'type.googleapis.com/'
ADDRESS, AUTHORIZATION = _PREFIX + 'istio.workload.Address', _PREFIX + 'istio.security.Authorization'
GATEWAY, ROUTE, L4_ROUTE, POLICY = (_PREFIX + 'aquifer.mesh.v1.' + name
                                    for name in ('Gateway', 'HttpRoute', 'L4Route', 'AuthorizationPolicy'))
NODE_TYPES, WAY_TYPES = (ADDRESS, AUTHORIZATION), (ADDRESS, GATEWAY, ROUTE, L4_ROUTE, POLICY)
_METHOD = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'


def record(mesh, token, node_id, metadata, types):
    """{type: [(name, bytes)]} as aquifer-control answers the owner of the token."""
    secret = (mesh.state / 'tokens' / token).read_text().strip()
    fields = [(1, proto((1, name), (2, proto((3, value))))) for name, value in metadata.items()]
    node = proto((1, node_id), (3, proto(*fields)))
    found = {}
    for each in types:
        request = wire.grpc(proto((1, node), (2, each)))
        _, answer = wire.grpc_call(mesh.host, mesh.host.address, 15012, _METHOD, secret, request)
        lib.check(answer is not None, f'aquifer-control does not answer for {each}')
        resources = [wire.parse(raw) for raw in wire.parse(answer).get(2, [])]
        found[each] = [(one[3][0].decode(), wire.parse(one[2][0]).get(2, [b''])[0]) for one in resources]
    return found


def resource(name, kind, body, version='1'):
    return proto((1, version), (2, proto((1, kind), (2, body))), (3, name))


class Refused:
    """What an answer said: text is empty for an ACK."""

    def __init__(self, message):
        status = wire.parse(message[7][0]) if 7 in message else {}
        self.code, self.text = status.get(1, [0])[0], status.get(2, [b''])[0].decode(errors='replace')


class Server:
    """base: {client: {type: [(name, bytes)]}}; clients are 'node' and 'way', told apart by their node id."""

    def __init__(self, netns, address, port, identity):
        self.base = {}
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(identity)
        self._context.set_alpn_protocols(['h2'])
        with netns.entered():
            self._listener = socket.create_server((address, port))
        self._changed = threading.Condition()
        self._streams = {}  # client: (connection, stream id)
        self.opened = {'node': 0, 'way': 0}
        self._answers, self._synced, self._nonces = {}, {}, 0
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def start(self):
        self._thread.start()

    # --- what a test does --------------------------------------------------------------------------------------------
    def push(self, client, kind, resources=(), removed=(), response_kind=None, nonce=None):
        """One response; returns its answer. Resources are (name, bytes), or ready bytes."""
        if nonce is None:
            self._nonces += 1
            nonce = f'push-{self._nonces}'
        fields = [(2, one if isinstance(one, bytes) else resource(one[0], kind, one[1])) for one in resources]
        message = proto((1, '1'), *fields, (4, response_kind or kind), (5, nonce), *((6, name) for name in removed))
        with self._changed:
            self._answers.pop(nonce, None)
        self.send(client, wire.grpc(message))
        return nonce

    def answer(self, nonce, seconds=20):
        with self._changed:
            lib.check(self._changed.wait_for(lambda: nonce in self._answers, seconds), f'no answer to {nonce}')
            return self._answers[nonce]

    def send(self, client, raw, flags=0):
        """Bytes into the stream of a client, as one DATA frame for each 16 KiB."""
        connection, stream = self._streams[client]
        parts = [raw[at:at + 16384] for at in range(0, len(raw), 16384)] or [b'']
        connection.send(*(wire.frame(wire.DATA, flags if part is parts[-1] else 0, stream, part) for part in parts))

    def frames(self, client, make):
        """Whole frames, made from the stream's number."""
        connection, stream = self._streams[client]
        connection.send(make(stream))

    def await_new_stream(self, client, opened, seconds=20):
        """Until a stream after the first `opened` ones has acknowledged all of the base."""
        with self._changed:
            lib.check(self._changed.wait_for(lambda: self.opened[client] > opened and not self._synced.get(client, {None}), seconds),
                      f'{client} does not come back')

    # --- serving -----------------------------------------------------------------------------------------------------
    def _accept(self):
        while True:
            raw, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw):
        with contextlib.suppress(OSError, EOFError, ssl.SSLError):
            raw.settimeout(120)
            with self._context.wrap_socket(raw, server_side=True) as connection:
                self._converse(wire.Http2(_Locked(connection)))

    def _converse(self, http):
        buffers, clients = {}, {}
        lib.check(http.take_preface(), 'no preface')
        http.send(wire.frame(wire.SETTINGS))
        while True:
            kind, flags, stream, payload = http.next()
            if kind == wire.SETTINGS and not flags & wire.ACK:
                http.send(wire.frame(wire.SETTINGS, wire.ACK))
            elif kind == wire.PING and not flags & wire.ACK:
                http.send(wire.frame(wire.PING, wire.ACK, payload=payload))
            elif kind == wire.HEADERS:
                http.send(wire.frame(wire.HEADERS, wire.END_HEADERS, stream,
                                     wire.headers((':status', '200'), ('content-type', 'application/grpc'))))
            elif kind == wire.DATA and payload:
                credit = struct.pack('>I', len(payload))
                http.send(wire.frame(wire.WINDOW_UPDATE, payload=credit), wire.frame(wire.WINDOW_UPDATE, 0, stream, credit))
                messages, buffers[stream] = wire.grpc_messages(buffers.get(stream, b'') + payload)
                for message in messages:
                    self._request(http, stream, clients, wire.parse(message))

    def _request(self, http, stream, clients, message):
        kind, nonce = message[2][0].decode(), message.get(6, [b''])[0].decode()
        if 1 in message:
            node = wire.parse(message[1][0])[1][0]
            client = clients[stream] = 'way' if node.startswith(b'waypoint~') else 'node'
            with self._changed:
                self._streams[client] = (http, stream)
                self._synced[client] = set(self.base[client])
                self.opened[client] += 1
        client = clients[stream]
        with self._changed:
            if nonce:
                self._answers[nonce] = Refused(message)
                self._synced[client].discard(nonce.removeprefix('base '))
                self._changed.notify_all()
                return
        self.push(client, kind, self.base[client].get(kind, []), nonce=f'base {kind}')


class _Locked:
    """A socket that several threads write to. A TLS socket must not be read and written at once either: it is polled."""

    def __init__(self, connection):
        self._connection, self._lock = connection, threading.Lock()
        connection.setblocking(False)

    def recv(self, size):
        while True:
            with self._lock:
                try:
                    return self._connection.recv(size)
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
            select.select([self._connection], [], [], 120)

    def sendall(self, raw):
        view = memoryview(raw)
        while view:
            with self._lock:
                try:
                    view = view[self._connection.send(view):]
                    continue
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
            select.select([], [self._connection], [], 1)
