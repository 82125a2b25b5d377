#!/usr/bin/env python3
"""Running pods of a cluster come into the mesh by a label and leave it again, under traffic, and pods start in it. What they send is judged by the
packets that cross the nodes' links."""
import contextlib
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import cluster
from cluster import NODES, SYSTEM, Cluster, istio, lib

import agents

DATAPLANE = 'istio.io/dataplane-mode'
WITHIN = 2.0
RUNNING = [f'pod{number}' for number in range(8)]
HBONE, TLS = '15008', '1603'
REDIRECTION = '{.metadata.name} {.metadata.annotations.ambient\\.istio\\.io/redirection}{"\\n"}'
MODE = '{.metadata.name} {.metadata.labels.istio\\.io/dataplane-mode}{"\\n"}'
# Connects as soon as it runs, and goes on; says so once it has had an answer.
NEWBORN = '''
import socket, sys, time
told = False
while True:
    try:
        with socket.create_connection((sys.argv[1], 80), 1) as s:
            s.sendall(b"GET / HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\n\\r\\n")
            if s.recv(100) and not told:
                print("answered", flush=True)
                told = True
    except OSError:
        pass
    time.sleep(0.02)
'''


class Watch:
    """Lines of `kubectl get -w`: when each first said something else of its object."""

    def __init__(self, made, *words):
        self.changes, self.now = {}, {}
        self.kubectl = istio.Beside(made, 'get', *words)
        self.thread = threading.Thread(target=self.read, daemon=True)

    def read(self):
        for line in self.kubectl.process.stdout:
            name, _, word = line.strip().partition(' ')
            if self.now.get(name) != word:
                self.now[name] = word
                self.changes[name, word] = time.time()

    def __enter__(self):
        self.kubectl.__enter__()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.kubectl.__exit__()

    def when(self, name, word, seconds=20):
        """The last time that it came to be so."""
        lib.eventually(lambda: self.now.get(name) == word, f'{name} is "{word}"', seconds)
        return self.changes[name, word]


class Packets:
    """What crosses the links of all nodes."""

    def __init__(self, made):
        self.nodes = [subprocess.Popen([made.tool, 'exec', node, '/usr/bin/python3', pathlib.Path(__file__).with_name('packets.py')], env=made.env,
                                       text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for node in NODES]
        self.flows = []

    def __enter__(self):
        for node in self.nodes:
            lib.equal(node.stdout.readline(), 'ready\n', 'the capture')
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        for node in self.nodes:
            output, _ = node.communicate(timeout=60)
            if output:
                seen = json.loads(output)
                lib.equal(seen['lost'], 0, 'packets that the capture lost')
                self.flows += seen['flows']
        self.nodes = []


def ends(flow):
    return [tuple(flow[end].split(':')) for end in ('from', 'to')]


class World:
    def __init__(self, made):
        self.cluster, self.addresses = made, {}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='aquifer-enrolment-'))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def pod(self, name, node, ns='shop', **container):
        pod = agents.pod(name, ns, node, 'default', self.folder, {'app': ns})
        pod['spec']['containers'][0] |= container
        return pod

    def order(self, pod_name, op, **words):
        return agents.order(self.folder, pod_name, op, 60, **words)

    def wait_ready(self, ns, *names):
        self.cluster.kubectl('-n', ns, 'wait', '--for=condition=Ready', '--timeout=90s', *(f'pod/{name}' for name in names), timeout=120)
        for name in names:
            self.addresses[name] = self.cluster.pod(ns, name)['status']['podIP']

    def connections(self):
        """Of each pod one to the next one, on the other node, and one between each of them and a pod outside the mesh."""
        for name, other in zip(RUNNING, RUNNING[1:] + RUNNING[:1]):
            yield name, other
        yield from (('outside', RUNNING[0]), ('outside', RUNNING[1]), (RUNNING[0], 'outside'), (RUNNING[1], 'outside'))

    def ended(self):
        found = {(name, other): self.order(name, 'kept', key=other) for name, other in self.connections()}
        return {' to '.join(key): answer for key, answer in found.items() if answer.get('error')}


def starts(world):
    c = world.cluster
    c.kubectl('apply', '--server-side', '-f', cluster.definitions())
    c.kubectl('apply', '-f', '-', text=c.manifests())
    lib.eventually(lambda: len(c.names('pod', '-n', SYSTEM)) >= 6, 'all pods of ours are there', 30)
    c.kubectl('-n', SYSTEM, 'wait', '--for=condition=Ready', 'pod', '--all', '--timeout=90s', timeout=120)
    service = {'apiVersion': 'v1', 'kind': 'Service', 'metadata': {'name': 'shop', 'namespace': 'shop'},
               'spec': {'selector': {'app': 'shop'}, 'ports': [{'name': 'http', 'port': 80, 'targetPort': 8080}]}}
    c.apply(*({'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': name}} for name in ('shop', 'plain')), service,
            *(world.pod(name, NODES[number % 2]) for number, name in enumerate(RUNNING)), world.pod('outside', NODES[0], 'plain'))
    world.wait_ready('shop', *RUNNING)
    world.wait_ready('plain', 'outside')
    for name, other in world.connections():
        lib.equal(world.order(name, 'keep', key=other, host=world.addresses[other]), {}, f'{name} to {other}')
    for name in RUNNING[:2]:
        load = {'op': 'http', 'host': world.addresses[RUNNING[3]], 'port': 8080}
        world.order(name, 'load_start', key='load', rate=10, order=load)


def changes(world, mode, annotation):
    """The label, and when all pods followed it: the moment from which on nothing else may be seen."""
    c = world.cluster
    path = f'jsonpath={REDIRECTION}'
    with Watch(c, 'pods', '-n', 'shop', '-w', '-o', path) as pods, Watch(c, 'namespace', 'shop', '-w', '-o', f'jsonpath={MODE}') as namespace:
        lib.eventually(lambda: len(pods.now) >= len(RUNNING) and 'shop' in namespace.now, 'the watches say what is', 20)
        c.kubectl('label', 'namespace', 'shop', f'{DATAPLANE}={mode}' if mode else f'{DATAPLANE}-')
        labelled = namespace.when('shop', mode)
        took = {name: pods.when(name, annotation) - labelled for name in RUNNING}
    print(f'  the pods followed after {min(took.values()):.2f} to {max(took.values()):.2f} s')
    for name, seconds in took.items():
        lib.check(seconds <= WITHIN, f'{name} took {seconds:.2f} s')
    lib.equal(world.ended(), {}, 'connections from before that ended')
    return labelled + WITHIN


def asked(world, until):
    """New connections between all pods and with the one outside, until that moment at least."""
    while True:
        for name, other in world.connections():
            answer = world.order(name, 'http', host=world.addresses[other], port=8080)
            lib.equal(answer.get('pod'), other, f'who answers {name}: {answer}')
        if time.time() > until:
            return


def pods_start(world):
    """In the labelled namespace: one that sends from its first instant, and one that is spoken to."""
    c = world.cluster
    address = c.get('service', '-n', 'shop', 'shop')['spec']['clusterIP']
    talker = {'command': [agents.PYTHON, '-I', '-S', '-B', '-c', NEWBORN, address], 'args': []}
    born = {'talker1': talker, 'talker2': talker, 'listener1': {}, 'listener2': {}}
    c.apply(*(world.pod(name, NODES[int(name[-1]) - 1], **more) for name, more in born.items()))
    world.wait_ready('shop', *born)
    for name in ('talker1', 'talker2'):
        lib.eventually(lambda: 'answered' in c.kubectl('-n', 'shop', 'logs', name), f'{name} is answered', 30)
    for name in ('listener1', 'listener2'):
        for client in RUNNING[:2]:
            answer = world.order(client, 'http', host=world.addresses[name], port=8080)
            lib.equal(answer.get('pod'), name, f'who answers {client}: {answer}')
    return born


def judge(world, flows, enrolled, born_until, released):
    """Of packets: pods that started in the mesh, connections opened in it, and those after it."""
    mesh = {world.addresses[name] for name in RUNNING}
    outside, hbone, plain = world.addresses['outside'], 0, 0
    for flow in flows:
        (source, source_port), (target, port) = ends(flow)
        in_clear = HBONE not in (source_port, port)
        new = {source, target} & set(world.addresses[name] for name in born_until)
        if new and flow['first'] < released - WITHIN:
            lib.check(not in_clear, f'a pod that started in the mesh, in the clear: {flow}')
            hbone += 1
        if not in_clear and flow['data']:
            lib.check(flow['data'].startswith(TLS), f'no TLS on port {HBONE}: {flow}')
        opened = flow['opened'] or 0
        if source in mesh and target != outside:
            lib.check(not in_clear or not enrolled < opened < released - WITHIN, f'opened in the clear in the mesh: {flow}')
            plain += in_clear and opened > released
    lib.check(hbone > 4, f'only {hbone} flows of the pods that started')
    lib.check(plain, 'no connection in the clear was seen after the mesh')
    print(f'  {len(flows)} flows: {hbone} of pods that started in the mesh, {plain} opened in the clear after it')


def play(world):
    starts(world)
    with Packets(world.cluster) as packets:
        start = time.monotonic()
        enrolled = changes(world, 'ambient', 'enabled')
        asked(world, enrolled + 1)
        print(f'ok running pods are captured and proven, and what they have open goes on  ({time.monotonic() - start:.1f} s)', flush=True)
        born = pods_start(world)
        lib.equal(world.ended(), {}, 'connections from before that ended')
        released = changes(world, '', '')
        asked(world, released + 1)
        packets.end()
        judge(world, packets.flows, enrolled, born, released)
    for name in RUNNING[:2]:
        load = world.order(name, 'load_stop', key='load')
        print(f'  requests of {name} all the time: {load["good"]} good, {load["bad_count"]} failed')
    print(f'ok nothing goes in the clear that should not, and a removed label brings all back  ({time.monotonic() - start:.1f} s)', flush=True)


def show(made):
    for words in (('get', 'pods', '-A', '-o', 'wide'), ('-n', SYSTEM, 'logs', '-l', 'app=aquifer-cni', '--tail', '60')):
        with contextlib.suppress(AssertionError, subprocess.SubprocessError):
            print(made.kubectl(*words), flush=True)


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    reason = cluster.why_not()
    if reason:
        print(f'skip enrolment: {reason}')
        return 0
    with Cluster() as made, World(made) as world:
        try:
            made.load_images(world.folder)
            play(world)
        except (AssertionError, OSError, lib.Failure, subprocess.SubprocessError) as problem:
            traceback.print_exc(file=sys.stdout)
            show(made)
            print(f'not ok enrolment: {problem}', flush=True)
            return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
