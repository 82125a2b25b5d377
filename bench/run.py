#!/usr/bin/env python3
"""What the mesh costs: two nodes on this machine, the same load through no mesh, through ours, and through Istio's node proxy when
AQUIFER_ZTUNNEL names that program; both under aquifer-control and our agent. How to read it: bench/README.md.

  ./dev bench                        3 rounds of 3 seconds each
  ./dev bench --quick                one round of 1 second: whether it works, not how fast it is
  ./dev bench scale                  a mesh of 200,000 pods over xDS: memory, time to ready, age of changes (--help)
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests' / 'netns'))
import cost  # noqa: E402
import lib  # noqa: E402
import scale  # noqa: E402
from cost import load_average  # noqa: E402
from mesh import NONE, OURS, ZTUNNEL, Mesh  # noqa: E402

NAMES = {NONE: 'raw', OURS: 'ours', ZTUNNEL: 'ztunnel'}
PORT = 80
STREAMS, KEEP_ALIVE, CONCURRENT_OPENS = (1, 4, 16), (1, 64), 16
CLOSED_S = 2

# What is shown: key, words, digits.
ROWS = ([(f'gbit{n}', f'Gbit/s, {n} stream{"s" if n > 1 else ""}', 2) for n in STREAMS] +
        [(f'cpu_gb{n}', f'CPU s per GB, {n} stream{"s" if n > 1 else ""}', 2) for n in STREAMS] +
        [row for n in KEEP_ALIVE for row in ((f'rps{n}', f'requests/s, {n} connection{"s" if n > 1 else ""}', 0),
                                             (f'p50_{n}', f'  p50 us, {n}', 0), (f'p99_{n}', f'  p99 us, {n}', 0),
                                             (f'cpu_req{n}', f'  CPU ms per 1,000 requests, {n}', 1))] +
        [('cps', 'new connections/s', 0), ('cpu_conn', '  CPU ms per 1,000 connections', 1),
         ('rss0', 'resident MB, both proxies, idle', 1)])


class Path:
    """One way from the application of node a to that of node b, and what its proxies used."""

    def __init__(self, cluster, kind, options):
        self.cluster, self.kind, self.options, self.found = cluster, kind, options, {}
        self.mesh = Mesh(cluster, (kind, kind))
        self.client, self.server = self.mesh.a.app, self.mesh.b.app
        self.mesh.start()
        self.loader = lib.program('load', 'bench')
        self.server.spawn([self.loader, 'serve', PORT], log='serve').wait_log('serving')
        if kind != NONE:
            self.settle()

    def settle(self):
        """Until requests are seen by the proxies: before that the numbers would be of another path."""
        def through():
            self.load('connect', 1, 0.05)
            return self.mesh.a.identity in self.mesh.b.proxy.log()
        lib.eventually(through, 'requests go through both proxies', 20)

    def proxies(self):
        return [side.proxy.pid for side in self.mesh.sides if side.proxy]

    def cpu(self):
        """User and system seconds of both proxies so far, all threads."""
        return sum(map(cost.cpu_of, self.proxies()))

    def resident_mb(self):
        return sum(map(cost.memory_of, self.proxies()))

    def load(self, verb, count, seconds):
        done = self.client.run(self.loader, verb, self.server.address, PORT, count, seconds, timeout=seconds + 60)
        return json.loads(done.stdout.splitlines()[-1])

    def streams(self, count):
        listener = self.server.spawn(['iperf3', '-s', '-1', '--forceflush'], log=f'iperf-{count}')
        listener.wait_log('Server listening')
        before = self.cpu()
        done = self.client.run('iperf3', '-c', self.server.address, '-P', count, '-t', self.options.seconds, '-J', timeout=self.options.seconds + 60)
        used = self.cpu() - before
        listener.end()
        received = json.loads(done.stdout)['end']['sum_received']
        self.found[f'gbit{count}'] = received['bits_per_second'] / 1e9
        self.found[f'cpu_gb{count}'] = used / (received['bytes'] / 1e9)

    def requests(self, count):
        before = self.cpu()
        answer = self.load('requests', count, self.options.seconds)
        used = self.cpu() - before
        self.found |= {f'rps{count}': answer['per_second'], f'p50_{count}': answer['p50_us'], f'p99_{count}': answer['p99_us'],
                       f'cpu_req{count}': used * 1e6 / answer['count']}

    def connections(self):
        before = self.cpu()
        answer = self.load('connect', CONCURRENT_OPENS, self.options.seconds)
        self.found |= {'cps': answer['per_second'], 'cpu_conn': (self.cpu() - before) * 1e6 / answer['count']}

    def memory(self):
        """More and more idle connections, each of which has carried a request."""
        self.found['rss0'] = self.resident_mb()
        holders = []
        for count in self.options.idle:
            more = count - (self.options.idle[len(holders) - 1] if holders else 0)
            holders.append(self.client.spawn([self.loader, 'hold', self.server.address, PORT, more], log=f'hold-{count}'))
            holders[-1].wait_log('"held"', 120)
            self.found[f'rss{count}'] = self.resident_mb()
            self.found[f'kb{count}'] = (self.found[f'rss{count}'] - self.found['rss0']) * 1024 / count
        for holder in holders:
            lib.check(holder.running(), f'idle connections did not stay: {holder.log()}')
            holder.end()
        time.sleep(CLOSED_S)
        self.found['rss_closed'] = self.resident_mb()
        return self.found

    def traffic(self):
        for count in STREAMS:
            self.streams(count)
        for count in KEEP_ALIVE:
            self.requests(count)
        self.connections()
        return self.found


def measure(kind, options):
    with lib.Cluster() as cluster:
        found = Path(cluster, kind, options).traffic()
    if kind != NONE:
        # A fresh mesh: neither what the load left in the proxies nor the ports of 10,000 closed connections spoil the other's numbers.
        with lib.Cluster() as cluster:
            found |= Path(cluster, kind, options).memory()
    return found


def cell(values, digits):
    if not values:
        return '-'
    middle = f'{statistics.median(values):,.{digits}f}'
    return middle if len(values) == 1 else f'{middle} ({min(values):,.{digits}f}-{max(values):,.{digits}f})'


def show(results, kinds, rows):
    table = [['', *(NAMES[kind] for kind in kinds), *(['ours/ztunnel'] if ZTUNNEL in kinds else [])]]
    for key, words, digits in rows:
        by_kind = {kind: [found[key] for found in results[kind] if key in found] for kind in kinds}
        if key.startswith(('cpu', 'rss', 'kb')):
            by_kind[NONE] = []
        line = [words, *(cell(by_kind[kind], digits) for kind in kinds)]
        if ZTUNNEL in kinds:
            ours, theirs = by_kind[OURS], by_kind[ZTUNNEL]
            usable = ours and theirs and statistics.median(theirs) > 0
            line.append(f'{statistics.median(ours) / statistics.median(theirs):.2f}' if usable else '-')
        table.append(line)
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        print('  '.join([line[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(line[1:], widths[1:]))]))


def notes(options, kinds, load_before):
    cores = len(os.sched_getaffinity(0))
    print(f'''
Median of {options.rounds} round{"s" if options.rounds > 1 else ""} of {options.seconds} s (least-most). Linux {os.uname().release}, {cores} cores; load average {load_before} before, {load_average()} after.
- Client, server and both proxies share these {cores} cores: what one uses the others do not have. Compare columns of one run, never runs.
- CPU is user and system time of the two proxies; the kernel's work on packets outside of them is in nobody's column.
- Nodes are namespaces joined by veth: no wire, no segmentation limit of a card, so the raw column is out of a network's reach.''')
    if ZTUNNEL not in kinds:
        print('- AQUIFER_ZTUNNEL is not set: no other mesh to compare with.')
    if options.quick:
        print('- --quick shows whether it works; one short round says little about speed.')


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=3, metavar='N', help='each path is measured N times, in alternating order')
    parser.add_argument('--seconds', type=int, default=3, metavar='S', help='length of each measurement')
    parser.add_argument('--quick', action='store_true', help='one round of one second, up to 1,000 idle connections')
    parser.add_argument('--json', metavar='FILE', help='write all rounds to FILE as well')
    options = parser.parse_args()
    if options.quick:
        options.rounds = options.seconds = 1
    options.idle = (1000,) if options.quick else (1000, 10000)
    return options


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    if sys.argv[1:2] == ['scale']:
        scale.main(sys.argv[2:])
        return
    options = arguments()
    reason = lib.why_not() or next((f'needs {tool}' for tool in ('iperf3', 'curl') if shutil.which(tool) is None), None)
    if reason:
        sys.exit(f'bench: {reason}')
    kinds = [NONE, OURS] + ([ZTUNNEL] if os.environ.get('AQUIFER_ZTUNNEL') else [])
    rows = ROWS + [row for n in options.idle for row in ((f'rss{n}', f'  with {n:,} idle connections', 1),
                                                         (f'kb{n}', '    KB for each', 1))]
    rows.append(('rss_closed', f'  {CLOSED_S} s after they closed', 1))
    results, load_before = {kind: [] for kind in kinds}, load_average()
    for number in range(options.rounds):
        for kind in kinds if number % 2 == 0 else reversed(kinds):
            print(f'round {number + 1} of {options.rounds}: {NAMES[kind]}', file=sys.stderr, flush=True)
            results[kind].append(measure(kind, options))
    show(results, kinds, rows)
    notes(options, kinds, load_before)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({NAMES[kind]: rounds for kind, rounds in results.items()}, indent=1))


if __name__ == '__main__':
    try:
        main()
    except lib.Failure as problem:
        sys.exit(f'bench: {problem}')
