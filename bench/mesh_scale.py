#!/usr/bin/env python3
"""A control plane with a large cluster: Services, pods that no kubelet runs, HTTPRoutes and policies are made at the API server, then
changed one at a time, and a client of delta xDS says when each change has come. Ours, and istiod on the same objects, each on a
cluster of its own (AQUIFER_CLUSTER, AQUIFER_PEERS). How to read it: bench/README.md.

  ./dev bench mesh                          1,000 Services, 5,000 pods, 500 HTTPRoutes, 500 policies, 200 changes of each kind
  ./dev bench mesh --quick                  a tenth of it: does it work
"""
import argparse
import concurrent.futures
import datetime
import json
import os
import pathlib
import re
import signal
import statistics
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / 'tests/e2e'), str(ROOT / 'bench')]
import cluster as ours_cluster  # noqa: E402
import cost  # noqa: E402
import install_test  # noqa: E402
import xds_watch  # noqa: E402
from api import APPLY, MERGE, STRATEGIC, Api, Refused  # noqa: E402
from cluster import istio, lib  # noqa: E402
from cost import load_average  # noqa: E402
from install_test import DATAPLANE, meta, namespace  # noqa: E402

OURS, ISTIOD = 'ours', 'istiod'
NAMESPACES, NODES, ACCOUNTS = 10, 10, 10
WRITERS = 16
QUIET_S, PATIENCE_S, CHANGE_S = 5, 600, 20
FIELDS = 'fieldManager=bench&force=true'
ROWS = [('idle_mb', 'resident MB, before', 1), ('create_s', 's to make the objects', 1),
        ('settle_s', '  until all of it is with the client, s more', 1), ('settle_cpu', '  CPU s until then', 1),
        ('peak_mb', '  most resident MB', 1), ('loaded_mb', 'resident MB, afterwards', 1),
        ('sent_mb', 'MB sent to one node client', 1)]
KINDS = ('endpoint', 'policy', 'route')
for _kind in KINDS:
    ROWS += [(f'{_kind}_p50', f'{_kind} changes, p50 ms', 1), (f'{_kind}_p99', '  p99 ms', 1), (f'{_kind}_max', '  longest ms', 1),
             (f'{_kind}_write', '  of that the write at the API server, p50 ms', 1), (f'{_kind}_lost', '  not seen', 0),
             (f'{_kind}_cpu', '  CPU ms for each', 1)]
ROWS += [('after_mb', 'resident MB at the end', 1)]


class Program:
    """The control plane's process, by its pod."""

    def __init__(self, uid, name):
        group = re.compile('pod' + uid.replace('-', '[-_]'))
        self.pid = lib.eventually(lambda: next((int(pid) for pid in os.listdir('/proc') if self.is_it(pid, group, name)), None), name)

    @staticmethod
    def is_it(pid, group, name):
        folder = pathlib.Path('/proc') / pid
        try:
            named = pid.isdigit() and folder.joinpath('comm').read_text().strip() == name[:15]
            return named and group.search(folder.joinpath('cgroup').read_text())
        except OSError:
            return False

    def cpu(self):
        return cost.cpu_of(self.pid)

    def memory(self, field='VmRSS'):
        return cost.memory_of(self.pid, field)


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%SZ')


class Objects:
    """What is made, by numbers; spread evenly over the namespaces."""

    def __init__(self, options):
        self.options = options

    @staticmethod
    def ns(index):
        return f'mesh-{index % NAMESPACES}'

    def service_of(self, number):
        """The service of a pod, by its number."""
        return number % self.options.services

    def pod(self, number):
        ns = self.ns(self.service_of(number))
        return f'/api/v1/namespaces/{ns}/pods', {
            'apiVersion': 'v1', 'kind': 'Pod',
            'metadata': meta(f'p{number}', ns, labels={'app': f's{self.service_of(number)}'},
                             annotations={'ambient.istio.io/redirection': 'enabled'}),
            'spec': {'nodeName': f'fake-{number % NODES}', 'serviceAccountName': f'a{number % ACCOUNTS}',
                     'automountServiceAccountToken': False, 'tolerations': [{'operator': 'Exists'}],
                     'containers': [{'name': 'none', 'image': 'none'}]}}

    def status(self, number, ready=True):
        ip, when = f'10.{200 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}', now()
        word = 'True' if ready else 'False'
        conditions = [{'type': kind, 'status': word if kind in ('Ready', 'ContainersReady') else 'True', 'lastTransitionTime': when}
                      for kind in ('PodScheduled', 'Initialized', 'ContainersReady', 'Ready')]
        return {'status': {'phase': 'Running', 'podIP': ip, 'podIPs': [{'ip': ip}], 'hostIP': '10.88.9.9', 'startTime': when,
                           'conditions': conditions}}

    def service(self, number):
        ns = self.ns(number)
        labels = {'istio.io/use-waypoint': 'way', 'istio.io/use-waypoint-namespace': self.ns(0)} if number < self.options.routes else {}
        return f'/api/v1/namespaces/{ns}/services', {
            'apiVersion': 'v1', 'kind': 'Service', 'metadata': meta(f's{number}', ns, labels=labels),
            'spec': {'selector': {'app': f's{number}'}, 'ports': [{'name': 'http', 'port': 80, 'targetPort': 8080}]}}

    def route(self, number, path='/'):
        ns = self.ns(number)
        rule = {'matches': [{'path': {'type': 'PathPrefix', 'value': path}}], 'backendRefs': [{'name': f's{number}', 'port': 80}]}
        return f'/apis/gateway.networking.k8s.io/v1/namespaces/{ns}/httproutes', {
            'apiVersion': 'gateway.networking.k8s.io/v1', 'kind': 'HTTPRoute', 'metadata': meta(f'r{number}', ns),
            'spec': {'parentRefs': [{'group': '', 'kind': 'Service', 'name': f's{number}', 'port': 80}],
                     'rules': [rule]}}

    def policy(self, number, account='a0'):
        ns = self.ns(number)
        source = {'principals': [f'cluster.local/ns/{ns}/sa/{account}']}
        return f'/apis/security.istio.io/v1/namespaces/{ns}/authorizationpolicies', {
            'apiVersion': 'security.istio.io/v1', 'kind': 'AuthorizationPolicy', 'metadata': meta(f'z{number}', ns),
            'spec': {'action': 'ALLOW', 'selector': {'matchLabels': {'app': f's{number % self.options.services}'}},
                     'rules': [{'from': [{'source': source}]}]}}


class Nodes:
    """Machines that are not there. Their leases are renewed, or their pods would soon count as not ready."""

    def __init__(self, api):
        self.api, self.over = api, threading.Event()
        for number in range(NODES):
            api.call('POST', '/api/v1/nodes', {'apiVersion': 'v1', 'kind': 'Node', 'metadata': meta(f'fake-{number}')})
            ready = [{'type': 'Ready', 'status': 'True', 'reason': 'KubeletReady', 'lastHeartbeatTime': now(), 'lastTransitionTime': now()}]
            api.call('PATCH', f'/api/v1/nodes/fake-{number}/status', {'status': {'conditions': ready}}, STRATEGIC)
            self.renew(number)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def renew(self, number):
        self.api.call('PATCH', f'/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/fake-{number}?{FIELDS}', {
            'apiVersion': 'coordination.k8s.io/v1', 'kind': 'Lease', 'metadata': meta(f'fake-{number}', 'kube-node-lease'),
            'spec': {'holderIdentity': f'fake-{number}', 'leaseDurationSeconds': 40, 'renewTime': now()[:-1] + '.000000Z'}}, APPLY)

    def run(self):
        while not self.over.wait(10):
            for number in range(NODES):
                try:
                    self.renew(number)
                except (OSError, Refused) as problem:
                    print(f'bench: a lease was not renewed: {problem}', file=sys.stderr)


class Plane:
    """A control plane on a cluster that is up."""

    def __init__(self, kind, made):
        self.kind, self.made = kind, made
        self.api = Api(made.env['KUBECONFIG'])
        if kind == OURS:
            self.ns, app, self.account, self.program_name = 'aquifer-system', 'aquifer-control', 'aquifer-node', 'aquifer-control'
            made.kubectl('apply', '--server-side', '-f', ours_cluster.definitions())
            install_test.install(made)
            # As many as there are of the other.
            made.kubectl('-n', self.ns, 'scale', 'deploy/aquifer-control', '--replicas=1')
            lib.eventually(lambda: len(made.names('pod', '-n', self.ns, '-l', f'app={app}')) == 1, 'one replica', 60)
        else:
            self.ns, app, self.account, self.program_name = 'istio-system', 'istiod', 'ztunnel', 'pilot-discovery'
        found = self.pods(f'app={app}')[0]
        self.address = found['status']['podIP']
        self.program = Program(found['metadata']['uid'], self.program_name)

    def pods(self, selector):
        return self.api.call('GET', f'/api/v1/namespaces/{self.ns}/pods?labelSelector={selector}')['items']

    def token(self, ns, account, pod=None):
        spec = {'audiences': ['istio-ca'], 'expirationSeconds': 7200}
        if pod:
            spec['boundObjectRef'] = {'kind': 'Pod', 'apiVersion': 'v1', 'name': pod['metadata']['name'], 'uid': pod['metadata']['uid']}
        body = {'apiVersion': 'authentication.k8s.io/v1', 'kind': 'TokenRequest', 'spec': spec}
        return self.api.call('POST', f'/api/v1/namespaces/{ns}/serviceaccounts/{account}/token', body)['status']['token']

    def node_client(self):
        pod = self.pods(f'app={self.account}')[0]
        name, address = pod['metadata']['name'], pod['status']['podIP']
        metadata = {'NAMESPACE': self.ns, 'NODE_NAME': pod['spec']['nodeName'], 'CLUSTER_ID': 'Kubernetes', 'NAME': name,
                    'SERVICE_ACCOUNT': self.account}
        node_id = f'ztunnel~{address}~{name}.{self.ns}~{self.ns}.svc.cluster.local'
        token, types = self.token(self.ns, self.account, pod), (xds_watch.ADDRESS, xds_watch.AUTHORIZATION)
        return xds_watch.Watch(self.address, 15012, token, node_id, metadata, types)

    def waypoint_client(self):
        ns, name = Objects.ns(0), 'way'
        labels = {'gateway.networking.k8s.io/gateway-name': name, 'gateway.istio.io/managed': 'istio.io-mesh-controller'}
        metadata = {'NAMESPACE': ns, 'CLUSTER_ID': 'Kubernetes', 'NAME': f'{name}-bench', 'SERVICE_ACCOUNT': name, 'GATEWAY_NAME': name,
                    'LABELS': labels}
        types = (xds_watch.ADDRESS, *xds_watch.OUR_WAYPOINT) if self.kind == OURS else (xds_watch.ENVOYS_LISTENER,)
        node_id = f'waypoint~10.88.9.8~{name}-bench.{ns}~{ns}.svc.cluster.local'
        return xds_watch.Watch(self.address, 15012, self.token(ns, name), node_id, metadata, types)


def in_parallel(pool, calls):
    """Runs (method, path, body[, kind]) at the API server, all of them; the first failure counts."""
    for future in [pool.submit(*call) for call in calls]:
        future.result()


def make(plane, objects, options):
    """All objects, as fast as the API server takes them."""
    api = plane.api
    names = [Objects.ns(index) for index in range(NAMESPACES)]
    for name in names:
        api.call('POST', '/api/v1/namespaces', namespace(name, **{DATAPLANE: 'ambient'}))
        for account in range(ACCOUNTS):
            api.call('POST', f'/api/v1/namespaces/{name}/serviceaccounts', install_test.account(f'a{account}', name))
    gateway = install_test.waypoint('way', names[0])
    gateway['spec']['listeners'][0]['allowedRoutes'] = {'namespaces': {'from': 'All'}}
    api.call('POST', f'/apis/gateway.networking.k8s.io/v1/namespaces/{names[0]}/gateways', gateway)

    def pod(number):
        path, body = objects.pod(number)
        api.call('POST', path, body)
        api.call('PATCH', f'{path}/p{number}/status', objects.status(number), STRATEGIC)
    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        in_parallel(pool, ((api.call, 'POST', *objects.service(number)) for number in range(options.services)))
        in_parallel(pool, ((pod, number) for number in range(options.pods)))
        in_parallel(pool, ((api.call, 'POST', *objects.route(number)) for number in range(options.routes)))
        in_parallel(pool, ((api.call, 'POST', *objects.policy(number)) for number in range(options.policies)))


def await_all(plane, client, options):
    """Until the client has all, and nothing more has come for a while and the program rests; when the last of it came."""
    end = time.monotonic() + PATIENCE_S
    busy, since = plane.program.cpu(), time.monotonic()
    while True:
        lib.check(client.ended is None, f'the stream to {plane.kind} ended: {client.ended}')
        lib.check(time.monotonic() < end, f'{plane.kind} has sent {client.count(xds_watch.ADDRESS)} addresses, '
                                          f'{client.count(xds_watch.AUTHORIZATION)} policies after {PATIENCE_S} s')
        whole = (client.count(xds_watch.ADDRESS) >= options.pods + options.services and
                 client.count(xds_watch.AUTHORIZATION) >= options.policies)
        if plane.program.cpu() - busy > 0.3 or not whole or time.monotonic() < client.last + QUIET_S:
            if plane.program.cpu() - busy > 0.3 or not whole:
                busy, since = plane.program.cpu(), time.monotonic()
        elif time.monotonic() > since + QUIET_S:
            return client.last
        time.sleep(0.2)


def change(plane, client, objects, kind, number):
    """One change: (path, body, content type) and by what it is known when it comes."""
    if kind == 'endpoint':
        path, body = objects.pod(number // 2 % objects.options.pods)
        name = body['metadata']['name']
        uid = f'Kubernetes//Pod/{body["metadata"]["namespace"]}/{name}'
        return f'{path}/{name}/status', objects.status(number // 2, ready=number % 2 == 1), lambda _, names, __: uid in names
    marker = f'marker-{kind}-{number}-'
    if kind == 'policy':
        path, body = objects.policy(number % objects.options.policies, marker)
    else:
        path, body = objects.route(number % objects.options.routes, '/' + marker)
    return f'{path}/{body["metadata"]["name"]}', {'spec': body['spec']}, lambda _, __, message: marker.encode() in message


def changes(plane, client, objects, kind, options):
    """Times of changes, one after the other."""
    took, writes, lost, before = [], [], 0, plane.program.cpu()
    for number in range(options.changes):
        path, body, wanted = change(plane, client, objects, kind, number)
        client.want(wanted)
        start = time.monotonic()
        plane.api.call('PATCH', path, body, STRATEGIC if kind == 'endpoint' else MERGE)
        writes.append((time.monotonic() - start) * 1e3)
        seen = client.seen(CHANGE_S)
        lib.check(client.ended is None, f'the stream to {plane.kind} ended: {client.ended}')
        if seen is None:
            lost += 1
            print(f'bench: {plane.kind}: {kind} change {number} was not seen', file=sys.stderr)
            if lost > 5:
                break
        else:
            took.append((seen - start) * 1e3)
        time.sleep(options.pause)
    found = {f'{kind}_lost': lost, f'{kind}_write': statistics.median(writes),
             f'{kind}_cpu': (plane.program.cpu() - before) * 1e3 / len(writes)}
    if took:
        cuts = statistics.quantiles(took, n=100, method='inclusive') if len(took) > 1 else took * 99
        found |= {f'{kind}_p50': statistics.median(took), f'{kind}_p99': cuts[98], f'{kind}_max': max(took)}
    return found


def measure(kind, options):
    with (ours_cluster.Cluster() if kind == OURS else istio.Cluster()) as made:
        if kind == OURS:
            with tempfile.TemporaryDirectory(prefix='aquifer-bench-') as folder:
                made.load_images(pathlib.Path(folder))
        plane, objects = Plane(kind, made), Objects(options)
        nodes = Nodes(plane.api)
        client = plane.node_client()
        found = {'idle_mb': plane.program.memory()}
        cpu, start = plane.program.cpu(), time.monotonic()
        make(plane, objects, options)
        written = time.monotonic()
        found['create_s'] = written - start
        print(f'bench: {kind}: made after {written - start:.0f} s; load average {load_average()}', file=sys.stderr, flush=True)
        found['settle_s'] = max(0, await_all(plane, client, options) - written)
        found |= {'settle_cpu': plane.program.cpu() - cpu, 'peak_mb': plane.program.memory('VmHWM'), 'loaded_mb': plane.program.memory(),
                  'sent_mb': client.bytes / 1e6}
        for each in ('endpoint', 'policy'):
            found |= changes(plane, client, objects, each, options)
        waypoint = plane.waypoint_client()
        waypoint.want(lambda *_: True)
        waypoint.seen(CHANGE_S)
        time.sleep(QUIET_S)
        if waypoint.ended:
            print(f'bench: {kind}: no stream for a waypoint: {waypoint.ended}', file=sys.stderr)
        else:
            found |= changes(plane, waypoint, objects, 'route', options)
        found['after_mb'] = plane.program.memory()
        nodes.over.set()
        nodes.thread.join()
        for each in (client, waypoint):
            each.close()
    return found


def show(results):
    kinds = list(results)
    print('  '.join([''.ljust(48), *(kind.rjust(10) for kind in kinds)] + (['ours/istiod'] if len(kinds) > 1 else [])))
    for key, words, digits in ROWS:
        by_kind = [[found[key] for found in results[kind] if key in found] for kind in kinds]
        middles = [statistics.median(values) if values else None for values in by_kind]
        line = [words.ljust(48), *(('-' if value is None else f'{value:,.{digits}f}').rjust(10) for value in middles)]
        if len(kinds) > 1:
            line.append((f'{middles[0] / middles[1]:.2f}' if None not in middles and middles[1] else '-').rjust(12))
        print('  '.join(line))


def arguments(words):
    parser = argparse.ArgumentParser(prog='./dev bench mesh', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in (('services', 1000), ('pods', 5000), ('routes', 500), ('policies', 500), ('changes', 200)):
        parser.add_argument(f'--{name}', type=int, default=number, metavar='N')
    parser.add_argument('--pause', type=float, default=0.05, metavar='S', help='after each change')
    parser.add_argument('--rounds', type=int, default=1, metavar='N')
    parser.add_argument('--only', choices=(OURS, ISTIOD))
    parser.add_argument('--quick', action='store_true', help='a tenth of the objects and of the changes')
    parser.add_argument('--json', metavar='FILE', help='write all rounds to FILE as well')
    options = parser.parse_args(words)
    if options.quick:
        for name in ('services', 'pods', 'routes', 'policies', 'changes'):
            setattr(options, name, max(1, getattr(options, name) // 10))
    return options


def main(words):
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    options, before = arguments(words), load_average()
    reason = ours_cluster.why_not()
    if reason:
        sys.exit(f'bench: {reason}')
    results = {kind: [] for kind in (OURS, ISTIOD) if options.only in (None, kind)}
    for number in range(options.rounds):
        for kind in results if number % 2 == 0 else reversed(results):
            print(f'round {number + 1} of {options.rounds}: {kind}', file=sys.stderr, flush=True)
            results[kind].append(measure(kind, options))
    show(results)
    print(f'''
{options.services:,} Services, {options.pods:,} pods, {options.routes:,} HTTPRoutes, {options.policies:,} policies;
{options.changes} changes of each kind. Linux {os.uname().release}, {len(os.sched_getaffinity(0))} cores; load average {before} before, {load_average()} after.
- A change counts from sending it to the API server until the xDS client has the message with it: the write is part of it.
- The whole cluster, the control plane and the client share the cores. Compare columns of one run, never runs.''')
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=1))


if __name__ == '__main__':
    try:
        main(sys.argv[1:])
    except lib.Failure as problem:
        sys.exit(f'bench: {problem}')
