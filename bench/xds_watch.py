"""A client of delta xDS that keeps nothing: it acknowledges what it is sent, counts, and says when something wanted has come."""
import pathlib
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'tests' / 'netns'))
import wire  # noqa: E402
from wire import proto  # noqa: E402

_PREFIX = 'type.googleapis.com/'
ADDRESS, AUTHORIZATION = _PREFIX + 'istio.workload.Address', _PREFIX + 'istio.security.Authorization'
OUR_WAYPOINT = tuple(_PREFIX + 'aquifer.mesh.v1.' + name for name in ('Gateway', 'HttpRoute', 'AuthorizationPolicy'))
ENVOYS_LISTENER = _PREFIX + 'envoy.config.listener.v3.Listener'
_METHOD = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources'
_WINDOW = 64 << 20


def struct_of(values):
    """google.protobuf.Struct of texts and of such structs."""
    return b''.join(proto((1, proto((1, name), (2, proto((5, struct_of(value)) if isinstance(value, dict) else (3, value))))))
                    for name, value in values.items())


class Watch:
    """One stream that asks for everything of some types."""

    def __init__(self, address, port, token, node_id, metadata, types):
        raw = socket.create_connection((address, port), 10)
        raw.settimeout(None)
        self.connection = wire.client_context().wrap_socket(raw)
        self.http = wire.Http2(self.connection)
        self.lock, self.changed = threading.Lock(), threading.Condition()
        self.names = {each: set() for each in types}
        self.bytes, self.last, self.ended = 0, time.monotonic(), None
        self.wanted = self.seen_at = None
        fields = [(':method', 'POST'), (':scheme', 'https'), (':path', _METHOD), (':authority', 'control'),
                  ('content-type', 'application/grpc'), ('te', 'trailers'), ('authorization', f'Bearer {token}')]
        self.http.send(wire.PREFACE, wire.frame(wire.SETTINGS, payload=struct.pack('>HI', 4, _WINDOW)),
                       wire.frame(wire.WINDOW_UPDATE, payload=struct.pack('>I', _WINDOW)),
                       wire.frame(wire.HEADERS, wire.END_HEADERS, 1, wire.headers(*fields)))
        node = proto((1, node_id), (3, struct_of(metadata)))
        for index, each in enumerate(types):
            self.ask(*([(1, node)] if index == 0 else []), (2, each))
        threading.Thread(target=self.run, daemon=True).start()

    def ask(self, *fields):
        message = wire.grpc(proto(*fields))
        with self.lock:
            self.http.send(*(wire.frame(wire.DATA, 0, 1, message[at:at + 16384]) for at in range(0, len(message), 16384)))

    def run(self):
        try:
            self.read()
        except Exception as problem:  # whatever it is, who waits has to know
            with self.changed:
                self.ended = self.ended or repr(problem)
                self.changed.notify_all()

    def read(self):
        parts, have = [], 0
        while True:
            kind, flags, _, payload = self.http.next()
            with self.lock:
                if kind == wire.SETTINGS and not flags & wire.ACK:
                    self.http.send(wire.frame(wire.SETTINGS, wire.ACK))
                elif kind == wire.PING and not flags & wire.ACK:
                    self.http.send(wire.frame(wire.PING, wire.ACK, payload=payload))
                elif kind == wire.DATA and payload:
                    back = struct.pack('>I', len(payload))
                    self.http.send(wire.frame(wire.WINDOW_UPDATE, payload=back), wire.frame(wire.WINDOW_UPDATE, 0, 1, back))
            if kind == wire.DATA:
                parts.append(payload)
                have += len(payload)
                if have >= 5 and len(parts[0]) < 5:
                    parts = [b''.join(parts)]
                if have >= 5 and have >= 5 + struct.unpack('>I', parts[0][1:5])[0]:
                    messages, rest = wire.grpc_messages(b''.join(parts))
                    parts, have = [rest] if rest else [], len(rest)
                    for message in messages:
                        self.take(message)
            if kind in (wire.RST_STREAM, wire.GOAWAY) or flags & wire.END_STREAM and kind in (wire.HEADERS, wire.DATA):
                raise EOFError(f'frame {kind} ends the stream: {wire.status_of(payload) if kind == wire.HEADERS else payload[:100]}')

    def take(self, message):
        now, found = time.monotonic(), wire.parse(message)
        self.ask((2, found[4][0]), (6, found[5][0]))
        resources = [wire.parse(raw) for raw in found.get(2, [])]
        names = [one[3][0].decode() for one in resources if 3 in one]
        removed = [name.decode() for name in found.get(6, [])]
        with self.changed:
            kind = found[4][0].decode()
            self.names.setdefault(kind, set()).update(names)
            self.names[kind].difference_update(removed)
            self.bytes, self.last = self.bytes + len(message), now
            if self.wanted is not None and self.seen_at is None and self.wanted(kind, {*names, *removed}, message):
                self.seen_at = now
            self.changed.notify_all()

    def want(self, wanted):
        """From now on waits for a message of which wanted(type, names, bytes) is true."""
        with self.changed:
            self.wanted, self.seen_at = wanted, None

    def seen(self, seconds):
        """When it came, by the monotonic clock; None if not within so many seconds."""
        with self.changed:
            self.changed.wait_for(lambda: self.seen_at is not None or self.ended, seconds)
            return self.seen_at

    def count(self, kind):
        with self.changed:
            return len(self.names.get(kind, ()))

    def close(self):
        self.ended = 'closed'
        self.connection.close()
