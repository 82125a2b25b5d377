"""HTTP/2 by hand, for tests that need every frame in their own hands. HPACK is inflated by libnghttp2, which curl
brings along; what is sent is literal, never indexed. Standard library only."""
import ctypes
import ctypes.util
import struct

PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
WINDOW = 65535


class _Nv(ctypes.Structure):
    _fields_ = [('name', ctypes.POINTER(ctypes.c_uint8)), ('value', ctypes.POINTER(ctypes.c_uint8)),
                ('name_length', ctypes.c_size_t), ('value_length', ctypes.c_size_t), ('flags', ctypes.c_uint8)]


def _library():
    name = ctypes.util.find_library('nghttp2')
    library = ctypes.CDLL(name or 'libnghttp2.so.14')
    library.nghttp2_hd_inflate_hd2.restype = ctypes.c_ssize_t
    library.nghttp2_hd_inflate_hd2.argtypes = [ctypes.c_void_p, ctypes.POINTER(_Nv), ctypes.POINTER(ctypes.c_int),
                                               ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
    return library


class Inflater:
    """The fields of header blocks, in order."""

    def __init__(self):
        self._library = _library()
        self._state = ctypes.c_void_p()
        self._library.nghttp2_hd_inflate_new(ctypes.byref(self._state))

    def inflate(self, block):
        fields, nv, flags = [], _Nv(), ctypes.c_int()
        while True:
            used = self._library.nghttp2_hd_inflate_hd2(self._state, ctypes.byref(nv), ctypes.byref(flags), block, len(block), 1)
            if used < 0:
                raise ValueError(f'HPACK error {used}')
            block = block[used:]
            if flags.value & 2:
                fields.append((ctypes.string_at(nv.name, nv.name_length).decode('latin-1'),
                               ctypes.string_at(nv.value, nv.value_length).decode('latin-1')))
            if flags.value & 1:
                self._library.nghttp2_hd_inflate_end_headers(self._state)
                return fields
            if not block and not flags.value & 2:
                raise ValueError('HPACK block ends early')

    def close(self):
        self._library.nghttp2_hd_inflate_del(self._state)


def _number(value, bits):
    most = (1 << bits) - 1
    if value < most:
        return bytes([value])
    out, value = [most], value - most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def block(fields):
    """A header block of literals."""
    out = b''
    for name, value in fields:
        name, value = name.encode('latin-1'), value.encode('latin-1')
        out += b'\0' + _number(len(name), 7) + name + _number(len(value), 7) + value
    return out


def frame(kind, flags, stream, payload=b''):
    return struct.pack('!I', len(payload))[1:] + bytes([kind, flags]) + struct.pack('!I', stream) + payload


def headers(stream, fields, end=False):
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block(fields))


def data(stream, payload, end=False):
    return b''.join(frame(DATA, END_STREAM if end and at + 16384 >= len(payload) else 0, stream, payload[at:at + 16384])
                    for at in range(0, max(len(payload), 1), 16384))


def read_frame(stream):
    """(kind, flags, stream, payload) from a file object; None at its end."""
    head = stream.read(9)
    if len(head) < 9:
        return None
    payload = stream.read(int.from_bytes(head[:3], 'big'))
    return head[3], head[4], int.from_bytes(head[5:], 'big') & 0x7fffffff, payload


class Client:
    """One connection of a client. Answers SETTINGS and PING by itself, gives windows back unless told not to."""

    def __init__(self, connection):
        self.connection, self.file, self.inflater, self.next_stream = connection, connection.makefile('rb'), Inflater(), 1
        self.give_back = True
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0))

    def send(self, data_):
        self.connection.sendall(data_)

    def request(self, method, path, authority='echo', fields=(), end=True):
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        self.send(headers(stream, [(':method', method), (':scheme', 'http'), (':path', path), (':authority', authority), *fields], end))
        return stream

    def next(self):
        """The next frame that is about a stream; header blocks inflated."""
        while True:
            got = read_frame(self.file)
            if got is None:
                return None
            kind, flags, stream, payload = got
            if kind == SETTINGS and not flags & ACK:
                self.send(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                self.send(frame(PING, ACK, 0, payload))
            elif kind == GOAWAY:
                return kind, flags, stream, payload
            elif kind == HEADERS:
                return kind, flags, stream, self.inflater.inflate(payload)
            elif kind == DATA:
                if self.give_back and payload:
                    self.send(frame(WINDOW_UPDATE, 0, 0, struct.pack('!I', len(payload))))
                    if not flags & END_STREAM:
                        self.send(frame(WINDOW_UPDATE, 0, stream, struct.pack('!I', len(payload))))
                return got
            elif kind == RST_STREAM:
                return got

    def response(self, stream):
        """(fields, body, trailers) of a stream, or ('reset', code, None)."""
        head, body, trailers = None, b'', None
        while True:
            got = self.next()
            if got is None or got[0] == GOAWAY:
                return 'closed', got and int.from_bytes(got[3][4:8], 'big'), None
            kind, flags, at, payload = got
            if at != stream:
                continue
            if kind == RST_STREAM:
                return 'reset', int.from_bytes(payload, 'big'), None
            if kind == DATA:
                body += payload
            elif head is None:
                head = payload
                if dict(head)[':status'].startswith('1'):
                    head = None
            else:
                trailers = payload
            if flags & END_STREAM:
                return head, body, trailers

    def close(self):
        self.file.close()
        self.connection.close()
        self.inflater.close()
