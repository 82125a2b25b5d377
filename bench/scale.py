"""A mesh of many pods over xDS: what the node proxy holds and how long it takes, and how soon a change of one endpoint counts for new
connections. Ours, and Istio's when AQUIFER_ZTUNNEL names that program, one after the other under the same control plane
(xds_plane.cc). How to read it: bench/README.md.

  ./dev bench scale                            200,000 pods and 20,000 services, 200 changes
  ./dev bench scale --workloads 20000 --services 2000
"""
import argparse
import json
import os
import pathlib
import socket
import statistics
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests' / 'netns'))
import cost  # noqa: E402
import lib  # noqa: E402

OURS, ZTUNNEL = 'ours', 'ztunnel'
PORT = 15012
# As xds_plane.cc has them: addresses of the endpoint, and of the service in front of it.
ENDPOINTS, SERVICES = '10.254.0.0/16', '10.112.0.0/16'
# How long nothing may have grown for memory to count as settled, and the longest wait for it.
SETTLED_S, PATIENCE_S = 12, 40

ROWS = [('idle_mb', 'resident MB, an empty mesh', 1), ('ready_s', 's until ready', 2), ('ready_cpu', '  CPU s until ready', 2),
        ('peak_mb', '  most resident MB on the way', 1), ('loaded_mb', 'resident MB, the whole mesh', 1),
        ('p50_ms', 'change of one endpoint, p50 ms', 2), ('p99_ms', '  p99 ms', 2), ('max_ms', '  longest ms', 2),
        ('lost', '  changes not seen', 0), ('change_cpu', '  CPU ms for each, probes included', 2),
        ('after_mb', 'resident MB afterwards', 1)]


class Run:
    """One proxy under one mesh, in a network namespace of its own."""

    def __init__(self, cluster, kind, options, workloads, services, policies):
        self.cluster, self.kind, self.options = cluster, kind, options
        self.node = cluster.node()
        self.state = cluster.folder / 'plane'
        self.state.mkdir()
        # Both ranges are this machine; connections to the service go through the proxy.
        for reach in (ENDPOINTS, SERVICES):
            self.node.ip('route', 'add', 'local', reach, 'dev', 'lo')
        self.node.run('nft', 'add table ip bench; add chain ip bench out { type nat hook output priority -100; }; '
                             f'add rule ip bench out ip daddr {SERVICES} tcp dport 80 redirect to :15001')
        self.plane = self.node.spawn([lib.program('xds_plane', 'bench'), '--listen', f'{self.node.address}:{PORT}', '--state', self.state,
                                      '--workloads', workloads, '--services', services, '--policies', policies,
                                      '--chunk', options.chunk], log='plane')
        self.plane.wait_log('^serving', 120)
        self.proxy = None

    def start(self):
        server, root = f'https://{self.node.address}:{PORT}', str(self.state / 'root-cert.pem')
        env = {'XDS_ADDRESS': server, 'CA_ADDRESS': server, 'XDS_ROOT_CA': root, 'CA_ROOT_CA': root, 'AUTH_TOKEN': 'not-a-path',
               'PROXY_MODE': 'dedicated', 'PROXY_WORKLOAD_INFO': 'probe/client/default', 'NODE_NAME': 'node-here',
               'POD_NAME': 'proxy', 'POD_NAMESPACE': 'system', 'RUST_LOG': 'warn', 'ISTIO_META_DNS_CAPTURE': 'false',
               'ISTIO_META_DNS_PROXY_ADDR': '127.0.0.1:15053'}
        program = [lib.program('aquifer-node', 'node-proxy')] if self.kind == OURS else [os.environ['AQUIFER_ZTUNNEL'], 'proxy', 'ztunnel']
        started = time.monotonic()
        self.proxy = self.node.spawn(program, log='proxy', env=env)
        with self.node.entered():
            while not self.ready():
                lib.check(self.proxy.running(), f'{self.kind} ended: {self.proxy.log()[-2000:]}')
                lib.check(time.monotonic() - started < 120, f'{self.kind} is not ready after two minutes')
                time.sleep(0.005)
        return time.monotonic() - started

    @staticmethod
    def ready():
        try:
            with urllib.request.urlopen('http://127.0.0.1:15021/healthz/ready', timeout=10) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def cpu(self):
        return cost.cpu_of(self.proxy.pid)

    def memory(self, field='VmRSS'):
        return cost.memory_of(self.proxy.pid, field)

    def settled(self):
        """Resident memory once it has not changed for a while: allocators give back late."""
        last, since, end = self.memory(), time.monotonic(), time.monotonic() + PATIENCE_S
        while time.monotonic() < min(since + SETTLED_S, end):
            time.sleep(0.2)
            now = self.memory()
            if abs(now - last) > 1:
                last, since = now, time.monotonic()
        return self.memory()

    def command(self, line, seconds):
        with self.node.entered(), socket.create_connection((self.node.address, PORT + 1), 5) as connection:
            connection.settimeout(seconds)
            connection.sendall(line.encode())
            return json.loads(b''.join(iter(lambda: connection.recv(4096), b'')))


def measure(kind, options):
    with lib.Cluster() as cluster:
        run = Run(cluster, kind, options, 0, 1, 0)
        run.start()
        found = {'idle_mb': run.settled()}
    with lib.Cluster() as cluster:
        run = Run(cluster, kind, options, options.workloads, options.services, options.policies)
        found['ready_s'] = run.start()
        found |= {'ready_cpu': run.cpu(), 'peak_mb': run.memory('VmHWM'), 'loaded_mb': run.settled()}
        stats = run.command('stats', 10)
        lib.check(stats['nacks'] == 0, f'{kind} refused something: {run.plane.log()}')
        found['sent_mb'] = stats['sent_bytes'] / 1e6
        before = run.cpu()
        changes = run.command(f'updates {options.changes} {options.rate}', 60 + options.changes * (10 + 1 / options.rate))
        lib.check(changes['count'] > 0, f'no change is ever seen by connections through {kind}: {run.proxy.log()[-2000:]}')
        found |= changes | {'change_cpu': (run.cpu() - before) * 1e3 / options.changes, 'after_mb': run.memory()}
    return found


def show(results):
    kinds = list(results)
    print('  '.join([''.ljust(36), *(kind.rjust(10) for kind in kinds)] + (['ours/ztunnel'] if len(kinds) > 1 else [])))
    for key, words, digits in ROWS:
        middles = [statistics.median(found[key] for found in results[kind]) for kind in kinds]
        line = [words.ljust(36), *(f'{value:,.{digits}f}'.rjust(10) for value in middles)]
        if len(kinds) > 1:
            line.append((f'{middles[0] / middles[1]:.2f}' if middles[1] else '-').rjust(12))
        print('  '.join(line))


def arguments(words):
    parser = argparse.ArgumentParser(prog='./dev bench scale', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--workloads', type=int, default=200_000, metavar='N')
    parser.add_argument('--services', type=int, default=20_000, metavar='N')
    parser.add_argument('--policies', type=int, default=1_000, metavar='N')
    parser.add_argument('--chunk', type=int, default=0, metavar='N', help='resources in a response; 0, as istiod does it: all of a type')
    parser.add_argument('--changes', type=int, default=200, metavar='N')
    parser.add_argument('--rate', type=float, default=20, metavar='R', help='changes a second')
    parser.add_argument('--rounds', type=int, default=1, metavar='N')
    parser.add_argument('--only', choices=(OURS, ZTUNNEL))
    parser.add_argument('--json', metavar='FILE', help='write all rounds to FILE as well')
    return parser.parse_args(words)


def main(words):
    options = arguments(words)
    reason = lib.why_not()
    if reason:
        sys.exit(f'bench: {reason}')
    kinds = [OURS] + ([ZTUNNEL] if os.environ.get('AQUIFER_ZTUNNEL') else [])
    results = {kind: [] for kind in kinds if options.only in (None, kind)}
    for number in range(options.rounds):
        for kind in results if number % 2 == 0 else reversed(results):
            print(f'round {number + 1} of {options.rounds}: {kind}', file=sys.stderr, flush=True)
            results[kind].append(measure(kind, options))
    show(results)
    sent = statistics.median(found['sent_mb'] for rounds in results.values() for found in rounds)
    print(f'''
{options.workloads:,} pods, {options.services:,} services, {options.policies:,} policies: {sent:,.0f} MB of responses. Linux {os.uname().release}, {len(os.sched_getaffinity(0))} cores.
- A change counts from the moment it is handed to the sender until the first of 16 connections in a row that reach the new endpoint is answered.
- The control plane and the prober share the cores with the proxy. Compare columns of one run, never runs.''')
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=1))
