"""A backend that says what reached it: a JSON object with its own name, the request's method, target, version, fields
(in order, as spelt), body and trailers. Speaks HTTP/1.1 and HTTP/2 (prior knowledge) on one port, in threads of the
test, so that a test reads `requests` and `abandoned` directly. The request's x-do says what else to do, words
separated by blanks:

    status=N  header=NAME:VALUE  delay=MS  chunked  until-close  trailer=NAME:VALUE  stream=BYTES  drip=COUNT*MS
    hangup (closes after the answer, unannounced)  early (answers before the body)  stall=MS (before it reads the body)  close  reset  fail=N (so many times for this path)  upgrade  interim  raw=HEX
"""
import collections
import contextlib
import json
import socket
import struct
import threading
import time

import h2

BIG = 256 * 1024


class Request:
    def __init__(self, version, method, target, fields):
        self.version, self.method, self.target, self.fields = version, method, target, fields
        self.body, self.trailers, self.body_bytes = b'', [], 0
        self.started = time.monotonic()

    def get(self, name):
        found = [value for field, value in self.fields if field.lower() == name]
        return ','.join(found) if found else None

    def todo(self):
        words = {}
        for word in (self.get('x-do') or '').split():
            key, _, value = word.partition('=')
            words.setdefault(key, []).append(value)
        return words

    def take(self, part):
        self.body_bytes += len(part)
        if len(self.body) < BIG:
            self.body += part

    def described(self, name):
        return json.dumps({'name': name, 'version': self.version, 'method': self.method, 'target': self.target, 'fields': self.fields,
                           'body': self.body[:BIG].decode('latin-1') if self.body_bytes <= BIG else None, 'body_bytes': self.body_bytes,
                           'trailers': self.trailers}).encode()


class Gone(Exception):
    """The peer left."""


class Http1:
    """One connection: requests one after another."""

    def __init__(self, server, connection):
        self.server, self.connection, self.buffer = server, connection, b''

    def more(self):
        part = self.connection.recv(65536)
        if not part:
            raise Gone
        self.buffer += part

    def until(self, mark):
        while mark not in self.buffer:
            self.more()
        part, _, self.buffer = self.buffer.partition(mark)
        return part

    def exactly(self, size):
        while size > 0:
            if not self.buffer:
                self.more()
            part, self.buffer = self.buffer[:size], self.buffer[size:]
            size -= len(part)
            yield part

    @staticmethod
    def parse_fields(text):
        return [tuple(part.strip() for part in line.split(':', 1)) for line in text.split('\r\n') if line]

    def read_body(self, request):
        length, coding = request.get('content-length'), request.get('transfer-encoding')
        if coding:
            while size := int(self.until(b'\r\n').split(b';')[0], 16):
                for part in self.exactly(size):
                    request.take(part)
                self.until(b'\r\n')
            while line := self.until(b'\r\n'):
                request.trailers.extend(self.parse_fields(line.decode('latin-1')))
        elif length:
            for part in self.exactly(int(length)):
                request.take(part)

    def watch(self, request, seconds):
        """Waits, and notices when the peer leaves meanwhile."""
        self.connection.settimeout(seconds)
        try:
            if not self.connection.recv(1, socket.MSG_PEEK):
                raise Gone
        except TimeoutError:
            pass
        except OSError as problem:
            raise Gone from problem
        finally:
            self.connection.settimeout(None)

    def serve(self):
        while True:
            lines = self.until(b'\r\n\r\n').decode('latin-1')
            first, _, rest = lines.partition('\r\n')
            method, target, version = first.split(' ')
            request = Request(version, method, target, self.parse_fields(rest))
            self.server.requests.append(request)
            try:
                if not self.answer(request):
                    return
            except (Gone, OSError):
                self.server.abandoned.append(request)
                raise

    def answer(self, request):
        todo = request.todo()
        for ms in todo.get('stall', []):
            time.sleep(int(ms) / 1000)
        if 'early' not in todo:
            self.read_body(request)
        for ms in todo.get('delay', []):
            self.watch(request, int(ms) / 1000)
        if self.server.fails(request, todo):
            todo['status'] = ['503']
        if 'reset' in todo:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        if 'reset' in todo or 'close' in todo:
            return False
        if 'raw' in todo:
            self.connection.sendall(bytes.fromhex(todo['raw'][0]))
            return False
        if 'interim' in todo:
            self.connection.sendall(b'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n')
        if 'upgrade' in todo:
            return self.tunnel(request)
        self.send(request, todo)
        return not {'until-close', 'early', 'hangup'} & set(todo)

    def send(self, request, todo):
        body = request.described(self.server.name)
        status = todo.get('status', ['200'])[0]
        fields = [tuple(text.split(':', 1)) for text in todo.get('header', [])]
        if ('content-type' not in dict(fields)) and status not in ('204', '304'):
            fields.append(('Content-Type', 'application/json'))
        trailers = [tuple(text.split(':', 1)) for text in todo.get('trailer', [])]
        drips = todo.get('drip', [None])[0]
        size = int(todo.get('stream', ['0'])[0])
        bodiless = request.method == 'HEAD' or status in ('204', '304')
        chunked = bool(trailers or drips or 'chunked' in todo)
        if chunked:
            fields.append(('Transfer-Encoding', 'chunked'))
        elif 'until-close' not in todo and status != '204':
            fields.append(('Content-Length', str(size or len(body))))
        head = f'HTTP/1.1 {status} Said\r\n' + ''.join(f'{name}: {value}\r\n' for name, value in fields) + '\r\n'
        self.connection.sendall(head.encode('latin-1'))
        if bodiless:
            return
        wrap = (lambda part: b'%x\r\n%s\r\n' % (len(part), part)) if chunked else (lambda part: part)
        if drips:
            count, ms = drips.split('*')
            for index in range(int(count)):
                self.connection.sendall(wrap(b'drip %d\n' % index))
                self.watch(request, int(ms) / 1000)
        elif size:
            block, sent = b'x' * 65536, 0
            while sent < size:
                self.connection.sendall(wrap(block[:size - sent]))
                sent += len(block[:size - sent])
        else:
            self.connection.sendall(wrap(body))
        if chunked:
            self.connection.sendall(b'0\r\n' + ''.join(f'{n}: {v}\r\n' for n, v in trailers).encode() + b'\r\n')

    def tunnel(self, request):
        self.connection.sendall(b'HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Tunnel: yes\r\n\r\n')
        try:
            while True:
                if not self.buffer:
                    self.more()
                self.connection.sendall(self.buffer.upper())
                self.buffer = b''
        except Gone:
            self.server.tunnels_ended += 1
        return False


class Http2:
    """One connection: streams answered in the order in which their requests end."""

    def __init__(self, server, connection, first):
        self.server, self.connection, self.inflater = server, connection, h2.Inflater()
        self.file = connection.makefile('rb')
        self.first, self.open = first, {}

    def send(self, data):
        self.connection.sendall(data)

    def serve(self):
        self.file.read(len(h2.PREFACE) - len(self.first))
        self.send(h2.frame(h2.SETTINGS, 0, 0))
        while got := h2.read_frame(self.file):
            kind, flags, stream, payload = got
            if kind == h2.SETTINGS and not flags & h2.ACK:
                self.send(h2.frame(h2.SETTINGS, h2.ACK, 0))
            elif kind == h2.PING and not flags & h2.ACK:
                self.send(h2.frame(h2.PING, h2.ACK, 0, payload))
            elif kind == h2.HEADERS:
                self.on_fields(stream, self.inflater.inflate(payload))
            elif kind == h2.DATA and stream in self.open:
                self.open[stream].take(payload)
                if payload:
                    for window in (0, stream):
                        self.send(h2.frame(h2.WINDOW_UPDATE, 0, window, struct.pack('!I', len(payload))))
            elif kind == h2.RST_STREAM and stream in self.open:
                self.server.abandoned.append(self.open.pop(stream))
            if kind in (h2.HEADERS, h2.DATA) and flags & h2.END_STREAM and stream in self.open:
                self.answer(stream, self.open[stream])

    def on_fields(self, stream, fields):
        if stream in self.open:
            self.open[stream].trailers.extend(fields)
            return
        pseudo = dict(field for field in fields if field[0].startswith(':'))
        request = Request('HTTP/2', pseudo[':method'], pseudo[':path'],
                          [('host', pseudo.get(':authority', ''))] + [field for field in fields if not field[0].startswith(':')])
        self.server.requests.append(request)
        self.open[stream] = request

    def answer(self, stream, request):
        todo = request.todo()
        if 'never' in todo:
            return
        del self.open[stream]
        if 'reset' in todo:
            return self.send(h2.frame(h2.RST_STREAM, 0, stream, struct.pack('!I', 7)))
        for ms in todo.get('delay', []):
            time.sleep(int(ms) / 1000)
        trailers = [tuple(text.split(':', 1)) for text in todo.get('trailer', [])]
        fields = [tuple(text.split(':', 1)) for text in todo.get('header', [])]
        status = todo.get('status', ['200'])[0]
        body = b'' if request.method == 'HEAD' or status in ('204', '304') else request.described(self.server.name)[:60000]
        self.send(h2.headers(stream, [(':status', status), *fields], end=not body and not trailers))
        if body:
            self.send(h2.data(stream, body, end=not trailers))
        if trailers:
            self.send(h2.headers(stream, trailers, end=True))
        return None


class Echo:
    """The server, in a namespace, for as long as the cluster lives: its threads are daemons."""

    def __init__(self, netns, name, port=80):
        self.name, self.requests, self.abandoned, self.tunnels_ended = name, [], [], 0
        self.connections = 0
        self._failures = collections.Counter()
        with netns.entered():
            self.listener = socket.create_server(('0.0.0.0', port), backlog=256)
        threading.Thread(target=self._accept, daemon=True).start()

    def fails(self, request, todo):
        if 'fail' not in todo:
            return False
        self._failures[request.target] += 1
        return self._failures[request.target] <= int(todo['fail'][0])

    def seen(self, target):
        return [request for request in list(self.requests) if request.target == target]

    def left(self, target):
        return [request for request in list(self.abandoned) if request.target == target]

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        self.connections += 1
        with connection, contextlib.suppress(Gone, OSError, ValueError):
            first = connection.recv(3, socket.MSG_PEEK)
            if first == h2.PREFACE[:3]:
                Http2(self, connection, b'').serve()
            else:
                Http1(self, connection).serve()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
