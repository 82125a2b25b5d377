#!/usr/bin/env python3
"""Aquifer on a Kubernetes with nothing else: installed, used as the README's reader would, uninstalled. The parts build on each other."""
import base64
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import cluster
from cluster import NODES, SYSTEM, Cluster, istio, lib

import agents
from objects import AMBIENT, DATAPLANE, account, meta, namespace, policy, waypoint

DENIED = b'RBAC: access denied'
# name: (namespace, node, service account)
PODS = {'client': ('shop', 'node1', 'client'), 'stranger': ('shop', 'node2', 'stranger'), 'server': ('shop', 'node2', 'server'),
        'early': ('later', 'node1', 'default')}


def stranger_denied():
    return policy('no-strangers', 'shop', action='DENY', selector={'matchLabels': {'app': 'server'}},
                  rules=[{'from': [{'source': {'principals': ['cluster.local/ns/shop/sa/stranger']}}]}])


class World:
    def __init__(self, made, pods=None):
        self.cluster, self.pods = made, pods or PODS
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='aquifer-e2e-'))
        self.networks = {node: made.network_configuration(node) for node in NODES}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    def pod(self, name):
        ns, node, identity = self.pods[name]
        return agents.pod(name, ns, node, identity, self.folder, {'app': name})

    def order(self, pod_name, op, **words):
        return agents.order(self.folder, pod_name, op, 60, **words)

    def ask(self, name, path='/', host='server.shop', port=80):
        return self.order(name, 'http', host=host, port=port, path=path, timeout=5)

    def wait_ready(self, ns, *names):
        self.cluster.kubectl('-n', ns, 'wait', '--for=condition=Ready', '--timeout=60s', *(f'pod/{name}' for name in names), timeout=90)


def is_denied(answer):
    return answer.get('status') == 403 and base64.b64decode(answer.get('body', '')) == DENIED


def install(c):
    """Returns the seconds until all of it serves."""
    start = time.monotonic()
    c.kubectl('apply', '-f', '-', text=c.manifests())
    lib.eventually(lambda: len(c.names('pod', '-n', SYSTEM)) >= 6, 'all pods of ours are there', 30)
    c.kubectl('-n', SYSTEM, 'wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s', timeout=90)
    return time.monotonic() - start


def installed_in_a_minute(world):
    c = world.cluster
    c.kubectl('apply', '--server-side', '-f', cluster.definitions())
    c.apply(namespace('later'), world.pod('early'))
    seconds = install(c)
    print(f'  all of it serves after {seconds:.1f} s')
    lib.check(seconds < 60, f'{seconds:.0f} s')
    for name in ('aquifer', 'aquifer-waypoint', 'istio', 'istio-waypoint'):
        lib.eventually(lambda: c.condition('gatewayclass', SYSTEM, name, 'Accepted') == 'True Accepted', f'class {name} is accepted', 20)


def a_new_pod_starts_in_the_mesh(world):
    c = world.cluster
    service = {'apiVersion': 'v1', 'kind': 'Service', 'metadata': meta('server', 'shop'),
               'spec': {'selector': {'app': 'server'}, 'ports': [{'name': 'http', 'port': 80, 'targetPort': 8080}]}}
    names = [name for name, (ns, _, _) in PODS.items() if ns == 'shop']
    c.apply(namespace('shop', **AMBIENT), *(account(PODS[name][2], 'shop') for name in names), service,
            *(world.pod(name) for name in names))
    world.wait_ready('shop', *names)
    lib.eventually(lambda: all(c.redirection('shop', name) == 'enabled' for name in names), 'each pod says that it is captured', 10)
    lib.eventually(lambda: world.ask('client').get('pod') == 'server', 'the service answers', 10)
    identities = ('src.identity="spiffe://cluster.local/ns/shop/sa/client"', 'dst.identity="spiffe://cluster.local/ns/shop/sa/server"')
    lib.eventually(lambda: any(all(i in line for i in identities) for line in c.log_of_nodes().splitlines()), 'both identities in the log', 10)


def a_running_pod_joins_and_leaves_by_its_namespace(world):
    c = world.cluster
    world.wait_ready('later', 'early')
    lib.check(c.redirection('later', 'early') is None, 'not captured yet')
    start = time.monotonic()
    c.kubectl('label', 'namespace', 'later', f'{DATAPLANE}=ambient')
    lib.eventually(lambda: c.redirection('later', 'early') == 'enabled', 'captured', 10)
    print(f'  captured, proven and served after {time.monotonic() - start:.2f} s, kubectl included')
    lib.eventually(lambda: world.ask('early').get('pod') == 'server', 'it reaches the service', 10)
    lib.eventually(lambda: 'src.identity="spiffe://cluster.local/ns/later/sa/default"' in c.log_of_nodes(), 'as itself', 10)
    start = time.monotonic()
    c.kubectl('label', 'namespace', 'later', f'{DATAPLANE}-')
    lib.eventually(lambda: c.redirection('later', 'early') is None, 'released', 10)
    print(f'  released after {time.monotonic() - start:.2f} s')
    lib.eventually(lambda: world.ask('early').get('pod') == 'server', 'the service answers it in the clear', 10)


def a_policy_denies_by_identity(world):
    c = world.cluster
    deny = stranger_denied()
    c.apply(deny)
    lib.eventually(lambda: world.ask('stranger').get('error') == 'reset', 'the stranger is cut off', 10)
    lib.equal(world.ask('client').get('pod'), 'server', 'the client is not')
    lib.eventually(lambda: c.condition('authorizationpolicy', 'shop', 'no-strangers', 'ZtunnelAccepted') == 'True Accepted', 'its status', 10)
    c.delete(deny)
    lib.eventually(lambda: world.ask('stranger').get('pod') == 'server', 'the stranger may again', 10)


def a_waypoint_is_deployed_and_denies_by_path(world):
    c = world.cluster
    paths = policy('paths', 'shop', action='DENY', targetRefs=[{'group': '', 'kind': 'Service', 'name': 'server'}],
                   rules=[{'to': [{'operation': {'paths': ['/status/418']}}]}])
    c.apply(waypoint('waypoint', 'shop'), paths)
    c.kubectl('-n', 'shop', 'label', 'service', 'server', 'istio.io/use-waypoint=waypoint')
    start = time.monotonic()
    c.kubectl('-n', 'shop', 'wait', '--for=condition=ready', 'gateway/waypoint', '--timeout=60s', timeout=90)
    print(f'  the waypoint is ready after {time.monotonic() - start:.1f} s')
    lib.eventually(lambda: is_denied(world.ask('client', '/status/418')), 'RBAC: access denied', 10)
    lib.equal(world.ask('client', '/other').get('pod'), 'server', 'other paths')
    lib.eventually(lambda: c.condition('service', 'shop', 'server', 'istio.io/WaypointBound') == 'True WaypointAccepted', 'its status', 10)


def the_command_line_tells_what_there_is_and_who_decides(world):
    c = world.cluster

    def tells(status, words, *wanted):
        found, text = c.aquifer(*words)
        lib.check(found == status and all(want in text for want in wanted), f'aquifer {" ".join(words)}: expected {wanted}, {status}\n{text}[{found}]')

    tells(0, ('check',), 'ok    aquifer-node: 2 of 2 serve', 'pods of the mesh are captured')
    tells(0, ('status',), 'shop/client', 'shop/waypoint')
    tells(0, ('waypoint', 'status', '-n', 'shop'), 'waypoint')
    tells(0, ('certs',), 'node2   shop/stranger', 'ROOT SERIAL')
    tells(0, ('config', 'shop/server'), 'captured: true', 'server.shop.svc.cluster.local')
    tells(0, ('logs', 'control', '--since', '10m'), 'aquifer-control-')
    to = 'shop/server:80'
    tells(0, ('policy', 'why', 'shop/client', to, 'GET', '/other'), 'ALLOWED')
    tells(1, ('policy', 'why', 'shop/client', to, 'GET', '/status/418'), 'DENIED', 'shop/paths')
    c.apply(stranger_denied())
    address = c.pod('shop', 'server')['status']['podIP']
    tells(1, ('policy', 'why', 'shop/stranger', f'{address}:8080'), 'DENIED', 'shop/no-strangers')
    tells(0, ('policy', 'why', 'shop/client', f'{address}:8080'), 'ALLOWED')
    c.delete(stranger_denied())


def istios_node_proxy_serves_under_our_control_plane(world):
    c = world.cluster
    c.load_ztunnel(world.folder)
    env = [{'name': 'ISTIO_META_CLUSTER_ID', 'value': 'Kubernetes'}, {'name': 'INPOD_ENABLED', 'value': 'true'}]
    container = {'name': 'node', 'image': cluster.ZTUNNEL, 'command': ['/usr/local/bin/ztunnel', 'proxy', 'ztunnel'], 'env': env}
    c.kubectl('-n', SYSTEM, 'patch', 'ds', 'aquifer-node', '-p', json.dumps({'spec': {'template': {'spec': {'containers': [container]}}}}))
    c.kubectl('-n', SYSTEM, 'rollout', 'status', 'ds/aquifer-node', '--timeout=120s', timeout=150)
    lib.eventually(lambda: world.ask('client').get('pod') == 'server', 'the service answers through the waypoint', 20)
    lib.eventually(lambda: is_denied(world.ask('client', '/status/418')), 'RBAC: access denied', 10)
    deny = stranger_denied()
    c.apply(deny)
    address = c.pod('shop', 'server')['status']['podIP']
    lib.eventually(lambda: world.ask('stranger', host=address, port=8080).get('error') == 'reset', 'the stranger is cut off', 10)
    lib.equal(world.ask('client', host=address, port=8080).get('pod'), 'server', 'the client is not')
    c.delete(deny)
    c.kubectl('apply', '-f', '-', text=c.manifests())
    c.kubectl('-n', SYSTEM, 'rollout', 'status', 'ds/aquifer-node', '--timeout=120s', timeout=150)
    lib.eventually(lambda: world.ask('client').get('pod') == 'server', 'ours serves again', 20)


def the_other_replica_takes_over(world):
    c = world.cluster
    holder = c.get('lease', '-n', SYSTEM, 'aquifer-control')['spec']['holderIdentity']
    c.kubectl('-n', SYSTEM, 'delete', 'pod', holder.split('_')[0], '--wait=false')
    lib.eventually(lambda: c.get('lease', '-n', SYSTEM, 'aquifer-control')['spec'].get('holderIdentity', '') not in ('', holder),
                   'another leads', 40)
    c.apply(waypoint('second', 'shop'))
    c.kubectl('-n', 'shop', 'wait', '--for=condition=ready', 'gateway/second', '--timeout=60s', timeout=90)
    c.delete(waypoint('second', 'shop'))
    lib.eventually(lambda: 'second' not in c.names('deployment', '-n', 'shop'), 'its deployment goes with it', 60)


def nothing_stays_after_it_is_uninstalled(world):
    c = world.cluster
    c.uninstall()
    for kind in ('clusterrole', 'clusterrolebinding', 'crd', 'gatewayclass', 'priorityclass', 'namespace'):
        left = [name for name in c.names(kind) if 'aquifer' in name or 'istio' in name]
        lib.equal(left, [], f'{kind}s of ours')
    for kind in ('deployment', 'configmap'):
        left = [name for name in c.names(kind, '-n', 'shop') if name != 'kube-root-ca.crt']
        lib.equal(left, [], f'{kind}s of ours')
    for node in NODES:
        lib.equal(c.network_configuration(node), world.networks[node], f'the network configuration of {node}')
    lib.eventually(lambda: world.ask('client').get('pod') == 'server', 'pods talk in the clear', 10)
    c.apply(world.pod('client') | {'metadata': meta('new', 'shop')})
    world.wait_ready('shop', 'new')


PARTS = (installed_in_a_minute, a_new_pod_starts_in_the_mesh, a_running_pod_joins_and_leaves_by_its_namespace, a_policy_denies_by_identity,
         a_waypoint_is_deployed_and_denies_by_path, the_command_line_tells_what_there_is_and_who_decides,
         istios_node_proxy_serves_under_our_control_plane, the_other_replica_takes_over, nothing_stays_after_it_is_uninstalled)


def play(world):
    for part in PARTS:
        if part is istios_node_proxy_serves_under_our_control_plane and not os.environ.get('AQUIFER_ZTUNNEL'):
            print(f'skip {part.__name__.replace("_", " ")}: AQUIFER_ZTUNNEL is not set: Istio\'s node proxy')
            continue
        start = time.monotonic()
        part(world)
        print(f'ok {part.__name__.replace("_", " ")}  ({time.monotonic() - start:.1f} s)', flush=True)


def show(made):
    for words in (('get', 'pods', '-A', '-o', 'wide'), ('-n', SYSTEM, 'logs', '-l', 'app=aquifer-control', '--tail', '40'),
                  ('-n', SYSTEM, 'logs', '-l', 'app=aquifer-cni', '--tail', '40')):
        try:
            print(made.kubectl(*words), flush=True)
        except (AssertionError, subprocess.SubprocessError) as problem:
            print(problem)


def on_a_cluster(name, world_of, play):
    """Plays on a cluster of its own; the status to leave with."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    reason = cluster.why_not()
    if reason:
        print(f'skip {name}: {reason}')
        return 0
    with Cluster() as made, world_of(made) as world:
        try:
            made.load_images(world.folder)
            return 1 if play(world) else 0
        except (AssertionError, OSError, lib.Failure, subprocess.SubprocessError, istio.subprocess.SubprocessError) as problem:
            traceback.print_exc(file=sys.stdout)
            show(made)
            print(f'not ok {name}: {problem}', flush=True)
            return 1


if __name__ == '__main__':
    sys.exit(on_a_cluster('install', World, play))
