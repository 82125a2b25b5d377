#!/usr/bin/env python3
"""DNS of captured pods: the rules bring it to the proxy, names of the mesh are answered there, and everything else reaches the name
server that the pod asked, from the pod's own address, by UDP and TCP, by IPv4 and IPv6.
"""
import contextlib
import itertools
import signal
import socket
import struct
import threading

import lib
import support

A, AAAA, SRV = 1, 28, 33
MESH = '''workloads:
- uid: Kubernetes//Pod/shop/client
  name: client
  namespace: shop
  serviceAccount: default
  workloadIps: ["{client}"]
  node: node1
  services: {{}}
- uid: Kubernetes//Pod/shop/web-0
  name: web-0
  namespace: shop
  workloadIps: ["10.244.9.9", "fd10::9"]
  services: {{shop/web.shop.svc.cluster.local: {{80: 80}}}}
services:
- {{name: api, namespace: shop, hostname: api.shop.svc.cluster.local, vips: [/10.96.0.1, "/fd96::1"], ports: {{80: 80}}}}
- {{name: web, namespace: shop, hostname: web.shop.svc.cluster.local, vips: [], ports: {{80: 80}}}}
- {{name: out, namespace: shop, hostname: out.example.org, vips: [/240.240.0.1], ports: {{443: 443}}}}
'''


def encoded(name):
    return b''.join(bytes([len(label)]) + label.encode() for label in name.split('.')) + b'\0'


def query(name, kind=A, number=7):
    return struct.pack('!6H', number, 0x0100, 1, 0, 0, 0) + encoded(name) + struct.pack('!HH', kind, 1)


def skip_name(message, at):
    while message[at]:
        if message[at] >= 0xc0:
            return at + 2
        at += 1 + message[at]
    return at + 1


class Reply:
    def __init__(self, message):
        self.number, flags, _, answers, self.authorities, _ = struct.unpack('!6H', message[:12])
        self.ours, self.code, self.addresses = bool(flags & 0x0400), flags & 0xf, []
        at = skip_name(message, 12) + 4
        for _ in range(answers):
            at = skip_name(message, at)
            kind, _, _, size = struct.unpack('!HHIH', message[at:at + 10])
            at += 10
            if kind in (A, AAAA):
                self.addresses.append(socket.inet_ntop(socket.AF_INET if kind == A else socket.AF_INET6, message[at:at + size]))
            at += size


class NameServer:
    """Answers every question with one address, its own mark, and remembers who asked. One thread a socket, ended with the block."""

    def __init__(self, netns, mark):
        self.answer, self.seen = f'192.0.2.{mark}', []
        self._threads, self._sockets = [], []
        with netns.entered():
            for family, address in ((socket.AF_INET, netns.address), (socket.AF_INET6, netns.address6)):
                datagrams = socket.socket(family, socket.SOCK_DGRAM)
                datagrams.bind((address, 53))
                listener = socket.create_server((address, 53), family=family)
                self._sockets += [datagrams, listener]
                self._threads += [threading.Thread(target=self._datagrams, args=(datagrams,)),
                                  threading.Thread(target=self._connections, args=(listener,))]

    def _reply(self, message, how, peer):
        self.seen.append((how, peer[0]))
        end = skip_name(message, 12) + 4
        record = struct.pack('!HHHIH', 0xc00c, A, 1, 60, 4) + socket.inet_aton(self.answer)
        # By UDP what is large is cut.
        cut = how == 'udp' and b'large' in message
        header = message[:2] + struct.pack('!5H', 0x8380 if cut else 0x8180, 1, 0 if cut else 1, 0, 0)
        return header + message[12:end] + (b'' if cut else record)

    def _datagrams(self, sock):
        with contextlib.suppress(OSError):
            while True:
                message, peer = sock.recvfrom(4096)
                if not message:
                    return
                sock.sendto(self._reply(message, 'udp', peer), peer)

    def _connections(self, listener):
        with contextlib.suppress(OSError):
            while True:
                connection, peer = listener.accept()
                with connection, contextlib.suppress(OSError):
                    size, = struct.unpack('!H', connection.recv(2, socket.MSG_WAITALL))
                    reply = self._reply(connection.recv(size, socket.MSG_WAITALL), 'tcp', peer)
                    connection.sendall(struct.pack('!H', len(reply)) + reply)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for sock in self._sockets:
            sock.close()


def by_udp(pod, server, message):
    with pod.entered():
        client = socket.socket(socket.AF_INET6 if ':' in server else socket.AF_INET, socket.SOCK_DGRAM)
    with client:
        client.settimeout(3)
        # Connected: an answer from any other address would not arrive.
        client.connect((server, 53))
        client.send(message)
        return Reply(client.recv(4096))


def asked_again(pod, server, name):
    """As resolvers do: what the kernel had no room for is lost."""
    for number in range(5):
        try:
            return by_udp(pod, server, query(name, A, number))
        except TimeoutError:
            pass
    raise lib.Failure(f'{name}: no answer to five questions')


def by_tcp(pod, server, message):
    with support.connect(pod, server, 53) as client:
        client.sendall(struct.pack('!H', len(message)) + message)
        size, = struct.unpack('!H', client.recv(2, socket.MSG_WAITALL))
        return Reply(client.recv(size, socket.MSG_WAITALL))


HOW = {'udp': by_udp, 'tcp': by_tcp}


class World:
    def __init__(self, cluster):
        self.node = cluster.node()
        self.client, self.first, self.second = (self.node.pod(name) for name in ('client', 'first', 'second'))
        self.mesh = support.Mesh(cluster)
        self.mesh.manifests.namespace('shop', 'ambient')
        self.mesh.manifests.pod(self.client)
        self.config = cluster.folder / 'mesh.yaml'
        self.config.write_text(MESH.format(client=self.client.address))
        self._numbers = itertools.count(1)

    def start(self):
        self.mesh.start_agent('--dns-capture')
        self.proxy = self.start_proxy()
        self.mesh.wait_served(self.client)

    def start_proxy(self):
        # A port of each proxy's own: two may be there at a time.
        number = next(self._numbers)
        ports = {f'AQUIFER_{name}_PORT': str(15000 + 100 * number + at) for at, name in enumerate(('ADMIN', 'STATS', 'READY'))}
        return self.node.spawn([lib.program('aquifer-node', 'node-proxy', sanitized=True)], log=f'proxy-{number}', env={
            'XDS_ADDRESS': '', 'LOCAL_XDS_PATH': str(self.config), 'CA_ADDRESS': '127.0.0.1:1', 'INPOD_UDS': str(self.mesh.zds),
            'NODE_NAME': 'node1', 'RUST_LOG': 'info,dns=debug', 'ZTUNNEL_WORKER_THREADS': '2'} | ports)


@contextlib.contextmanager
def world():
    with lib.Cluster() as cluster:
        made = World(cluster)
        with NameServer(made.first, 1) as first, NameServer(made.second, 2) as second:
            made.start()
            yield made, first, second
            for process in [p for p in cluster.processes if p.running()]:
                support.stopped_cleanly(process)


def names_of_the_mesh_are_answered_by_the_proxy():
    cases = (('api', A, ['10.96.0.1']), ('api.shop.svc.cluster.local', AAAA, ['fd96::1']), ('out.example.org', A, ['240.240.0.1']),
             ('out.example.org', AAAA, []), ('web.shop', A, ['10.244.9.9']), ('web-0.web.shop.svc.cluster.local', AAAA, ['fd10::9']),
             ('out.example.org.shop.svc.cluster.local', A, ['240.240.0.1']))
    with world() as (made, first, _):
        for server in (made.first.address, made.first.address6):
            for (how, ask), (name, kind, addresses) in itertools.product(HOW.items(), cases):
                reply = ask(made.client, server, query(name, kind))
                lib.equal((reply.number, reply.code, reply.ours, reply.addresses), (7, 0, True, addresses), f'{name} by {how} to {server}')
        lib.equal(first.seen, [], 'what the name server was asked')


def everything_else_reaches_the_name_server_that_the_pod_asked():
    with world() as (made, first, second):
        for how, ask in HOW.items():
            for server, pod in ((first, made.first), (second, made.second)):
                for own, address in ((made.client.address, pod.address), (made.client.address6, pod.address6)):
                    before = len(server.seen)
                    for name, kind in (('www.example.net', A), ('_http._tcp.api.shop.svc.cluster.local', SRV)):
                        reply = ask(made.client, address, query(name, kind))
                        lib.equal((reply.number, reply.ours, reply.addresses), (7, False, [server.answer]), f'{name} by {how} to {address}')
                    lib.equal(server.seen[before:], [('udp', own)] * 2, f'who asked {address}')


def what_is_cut_is_asked_again_by_who_wants_it_whole():
    with world() as (made, first, _):
        lib.equal(by_udp(made.client, made.first.address, query('large.example.net')).addresses, [], 'by UDP')
        lib.equal(by_tcp(made.client, made.first.address, query('large.example.net')).addresses, [first.answer], 'by TCP')
        lib.equal([how for how, _ in first.seen], ['udp', 'udp', 'tcp'], 'how the name server was asked')


def one_socket_may_ask_several_name_servers_at_once():
    with world() as (made, first, second):
        with made.client.entered():
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with client:
            client.settimeout(3)
            for number in range(20):
                for pod in (made.first, made.second):
                    client.sendto(query('www.example.net', A, number), (pod.address, 53))
                heard = dict(reversed(client.recvfrom(4096)) for _ in range(2))
                found = {peer[0]: Reply(message).addresses for peer, message in heard.items()}
                lib.equal(found, {made.first.address: [first.answer], made.second.address: [second.answer]}, 'answers')


def a_pod_without_ipv6_is_served():
    with lib.Cluster() as cluster:
        made = World(cluster)
        made.client.sysctl('net.ipv6.conf.all.disable_ipv6', 1)
        made.client.sysctl('net.ipv6.conf.lo.disable_ipv6', 1)
        made.start()
        lib.equal(by_udp(made.client, made.first.address, query('api')).addresses, ['10.96.0.1'], 'answer')


def a_proxy_that_takes_over_loses_no_question():
    with world() as (made, first, _):
        done, failures, answered = threading.Event(), [], []

        def ask():
            while not done.is_set():
                for name in ('api', 'www.example.net'):
                    try:
                        answered.append(by_udp(made.client, made.first.address, query(name)).addresses)
                    except OSError as error:
                        failures.append(f'{name}: {error}')

        asking = [threading.Thread(target=ask) for _ in range(4)]
        for thread in asking:
            thread.start()
        try:
            successor = made.start_proxy()
            successor.wait_log('pod is served', 20)
            lib.eventually(lambda: len(answered) > 200, 'questions answered')
            lib.equal(made.proxy.kill(signal.SIGTERM), 0, 'exit status of the first proxy')
            before = len(answered)
            lib.eventually(lambda: len(answered) > before + 200, 'questions answered by the successor')
        finally:
            done.set()
            for thread in asking:
                thread.join()
        lib.equal(failures, [], 'questions without an answer')
        lib.check(all(found in (['10.96.0.1'], [first.answer]) for found in answered), 'every answer is the right one')


def a_storm_of_questions_leaves_the_others_alone():
    # Nobody is at that address, so that every question stays under way for a while.
    with world() as (made, _, _):
        with made.client.entered():
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with client:
            numbers = itertools.count()

            def refused():
                # In gusts: of what comes while the proxy has no turn, the socket holds only so much.
                for number in itertools.islice(numbers, 500):
                    client.sendto(query('www.example.net', A, number % 65536), ('172.30.0.200', 53))
                return 'too many questions at a time' in made.proxy.log()

            lib.eventually(refused, 'a storm that is too much')
            lib.equal(asked_again(made.client, made.first.address, 'api').addresses, ['10.96.0.1'], 'answer')


lib.main([
    names_of_the_mesh_are_answered_by_the_proxy,
    everything_else_reaches_the_name_server_that_the_pod_asked,
    what_is_cut_is_asked_again_by_who_wants_it_whole,
    one_socket_may_ask_several_name_servers_at_once,
    a_pod_without_ipv6_is_served,
    a_proxy_that_takes_over_loses_no_question,
    a_storm_of_questions_leaves_the_others_alone,
])
