#!/usr/bin/env python3
"""Connections opened and closed at random, with resets and half-closes, through two sanitized node proxies.

  churn_test.py                                          10,000 connections, about 1,000 open at a time
  churn_test.py --seconds 300 --population 10000         as many as go in five minutes, 10,000 open at a time
  churn_test.py --seed N                                 what another run did: every run prints its seed

Each end keeps a ledger (churn_load.py). For a connection that ended in order both agree on every byte; of one that was
reset a correct beginning was delivered, and the other end saw a reset, never an end in order. Then nothing may be left:
no descriptor, no open connection in the metrics, no report of a sanitizer.
"""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import sys
import time

import lib
from mesh import PYTHON, Mesh

LOAD = pathlib.Path(__file__).with_name('churn_load.py')
CLIENT, SERVER = 'client', 'server'
RESET_SEEN = ('ECONNRESET', 'EPIPE', 'ENOTCONN')
REPORT = re.compile(r'AddressSanitizer|LeakSanitizer|runtime error:|CHECK failed')
# Tunnels that nobody uses are closed soon, so that descriptors can be counted afterwards.
ENVIRONMENT = {'POOL_UNUSED_RELEASE_TIMEOUT': '1s', 'RUST_LOG': 'error,access=info'}


def why_not():
    return next((f'needs {tool}' for tool in ('curl', 'ss') if shutil.which(tool) is None), None)


def descriptors(process):
    """What each of them is."""
    folder, found = f'/proc/{process.pid}/fd', {}
    for number in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            found[number] = os.readlink(f'{folder}/{number}')
    return found


def resident_megabytes(process):
    return int(re.search(r'VmRSS:\s+(\d+)', pathlib.Path(f'/proc/{process.pid}/status').read_text())[1]) // 1024


def metric(side, name):
    """The sum of all series of a counter."""
    text = side.node.run('curl', '-sS', '-m', '20', 'http://127.0.0.1:15020/metrics').stdout
    return sum(float(value) for value in re.findall(rf'^{name}(?:{{.*}})? (\S+)$', text, re.M))


class Churn:
    def __init__(self, mesh, options):
        self.mesh, self.options = mesh, options
        self.warm_up()
        self.processes = [side.proxy for side in mesh.sides]
        self.before = [descriptors(process) for process in self.processes]
        self.memory = [resident_megabytes(process) for process in self.processes]
        self.most = [0, 0]
        self.loads = []

    def warm_up(self):
        """The certificates of every pod are there, and the connection for them stays; nobody listens at the other end yet."""
        mesh = self.mesh
        for side, other in (mesh.sides, mesh.sides[::-1]):
            side.app.run('curl', '-sS', '-m', '10', f'http://{other.app.address}/', check_status=False)
        identities = 2 * len(mesh.sides)  # of each node's application and intruder
        lib.eventually(lambda: mesh.control.log().count('certificate granted') == identities, 'certificates')
        lib.eventually(lambda: not any(':15008' in side.app.run('ss', '-tnH', 'state', 'established').stdout for side in mesh.sides),
                       'no tunnel is open', 20)

    def start_load(self, side, other, first):
        amount = ['--seconds', self.options.seconds] if self.options.seconds else ['--connections', self.options.connections // 2]
        load = side.app.spawn([PYTHON, LOAD, '--to', other.app.address, '--to', other.service, '--first', first, *amount,
                               '--seed', self.options.seed, '--population', self.options.population // 2,
                               '--ledger', self.ledger(side)], log=f'load-{side.letter}')
        self.loads.append(load)

    def ledger(self, side):
        return self.mesh.cluster.folder / f'ledger-{side.letter}'

    def run(self):
        for number, (side, other) in enumerate((self.mesh.sides, self.mesh.sides[::-1])):
            self.start_load(side, other, number)
        for load in self.loads:
            load.wait_log('listening')
        for load in self.loads:
            load.popen.send_signal(signal.SIGUSR1)
        lib.eventually(lambda: all(self.load_is_done(load) for load in self.loads), 'every client is done', self.options.seconds + 600)
        for load in self.loads:
            load.popen.terminate()
        for load in self.loads:
            lib.equal(load.popen.wait(180), 0, 'the exit status of the load')

    def load_is_done(self, load):
        for number, process in enumerate(self.processes):
            lib.check(process.running(), f'{process.log_path.stem} ended')
            self.most[number] = max(self.most[number], len(os.listdir(f'/proc/{process.pid}/fd')))
        time.sleep(0.05)
        log = load.log()
        # A load that gives up has written down what it had open: the ledger says more than its end.
        lib.check(load.running() or 'nothing moved' in log, f'a load ended: {log[-2000:]}')
        return 'clients are done' in log or 'nothing moved' in log

    def nothing_is_left(self):
        for side in self.mesh.sides:
            lib.eventually(lambda: metric(side, 'istio_tcp_connections_opened_total') == metric(side, 'istio_tcp_connections_closed_total'),
                           f'every connection of {side.name} is closed', 20)
        for process, before in zip(self.processes, self.before):
            try:
                lib.eventually(lambda: len(descriptors(process)) <= len(before), 'descriptors are as before', 30)
            except lib.Failure as problem:
                left = [self.describe(what) for number, what in descriptors(process).items() if before.get(number) != what]
                raise lib.Failure(f'{problem}: {len(before)}, and {process.log_path.stem} has of others: {left}') from None

    def describe(self, descriptor):
        """A socket's state and addresses."""
        inode = re.search(r'socket:\[(\d+)\]', descriptor)
        for netns in self.mesh.cluster.namespaces if inode else []:
            for line in netns.run('ss', '-tane').stdout.splitlines():
                if f'ino:{inode[1]} ' in line:
                    return f'{netns.short_name}: {" ".join(line.split()[:5])}'
        return descriptor

    def ends(self):
        after = [resident_megabytes(process) for process in self.processes]
        print(f'  descriptors {[len(before) for before in self.before]}, at most {self.most}; resident MB before {self.memory}, after {after}')
        for side in self.mesh.sides:
            for process in (side.proxy, side.agent):
                lib.equal(process.stop(), 0, f'the exit status of {process.log_path.stem}')
        lib.equal(self.mesh.control.stop(), 0, 'the exit status of aquifer-control')

    def said_of(self, ports):
        """The lines of the proxies on connections from these ports."""
        client = re.compile(rf'src\.addr=\S+:({"|".join(map(str, ports))}) ')
        return [line for process in self.processes for line in process.log().splitlines() if client.search(line)][:20]

    def no_report(self):
        for path in self.mesh.cluster.folder.glob('*.log'):
            found = REPORT.search(path.read_text(errors='replace'))
            lib.check(not found, f'{path.name}: {found and found[0]}')


class Ledger:
    """Both ends' view of each connection, compared."""

    def __init__(self, paths):
        self.count = collections.Counter()
        self.wrong = []
        self.ports = set()  # the clients' of what is wrong
        self.ends = {CLIENT: {}, SERVER: {}}
        self.nameless = []
        for path in paths:
            for line in path.open():
                number, end, *rest = json.loads(line)
                entry = Entry(end, *rest)
                if number is None:
                    self.nameless.append(entry)
                else:
                    self.expect(number not in self.ends[end], number, 'seen twice', entry)
                    self.ends[end][number] = entry

    def expect(self, condition, number, why, *entries):
        if not condition:
            self.wrong.append(f'connection {number}: {why}: {"; ".join(map(str, entries))}')
            self.ports |= {entry.port for entry in entries if entry.end == CLIENT}

    def compare(self):
        unseen = 0
        for number, client in self.ends[CLIENT].items():
            server = self.ends[SERVER].get(number)
            self.count['opened'] += 1
            if server is None:
                unseen += 1
                self.expect(client.how == 'reset' and client.received == 0, number, 'the server never saw it', client)
                self.count['reset by the client'] += 1
                continue
            self.compare_ends(number, client, server)
        for number in self.ends[SERVER].keys() - self.ends[CLIENT].keys():
            self.expect(False, number, 'nobody opened it', self.ends[SERVER][number])
        for entry in self.nameless:
            self.expect(entry.how in RESET_SEEN, 'without a number', 'not ended by a reset', entry)
        self.expect(len(self.nameless) <= unseen, 'without a number', f'{len(self.nameless)} servers of {unseen} clients', *self.nameless[:1])
        return self

    def compare_ends(self, number, client, server):
        for one, other in ((client, server), (server, client)):
            self.expect(one.wrong is None, number, f'wrong content at {one.wrong}', one, other)
            self.expect(one.received <= other.sent, number, 'more than was sent', one, other)
            self.count['bytes delivered'] += one.received
            self.count['half-closed'] += one.fin_sent
            if one.how == 'reset':
                self.count[f'reset by the {one.end}'] += 1
                # Who had sent its FIN may reset what the other end has seen the end of already.
                in_order = one.fin_sent and other.how == 'closed' and other.received == one.sent
                self.expect(other.how in RESET_SEEN or in_order, number, 'a reset that the other end did not see as one', one, other)
        if 'reset' not in (client.how, server.how):
            self.count['ended in order'] += 1
            self.expect(client.how == server.how == 'closed', number, 'not ended in order', client, server)
            self.expect(client.received == server.sent and server.received == client.sent, number, 'bytes are missing', client, server)


class Entry:
    def __init__(self, end, port, sent, received, fin_sent, fin_seen, how, wrong):
        self.end, self.port, self.sent, self.received, self.fin_sent, self.fin_seen = end, port, sent, received, fin_sent, fin_seen
        self.how, self.wrong = how, wrong

    def __str__(self):
        return (f'the {self.end} at port {self.port} sent {self.sent}{" and FIN" if self.fin_sent else ""}, received {self.received}'
                f'{" and FIN" if self.fin_seen else ""}, ended: {self.how}')


def connections_opened_and_closed_at_random():
    options = OPTIONS
    print(f'  --seed {options.seed} --population {options.population} ' +
          (f'--seconds {options.seconds}' if options.seconds else f'--connections {options.connections}'), flush=True)
    with lib.Cluster() as cluster:
        mesh = Mesh(cluster, sanitized=True)
        mesh.start(**ENVIRONMENT)
        churn = Churn(mesh, options)
        churn.run()
        ledger = Ledger([churn.ledger(side) for side in mesh.sides]).compare()
        print('  ' + ', '.join(f'{count} {what}' for what, count in ledger.count.items()))
        for load in churn.loads:
            print(f'  {load.log_path.stem}: {" ".join(load.log().split())}', flush=True)
        lib.check(not ledger.wrong, '\n  '.join([f'{len(ledger.wrong)} are wrong, among them:', *ledger.wrong[:20], *churn.said_of(ledger.ports)]))
        churn.nothing_is_left()
        churn.ends()
        churn.no_report()


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 32))
    parser.add_argument('--population', type=int, default=1000, help='connections open at a time')
    parser.add_argument('--connections', type=int, default=10_000, help='connections in all')
    parser.add_argument('--seconds', type=float, default=0, help='instead: open new ones for this long')
    options, sys.argv[1:] = parser.parse_known_args()
    return options


if __name__ == '__main__':
    OPTIONS = parse()
    if why_not():
        print(f'skip connections opened and closed at random: {why_not()}')
    else:
        lib.main([connections_opened_and_closed_at_random])
