#!/usr/bin/env python3
"""How a connection ends at one end is how it ends at the other: a reset is a reset, a FIN ends its direction alone, nothing that was
sent before is lost, whoever ends it and whichever way it goes through the proxies. A connection that cannot be made ends at once;
a policy ends those that it no longer allows; a proxy that is asked to end serves those that are there.
"""
import contextlib
import signal
import socket
import struct
import threading
import time

import lib
from mesh import Mesh
from support import connect

PORT = 9000
BULK = bytes(range(256)) * 8192  # 2 MiB
PLAIN_POD = '''apiVersion: v1
kind: Pod
metadata: {{name: plain, namespace: default, labels: {{app: plain, istio.io/dataplane-mode: none}}}}
spec: {{nodeName: node-c}}
status: {{phase: Running, podIP: {address}}}
'''
DENY = '''apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: deny-{name}, namespace: default}}
spec:
  selector: {{matchLabels: {{app: app}}}}
  action: DENY
  rules:
  - from: [{{source: {source}}}]
'''


class Ends:
    """Both ends of one connection, as the applications have them."""

    def __init__(self, client_pod, server_pod, port=PORT):
        with server_pod.entered():
            listener = socket.create_server((server_pod.address, port), reuse_port=True)
        listener.settimeout(5)
        with listener:
            self.client = connect(client_pod, server_pod.address, port)
            self.server = listener.accept()[0]
        self.server.settimeout(5)

    def sides(self, who):
        """(who ends it, the other)."""
        return (self.client, self.server) if who == 'client' else (self.server, self.client)

    def works(self):
        for one, other in (self.sides('client'), self.sides('server')):
            one.sendall(b'hello')
            lib.equal(receive(other, 5), b'hello', 'what goes through')

    def close(self):
        self.client.close()
        self.server.close()


def receive(end, size):
    """As many bytes, or all up to the FIN."""
    parts, left = [], size
    while left:
        part = end.recv(min(left, 1 << 16))
        if not part:
            break
        parts.append(part)
        left -= len(part)
    return b''.join(parts)


def reset(end):
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    end.close()


def ending(end):
    """What the application is told next: 'reset', 'FIN', or that there are bytes."""
    try:
        return 'bytes' if end.recv(1) else 'FIN'
    except ConnectionResetError:
        return 'reset'
    except TimeoutError:
        return 'nothing'


class World:
    """Two nodes, and a pod outside the mesh; the ways that a connection can go through our proxies."""

    def __init__(self, cluster):
        self.mesh = Mesh(cluster)
        self.a, self.b = self.mesh.sides
        self.plain = self.mesh.host.pod('plain')
        self.mesh.apply('20-plain.yaml', PLAIN_POD.format(address=self.plain.address))
        self.ways = {'HBONE': (self.a.app, self.b.app), 'clear text to a pod': (self.plain, self.b.app),
                     'clear text from a pod': (self.a.app, self.plain)}

    def on_every_way(self, act):
        """Calls act(what it is, the end that acts, the other end) for every way and each of its ends."""
        for way, pods in self.ways.items():
            for who in ('client', 'server'):
                ends = Ends(*pods)
                ends.works()
                act(f'{way}, by the {who}', *ends.sides(who))
                ends.close()


@contextlib.contextmanager
def world():
    with lib.Cluster() as cluster:
        made = World(cluster)
        made.mesh.start()
        yield made


def a_reset_is_a_reset_at_the_other_end():
    def act(which, acting, other):
        reset(acting)
        lib.equal(ending(other), 'reset', which)
    with world() as all_of_it:
        all_of_it.on_every_way(act)


def an_end_that_leaves_bytes_unread_resets_the_other():
    def act(which, acting, other):
        other.sendall(b'never read')
        lib.check(acting.recv(1, socket.MSG_PEEK), which)
        acting.close()
        lib.equal(ending(other), 'reset', which)
    with world() as all_of_it:
        all_of_it.on_every_way(act)


def a_fin_ends_its_direction_alone():
    def act(which, acting, other):
        acting.shutdown(socket.SHUT_WR)
        lib.equal(ending(other), 'FIN', which)
        other.sendall(b'still here')
        lib.equal(receive(acting, 10), b'still here', which)
        other.close()
        lib.equal(ending(acting), 'FIN', f'{which}, then by the other')
    with world() as all_of_it:
        all_of_it.on_every_way(act)


def what_was_sent_before_the_end_arrives():
    def act(which, acting, other):
        sender = threading.Thread(target=lambda: (acting.sendall(BULK), acting.close()))
        sender.start()
        got = receive(other, len(BULK))
        sender.join()
        lib.check(got == BULK, f'{which}: {len(got)} bytes of {len(BULK)}')
        lib.equal(ending(other), 'FIN', which)
    with world() as all_of_it:
        all_of_it.on_every_way(act)


def a_connection_that_cannot_be_made_is_reset_at_once():
    with world() as all_of_it:
        for way, (client, server) in all_of_it.ways.items():
            start = time.monotonic()
            try:
                with connect(client, server.address, 9) as end:
                    lib.equal(ending(end), 'reset', way)
            except (ConnectionRefusedError, ConnectionResetError):
                pass  # before connect() had returned
            lib.check(time.monotonic() - start < 1, f'{way}: {time.monotonic() - start:.1f} s')


def deny(name, source):
    return DENY.format(name=name, source=source)


def a_new_policy_ends_the_connections_that_it_denies_and_no_others():
    with world() as all_of_it:
        a, b, plain = all_of_it.a, all_of_it.b, all_of_it.plain
        doomed = {f'{one.name} to {other.name}': Ends(one.intruder, other.app) for one, other in ((a, b), (b, a))}
        kept = {f'{one.name} to {other.name}': Ends(one.app, other.app) for one, other in ((a, b), (b, a))}
        clear = {'a pod outside': Ends(plain, a.app), 'a pod outside, to the other node': Ends(plain, b.app)}
        for ends in (*doomed.values(), *kept.values(), *clear.values()):
            ends.works()

        def ended(these):
            for which, ends in these.items():
                for end in (ends.client, ends.server):
                    lib.equal(ending(end), 'reset', which)
        all_of_it.mesh.apply('60-intruder.yaml', deny('intruder', '{principals: [cluster.local/ns/default/sa/intruder]}'))
        ended(doomed)
        for ends in (*kept.values(), *clear.values()):
            ends.works()
        all_of_it.mesh.apply('61-outside.yaml', deny('outside', f'{{ipBlocks: [{plain.address}]}}'))
        ended(clear)
        for ends in kept.values():
            ends.works()
        for side in all_of_it.mesh.sides:
            lib.eventually(lambda: side.proxy.log().count('closed due to policy change') == 2, f'two lines in the log of {side.name}')


def ready_code(side):
    return side.node.run('curl', '-sS', '-m', '5', '-w', '%{http_code}', 'http://127.0.0.1:15021/healthz/ready', check_status=False).stdout


def a_proxy_is_ready_when_it_serves_and_not_before():
    with lib.Cluster() as cluster:
        made = World(cluster)
        made.mesh.start_control()
        made.b.start_agent()
        made.b.start_proxy()
        made.b.wait_ready()
        made.a.start_proxy()
        lib.eventually(lambda: ready_code(made.a) == 'not ready, pending: workload proxy manager\n500', 'the agent is missed')
        made.a.start_agent()
        made.a.wait_ready()
        Ends(made.a.app, made.b.app).works()


@contextlib.contextmanager
def draining(letters, deadline):
    """The proxies of these nodes are asked to end while a connection goes every way."""
    with lib.Cluster() as cluster:
        made = World(cluster)
        made.mesh.start_control()
        for side in made.mesh.sides:
            side.start_agent()
            side.start_proxy(CONNECTION_TERMINATION_DEADLINE=deadline)
        for side in made.mesh.sides:
            side.wait_ready()
        there = {way: Ends(*pods) for way, pods in made.ways.items()}
        for ends in there.values():
            ends.works()
        asked = [side for side in made.mesh.sides if side.letter in letters]
        for side in asked:
            side.proxy.popen.send_signal(signal.SIGTERM)
        for side in asked:
            lib.eventually(lambda: 'pending: proxy' in ready_code(side), f'{side.name} is not ready any more')
        yield made, there
        for side in asked:
            lib.equal(side.proxy.popen.wait(5), 0, f'exit status of the proxy of {side.name}')
            side.agent.wait_log('info.*proxy disconnected')
            lib.check('warn' not in side.agent.log(), side.agent.log())


def is_refused(client, server):
    with server.entered(), socket.create_server((server.address, PORT + 1)):
        try:
            with connect(client, server.address, PORT + 1, timeout=0.5) as end:
                return ending(end) == 'reset'
        except (ConnectionRefusedError, ConnectionResetError):
            return True


def serves_what_is_there_and_refuses_what_is_new(letters):
    with draining(letters, '20s') as (made, there):
        for way, through in (('HBONE', 'ab'), ('clear text to a pod', 'b'), ('clear text from a pod', 'a')):
            if set(through) & set(letters):
                lib.eventually(lambda: is_refused(*made.ways[way]), f'a new connection, {way}, is refused')
        for ends in there.values():
            ends.works()
            ends.close()


def the_proxy_of_a_client_drains():
    serves_what_is_there_and_refuses_what_is_new('a')


def the_proxy_of_a_server_drains():
    serves_what_is_there_and_refuses_what_is_new('b')


def both_proxies_drain():
    serves_what_is_there_and_refuses_what_is_new('ab')


def a_drain_is_over_at_its_deadline():
    with draining('b', '1s') as (made, there):
        for way in ('HBONE', 'clear text to a pod'):
            for end in (there[way].client, there[way].server):
                lib.equal(ending(end), 'reset', way)
        there['clear text from a pod'].works()


lib.main([
    a_reset_is_a_reset_at_the_other_end,
    an_end_that_leaves_bytes_unread_resets_the_other,
    a_fin_ends_its_direction_alone,
    what_was_sent_before_the_end_arrives,
    a_connection_that_cannot_be_made_is_reset_at_once,
    a_new_policy_ends_the_connections_that_it_denies_and_no_others,
    a_proxy_is_ready_when_it_serves_and_not_before,
    the_proxy_of_a_client_drains,
    the_proxy_of_a_server_drains,
    both_proxies_drain,
    a_drain_is_over_at_its_deadline,
])
