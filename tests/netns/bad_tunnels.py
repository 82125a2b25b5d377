"""What comes to port 15008 of a captured pod and of a waypoint: TLS, HTTP/2 and CONNECT gone wrong.

The hostile peer is a machine outside the mesh with a certificate of its CA, unless the entry is about the certificate.
"""
import socket
import ssl
import struct

import lib
import wire
from bad_input import Entry, Metric, World, unless_gone
from certificates import GOOD, san_der
from wire import CONTINUATION, DATA, END_HEADERS, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame

HANDSHAKE, CONNECTION, REQUEST = 'handshake', 'connection', 'request'
URI, DNS = 0x86, 0x82


def hbone(stage, reason=None):
    return Metric('aquifer_hbone_refused_total', stage=stage, **({'reason': reason} if reason else {}))


class Target:
    """Where it goes: the pod app-b on node b, or the waypoint."""

    def __init__(self, name, program, address, refused, broken, failed, served):
        self.name, self.program, self.address, self.served = name, program, address, served
        self.words = {REQUEST: refused, CONNECTION: broken, HANDSHAKE: failed}


POD = Target('a pod', World.proxy_b, lambda world: world.mesh.b.app.address, 'CONNECT refused', 'HBONE connection broken',
             'HBONE handshake failed', lambda world: f'{world.mesh.b.app.address}:80')
WAY = Target('a waypoint', World.waypoint, lambda world: world.way.address, 'bad CONNECT', 'tunnel connection broken',
             'tunnel connection failed', lambda world: f'{world.mesh.b.service}:80')
TARGETS = (POD, WAY)


def certificate(world, name='good', maker=None, **options):
    path = world.ca.folder / f'{name}.pem'
    return path if path.exists() else (maker or world.ca).leaf(name, **options)


def tls(world, target, identity=None, seconds=10, **options):
    context = wire.client_context(identity or certificate(world), **options)
    return wire.dial_tls(world.mesh.host, target.address(world), 15008, context, seconds)


# --- CONNECT and HTTP/2 ----------------------------------------------------------------------------------------------
def request(make, expected):
    """Sends one head (fields from the world and the target) and wants one of the answers."""
    def send(world, target):
        with tls(world, target) as connection:
            http = wire.Http2(connection)
            http.send(PREFACE, frame(SETTINGS), frame(HEADERS, END_HEADERS, 1, wire.headers(*make(world, target))))
            found = http.status()
            lib.check(found in expected, f'answered with {found}, not {expected}')
    return send


def flood(*parts, expected=('closed',)):
    """Sends a preface and the parts over and over until the peer has had enough; then it must have said so."""
    block = b''.join(parts)

    def send(world, target):
        with tls(world, target) as connection:
            http = wire.Http2(connection)
            try:
                http.send(PREFACE, frame(SETTINGS))
                for _ in range(0, 200_000, 500):
                    http.send(block * 500)
            except (OSError, ssl.SSLError):
                return
            lib.check(http.status() in expected, 'a flood without an end is taken')
    return send


def raw(*parts):
    """Sends bytes inside TLS; the peer hangs up."""
    def send(world, target):
        with tls(world, target) as connection:
            http = wire.Http2(connection)
            http.send(*parts)
            lib.equal(http.status(), 'closed', 'what the peer does')
    return send


def rapid_reset(world, target):
    """CVE-2023-44487: streams opened and reset at once."""
    head = wire.headers(*wire.connect_fields(target.served(world)))
    with tls(world, target) as connection:
        http = wire.Http2(connection)
        try:
            http.send(PREFACE, frame(SETTINGS))
            for first in range(1, 100_000, 200):
                http.send(*(frame(HEADERS, END_HEADERS, stream, head) + frame(RST_STREAM, 0, stream, struct.pack('>I', 8))
                            for stream in range(first, first + 200, 2)))
        except (OSError, ssl.SSLError):
            return
        lib.equal(http.status(), 'closed', 'what the peer does')


def zero_window(world, target):
    """A stream whose reader takes nothing must not hold up others: this is no error, but it must not do harm either."""
    with tls(world, target) as connection:
        http = wire.Http2(connection)
        http.send(PREFACE, frame(SETTINGS, payload=struct.pack('>HI', 4, 0)),
                  frame(HEADERS, END_HEADERS, 1, wire.headers(*wire.connect_fields(target.served(world)))))
        lib.equal(http.status(), 200, 'a tunnel with a closed window')
        http.send(frame(DATA, 0, 1, b'GET /who HTTP/1.0\r\n\r\n'))
        lib.eventually(world.served, 'others go on while it stands still')
        http.send(frame(WINDOW_UPDATE, 0, 1, struct.pack('>I', 0)))
        # An increment of 0 is the error (RFC 9113 section 6.9).
        lib.check(http.status() in ('reset', 'closed'), 'a window update of 0 is taken')
        http.send(frame(WINDOW_UPDATE, 0, 0, struct.pack('>I', 0)))
        unless_gone(http.status)


def reset_at_once(world, target):
    """RST right after a TLS handshake."""
    connection = tls(world, target)
    wire.Http2(connection).send(PREFACE, frame(SETTINGS), frame(HEADERS, END_HEADERS, 1, wire.headers(
        *wire.connect_fields(target.served(world)))))
    lib.equal(wire.Http2(connection).status(), 200, 'the tunnel before it')
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    socket.socket(fileno=connection.detach()).close()


def giant_head(world, target):
    """100 fields of 1000 bytes, in CONTINUATION frames."""
    block = wire.headers(*wire.connect_fields(target.served(world)), *((f'x-{i}', 'v' * 1000) for i in range(100)))
    pieces = [block[at:at + 16000] for at in range(0, len(block), 16000)]
    with tls(world, target) as connection:
        http = wire.Http2(connection)
        http.send(PREFACE, frame(SETTINGS), frame(HEADERS, 0, 1, pieces[0]), *(frame(CONTINUATION, 0, 1, one) for one in pieces[1:-1]),
                  frame(CONTINUATION, END_HEADERS, 1, pieces[-1]))
        lib.equal(http.status(), 431, 'the answer')


LONG = 'k=' + 'v' * 5000
CONNECTS = {
    'a bad authority': (request(lambda w, t: wire.connect_fields('not an authority'), (400, 'reset')), ['request']),
    'an authority without a port': (request(lambda w, t: wire.connect_fields('10.0.0.1'), (400,)), [':authority']),
    'port 0': (request(lambda w, t: wire.connect_fields('10.0.0.1:0'), (400,)), [':authority']),
    'port 70000': (request(lambda w, t: wire.connect_fields('10.0.0.1:70000'), (400, 'reset')), []),
    'an octet of 256': (request(lambda w, t: wire.connect_fields('10.0.0.256:80'), (400,)), [':authority']),
    'no authority': (request(lambda w, t: wire.connect_fields(None), (400, 'reset')), ['request']),
    'a wrong method': (request(lambda w, t: wire.connect_fields(t.served(w), method='GET'), (400,)), [':method']),
    'a CONNECT with a path': (request(lambda w, t: (*wire.connect_fields(t.served(w)), (':path', '/'), (':scheme', 'https')),
                                      (400, 'reset')),
                              ['request']),
    'over-long baggage': (request(lambda w, t: wire.connect_fields(t.served(w), ('baggage', LONG)), (400,)), ['baggage', 'too long']),
    'an over-long forwarded': (request(lambda w, t: wire.connect_fields(t.served(w), ('forwarded', LONG)), (400,)),
                               ['forwarded', 'too long']),
    'a field with a line break': (request(lambda w, t: wire.connect_fields(t.served(w), ('x-a', 'b\r\nc: d')), (400, 'reset')),
                                  ['request']),
    'a field with a NUL byte': (request(lambda w, t: wire.connect_fields(t.served(w), ('x-a', b'b\0c')), (400, 'reset')), ['request']),
    'a field name in capitals': (request(lambda w, t: wire.connect_fields(t.served(w), ('X-A', 'b')), (400, 'reset')), ['request']),
    'a host that differs': (request(lambda w, t: wire.connect_fields(t.served(w), ('host', 'other')), (400,)), ['request', 'host']),
    '1000 fields': (request(lambda w, t: wire.connect_fields(t.served(w), *((f'x-{i}', 'v') for i in range(1000))), (431,)),
                    ['request', 'header fields']),
    'a head over the limit': (giant_head, ['request', 'header fields']),
}
BROKEN = {
    'no preface': (raw(b'\0' * 64), 'http_failed'),
    'HTTP/1.1': (raw(b'CONNECT 10.0.0.1:80 HTTP/1.1\r\nHost: x\r\n\r\n'), 'http_failed'),
    'a frame over the limit': (raw(PREFACE, frame(SETTINGS), b'\xff\xff\xff' + bytes([DATA, 0]) + b'\0\0\0\1'), 'http_failed'),
    'DATA on stream 0': (raw(PREFACE, frame(SETTINGS), frame(DATA, 0, 0, b'x')), 'http_failed'),
    'CONTINUATION without HEADERS': (raw(PREFACE, frame(SETTINGS), frame(CONTINUATION, END_HEADERS, 1, b'')), 'http_failed'),
    'a broken header block': (raw(PREFACE, frame(SETTINGS), frame(HEADERS, END_HEADERS, 1, b'\xff\xff\xff\xff\xff\xff\xff')),
                              'http_failed'),
    'a SETTINGS flood': (flood(frame(SETTINGS)), 'overload'),
    'a PING flood': (flood(frame(PING, payload=b'12345678')), 'overload'),
    'an empty DATA flood': (flood(frame(DATA, 0, 1)), None),
    'rapid reset': (rapid_reset, 'overload'),
    'a CONTINUATION flood': (lambda w, t: flood_after(frame(HEADERS, 0, 1, b''), frame(CONTINUATION, 0, 1))(w, t), None),
    'a window that stays closed, then an increment of 0': (zero_window, 'http_failed'),
    'a reset connection': (reset_at_once, 'peer_reset'),
}


def flood_after(first, part):
    def send(world, target):
        with tls(world, target) as connection:
            http = wire.Http2(connection)
            try:
                http.send(PREFACE, frame(SETTINGS), first)
                for _ in range(400):
                    http.send(part * 500)
            except (OSError, ssl.SSLError):
                return
            lib.equal(http.status(), 'closed', 'what the peer does')
    return send


# --- certificates ----------------------------------------------------------------------------------------------------
def shown(name, **options):
    """A handshake with that certificate fails, or what follows it is not served."""
    def send(world, target):
        options_of = {**options}
        maker = getattr(world, options_of.pop('maker', 'ca'))
        refused_handshake(world, target, certificate(world, name, maker, **options_of))
    return send


def refused_handshake(world, target, identity, **options):
    try:
        with tls(world, target, identity, **options) as connection:
            # In TLS 1.3 the client is through before it hears that its certificate is none.
            http = wire.Http2(connection)
            http.send(PREFACE, frame(SETTINGS), frame(HEADERS, END_HEADERS, 1, wire.headers(*wire.connect_fields(target.served(world)))))
            found = http.status()
    except (OSError, ssl.SSLError):
        return
    lib.equal(found, 'closed', 'a CONNECT of a stranger')


def without_certificate(world, target):
    try:
        with wire.dial_tls(world.mesh.host, target.address(world), 15008, wire.client_context()) as connection:
            lib.equal(wire.Http2(connection).status(), 'closed', 'a client without a certificate')
    except (OSError, ssl.SSLError):
        return


def no_alpn(world, target):
    refused_handshake(world, target, None, alpn=())


def tls12(world, target):
    refused_handshake(world, target, None, most=ssl.TLSVersion.TLSv1_2)


def garbage(world, target):
    with wire.dial(world.mesh.host, target.address(world), 15008) as connection:
        connection.sendall(b'\x80' * 300)
        unless_gone(connection.recv, 100)


def plain_http(world, target):
    with wire.dial(world.mesh.host, target.address(world), 15008) as connection:
        connection.sendall(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
        unless_gone(connection.recv, 100)


def slow(world, target):
    """The start of a hello, and then nothing: the peer's deadline ends it."""
    with wire.dial(world.mesh.host, target.address(world), 15008) as connection:
        connection.sendall(b'\x16\x03\x01\x02\x00')
        unless_gone(connection.recv, 100)


def reset_in_handshake(world, target):
    connection = wire.dial(world.mesh.host, target.address(world), 15008)
    connection.sendall(b'\x16\x03\x01\x02\x00')
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    connection.close()


OTHER = GOOD.replace('cluster.local', 'other.domain')
HANDSHAKES = {
    'no certificate': (without_certificate, ['tls_failed', 'CERTIFICATE']),
    'an expired certificate': (shown('expired', expired=True), ['tls_failed', 'expired']),
    'a self-signed certificate': (shown('selfsigned', self_signed=True), ['tls_failed', 'issuer']),
    'a certificate of another CA': (shown('stranger', maker='stranger'), ['tls_failed']),
    'another trust domain': (shown('otherdomain', san=f'URI:{OTHER}'), ['identity_mismatch', OTHER]),
    'two URI SANs': (shown('twouris', san=f'URI:{GOOD},URI:{GOOD}x'), ['tls_failed', '2 URIs']),
    'a SAN with a NUL byte': (shown('nul', san=san_der((URI, GOOD.encode() + b'\0.x'))), ['tls_failed']),
    'a SAN with a line break': (shown('newline', san=san_der((URI, GOOD.encode() + b'\nERROR forged'))), ['tls_failed']),
    'a SAN that is not SPIFFE': (shown('https', san='URI:https://cluster.local/ns/default/sa/app-a'), ['tls_failed', 'spiffe']),
    'no SAN': (shown('nosan', san=''), ['tls_failed']),
    'a DNS SAN only': (shown('dns', san='DNS:app-a.default.svc'), ['tls_failed']),
    'a CA certificate': (shown('ca', extra='basicConstraints=critical,CA:TRUE'), ['tls_failed', 'CA']),
    'a certificate for servers only': (shown('server', usage='serverAuth'), ['tls_failed', 'purpose']),
    'RSA of 1024 bits': (shown('rsa', bits=1024), ['tls_failed', 'RSA of 2048']),
    'TLS 1.2': (tls12, ['tls_failed']),
    'no ALPN': (no_alpn, ['tls_failed']),
    'garbage instead of TLS': (garbage, ['tls_failed']),
    'plain HTTP': (plain_http, ['tls_failed']),
    'a slow handshake': (slow, ['handshake_timeout']),
    'a reset within the handshake': (reset_in_handshake, ['peer_reset']),
}
# What merely describes the client: it is left aside, and the tunnel opens.
TOLERATED = {
    'malformed baggage': ('baggage', b'k8s.namespace.name=%zz,,=;=,k8s.pod.name=%0aERROR%20forged,%ff=\xff'),
    'a malformed traceparent': ('traceparent', '00-zz-zz-zz'),
    'a malformed forwarded': ('forwarded', 'for="10.0.0.999:x";host=;;by'),
}


def entries():
    for target in TARGETS:
        peer = 'src.identity' if target is POD else 'identity'
        for name, (send, says) in CONNECTS.items():
            yield Entry(f'{target.name} gets a CONNECT: {name}', lambda world, send=send, target=target: send(world, target),
                        target.program,
                        [target.words[REQUEST], peer, *says], hbone(REQUEST, 'bad_request'))
        for name, (send, reason) in BROKEN.items():
            yield Entry(f'{target.name} gets HTTP/2: {name}', lambda world, send=send, target=target: send(world, target), target.program,
                        [target.words[CONNECTION], peer], hbone(CONNECTION, reason))
        for name, (send, says) in HANDSHAKES.items():
            words = says if target is POD else says[1:]
            yield Entry(f'{target.name} gets TLS: {name}', lambda world, send=send, target=target: send(world, target), target.program,
                        [target.words[HANDSHAKE], *words], hbone(HANDSHAKE, says[0]))


def tolerated():
    for target in TARGETS:
        for name, field in TOLERATED.items():
            send = request(lambda world, of, field=field: wire.connect_fields(of.served(world), field), (200,))
            yield Entry(f'{target.name} gets a CONNECT: {name}', lambda world, send=send, target=target: send(world, target),
                        target.program,
                        [], None)


def elsewhere(world, authority, expected):
    request(lambda w, t: wire.connect_fields(authority), expected)(world, POD)


ENTRIES = [
    *entries(),
    *tolerated(),
    Entry('a pod gets a CONNECT: for another pod', lambda world: elsewhere(world, f'{world.mesh.a.app.address}:80', (400, 404, 503)),
          World.proxy_b,
          ['connection failed', 'error='], hbone(REQUEST, 'address_mismatch')),
    Entry('a waypoint gets a CONNECT: for what it does not guard',
          lambda world: request(lambda w, t: wire.connect_fields(f'{w.mesh.a.app.address}:80'), (404,))(world, WAY), World.waypoint,
          ['tunnel refused', 'authority', 'error='], hbone(REQUEST, 'unknown_destination')),
]
