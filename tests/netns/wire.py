"""HTTP/2 frames, gRPC and protobuf by hand, so that a test can send what no library would. Standard library only.

Header blocks are literals without Huffman and without the dynamic table, so they need no state; of what comes back only
the status is read.
"""
import socket
import ssl
import struct

import lib

PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4


# --- HTTP/2 ----------------------------------------------------------------------------------------------------------
def frame(kind, flags=0, stream=0, payload=b''):
    return struct.pack('>I', len(payload))[1:] + bytes([kind, flags]) + struct.pack('>I', stream) + payload


def _integer(value, prefix_bits, first=0):
    most = (1 << prefix_bits) - 1
    if value < most:
        return bytes([first | value])
    out, value = [first | most], value - most
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes(out + [value])


def _text(text):
    raw = text if isinstance(text, bytes) else text.encode()
    return _integer(len(raw), 7) + raw


def headers(*fields):
    return b''.join(b'\0' + _text(name) + _text(value) for name, value in fields)


def connect_fields(authority, *more, method='CONNECT'):
    fields = [(':method', method)]
    if method != 'CONNECT':
        fields += [(':scheme', 'https'), (':path', '/')]
    if authority is not None:
        fields.append((':authority', authority))
    return (*fields, *more)


def status_of(block):
    """The :status that nghttp2 wrote first."""
    table = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}
    while block and block[0] & 0xe0 == 0x20:  # table size update
        block = block[1:]
    if block and block[0] & 0x80:
        return table.get(block[0] & 0x7f)
    if len(block) < 2:
        return None
    raw = block[2:2 + (block[1] & 0x7f)]
    return int(_digits(raw) if block[1] & 0x80 else raw)


def _digits(raw):
    """Huffman (RFC 7541 appendix B), the ten digits of it."""
    codes = {'00000': '0', '00001': '1', '00010': '2'} | {f'{0b011001 + i:06b}': str(3 + i) for i in range(7)}
    bits, out, word = ''.join(f'{byte:08b}' for byte in raw), '', ''
    for bit in bits:
        word += bit
        if word in codes:
            out, word = out + codes[word], ''
    return out


class Http2:
    """One connection's frames over a socket that blocks with a deadline."""

    def __init__(self, connection):
        self.connection, self._rest = connection, b''

    def _exactly(self, size):
        while len(self._rest) < size:
            got = self.connection.recv(65536)
            if not got:
                raise EOFError
            self._rest += got
        out, self._rest = self._rest[:size], self._rest[size:]
        return out

    def send(self, *parts):
        self.connection.sendall(b''.join(parts))

    def next(self):
        """(kind, flags, stream, payload); EOFError at the end."""
        head = self._exactly(9)
        size = int.from_bytes(head[:3], 'big')
        return head[3], head[4], int.from_bytes(head[5:9], 'big') & 0x7fffffff, self._exactly(size)

    def take_preface(self):
        return self._exactly(len(PREFACE)) == PREFACE

    def status(self, stream=1):
        """Of the answer to a stream: a number, 'reset', or 'closed' when the connection ends."""
        try:
            while True:
                kind, _, of, payload = self.next()
                if kind == HEADERS and of == stream:
                    return status_of(payload)
                if kind == RST_STREAM and of == stream:
                    return 'reset'
                if kind == GOAWAY:
                    return 'closed'
                if kind == SETTINGS and not payload:
                    continue
        except (EOFError, ConnectionError, ssl.SSLError):
            return 'closed'


def client_context(identity=None, roots=None, alpn=('h2',), most=None):
    """TLS as a hostile client speaks it: believes any server, shows `identity` (a file with chain and key)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers('ALL:@SECLEVEL=0')
    if roots:
        context.load_verify_locations(roots)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if most:
        context.maximum_version = most
    if identity:
        context.load_cert_chain(identity)
    return context


def dial(netns, address, port, seconds=10):
    with netns.entered():
        raw = socket.socket()
    raw.settimeout(seconds)
    raw.connect((address, port))
    return raw


def dial_tls(netns, address, port, context, seconds=10):
    return context.wrap_socket(dial(netns, address, port, seconds))


# --- protobuf and gRPC -----------------------------------------------------------------------------------------------
def varint(value):
    out = b''
    value &= (1 << 64) - 1
    while value >= 128:
        out += bytes([value % 128 + 128])
        value //= 128
    return out + bytes([value])


def proto(*fields):
    """Fields as (number, value): an int as varint, text and bytes as they are."""
    out = b''
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            raw = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(raw)) + raw
    return out


def parse(raw):
    """{number: [values]}; varints as ints, the rest as bytes."""
    found, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = raw[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(raw):
        key = number()
        if key & 7 == 0:
            value = number()
        else:
            lib.check(key & 7 == 2, f'wire type {key & 7}')
            size = number()
            value, at = raw[at:at + size], at + size
        found.setdefault(key >> 3, []).append(value)
    return found


def grpc(message, flag=0, length=None):
    return struct.pack('>BI', flag, len(message) if length is None else length) + message


def grpc_messages(raw):
    """The whole messages at the start of the bytes, and what is left."""
    messages = []
    while len(raw) >= 5:
        size = struct.unpack('>BI', raw[:5])[1]
        if len(raw) < 5 + size:
            break
        messages.append(raw[5:5 + size])
        raw = raw[5 + size:]
    return messages, raw


def grpc_call(netns, address, port, path, token, message, seconds=10):
    """A unary or streaming call up to its first message: (status, message or None)."""
    with dial_tls(netns, address, port, client_context(), seconds) as connection:
        http = Http2(connection)
        fields = [(':method', 'POST'), (':scheme', 'https'), (':path', path), (':authority', 'control'),
                  ('content-type', 'application/grpc'), ('te', 'trailers')]
        if token is not None:
            fields.append(('authorization', f'Bearer {token}'))
        http.send(PREFACE, frame(SETTINGS, payload=struct.pack('>HI', 4, 16 << 20)),
                  frame(WINDOW_UPDATE, payload=struct.pack('>I', 16 << 20)),
                  frame(HEADERS, END_HEADERS, 1, headers(*fields)), frame(DATA, 0, 1, message))
        raw, status = b'', None
        try:
            while True:
                kind, flags, stream, payload = http.next()
                if kind == SETTINGS and not flags & ACK:
                    http.send(frame(SETTINGS, ACK))
                elif kind == HEADERS and stream == 1:
                    status = status_of(payload) if status is None else status
                elif kind == DATA:
                    raw += payload
                messages, _ = grpc_messages(raw)
                if messages:
                    return status, messages[0]
                if (stream == 1 and flags & END_STREAM and kind in (HEADERS, DATA)) or kind == RST_STREAM:
                    return status, None
        except (EOFError, ConnectionError, ssl.SSLError):
            return status, None
