"""The pods, services and policies that the cases use, made once; and the way to give orders to the agents in the pods.

Namespaces: shop, other and strict are in the mesh, plain is not. Pods that end in 1 run on node1, those in 2 on node2.
"""
import ipaddress
import pathlib
import shutil
import tempfile
import threading

import agents
from istio_cluster import lib
from objects import AMBIENT, account, meta, namespace, policy, waypoint

FAR = '203.0.113'  # addresses that only service entries know
# name: (namespace, node, service account, more)
PODS = {
    'client1': ('shop', 1, 'client', {}), 'client2': ('shop', 2, 'client', {}),
    'server1': ('shop', 1, 'server', {}), 'server2': ('shop', 2, 'server', {}),
    'guarded1': ('shop', 1, 'guarded', {}), 'guarded2': ('shop', 2, 'guarded', {}),
    'moody1': ('shop', 1, 'moody', {}), 'moody2': ('shop', 2, 'moody', {}),
    'late2': ('shop', 2, 'late', {'unready': True}),
    'stranger1': ('other', 1, 'stranger', {}),
    'strict1': ('strict', 1, 'strict', {'probe': True}), 'strict2': ('strict', 2, 'strict', {'probe': True}),
    'bypass1': ('strict', 1, 'bypass', {'annotations': {'ambient.istio.io/bypass-inbound-capture': 'true'}}),
    'plain1': ('plain', 1, 'default', {}), 'plain2': ('plain', 2, 'default', {}),
    'host1': ('shop', 1, 'host', {'host': True}),
}
STRICT_OPEN_PORT = 8005  # PERMISSIVE although its namespace is STRICT
UNREADY = ('late2',)


def pod(name, folder):
    ns, node, identity, more = PODS.get(name, ('shop', 1, 'default', {}))
    words = ['--unready'] if more.get('unready') else []
    made = agents.pod(name, ns, f'node{node}', identity, folder, {'app': name.rstrip('12'), 'pod': name}, words,
                      annotations=more.get('annotations', {}))
    made['spec']['hostNetwork'] = more.get('host', False)
    if more.get('unready') or more.get('probe'):
        made['spec']['containers'][0]['readinessProbe'] = {'httpGet': {'path': '/ready', 'port': 8080}, 'periodSeconds': 1}
    return made


def service(name, ns, selector, dual, **spec):
    ports = [{'name': f'p{port}', 'port': port, 'targetPort': target} for port, target in
             ((80, 8080), (8090, 8090), (7001, 7001), (7002, 7002), (7003, 7003))]
    families = {'ipFamilyPolicy': 'PreferDualStack'} if dual else {}
    return {'apiVersion': 'v1', 'kind': 'Service', 'metadata': meta(name, ns, labels=spec.pop('labels', {})),
            'spec': {'ports': ports, **({'selector': selector} if selector else {}), **families, **spec}}


def services(dual):
    return [service(name, ns, selector, dual, **more) for name, ns, selector, more in (
        ('server', 'shop', {'app': 'server'}, {}),
        ('one', 'shop', {'pod': 'server1'}, {}),
        ('two', 'shop', {'pod': 'server2'}, {}),
        ('headless', 'shop', {'app': 'server'}, {'clusterIP': 'None'}),
        ('nobody', 'shop', {'app': 'nobody'}, {}),
        ('late', 'shop', {'app': 'late'}, {}),
        ('early', 'shop', {'app': 'late'}, {'publishNotReadyAddresses': True}),
        ('here', 'shop', {'app': 'server'}, {'internalTrafficPolicy': 'Local'}),
        ('near', 'shop', {'app': 'server'}, {'trafficDistribution': 'PreferSameNode'}),
        ('elastic', 'shop', {'elastic': 'yes'}, {}),
        ('self', 'shop', {'pod': 'client1'}, {}),
        ('outlandish', 'plain', {'app': 'plain'}, {}),
        ('plainly', 'plain', {'pod': 'plain1'}, {}),
        ('lost-waypoint', 'shop', {'pod': 'server1'}, {'labels': {'istio.io/use-waypoint': 'lost'}}),
        ('no-waypoint', 'shop', {'pod': 'server1'}, {'labels': {'istio.io/use-waypoint': 'never-made'}}))] + [
        {'apiVersion': 'v1', 'kind': 'Service', 'metadata': meta('named', 'shop'),
         'spec': {'selector': {'pod': 'server2'}, 'ports': [{'name': 'web', 'port': 80, 'targetPort': 'web'}]}}]


def authorization(name, ns, action, rules, selector=None, **more):
    made = policy(name, ns, action=action, rules=rules, **({'selector': {'matchLabels': selector}} if selector else {}))
    return made | {'metadata': made['metadata'] | more}


def peer_authentication(name, ns, mode, ports=None, selector=None):
    spec = {'mtls': {'mode': mode}} | ({'portLevelMtls': {str(p): {'mode': m} for p, m in ports.items()}} if ports else {})
    spec |= {'selector': {'matchLabels': selector}} if selector else {}
    return {'apiVersion': 'security.istio.io/v1', 'kind': 'PeerAuthentication', 'metadata': meta(name, ns), 'spec': spec}


def rule(port, source=None, to=None, when=None):
    operation = {'ports': [str(port)]} | (to or {})
    made = {'to': [{'operation': operation}]}
    made |= {'from': [{'source': source}]} if source else {}
    return made | ({'when': when} if when else {})


CLIENT = 'cluster.local/ns/shop/sa/client'


def deny_rules():
    # A method is nothing that a connection has, which denies more and not less.
    return [rule(8011, {'namespaces': ['other']}), rule(8012, {'notPrincipals': ['*']}),
            {'to': [{'operation': {'ports': ['8014'], 'methods': ['POST']}}]}]


def policies(world):
    """Which port of guarded1 and guarded2 stands for what: see the cases of policy."""
    blocks = world.addresses_of('client1') + world.addresses_of('plain1')
    allow = [rule(8001, {'principals': [CLIENT]}), rule(8002, {'namespaces': ['other']}), rule(8003, {'ipBlocks': blocks}),
             rule(8004, {'notPrincipals': [CLIENT]}), rule(8005, {'notNamespaces': ['shop']}), rule(8006, {'notIpBlocks': blocks}),
             rule(8007, when=[{'key': 'source.principal', 'values': ['*/sa/stranger']}]),
             rule(8008, {'principals': ['*']}), rule(8009, {'principals': ['cluster.local/ns/shop/*']}),
             rule(8010, when=[{'key': 'source.namespace', 'notValues': ['other']}]),
             rule(8013, {'serviceAccounts': ['shop/client']}),
             {'to': [{'operation': {'ports': ['8011', '8012', '8014', '8080', '7001']}}]}]
    dry = {'annotations': {'istio.io/dry-run': 'true'}}
    guarded = {'app': 'guarded'}
    return [authorization('allow', 'shop', 'ALLOW', allow, guarded), authorization('deny', 'shop', 'DENY', deny_rules(), guarded),
            authorization('dry', 'shop', 'DENY', [{}], {'app': 'server'}, **dry),
            peer_authentication('all', 'strict', 'STRICT'),
            peer_authentication('but-one-port', 'strict', 'STRICT', {STRICT_OPEN_PORT: 'PERMISSIVE'}, {'app': 'strict'})]


def service_entry(name, hosts, resolution, endpoints=None, selector=None, addresses=None, port=8080):
    spec = {'hosts': hosts, 'resolution': resolution, 'location': 'MESH_INTERNAL',
            'ports': [{'number': 80, 'name': 'http', 'protocol': 'TCP', 'targetPort': port}]}
    spec |= {'endpoints': [{'address': a} for a in endpoints]} if endpoints else {}
    spec |= {'workloadSelector': {'labels': selector}} if selector else {}
    spec |= {'addresses': addresses} if addresses else {}
    return {'apiVersion': 'networking.istio.io/v1', 'kind': 'ServiceEntry', 'metadata': meta(name, 'shop'), 'spec': spec}


def entries(world):
    """Service entries of each resolution; the endpoints are pods of this cluster."""
    address = world.pods['plain1'][0]
    return [service_entry('static', ['static.example'], 'STATIC', [address], None, [f'{FAR}.1']),
            service_entry('selecting', ['selecting.example'], 'STATIC', None, {'machine': 'one'}, [f'{FAR}.2']),
            service_entry('pods', ['pods.example'], 'STATIC', None, {'pod': 'server2'}, [f'{FAR}.3']),
            service_entry('by-name', ['by-name.example'], 'DNS', ['plainly.plain.svc.cluster.local'], None, [f'{FAR}.4'], 80),
            service_entry('unknown-name', ['unknown-name.example'], 'DNS', ['nothing.example'], None, [f'{FAR}.5']),
            service_entry('none', ['none.example'], 'NONE', None, None, [world.pods['plain2'][0]]),
            service_entry('automatic', ['automatic.example'], 'STATIC', [address]),
            {'apiVersion': 'networking.istio.io/v1', 'kind': 'WorkloadEntry', 'metadata': meta('machine', 'shop', labels={'machine': 'one'}),
             'spec': {'address': world.pods['plain2'][0], 'labels': {'machine': 'one'}}},
            waypoint('lost', 'shop', labels={'istio.io/waypoint-for': 'service'})]


class World:
    """All of it on a cluster, and names for its addresses."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.families = ('4', '6') if cluster.dual else ('4',)
        self.outside = {}
        self.pods, self.vips, self.names = {}, {}, {}
        self.proxy_pods, self.proxies = {}, {}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='aquifer-e2e-'))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def make(self):
        accounts = sorted({(ns, name) for ns, _, name, _ in PODS.values() if name != 'default'})
        self.cluster.apply(*(namespace(ns, **AMBIENT) for ns in ('shop', 'other', 'strict')), namespace('plain'),
                           *(account(name, ns) for ns, name in accounts),
                           *(pod(name, self.folder) for name in PODS), *services(self.cluster.dual))
        lib.eventually(self.read_pods, 'every pod has its addresses', 60)
        self.cluster.apply(*policies(self), *entries(self))
        lib.eventually(lambda: all(self.answers(name) for name in PODS), 'every agent answers', 30)
        self.read_services()
        for ns in ('shop', 'other', 'strict', 'plain'):
            ready = [n for n, p in PODS.items() if p[0] == ns and n not in UNREADY]
            self.cluster.kubectl('-n', ns, 'wait', '--for=condition=Ready', '--timeout=60s', *(f'pod/{n}' for n in ready))

    def read_pods(self):
        for item in self.cluster.get('pod', '-A')['items']:
            found = [a['ip'] for a in item['status'].get('podIPs', [])]
            if item['metadata']['name'] in PODS and found:
                self.pods[item['metadata']['name']] = found
        self.names = {ip: name for name, found in self.pods.items() for ip in found}
        wanted = 2 if self.cluster.dual else 1
        return len(self.pods) == len(PODS) and all(len(found) == wanted for found in self.pods.values())

    def read_services(self):
        for item in self.cluster.get('svc', '-A')['items']:
            name = f'{item["metadata"]["name"]}.{item["metadata"]["namespace"]}'
            self.vips[name] = [ip for ip in item['spec'].get('clusterIPs', []) if ip != 'None']
            self.names |= {ip: f'svc/{name}' for ip in self.vips[name]}

    def see_proxies(self, pods):
        """Which node proxies are there now, {node: pod}."""
        self.proxy_pods = pods
        for node, found in pods.items():
            addresses = {'6' if ':' in each['ip'] else '4': each['ip'] for each in found['status']['podIPs']}
            self.proxies[int(node[-1])] = addresses
            self.names |= {ip: f'proxy{node[-1]}' for ip in addresses.values()}

    def addresses_of(self, name):
        return self.pods[name]

    def address(self, name, family='4'):
        """A pod's or a service's (name.namespace) address of that family."""
        found = self.pods.get(name) or self.vips[name]
        return next(ip for ip in found if str(ipaddress.ip_address(ip).version) == family)

    def answers(self, name):
        try:
            return self.order(name, 'lookup', name='localhost') is not None
        except (OSError, ValueError):
            return False

    def order(self, pod_name, op, timeout=90, **words):
        """One order to the agent of a pod."""
        return agents.order(self.folder, pod_name, op, timeout, **words)

    def batch(self, orders):
        """Orders as (pod, order) to all the agents at the same time; answers in the same order."""
        answers = [None] * len(orders)

        def run(name):
            mine = [i for i, (each, _) in enumerate(orders) if each == name]
            for index, answer in zip(mine, self.order(name, 'batch', orders=[orders[i][1] for i in mine])):
                answers[index] = answer
        threads = [threading.Thread(target=run, args=(name,)) for name in {name for name, _ in orders}]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def name_of(self, ip, more=None):
        return self.names.get(ip) or (more or {}).get(ip) or ip
