"""Pods on both nodes that talk through an installed mesh at a steady rate, some as policies allow it and some against them, and who
judges what they were answered: by layer 4, through a waypoint of one replica, and through one of two.

Every answer tells who was seen: to a pod the client's address, behind a waypoint the identity in x-forwarded-client-cert; access
logs of all node proxies, also of those that are gone, tell the rest.
"""
import collections
import dataclasses
import json
import re
import sys
import threading
import time

import install_test
from api import Api, Refused
from install_test import NODES, SYSTEM, account, cluster, istio, lib, meta, namespace, policy, waypoint  # noqa: F401

sys.path.append(str(cluster.ROOT / 'tests/e2e_istio'))
import access_log  # noqa: E402

RATE = 500  # of all loads together
# A machine that stands still for seconds under its load is no failure of a request.
PATIENCE_S = 15
TRUST = 'cluster.local'
PODS = {name: ('shop', f'node{name[-1]}', name[:-1]) for name in
        ('client1', 'client2', 'stranger1', 'stranger2', 'server1', 'server2', 'web1', 'web2')}
WAYPOINTS = {'single': 1, 'double': 2}  # replicas
CUT = ('reset', 'closed')  # what a refusal at layer 4 looks like


@dataclasses.dataclass
class Load:
    """`share` of the rate, from a pod to a pod or service; `kept` connections, else a new one for each request."""
    client: str
    target: str
    share: float
    kept: int = 0
    path: str = '/'
    good: tuple = ('answered',)

    @property
    def key(self):
        return f'{self.client} to {self.target}{self.path if self.path != "/" else ""}{"" if self.kept else ", new connections"}'

    @property
    def through(self):
        """How it goes."""
        return f'waypoint {self.target}' if self.target in WAYPOINTS else 'layer 4'

    @property
    def allowed(self):
        return 'answered' in self.good

    @property
    def servers(self):
        return {self.target} if self.target in PODS else {'web1', 'web2'} if self.target in WAYPOINTS else {'server1', 'server2'}


LOADS = (Load('client1', 'server2', .14, 7), Load('client1', 'server', .10), Load('client2', 'server1', .10),
         Load('client2', 'server', .14, 7), Load('stranger1', 'server2', .05, good=CUT), Load('stranger2', 'server', .05, good=CUT),
         Load('client1', 'single', .10, 5), Load('client2', 'single', .05), Load('client1', 'double', .05),
         Load('client2', 'double', .10, 5),
         Load('stranger1', 'double', .04, 2, good=('403',)), Load('stranger2', 'single', .04, good=('403',)),
         Load('client2', 'double', .04, path='/secret', good=('403',)))


def principal(identity):
    return f'{TRUST}/ns/shop/sa/{identity}'


def spiffe(identity):
    return f'spiffe://{principal(identity)}'


def service(name, app, **labels):
    return {'apiVersion': 'v1', 'kind': 'Service', 'metadata': meta(name, 'shop', labels=labels),
            'spec': {'selector': {'app': app}, 'ports': [{'name': 'http', 'port': 80, 'targetPort': 8080}]}}


def waypoint_of(service_name):
    # Another name than the Service's: its own Service has the Gateway's.
    return f'{service_name}-waypoint'


def seeing_waypoint(name, replicas):
    """One that tells its backends who asks."""
    made = waypoint(name, 'shop')
    made['metadata']['annotations'] = {'ambient.istio.io/xfcc-include-client-identity': 'true'}
    if replicas > 1:
        made['spec']['infrastructure'] = {'parametersRef': {'group': '', 'kind': 'ConfigMap', 'name': name}}
    parameters = {'deployment': json.dumps({'spec': {'replicas': replicas}})}
    return {'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': meta(name, 'shop'), 'data': parameters}, made


def policies():
    """Clients may, strangers may not; what is behind a waypoint hears nobody but waypoints; nobody is heard in the clear."""
    strict = {'apiVersion': 'security.istio.io/v1', 'kind': 'PeerAuthentication', 'metadata': meta('strict', 'shop'),
              'spec': {'mtls': {'mode': 'STRICT'}}}
    may = [{'from': [{'source': {'principals': [principal('client')]}}]}]
    made = [strict, policy('server', 'shop', action='ALLOW', selector={'matchLabels': {'app': 'server'}}, rules=may),
            policy('web', 'shop', action='ALLOW', selector={'matchLabels': {'app': 'web'}},
                   rules=[{'from': [{'source': {'principals': [principal(waypoint_of(name)) for name in WAYPOINTS]}}]}])]
    rules = [may[0] | {'to': [{'operation': {'paths': ['/']}}]}]
    return made + [policy(name, 'shop', action='ALLOW', targetRefs=[{'group': '', 'kind': 'Service', 'name': name}], rules=rules)
                   for name in WAYPOINTS]


class Logs:
    """Of pods, line by line from their start, also beyond their end."""

    def __init__(self, api):
        self.api, self.lines, self.threads, self.followed = api, collections.defaultdict(list), [], set()

    def follow(self, pods):
        for pod in pods:
            name = pod['metadata']['name']
            ready = any(status.get('started') for status in pod['status'].get('containerStatuses', []))
            if name not in self.followed and ready:
                self.followed.add(name)
                self.threads.append(threading.Thread(target=self.run, args=(name,), daemon=True))
                self.threads[-1].start()

    def run(self, name):
        try:
            for line in self.api.lines(f'/api/v1/namespaces/{SYSTEM}/pods/{name}/log?follow=true'):
                self.lines[name].append(line)
        except (Refused, OSError) as problem:
            self.lines[name].append(str(problem))


class World(install_test.World):
    """Aquifer installed, pods and policies there."""

    def __init__(self, made):
        super().__init__(made, PODS)
        self.api = Api(made.env['KUBECONFIG'])
        self.logs = Logs(self.api)
        self.identities = {}  # address: account, of all pods that there were
        self.began = None

    def pod(self, name):
        """Pods of one kind have the same label, and the same account."""
        made = super().pod(name)
        made['metadata']['labels'] = {'app': self.pods[name][2]}
        return made

    def list(self, ns, kind='pods', group='api/v1'):
        return self.api.call('GET', f'/{group}/namespaces/{ns}/{kind}')['items']

    def make(self):
        c = self.cluster
        c.kubectl('apply', '--server-side', '-f', cluster.definitions())
        install_test.install(c)
        made = [each for name, replicas in WAYPOINTS.items() for each in seeing_waypoint(waypoint_of(name), replicas)]
        accounts = sorted({identity for _, _, identity in PODS.values()})
        c.apply(namespace('shop', **{install_test.DATAPLANE: 'ambient'}), *(account(name, 'shop') for name in accounts),
                *(self.pod(name) for name in PODS), service('server', 'server'),
                *(service(name, 'web', **{'istio.io/use-waypoint': waypoint_of(name)}) for name in WAYPOINTS), *policies(), *made)
        self.wait_ready('shop', *PODS)
        gateways = [f'gateway/{waypoint_of(name)}' for name in WAYPOINTS]
        c.kubectl('-n', 'shop', 'wait', '--for=condition=ready', *gateways, '--timeout=60s', timeout=90)
        lib.eventually(self.all_ready, 'every replica is ready', 60)
        self.addresses = {name: c.pod('shop', name)['status']['podIP'] for name in PODS}
        self.addresses |= {name: c.get('service', '-n', 'shop', name)['spec']['clusterIP'] for name in ('server', *WAYPOINTS)}
        try:
            lib.eventually(lambda: not self.unlike(), 'every load gets what it should', 30)
        except lib.Failure as problem:
            raise lib.Failure(f'{problem}: {self.unlike()}') from None
        self.look()

    def ours(self):
        """Pods of ours: those of the installation and the waypoints."""
        waypoints = [pod for pod in self.list('shop') if 'gateway.networking.k8s.io/gateway-name' in pod['metadata']['labels']]
        return self.list(SYSTEM) + waypoints

    def all_ready(self):
        pods = self.ours()
        return len(pods) == 6 + sum(WAYPOINTS.values()) and all(
            istio.is_ready(pod) and 'deletionTimestamp' not in pod['metadata'] for pod in pods)

    def look(self):
        """Follows new logs, remembers who has which address; returns the pods of ours."""
        pods = self.ours()
        for pod in pods + self.list('shop'):
            if pod['status'].get('podIP'):
                self.identities[pod['status']['podIP']] = pod['spec']['serviceAccountName']
        self.logs.follow(pod for pod in pods if pod['metadata']['labels'].get('app') == 'aquifer-node')
        return pods

    def words(self, load):
        port = 8080 if load.target in PODS else 80
        return {'op': 'http', 'host': self.addresses[load.target], 'port': port, 'path': load.path, 'timeout': PATIENCE_S}

    def unlike(self):
        """Loads that do not get what they should when they ask once."""
        def word(load):
            answer = self.order(load.client, **self.words(load))
            return 'answered' if 'pod' in answer else answer.get('error') or str(answer['status'])
        return [f'{load.key}: {got}' for load in LOADS for got in [word(load)] if got not in load.good]

    def start(self):
        self.began = time.time()
        for load in LOADS:
            self.order(load.client, 'load_start', key=load.key, rate=RATE * load.share, connections=load.kept, good=load.good,
                       order=self.words(load))

    def counts(self):
        return {load.key: self.order(load.client, 'load_count', key=load.key) for load in LOADS}

    def quiet(self, seconds, patience):
        """Waits for that long without anything that fails, while every load goes on."""
        end, last = time.monotonic() + patience, self.counts()
        while time.monotonic() < end:
            time.sleep(seconds)
            now = self.counts()
            failing = [key for key, found in now.items() if found['bad'] > last[key]['bad'] or found['good'] == last[key]['good']]
            if not failing:
                return []
            last = now
        return [f'{key}: still fails {patience} s after the last kill' for key in failing]

    def stop(self):
        """{load: what became of it}"""
        return {load.key: self.order(load.client, 'load_stop', key=load.key, most=100_000) for load in LOADS}


def judge_answers(world, done):
    """Who was let through, and as whom; what is wrong with that."""
    wrong = []
    for load in LOADS:
        address = world.addresses[load.client]
        for pod, peer, xfcc, count in done[load.key]['seen']:
            if not load.allowed:
                wrong.append(f'wrongly allowed: {load.key}, {count} times, by {pod}')
            elif pod not in load.servers:
                wrong.append(f'{load.key}: answered by {pod}, {count} times')
            elif load.target not in WAYPOINTS and peer != address:
                wrong.append(f'wrongly identified: {load.key} came from {peer}, {count} times')
            elif load.target in WAYPOINTS and not (xfcc or '').endswith(f';URI={spiffe(load.client[:-1])}'):
                wrong.append(f'wrongly identified: {load.key} is {xfcc}, {count} times')
        denied = sum(bad['outcome'] == '403' for bad in done[load.key]['bad'])
        if denied and load.allowed:
            wrong.append(f'wrongly denied: {load.key}, {denied} times')
    return wrong


def judge_logs(world):
    """Whether each connection that came to a pod of the mesh has its client's identity in the log of the server's node."""
    wrong, judged, unknown = collections.Counter(), 0, 0
    for lines in list(world.logs.lines.values()):
        for line in access_log.parse('\n'.join(lines)):
            if line.get('direction') != 'inbound':
                continue
            identity = world.identities.get(access_log.split(line['src.addr'])[0])
            if identity is None:
                unknown += 1
                continue
            judged += 1
            seen = line.get('src.identity')
            if seen is None and 'error' in line:
                continue  # it came in the clear, and was not let in
            if seen != spiffe(identity):
                how = f'wrongly identified as {seen}' if seen else 'in the clear'
                wrong[f'{how}: {identity} at {line.get("dst.addr")}'] += 1
            elif re.search('polic', line.get('error', '')) and identity in ('client', *map(waypoint_of, WAYPOINTS)):
                wrong[f'wrongly denied: {identity} at {line.get("dst.addr")}: {line["error"]}'] += 1
    print(f'    access logs: {judged:,} connections to pods judged, {unknown} of addresses that no pod of ours had')
    return [f'{what}, {count} times' for what, count in wrong.items()] + ([] if judged else ['the access logs show no connection'])


def keep(world, done, name):
    """What was failed, and the logs, for who looks for the causes."""
    folder = cluster.ROOT / 'build/log' / name
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for pod, lines in list(world.logs.lines.items()):
        (folder / f'{pod}.log').write_text('\n'.join(lines) + '\n')
    failed = sorted(({'load': load.key} | bad for load in LOADS for bad in done[load.key]['bad']), key=lambda bad: bad['began'])
    with (folder / 'failed.jsonl').open('w') as out:
        for bad in failed:
            out.write(json.dumps(bad | {'at': round(bad['began'] - world.began, 3)}) + '\n')


def table(rows):
    """Lines of a table of texts."""
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print('    ' + '  '.join([str(row[0]).ljust(widths[0]), *(str(cell).rjust(width) for cell, width in zip(row[1:], widths[1:]))]))


def show_loads(done, seconds):
    rows = [('', 'good', 'failed', 'slowest good s', 'failures')]
    for load in LOADS:
        found = done[load.key]
        causes = collections.Counter(bad['outcome'] for bad in found['bad'])
        rows.append((load.key, f'{found["good"]:,}', found['bad_count'], f'{found["slowest"]:.2f}',
                     ', '.join(f'{count} {cause}' for cause, count in causes.most_common())))
    table(rows)
    good, bad = (sum(found[word] for found in done.values()) for word in ('good', 'bad_count'))
    rate, share = (good + bad) / seconds, bad / (good + bad)
    print(f'    {good + bad:,} requests in {seconds:.0f} s ({rate:.0f}/s), {bad:,} failed ({share:.2%})', flush=True)
    return good, bad


def run(part, name):
    """A part on a cluster of its own; the status to leave with."""
    def play(world):
        world.make()
        wrong = part(world)
        print(f'not ok {name}: ' + '\n    '.join(wrong) if wrong else f'ok {name}', flush=True)
        return len(wrong)
    return install_test.on_a_cluster(name, World, play)
