#!/usr/bin/env python3
"""What a noisy pod does to a quiet one on its node: small requests of the quiet pod at a fixed rate, alone and beside each noise, without a
mesh, through ours, and through Istio's node proxy when AQUIFER_ZTUNNEL names that program. How to read it: bench/README.md.

  ./dev bench noisy                        3 rounds of 5 seconds for each noise
  ./dev bench noisy --quick                one round of 2 seconds: whether it works
"""
import argparse
import json
import os
import pathlib
import signal
import ssl
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests' / 'netns'))
import lib  # noqa: E402
from mesh import NONE, OURS, ZTUNNEL, Mesh  # noqa: E402

NAMES = {NONE: 'raw', OURS: 'ours', ZTUNNEL: 'ztunnel'}
PORT, HBONE, DNS = 80, 15008, 15053
RATE, CONNECTIONS, STREAMS, SHAKING, ASKING = 200, 10_000, 10, 3_000, 64
HEAD_START_S, REST_S = 0.5, 1
NOISES = {'quiet': 'quiet', 'flood': f'{CONNECTIONS:,} connections', 'bulk': f'{STREAMS} bulk streams', 'own': 'a bulk stream of its own',
          'storm': 'handshakes', 'dns': 'DNS questions'}
COLUMNS = (('p50_us', 'p50 us'), ('p99_us', 'p99 us'), ('new_p99_us', 'new conn. p99 us'), ('errors', 'errors'))


def client_hello():
    """The first bytes of a peer that means well so far."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(['h2'])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname='peer.example')
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


class Neighbours:
    """Node a with the quiet and the noisy pod, node b with a server for each."""

    def __init__(self, cluster, kind, options):
        self.kind, self.options, self.found = kind, options, {}
        self.mesh = Mesh(cluster, (kind, kind))
        self.quiet, self.noisy = self.mesh.a.app, self.mesh.a.intruder
        self.mesh.start(**({} if kind == NONE else {'ISTIO_META_DNS_CAPTURE': 'true'}))
        self.noise = lib.program('noise', 'bench')
        self.hello = cluster.folder / 'hello'
        self.hello.write_bytes(client_hello())
        for pod in (self.mesh.b.app, self.mesh.b.intruder):
            pod.spawn([lib.program('load', 'bench'), 'serve', PORT], log=f'serve-{pod.name}').wait_log('serving')
            pod.spawn(['iperf3', '-s', '--forceflush'], log=f'iperf-{pod.name}').wait_log('Server listening')
        for pod, server in ((self.quiet, self.mesh.b.app), (self.noisy, self.mesh.b.intruder)):
            lib.eventually(lambda: self.ask(pod, server, 1)['errors'] == 0, 'requests are answered', 20)
        if kind != NONE:
            lib.eventually(lambda: self.mesh.a.identity in self.mesh.b.proxy.log(), 'requests go through both proxies', 20)

    def ask(self, pod, server, seconds):
        done = pod.run(self.noise, 'paced', server.address, PORT, RATE, seconds, timeout=seconds + 60)
        return json.loads(done.stdout.splitlines()[-1])

    def start(self, noise, seconds):
        """The process that makes the noise; None when there is nobody to suffer it here."""
        server = self.mesh.b.intruder.address
        if noise == 'flood':
            return self.noisy.spawn([self.noise, 'flood', server, PORT, CONNECTIONS, seconds], log=noise)
        if noise in ('bulk', 'own'):
            pod, server, streams = (self.noisy, server, STREAMS) if noise == 'bulk' else (self.quiet, self.mesh.b.app.address, 1)
            return pod.spawn(['iperf3', '-c', server, '-P', streams, '-t', seconds], log=noise)
        if noise == 'storm' and self.kind != NONE:
            return self.mesh.b.node.spawn([self.noise, 'storm', self.noisy.address, HBONE, SHAKING, seconds, self.hello], log=noise)
        if noise == 'dns' and self.kind != NONE:
            probe = self.noisy.run(self.noise, 'dns', '127.0.0.1', DNS, 1, 0.3)
            if json.loads(probe.stdout)['answers'] > 0:
                return self.noisy.spawn([self.noise, 'dns', '127.0.0.1', DNS, ASKING, seconds], log=noise)
        return None

    def measure(self, noise):
        seconds = self.options.seconds
        if noise == 'quiet':
            self.found[noise] = self.ask(self.quiet, self.mesh.b.app, seconds)
            return
        process = self.start(noise, seconds + 3)
        if process is None:
            return
        time.sleep(HEAD_START_S)
        answer = self.ask(self.quiet, self.mesh.b.app, seconds)
        status = process.popen.wait(seconds + 60)
        lib.check(status == 0, f'{noise} ended: {process.log()[-500:]}')
        said = process.log().strip().splitlines()[-1] if noise not in ('bulk', 'own') else self.bulk_rate(process)
        self.found[noise] = answer | {'noise': said}
        print(f'  {NAMES[self.kind]} {noise}: {said}', file=sys.stderr, flush=True)
        time.sleep(REST_S)

    @staticmethod
    def bulk_rate(process):
        return next((line for line in reversed(process.log().splitlines()) if 'receiver' in line), '')

    def all(self):
        for noise in self.options.noises:
            self.measure(noise)
        for side in self.mesh.sides:
            lib.check(self.kind == NONE or side.proxy.running(), f'the proxy of {side.name} ended')
        return self.found


def show(results, kinds, noises):
    table = [['', *(f'{NAMES[kind]} {words}' for kind in kinds for _, words in COLUMNS), *(f'{NAMES[kind]} x' for kind in kinds)]]
    for noise in noises:
        line, factors = [NOISES[noise]], []
        for kind in kinds:
            rounds = [found[noise] for found in results[kind] if noise in found]
            line += [f'{statistics.median(each[key] for each in rounds):,.0f}' if rounds else '-' for key, _ in COLUMNS]
            # Of each round by itself: the machine changes between rounds more than within one.
            factors.append(f'{statistics.median(found[noise]["p99_us"] / found["quiet"]["p99_us"] for found in results[kind]):.1f}'
                           if rounds else '-')
        table.append(line + factors)
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    for line in table:
        print('  '.join([line[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(line[1:], widths[1:]))]))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=3, metavar='N')
    parser.add_argument('--seconds', type=int, default=5, metavar='S', help='length of each measurement')
    parser.add_argument('--quick', action='store_true', help='one round of two seconds')
    parser.add_argument('--noises', default=','.join(NOISES), metavar='LIST', help=f'of {",".join(NOISES)}; quiet is always measured')
    parser.add_argument('--only', choices=NAMES.values(), help='one of the paths')
    parser.add_argument('--json', metavar='FILE', help='write all rounds to FILE as well')
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 2
    wanted = set(options.noises.split(','))
    if not wanted <= set(NOISES):
        parser.error(f'--noises: of {",".join(NOISES)}')
    options.noises = [noise for noise in NOISES if noise in wanted | {'quiet'}]
    return options


def main():
    options = arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    reason = lib.why_not()
    if reason:
        sys.exit(f'bench: {reason}')
    kinds = [NONE, OURS] + ([ZTUNNEL] if os.environ.get('AQUIFER_ZTUNNEL') else [])
    kinds = [kind for kind in kinds if options.only in (None, NAMES[kind])]
    results = {kind: [] for kind in kinds}
    for number in range(options.rounds):
        for kind in kinds if number % 2 == 0 else reversed(kinds):
            print(f'round {number + 1} of {options.rounds}: {NAMES[kind]}', file=sys.stderr, flush=True)
            with lib.Cluster() as cluster:
                results[kind].append(Neighbours(cluster, kind, options).all())
    show(results, kinds, options.noises)
    print(f'\nQuiet pod: {RATE} requests/s, a tenth of them on new connections; latency from when a request was due. Median of '
          f'{options.rounds} x {options.seconds} s; x: p99 beside the noise to p99 alone.\nLinux {os.uname().release}, '
          f'{len(os.sched_getaffinity(0))} cores that everybody shares; load average {" ".join(map(str, os.getloadavg()))}.')
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({NAMES[kind]: rounds for kind, rounds in results.items()}, indent=1))


if __name__ == '__main__':
    try:
        main()
    except lib.Failure as problem:
        sys.exit(f'bench: {problem}')
