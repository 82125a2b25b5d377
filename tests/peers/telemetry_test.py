#!/usr/bin/env python3
"""What an operator sees of a connection is the same whether Istio's node proxy or ours carried it: the same connections are made
under both, on two nodes each, and the lines of the access log (text on one node, JSON on the other) and the istio_tcp_* series are
compared, fields, values and order. AQUIFER_ZTUNNEL names Istio's program. Ports that the kernel chose, times and the wording of
errors are not compared.
"""
import json
import os
import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'netns'))
import lib  # noqa: E402
from mesh import OURS, PYTHON, ZTUNNEL, Mesh  # noqa: E402

GUARDED, EMPTY, PLAIN_SERVICE = '10.96.3.1', '10.96.3.2', '10.96.3.3'
OBJECTS = '''apiVersion: v1
kind: Pod
metadata: {{name: plain, namespace: default, labels: {{app: plain, istio.io/dataplane-mode: none}}}}
spec:
  nodeName: node-c
  containers: [{{name: main, ports: [{{name: http, containerPort: 80}}]}}]
status: {{phase: Running, podIP: {plain}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: bare, namespace: default, labels: {{app: bare}}}}
spec: {{nodeName: node-c}}
status: {{phase: Running, podIP: {bare}}}
---
apiVersion: v1
kind: Service
metadata: {{name: plain, namespace: default}}
spec:
  clusterIP: {plain_service}
  selector: {{app: plain}}
  ports: [{{name: http, port: 80}}]
---
apiVersion: v1
kind: Service
metadata: {{name: guarded, namespace: default, labels: {{istio.io/use-waypoint: way}}}}
spec:
  clusterIP: {guarded}
  selector: {{name: app-b}}
  ports: [{{name: http, port: 8000, targetPort: 8000}}]
---
apiVersion: v1
kind: Service
metadata: {{name: empty, namespace: default}}
spec:
  clusterIP: {empty}
  selector: {{name: nobody}}
  ports: [{{name: http, port: 80}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: closed-port, namespace: default}}
spec:
  selector: {{matchLabels: {{app: app}}}}
  action: DENY
  rules:
  - to: [{{operation: {{ports: ["8081"]}}}}]
'''
WAYPOINT_CASE = 'a service with a waypoint'
# Name, the pod that asks, what it asks, and how many lines the nodes a and b write.
CASES = (
    ('to a service', 'app', '{service}', 1, 1),
    ('to a pod', 'app', '{app_b}', 1, 1),
    ('to a pod, at a port of no service', 'app', '{app_b}:8080', 1, 1),
    ('from outside', 'plain', '{app_b}', 0, 1),
    ('from outside, at a port of no service', 'plain', '{app_b}:8080', 0, 1),
    ('from a stranger', 'stranger', '{app_b}', 0, 1),
    ('to a pod outside', 'app', '{plain}', 1, 0),
    ('to a service outside', 'app', '{plain_service}', 1, 0),
    ('to an unknown address', 'app', '{stranger}', 1, 0),
    ('denied', 'app', '{app_b}:8081', 1, 1),
    ('denied from outside', 'plain', '{app_b}:8081', 0, 1),
    ('nobody listens', 'app', '{app_b}:9', 1, 1),
    ('nobody listens, from outside', 'plain', '{app_b}:9', 0, 1),
    ('nobody listens outside', 'app', '{plain}:9', 1, 0),
    ('nobody listens at an unknown address', 'app', '{stranger}:9', 1, 0),
    ('to a pod whose proxy is not there', 'app', '{bare}', 1, 0),
    ('a service without endpoints', 'app', '{empty}', 1, 0),
    ('a port that the service has not', 'app', '{service}:81', 1, 0),
    (WAYPOINT_CASE, 'app', '{guarded}:8000', 1, 1),
    ("the proxy's own port", 'app', '127.0.0.1:15001', 1, 0),
    ("another proxy's port", 'plain', '{app_b}:15006', 0, 1),
)
FIELD = re.compile(r'([a-z_.]+)=("(?:[^"\\]|\\.)*"|\S+)')
SERIES = re.compile(r'^(istio_tcp_\w+)\{(.*)\} (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def why_not():
    path = os.environ.get('AQUIFER_ZTUNNEL')
    if not path:
        return 'AQUIFER_ZTUNNEL is not set'
    if not os.access(path, os.X_OK):
        return f'AQUIFER_ZTUNNEL is no program: {path}'
    return None if shutil.which('curl') else 'needs curl'


def access_lines(log):
    """(level, message, fields in their order) of each line of the access log, in either format."""
    for line in log.splitlines():
        if line.startswith('{'):
            entry = json.loads(line)
            if entry.pop('scope', '') == 'access':
                entry.pop('time')
                yield entry.pop('level'), entry.pop('message'), tuple(entry.items())
        elif '\taccess\t' in line:
            _, level, _, message, fields = line.split('\t', 4)
            yield level, message, tuple(FIELD.findall(fields))


def comparable(line):
    """Without what differs from run to run and how an error is worded."""
    level, message, fields = line
    kept = []
    for key, value in fields:
        if key == 'src.addr':
            value = value.rpartition(':')[0]
        if key in ('duration', 'error'):
            value = '...'
        kept.append((key, value))
    return level, message, tuple(kept)


def series(scrape):
    """The value of each istio_tcp_* counter by its name and its labels in their order."""
    found = {}
    for name, labels, value in (match.groups() for match in map(SERIES.match, scrape.splitlines()) if match):
        # How many tunnels there are between two nodes is each proxy's own affair.
        if name == 'istio_tcp_sockets_open':
            continue
        found[(name, tuple(LABEL.findall(labels)))] = int(float(value))
    return found


class Observed:
    """One mesh of one kind of proxy, and what its nodes tell of each case."""

    def __init__(self, cluster, kind):
        self.mesh = Mesh(cluster, (kind, kind))
        host = self.mesh.host
        self.pods = {'app': self.mesh.a.app, 'plain': host.pod('plain'), 'stranger': host.pod('stranger'), 'bare': host.pod('bare')}
        self.way = self.mesh.waypoint(self.mesh.b)
        self.names = {name: pod.address for name, pod in self.pods.items()} | {
            'service': self.mesh.b.service, 'app_b': self.mesh.b.app.address, 'empty': EMPTY,
            'guarded': GUARDED, 'plain_service': PLAIN_SERVICE}
        self.mesh.apply('20-more.yaml', OBJECTS.format(**self.names))

    def start(self):
        self.mesh.start_control()
        for side, form in ((self.mesh.a, 'text'), (self.mesh.b, 'json')):
            side.start_agent()
            side.start_proxy(LOG_FORMAT=form, RUST_LOG='info,access=debug')
        for side in self.mesh.sides:
            side.wait_ready()
        self.mesh.serve()
        folder = self.mesh.cluster.folder / 'files-b'
        self.listen(self.mesh.b.app, folder, 8000, 8080, 8081)
        self.listen(self.pods['plain'], folder, 80)
        self.listen(self.pods['stranger'], folder, 80)
        self.way.start()

    @staticmethod
    def listen(pod, folder, *ports):
        for port in ports:
            pod.spawn([PYTHON, '-m', 'http.server', port, '--directory', folder], log=f'http-{pod.short_name}-{port}')
            lib.eventually(lambda: pod.run('curl', '-sS', '-m', '5', f'http://127.0.0.1:{port}/who', check_status=False).returncode == 0,
                           f'port {port} of {pod.short_name}')

    def scrape(self, side):
        return series(side.node.run('curl', '-sS', '-m', '5', 'http://127.0.0.1:15020/metrics').stdout)

    def run(self, name, client, address, *expected):
        """What the two nodes write and count: lists of lines, and the series that grew with by how much."""
        logs = [len(list(access_lines(side.proxy.log()))) for side in self.mesh.sides]
        counts = [self.scrape(side) for side in self.mesh.sides]
        self.pods[client].run('curl', '-sS', '-m', '8', '-o', os.devnull, f'http://{address.format(**self.names)}/who', check_status=False)

        def written():
            return [list(access_lines(side.proxy.log()))[before:] for side, before in zip(self.mesh.sides, logs)]
        lib.eventually(lambda: all(sum(level != 'debug' for level, _, _ in lines) >= wanted for lines, wanted in zip(written(), expected)),
                       f'{name}: {expected} lines, found {written()}')
        grown = []
        for side, before in zip(self.mesh.sides, counts):
            grown.append({key: value - before.get(key, 0) for key, value in self.scrape(side).items() if value > before.get(key, 0)})
        return [[comparable(line) for line in lines] for lines in written()], grown

    def run_until_good(self, *case):
        """ztunnel takes the ends of a waypoint's stream, when they meet, for an error now and then."""
        for _ in range(5):
            found = self.run(*case)
            if not any(level == 'error' for lines in found[0] for level, _, _ in lines):
                break
        return found

    def observe(self):
        self.start()
        return {name: (self.run_until_good if name == WAYPOINT_CASE else self.run)(name, *case) for name, *case in CASES}


_observed = {}


def observed(kind):
    """One run of a kind is enough for all tests."""
    if kind not in _observed:
        with lib.Cluster() as cluster:
            _observed[kind] = Observed(cluster, kind).observe()
    return _observed[kind]


def shown(entry):
    """A line or a series with its value, short enough to be read."""
    *head, pairs, value = (*entry, '') if len(entry) == 3 else (entry[0][0], entry[0][1], entry[1])
    return ' '.join([*head, *(f'{key}={text}' for key, text in pairs if text != 'unknown'), str(value)])


def differences(theirs, ours):
    """Of two lists, whatever stands in one alone."""
    rest = list(ours)
    for each in theirs:
        if each in rest:
            rest.remove(each)
        else:
            yield f'  ztunnel: {shown(each)}'
    for each in rest:
        yield f'  ours:    {shown(each)}'


def told_of_denial(series):
    """Where both ends are ours the client's node knows that it was a policy, which ztunnel counts as a failed connect."""
    (family, labels), count = series
    return (family, tuple((key, 'DENY' if (key, text) == ('response_flags', 'CONNECT') else text) for key, text in labels)), count


def compare(part, what):
    wrong = []
    for name, *_ in CASES:
        for node, theirs, ours in zip('ab', observed(ZTUNNEL)[name][part], observed(OURS)[name][part]):
            listed = [list(each.items()) if isinstance(each, dict) else each for each in (theirs, ours)]
            if name == 'denied' and node == 'a' and part == 1:
                listed[0] = [told_of_denial(each) for each in listed[0]]
            found = list(differences(*listed))
            if found:
                wrong.append('\n'.join([f'{name}, node {node}:', *found]))
    lib.check(not wrong, f'{len(wrong)} differences in {what}\n' + '\n'.join(wrong))


def the_access_log_says_the_same_of_every_kind_of_connection():
    compare(0, 'the access log')


def the_series_count_the_same_of_every_kind_of_connection():
    compare(1, 'the series')


def main():
    tests = [the_access_log_says_the_same_of_every_kind_of_connection, the_series_count_the_same_of_every_kind_of_connection]
    for test in tests if why_not() else []:
        print(f'skip {test.__name__.replace("_", " ")}: {why_not()}')
    lib.main([] if why_not() else tests)


if __name__ == '__main__':
    main()
