"""What runs in every pod of this suite: servers of several manners on fixed ports, and a client that is told over a Unix
socket what to try. The socket lies in a folder of the machine, so that orders never cross the mesh that is under test.

usage: agent.py POD SOCKET [--unready]
One order is one line of JSON, {"op": name, ...}, and so is its answer. Standard library only; imports stay few because the
image holds nothing but what is imported here.
"""
import base64
import collections
import contextlib
import errno
import itertools
import json
import os
import random
import re
import select
import socket
import struct
import sys
import threading
import time

HTTP_PORTS = (80, 8080, 8090, *range(8001, 8025))
ECHO, SERVER_FIRST, HALF_CLOSE, RESET, DOWNLOAD, FIN_FIRST, WITNESS, UPLOAD = range(7001, 7009)
DNS_TYPES = {'A': 1, 'PTR': 12, 'AAAA': 28, 'SRV': 33, 'TXT': 16, 'CNAME': 5, 'SOA': 6}
CHUNK = bytes(range(256)) * 256


def word_of(error):
    """How a connection failed, in the words of the outcomes."""
    if isinstance(error, ConnectionRefusedError):
        return 'refused'
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return 'reset'
    if isinstance(error, TimeoutError):
        return 'timeout'
    return errno.errorcode.get(error.errno, str(error)) if isinstance(error, OSError) else str(error)


def bare(address):
    return address.removeprefix('::ffff:')


def request(path, name, more=''):
    return f'GET {path} HTTP/1.1\r\nhost: {name or "pod"}\r\n{more}\r\n'.encode()


def length_of(data):
    """Of the whole answer that begins so; None as long as its head does not say it."""
    head, end, _ = data.partition(b'\r\n\r\n')
    found = re.search(rb'\r\ncontent-length: *(\d+)', head, re.I) if end else None
    return len(head) + 4 + int(found[1]) if found else None


def understood(data):
    """What an answer says; what a server of ours says of itself is among it."""
    if not data:
        return {'error': 'closed'}
    answer = {}
    head, _, body = data.partition(b'\r\n\r\n')
    words = head.split(None, 2)
    if words[0].startswith(b'HTTP/'):
        answer['status'] = int(words[1])
    else:
        answer['raw'] = data[:32].hex()
    if body.startswith(b'{"pod"'):
        answer |= json.loads(body)
    else:
        answer['body'] = base64.b64encode(body[:2_000_000]).decode()
    return answer


def outcome(answer):
    """One word for what became of an order."""
    if 'pod' in answer or 'addresses' in answer:
        return 'answered'
    return answer.get('error') or str(answer.get('status', 'no answer'))


class Servers:
    """Each port has its manner; what the witness saw is kept for who asks."""

    def __init__(self, pod, ready):
        self.pod, self.ready, self.endings = pod, ready, {}

    def start(self):
        manners = {port: self.http for port in HTTP_PORTS}
        manners |= {ECHO: self.echo, SERVER_FIRST: self.server_first, HALF_CLOSE: self.half_close, RESET: self.reset,
                    DOWNLOAD: self.download, FIN_FIRST: self.fin_first, WITNESS: self.witness, UPLOAD: self.half_close}
        for port, manner in manners.items():
            self.listen(port, manner)

    def listen(self, port, manner):
        v6 = socket.has_ipv6 and os.path.exists('/proc/net/if_inet6')
        listener = socket.create_server(('::' if v6 else '0.0.0.0', port), dualstack_ipv6=v6, backlog=512,
                                        family=socket.AF_INET6 if v6 else socket.AF_INET)
        threading.Thread(target=self.accept, args=(listener, manner), daemon=True).start()

    def accept(self, listener, manner):
        while True:
            connection, peer = listener.accept()
            threading.Thread(target=self.serve, args=(connection, bare(peer[0]), manner), daemon=True).start()

    @staticmethod
    def serve(connection, peer, manner):
        with connection, contextlib.suppress(OSError):
            connection.settimeout(3600)  # some are held open and left idle for as long as a case takes
            manner(connection, peer)

    def http(self, connection, peer):
        """Answers each request with the name of the pod, the client that it sees, and who that is by the proxy before it."""
        data = b''
        while True:
            while b'\r\n\r\n' not in data:
                part = connection.recv(65536)
                if not part:
                    return
                data += part
            head, data = data.split(b'\r\n\r\n', 1)
            path = head.split(b' ', 2)[1].decode()
            status = '200 OK' if path != '/ready' or self.ready else '503 Not Ready'
            seen = re.search(rb'\r\nx-forwarded-client-cert: *([^\r]*)', head, re.I)
            body = json.dumps({'pod': self.pod, 'peer': peer} | ({'xfcc': seen[1].decode()} if seen else {})).encode()
            connection.sendall(f'HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n'.encode() + body)
            if b'connection: close' in head.lower():
                return

    def echo(self, connection, peer):
        while part := connection.recv(65536):
            connection.sendall(part)

    def server_first(self, connection, peer):
        connection.sendall(f'{self.pod} speaks first\n'.encode())
        self.echo(connection, peer)

    def half_close(self, connection, peer):
        total = 0
        while part := connection.recv(1 << 18):
            total += len(part)
        connection.sendall(f'{self.pod} read {total}'.encode())

    def reset(self, connection, peer):
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))

    def download(self, connection, peer):
        left = int(connection.makefile('rb').readline())
        while left > 0:
            left -= connection.send(CHUNK[:left])

    def fin_first(self, connection, peer):
        connection.sendall(b'my last word')
        connection.shutdown(socket.SHUT_WR)
        self.half_close(connection, peer)

    def witness(self, connection, peer):
        """The first line is a key; how the connection ends is kept under it."""
        key = connection.makefile('rb').readline().decode().strip()
        connection.sendall(b'seen\n')
        try:
            self.endings[key] = 'more' if connection.recv(1) else 'closed'
        except OSError as error:
            self.endings[key] = word_of(error)


class Load:
    """What became of orders that are given again and again."""

    def __init__(self, good):
        self.good, self.over, self.lock = good, threading.Event(), threading.Lock()
        # Seconds of the good ones; the bad ones in whole; how often who answered whom (pod, peer, x-forwarded-client-cert).
        self.took, self.bad, self.seen = [], [], collections.Counter()
        self.runners, self.threads = [], []

    def spawn(self, *words):
        self.threads.append(threading.Thread(target=words[0], args=words[1:], daemon=True))
        self.threads[-1].start()

    def take(self, ask):
        began = time.time()
        answer = ask()
        seconds = time.time() - began
        with self.lock:
            if 'pod' in answer:
                self.seen[(answer['pod'], answer.get('peer'), answer.get('xfcc'))] += 1
            if outcome(answer) in self.good:
                self.took.append(seconds)
            else:
                self.bad.append({'began': began, 'seconds': seconds, 'outcome': outcome(answer)} | answer)


class Client:
    """The orders. Each returns a dictionary; "port" is the client's own, by which logs name the connection."""

    def __init__(self, servers):
        self.servers, self.held, self.keeps, self.loads = servers, {}, {}, {}
        # Below what the kernel gives, and no port twice: logs name a connection by it.
        self.ports = itertools.cycle(range(20000, 32000))

    def order(self, order):
        try:
            return getattr(self, 'do_' + order.pop('op'))(**order)
        except OSError as error:
            return getattr(error, 'so_far', {}) | {'error': word_of(error)}
        except Exception as error:  # whatever it is, the suite shows it as the outcome
            return {'error': repr(error)}

    def do_batch(self, orders):
        """All at the same time, not more than 32 of them."""
        answers, gate = [None] * len(orders), threading.Semaphore(32)

        def run(index):
            with gate:
                answers[index] = self.order(orders[index])
        threads = [threading.Thread(target=run, args=(i,)) for i in range(len(orders))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    @contextlib.contextmanager
    def connected(self, host, port, answer, timeout=10):
        answer['port'] = next(self.ports)
        try:
            # A refusal can be quicker than connect, which then fails: the port is known before.
            with socket.create_connection((host, port), timeout, ('', answer['port'])) as connection:
                yield connection
        except OSError as error:
            error.so_far = answer
            raise

    def do_http(self, host, port, path='/', timeout=10, name=None):
        answer = {}
        with self.connected(host, port, answer, timeout) as connection:
            connection.sendall(request(path, name, 'connection: close\r\n'))
            data = b''
            while part := connection.recv(65536):
                data += part
                answer['bytes'] = len(data)
            return answer | understood(data)

    def ask_again(self, kept, host, port, path='/', timeout=10, name=None):
        """As do_http, on the connection in the list, which stays there for the next time; without one on a new one."""
        # One that the other side has ended meanwhile is no failure: every client looks before it asks again.
        if kept and select.select(kept, [], [], 0)[0]:
            kept.pop().close()
        answer = {'again': bool(kept)}
        try:
            if not kept:
                answer['port'] = next(self.ports)
                kept.append(socket.create_connection((host, port), timeout, ('', answer['port'])))
            kept[0].sendall(request(path, name))
            data, whole = b'', None
            while whole is None or len(data) < whole:
                part = kept[0].recv(65536)
                if not part:
                    kept.pop().close()
                    break
                data += part
                whole = length_of(data)
            return answer | understood(data)
        except OSError as error:
            while kept:
                kept.pop().close()
            return answer | {'error': word_of(error)}

    def do_many(self, times, **order):
        """Which pods answer when the same is tried often."""
        answers = [self.order({'op': 'http', **order}) for _ in range(times)]
        return {'answers': sorted({a.get('pod') or a.get('error') or str(a.get('status')) for a in answers})}

    def do_echo(self, host, port=ECHO, text='hello'):
        answer = {}
        with self.connected(host, port, answer) as connection:
            connection.sendall(text.encode())
            answer['text'] = connection.recv(4096).decode()
            connection.shutdown(socket.SHUT_WR)
            answer['end'] = 'closed' if connection.recv(1) == b'' else 'more'
        return answer

    def do_listen_first(self, host, port=SERVER_FIRST):
        answer = {}
        with self.connected(host, port, answer) as connection:
            answer['text'] = connection.recv(4096).decode().strip()
            connection.sendall(b'then I')
            answer['then'] = connection.recv(4096).decode()
        return answer

    def do_upload(self, host, size, port=UPLOAD):
        answer = {}
        with self.connected(host, port, answer, 60) as connection:
            left = size
            while left > 0:
                left -= connection.send(CHUNK[:left])
            connection.shutdown(socket.SHUT_WR)
            answer['text'] = connection.recv(4096).decode()
            answer['end'] = 'closed' if connection.recv(1) == b'' else 'more'
        return answer

    def do_download(self, host, size, port=DOWNLOAD):
        answer = {'size': 0}
        with self.connected(host, port, answer, 60) as connection:
            connection.sendall(f'{size}\n'.encode())
            while part := connection.recv(1 << 18):
                answer['size'] += len(part)
        return answer

    def do_reset_by_server(self, host, port=RESET):
        answer = {}
        with self.connected(host, port, answer) as connection:
            connection.sendall(b'x')
            answer['end'] = 'more' if connection.recv(1) else 'closed'
        return answer

    def do_fin_by_server(self, host, port=FIN_FIRST):
        """The server ends its direction first; ours goes on for a megabyte and then ends."""
        answer = {}
        with self.connected(host, port, answer) as connection:
            text = b''
            while part := connection.recv(4096):
                text += part
            answer['text'] = text.decode()
            connection.sendall(CHUNK * 16)
            connection.shutdown(socket.SHUT_WR)
        return answer

    def do_reset_by_client(self, host, key, port=WITNESS):
        answer = {}
        with self.connected(host, port, answer) as connection:
            connection.sendall(f'{key}\n'.encode())
            answer['text'] = connection.recv(5).decode()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        return answer

    def do_ending(self, key, seconds=5):
        """What the witness of this pod saw."""
        end = time.monotonic() + seconds
        while key not in self.servers.endings and time.monotonic() < end:
            time.sleep(0.02)
        return {'end': self.servers.endings.pop(key, 'never')}

    def do_hold(self, key, host, port=ECHO):
        """Opens a connection that stays, and proves that it works."""
        self.held[key] = socket.create_connection((host, port), 10)
        return self.do_use(key)

    def do_use(self, key):
        """Whether the held connection still carries a word and its echo."""
        connection = self.held[key]
        try:
            connection.sendall(b'still')
            data = connection.recv(100)
        except OSError as error:
            return {'error': word_of(error)}
        return {'text': data.decode()} if data else {'error': 'closed'}

    def do_await_end(self, key, seconds):
        """Waits for the other side to end a held connection, without sending."""
        connection = self.held.pop(key)
        with connection:
            connection.settimeout(seconds)
            try:
                return {'end': 'more' if connection.recv(1) else 'closed'}
            except OSError as error:
                return {'end': word_of(error)}

    def do_drop(self, key=None):
        for each in [key] if key else list(self.held):
            self.held.pop(each).close()
        return {}

    def do_keep(self, key, host, port=ECHO):
        """Opens a connection that is used ten times a second, and is ended only by others or with `kept`."""
        connection = socket.create_connection((host, port), 10)
        self.keeps[key] = keep = {'connection': connection, 'over': threading.Event(), 'ended': None, 'error': None}

        def run():
            with connection:
                try:
                    while not keep['over'].wait(0.1):
                        connection.sendall(b'still')
                        if not connection.recv(100):
                            raise ConnectionError('closed')
                except OSError as error:
                    keep['ended'], keep['error'] = time.time(), word_of(error)
        keep['thread'] = threading.Thread(target=run, daemon=True)
        keep['thread'].start()
        return {}

    def do_kept(self, key, drop=False):
        """When and how a connection that was to be kept ended, if it did."""
        keep = self.keeps[key]
        if drop:
            del self.keeps[key]
            keep['over'].set()
            keep['thread'].join()
        return {'ended': keep['ended'], 'error': keep['error']}

    def do_load_start(self, key, rate, order, good=('answered',), connections=0):
        """The order `rate` times a second until it is stopped, whether or not those before are done. With `connections`: requests on so
        many that are kept, each of which waits for its answer. `good` are the outcomes that are wanted."""
        self.loads[key] = load = Load(good)

        def run_new():
            tick = time.monotonic()
            while not load.over.is_set():
                load.threads = [thread for thread in load.threads if thread.is_alive()]
                load.spawn(load.take, lambda: self.order(dict(order)))
                tick += 1 / rate
                load.over.wait(max(0, tick - time.monotonic()))

        def run_kept():
            kept, words = [], {key: value for key, value in order.items() if key != 'op'}
            tick = time.monotonic() + random.random() * connections / rate
            while not load.over.wait(max(0, tick - time.monotonic())):
                load.take(lambda: self.ask_again(kept, **words))
                # What could not be asked while an answer was late is not made up for.
                tick = max(tick + connections / rate, time.monotonic())
            while kept:
                kept.pop().close()
        for run in [run_kept] * connections or [run_new]:
            load.runners.append(threading.Thread(target=run, daemon=True))
        for runner in load.runners:
            runner.start()
        return {}

    def do_load_count(self, key):
        load = self.loads[key]
        return {'good': len(load.took), 'bad': len(load.bad)}

    def do_load_stop(self, key, most=20):
        load = self.loads.pop(key)
        load.over.set()
        for thread in load.runners:
            thread.join()
        for thread in load.threads:
            thread.join()
        return {'good': len(load.took), 'slowest': max(load.took, default=0), 'bad_count': len(load.bad), 'bad': load.bad[:most],
                'seen': [[*who, count] for who, count in load.seen.items()]}

    def do_lookup(self, name, family='4'):
        """As the C library resolves, with the search list of the pod."""
        try:
            found = socket.getaddrinfo(name, 80, socket.AF_INET6 if family == '6' else socket.AF_INET, socket.SOCK_STREAM)
        except socket.gaierror as error:
            return {'error': error.args[1] if len(error.args) > 1 else str(error)}
        return {'addresses': sorted({f[4][0] for f in found})}

    def do_dns(self, name, type='A', tcp=False, server=None):
        """One query as it stands; the answer's code and records."""
        if server is None:
            with open('/etc/resolv.conf', encoding='utf-8') as lines:
                server = next(line.split()[1] for line in lines if line.startswith('nameserver'))
        query = struct.pack('>HHHHHH', random.randrange(65536), 0x0100, 1, 0, 0, 0)
        for label in name.rstrip('.').split('.'):
            query += bytes([len(label)]) + label.encode()
        query += b'\0' + struct.pack('>HH', DNS_TYPES[type], 1)
        return dns_records(ask_tcp(server, query) if tcp else ask_udp(server, query))


def ask_udp(server, query):
    with socket.socket(socket.AF_INET6 if ':' in server else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(6)
        s.connect((server, 53))
        s.send(query)
        return s.recv(65536)


def ask_tcp(server, query):
    with socket.create_connection((server, 53), 6) as s:
        s.sendall(struct.pack('>H', len(query)) + query)
        stream = s.makefile('rb')
        return stream.read(struct.unpack('>H', stream.read(2))[0])


def dns_name(data, at):
    labels, end = [], None
    while data[at]:
        if data[at] >= 0xC0:
            end = end or at + 2
            at = struct.unpack_from('>H', data, at)[0] & 0x3FFF
            continue
        labels.append(data[at + 1:at + 1 + data[at]].decode(errors='replace'))
        at += 1 + data[at]
    return '.'.join(labels), end or at + 1


def dns_records(data):
    _, flags, questions, answers, authorities, _ = struct.unpack_from('>HHHHHH', data)
    at = 12
    for _ in range(questions):
        at = dns_name(data, at)[1] + 4
    names, records = {number: word for word, number in DNS_TYPES.items()}, []
    for _ in range(answers + authorities):
        name, at = dns_name(data, at)
        kind, _, _, size = struct.unpack_from('>HHIH', data, at)
        at += 10
        rdata = data[at:at + size]
        if kind in (1, 28):
            value = socket.inet_ntop(socket.AF_INET if kind == 1 else socket.AF_INET6, rdata)
        elif kind in (5, 12):
            value = dns_name(data, at)[0]
        elif kind == 33:
            value = f'{struct.unpack_from(">H", rdata, 4)[0]} {dns_name(data, at + 6)[0]}'
        else:
            value = ''
        records.append(f'{name} {names.get(kind, kind)} {value}'.strip())
        at += size
    return {'code': flags & 15, 'truncated': bool(flags & 0x200), 'answers': sorted(records[:answers]),
            'authorities': sorted(records[answers:])}


def serve_orders(path, client):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)

    def talk(connection):
        with connection, contextlib.suppress(OSError):
            for line in connection.makefile('rb'):
                answer = json.dumps(client.order(json.loads(line)))
                connection.sendall(answer.encode() + b'\n')
    while True:
        threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()


def main():
    pod, path = sys.argv[1:3]
    servers = Servers(pod, '--unready' not in sys.argv)
    servers.start()
    serve_orders(path, Client(servers))


if __name__ == '__main__':
    main()
