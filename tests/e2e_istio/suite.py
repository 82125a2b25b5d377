"""One cluster with real Istio, and on it every case: with ztunnel on both nodes, which gives what is expected, then with ours
on one node beside ztunnel, each way round, then with ours on both. The table of outcomes goes to build/log.

Arguments: WORD... judges only the cases whose name holds one; --only=CONFIGURATION goes to that one alone after ztunnel.
"""
import http.server
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback

import access_log
import cases
import changes
import istio_cluster
import differences
import views
from istio_cluster import NODES, OURS, THEIRS, Cluster, lib
from world import World

REFERENCE = 'ztunnel'
CONFIGURATIONS = {REFERENCE: (THEIRS, THEIRS), 'ours and ztunnel': (OURS, THEIRS), 'ztunnel and ours': (THEIRS, OURS), 'ours': (OURS, OURS)}
# Outcomes that only we have are no fault there.
MORE_IS_FINE = ('metrics ', 'config_dump ')


class Outside:
    """A server on this machine, which is no part of the cluster, at the address by which it reaches a pod."""

    def __init__(self, world):
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps({'pod': 'outside', 'peer': self.client_address[0].removeprefix('::ffff:')}).encode()
                self.send_response(200)
                self.send_header('content-length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def date_time_string(self, timestamp=None):
                return 'Thu, 01 Jan 1970 00:00:00 GMT'  # as many bytes in each answer

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            address_family = socket.AF_INET6
            daemon_threads = True
        self.server = Server(('::', 0), Answer)
        port = self.server.server_address[1]
        world.outside = {family: (self.address_towards(world.address('server1', family)), port) for family in world.families}
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def address_towards(other):
        with socket.socket(socket.AF_INET6 if ':' in other else socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect((other, 9))
            return s.getsockname()[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Judge:
    """Compares with the reference, prints a line a case and keeps the table."""

    def __init__(self, words):
        self.words, self.table, self.failed = words, {}, 0

    def take(self, configuration, outcomes):
        self.table.setdefault(configuration, {}).update(outcomes)
        if configuration == REFERENCE:
            return
        for case, outcome in outcomes.items():
            if not self.words or any(word in case for word in self.words):
                self.say(configuration, case, outcome)

    def say(self, configuration, case, outcome):
        reference = self.table[REFERENCE].get(case)
        if reference is None and case.startswith(MORE_IS_FINE):
            return
        reference = reference or 'no such case'
        if outcome in differences.expected(case, reference, ' and ' in configuration):
            print(f'ok {configuration}: {case}')
            return
        self.failed += 1
        print(f'not ok {configuration}: {case}: {outcome}\n    ztunnel: {reference}')

    def miss(self, configuration):
        """What ztunnel has and this configuration has not."""
        for case in self.table[REFERENCE].keys() - self.table[configuration].keys():
            if case.startswith('istioctl ') and 'istioctl all' not in self.table[configuration]:
                continue
            if not self.words or any(word in case for word in self.words):
                self.say(configuration, case, 'absent')

    def write(self, path):
        names = list(self.table)
        lines = ['\t'.join(['case', *names])]
        lines += ['\t'.join([case, *(json.dumps(self.table[n].get(case, '')) for n in names)]) for case in self.table[REFERENCE]]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('\n'.join(lines) + '\n')


def note(text, start):
    print(f'{time.monotonic() - start:6.1f} s: {text}', flush=True)


def play(world, judge, only):
    start = time.monotonic()
    for name, images in CONFIGURATIONS.items():
        if only and name not in (REFERENCE, only):
            continue
        world.see_proxies(world.cluster.use(dict(zip(NODES, images))))
        note(f'{name} serves', start)
        for family in world.families:
            judge.take(name, cases.run(world, family))
        judge.take(name, access_log.inbound(world))
        judge.take(name, views.run(world))
        judge.take(name, changes.run(world))
        judge.miss(name)
    note('done', start)


def compare(world):
    """All configurations; returns how many cases are not right."""
    judge = Judge([w for w in sys.argv[1:] if not w.startswith('--')])
    only = next((w.removeprefix('--only=') for w in sys.argv if w.startswith('--only=')), None)
    try:
        with Outside(world):
            play(world, judge, only)
    finally:
        if judge.table:
            judge.write(istio_cluster.ROOT / f'build/log/e2e-istio-{"dual" if world.cluster.dual else "ipv4"}.tsv')
    return judge.failed


def main(dual, name, part=compare):
    """Runs a part of the suite on a cluster of its own; the status to leave with."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    reason = istio_cluster.why_not()
    if reason:
        print(f'skip {name}: {reason}')
        return 0
    try:
        with Cluster(dual) as made, World(made) as world:
            made.load_images(world.folder)
            made.set_proxy_options(5)
            world.make()
            return 1 if part(world) else 0
    except (AssertionError, OSError, subprocess.SubprocessError) as problem:
        traceback.print_exc(file=sys.stdout)
        print(f'not ok {name}: {problem}', flush=True)
        return 1
