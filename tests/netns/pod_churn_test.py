#!/usr/bin/env python3
"""Pods that come and go on both nodes, each for one connection, at addresses that are used again at once.

  pod_churn_test.py                    200 pods
  pod_churn_test.py --seconds 120      as many as go in two minutes

Every line of the access logs names the identity that the pod at that address and port had, and nothing is left of the
pods: no descriptor, no namespace, no listener, no memory that grows with them.
"""
import argparse
import collections
import concurrent.futures
import json
import re
import subprocess
import sys
import threading
import time

import lib
from churn_test import descriptors, metric, resident_megabytes
from mesh import ACCOUNT, POD, PYTHON, Mesh
from support import connect
from upgrade_test import LOAD

SLOTS, ACCOUNTS = 24, 7
LOOK_S, WARM_LOOKS, MOST_GROWTH_MB = 10, 2, 3
OWNER = '{apiVersion: apps/v1, kind: StatefulSet, name: churn, uid: churn, controller: true}'
# Tunnels that nobody uses are closed soon, so that descriptors can be counted afterwards.
ENVIRONMENT = {'POOL_UNUSED_RELEASE_TIMEOUT': '1s', 'RUST_LOG': 'warn,access=info', 'CONNECTION_TERMINATION_DEADLINE': '2s'}
# The far node may not have heard of the pod yet: then it names the identity alone.
LINE = re.compile(r'src\.addr=(\S+)(?: src\.workload="churn-(\d+)")?.*? src\.identity="\S+/sa/account-(\d+)".* direction="(\w+)"')


def account_of(number):
    return f'account-{number % ACCOUNTS}'


class Short(lib.Namespace):
    """A pod at the address of its slot."""

    def __init__(self, churn, slot, number):
        self.side = churn.side_of(slot)
        self.cluster, self.node, self.number = churn.mesh.cluster, self.side.node, number
        self.link = f'c{slot}'
        self.short_name = f'churn-{number}'
        self.name = f'{self.cluster.prefix}{self.short_name}'
        self.path = f'{lib.NETNS_FOLDER}/{self.name}'
        self.address = str(self.node.pods4[100 + slot])
        lib.run('ip', 'netns', 'add', self.name)
        self.cluster.namespaces.append(self)
        self.batch(self.node.name, f'link add {self.link} type veth peer name eth0 netns {self.name}',
                   f'link set {self.link} master pods up')
        self.batch(self.name, 'link set lo up', f'addr add {self.address}/24 dev eth0', 'link set eth0 up',
                   f'route add default via {self.node.pods4[1]}')

    @staticmethod
    def batch(name, *lines):
        subprocess.run(['ip', '-n', name, '-batch', '-'], input='\n'.join(lines), text=True, check=True, capture_output=True)

    def remove(self):
        # As the bridge plugin does; who still holds the namespace keeps the other end alive.
        self.node.ip('link', 'del', self.link)
        super().remove()

    def manifest(self):
        account = account_of(self.number)
        text = POD.format(name=self.short_name, account=account, app='short', netns=self.name, node=self.side.name, address=self.address,
                          service=f'10.97.{self.number // 250 % 250}.{self.number % 250 + 1}', service_labels='{}')
        # All of one owner: metrics have that name, and keep the series of each that there was for an hour.
        return text.replace('  annotations:', f'  ownerReferences: [{OWNER}]\n  annotations:')


class Churn:
    def __init__(self, mesh, options):
        self.mesh, self.options = mesh, options
        self.lock = threading.Lock()
        self.next = 0
        self.connections = []  # of each its client's address and port, and the number of the pod that had them then
        self.served = {}
        self.over = threading.Event()
        self.started = time.monotonic()
        self.memory = [self.look_at_memory()]

    def look_at_memory(self):
        """Pods so far, and the resident megabytes of who serves them."""
        return self.next, [resident_megabytes(process) for process in served_by(self.mesh)]

    def run(self):
        watching = threading.Thread(target=self.watch)
        watching.start()
        try:
            with concurrent.futures.ThreadPoolExecutor(SLOTS) as pool:
                for done in [pool.submit(self.slot, number) for number in range(SLOTS)]:
                    done.result()
        finally:
            self.over.set()
            watching.join()

    def watch(self):
        """What the agent says of its pods, for all slots at once."""
        paths = [self.mesh.cluster.folder / f'{side.name}-status.json' for side in self.mesh.sides]
        while not self.over.wait(0.02):
            self.served = {pod['name']: pod['capture'] == 'verified' and pod['proxy'] == 'served'
                           for path in paths for pod in json.loads(path.read_text())['pods']}
            if time.monotonic() - self.started > LOOK_S * len(self.memory):
                self.memory.append(self.look_at_memory())

    def side_of(self, slot):
        return self.mesh.sides[slot % len(self.mesh.sides)]

    def slot(self, slot):
        while (number := self.take()) is not None:
            self.live(slot, number)

    def take(self):
        with self.lock:
            seconds = time.monotonic() - self.started
            if self.over.is_set() or (seconds >= self.options.seconds if self.options.seconds else self.next >= self.options.pods):
                return None
            self.next += 1
            return self.next

    def live(self, slot, number):
        pod = Short(self, slot, number)
        name = pod.short_name
        self.mesh.apply(f'50-{name}.yaml', pod.manifest())
        lib.eventually(lambda: self.served.get(name), f'{name} is served', 60)
        with connect(pod, self.mesh.b.service, 80, timeout=30) as client:
            self.connections.append(('{}:{}'.format(*client.getsockname()[:2]), number))
            client.sendall(name.encode())
            lib.equal(client.recv(100).decode(), name, 'the echo')
        self.mesh.withdraw(f'50-{name}.yaml')
        lib.eventually(lambda: name not in self.served, f'{name} is gone', 60)
        pod.remove()

    def lines(self, processes, direction):
        """Client's address, number of the pod (none where it is not named) and account of each finished connection of such pods."""
        found = [(address, int(pod or 0), f'account-{account}') for process in processes
                 for address, pod, account, way in LINE.findall(process.log()) if way == direction]
        for address, pod, account in found:
            lib.check(pod == 0 or account == account_of(pod), f'{account} is not of churn-{pod} at {address} ({direction})')
        return found

    def check_identities(self):
        near, far = [side.proxy for side in self.mesh.sides], [self.mesh.b.proxy]
        for processes, direction in ((near, 'outbound'), (far, 'inbound')):
            lib.eventually(lambda: len(self.lines(processes, direction)) >= self.next, f'a line of each pod ({direction})', 20)
        # An address with its port may come again with another pod: then there is a line of each.
        lib.equal(sorted(line[:2] for line in self.lines(near, 'outbound')), sorted(self.connections), 'who had which address and port')
        lib.equal(collections.Counter(account for _, _, account in self.lines(far, 'inbound')),
                  collections.Counter(account_of(number + 1) for number in range(self.next)), 'lines of each account at the far node')


    def check_memory(self):
        """Once they have had some pods at a time they grow no more."""
        warm, end = self.memory[min(WARM_LOOKS, len(self.memory) - 1)], self.memory[-1]
        for process, before, after in zip(served_by(self.mesh), warm[1], end[1]):
            lib.check(after <= before + MOST_GROWTH_MB,
                      f'{process.log_path.stem}: {before} MB after {warm[0]} pods, {after} MB after {end[0]}')


def served_by(mesh):
    return [mesh.a.proxy, mesh.b.proxy, mesh.a.agent, mesh.b.agent]


def what_is_left(process):
    names = descriptors(process).values()
    return {'descriptors': len(names), 'namespaces': sum('net:[' in name for name in names)}


def pods_come_and_go():
    with lib.Cluster() as cluster:
        mesh = Mesh(cluster)
        mesh.apply('05-accounts.yaml', ''.join(ACCOUNT.format(account=account_of(n)) for n in range(ACCOUNTS)))
        mesh.start(**ENVIRONMENT)
        server = mesh.b.app.spawn([PYTHON, LOAD, mesh.a.service], log='server')
        server.wait_log('listening')
        processes = served_by(mesh)
        before = [what_is_left(process) for process in processes]
        churn = Churn(mesh, OPTIONS)
        churn.run()
        seconds = time.monotonic() - churn.started
        print(f'  {churn.next} pods in {seconds:.1f} s: {churn.next / seconds:.1f} a second')
        churn.check_identities()
        for process, then in zip(processes, before):
            lib.eventually(lambda: all(what_is_left(process)[what] <= count for what, count in then.items()),
                           f'what {process.log_path.stem} holds is {then} as before', 30)
        for side in mesh.sides:
            lib.equal(metric(side, 'workload_manager_active_proxy_count'), 2.0, 'pods served in the end')
        churn.memory.append(churn.look_at_memory())
        print('  resident MB of the proxies and the agents, by pods so far: ' + ', '.join(f'{pods}: {mb}' for pods, mb in churn.memory))
        churn.check_memory()
        for process in processes:
            lib.equal(process.stop(), 0, f'the exit status of {process.log_path.stem}')


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--pods', type=int, default=200)
    parser.add_argument('--seconds', type=float, default=0, help='instead: as many as go in this long')
    options, sys.argv[1:] = parser.parse_known_args()
    return options


if __name__ == '__main__':
    OPTIONS = parse()
    lib.main([pods_come_and_go])
