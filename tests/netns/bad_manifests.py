"""Manifests that aquifer-control and aquifer-cni cannot use. What was good in their folder stays in force."""
import os
import shutil

import lib
from bad_input import Entry, Metric, World, http_get

CONTROL = Metric('aquifer_control_problems_found_total')
CNI = Metric('aquifer_cni_problems_found_total')
FILE = '90-bad.yaml'

POD = '''apiVersion: v1
kind: Pod
metadata: {name: ghost, namespace: default, labels: {app: ghost}, annotations: {aquifer.io/netns: nowhere}}
spec: {serviceAccountName: ghost, nodeName: node-a}
status: {phase: Running, podIP: 10.244.1.99}
'''
SERVICE = '''apiVersion: v1
kind: Service
metadata: {name: ghost, namespace: default}
spec: {clusterIP: 10.96.7.7, selector: {app: ghost}, ports: [{name: http, port: 80}]}
'''
POLICY = '''apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: bad, namespace: default}
spec:
  selector: {matchLabels: {name: app-b}}
'''
ROUTE = '''apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: bad, namespace: default}
spec:
  parentRefs: [{name: nobody}]
  rules:
'''
BOMB = 'a: &a [x, x, x, x, x, x, x, x, x]\n' + ''.join(
    f'{name}: &{name} [*{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}]\n'
    for before, name in zip('abcdefgh', 'bcdefghi'))


def write(world, content, name=FILE):
    folder = world.mesh.manifests
    fresh = folder / f'.{name}.new'
    fresh.write_bytes(content if isinstance(content, bytes) else content.encode())
    fresh.rename(folder / name)


def remove(world, name=FILE):
    path = world.mesh.manifests / name
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def entry(name, content, control, cni=None, **more):
    """What each of both says, as far as it is concerned."""
    others = ((World.cni_a, ['manifest refused', *cni], CNI),) if cni else ()
    return Entry(f'a manifest: {name}', lambda world: write(world, content), World.control, control, CONTROL, limited=False,
                 others=others, **({'after': remove} | more))


def special(name, make, control, cni):
    """A directory entry that `make` makes from its path."""
    return Entry(f'a manifest: {name}', lambda world: make(world.mesh.manifests / FILE), World.control, control, CONTROL,
                 limited=False, others=((World.cni_a, ['manifest refused', *cni], CNI),), after=remove)


def unreadable(path):
    """Root may read everything, so what cannot be read here is a loop of links."""
    path.symlink_to(path.name)


def closed(world):
    """The refused policy denies at its workload, and nowhere else, until it is gone."""
    mesh = world.mesh
    lib.eventually(lambda: http_get(mesh.a.app, mesh.b.app.address)[0] == 0, 'a policy that cannot be read denies')
    lib.equal(http_get(mesh.b.app, mesh.a.service), (200, 'app-a\n'), 'traffic to another workload')
    remove(world)


ENTRIES = [
    entry('not YAML', 'kind: [Pod\n}}', [FILE], [FILE, 'document 1']),
    entry('tabs', 'apiVersion: v1\nkind: Pod\nmetadata:\n\tname: x\n', [FILE, 'line'], [FILE, 'document 1']),
    entry('an alias bomb', BOMB, [FILE, 'values']),
    entry('deeply nested', '[' * 5000, [FILE], [FILE]),
    entry('a huge file', POD + '#' * (5 << 20), [FILE, 'is larger than'], [FILE, 'is larger than']),
    entry('not UTF-8', POD.replace('ghost', 'gh\udcffst').encode(errors='surrogateescape'), [FILE, 'UTF-8'], [FILE]),
    entry('a NUL byte', POD.replace('ghost', 'gh\0st'), [FILE], [FILE]),
    entry('no apiVersion', POD.replace('apiVersion: v1\n', ''), [FILE, 'apiVersion', 'is required']),
    entry('no kind', SERVICE.replace('kind: Service\n', ''), [FILE, 'kind', 'is required']),
    entry('no name', POD.replace('name: ghost, ', ''), [FILE, 'metadata.name'], [FILE, 'name']),
    entry('a name with a slash', POD.replace('name: ghost, ', 'name: ../ghost, '), [FILE, 'metadata.name'], [FILE, 'name']),
    entry('a wrong type', POD.replace('nodeName: node-a', 'nodeName: [node-a]'), [FILE, 'spec.nodeName'], [FILE, 'spec.nodeName']),
    entry('a bad label', POD.replace('app: ghost', 'app: "a b\\nc"'), [FILE, 'metadata.labels']),
    entry('a bad IP', POD.replace('10.244.1.99', '10.244.1.999').replace('nowhere', '/x').replace('node-a', 'node-x'), [FILE, 'podIP']),
    entry('a bad port', SERVICE.replace('port: 80', 'port: 70000'), [FILE, 'spec.ports[0].port']),
    entry('a bad cluster IP', SERVICE.replace('10.96.7.7', '10.96.7'), [FILE, 'clusterIP']),
    Entry('a manifest: no namespace to capture',
          lambda world: write(world, POD.replace(', annotations: {aquifer.io/netns: nowhere}', '')),
          World.cni_a, ['manifest refused', 'default/ghost', 'netns'], CNI, limited=False, after=remove),
    entry('two of the same name', SERVICE + '---\n' + SERVICE, [FILE, 'default/ghost']),
    entry('a pod that is there already', POD.replace('name: ghost', 'name: app-a'), [FILE, 'app-a'], ['app-a', 'uid']),
    entry('a policy with an unknown field', POLICY + '  rules: [{from: [{source: {principles: [x]}}]}]\n', [FILE, 'principles'],
          after=closed),
    entry('a policy with a bad action', POLICY + '  action: PERHAPS\n  rules: [{}]\n', [FILE, 'spec.action'], after=closed),
    entry('a policy that denies without rules', POLICY + '  action: DENY\n', [FILE, 'spec.rules'], after=closed),
    entry('a policy with an empty source', POLICY + '  action: DENY\n  rules: [{from: [{source: {}}]}]\n', [FILE, 'source'],
          after=closed),
    entry('a policy with a bad CIDR', POLICY + '  rules: [{from: [{source: {ipBlocks: [10.0.0.0/99]}}]}]\n', [FILE, 'ipBlocks'],
          after=closed),
    entry('a policy with a bad port', POLICY + '  action: DENY\n  rules: [{to: [{operation: {ports: ["99999"]}}]}]\n', [FILE, 'ports'],
          after=closed),
    entry('a policy with a selector that is no map', POLICY.replace('{matchLabels: {name: app-b}}', 'all') + '  action: DENY\n',
          [FILE, 'selector']),
    entry('a route with a bad regular expression',
          ROUTE + '  - matches: [{path: {type: RegularExpression, value: "/(a"}}]\n', [FILE, 'RE2']),
    entry('a route with a bad weight', ROUTE + '  - backendRefs: [{name: app-a, port: 80, weight: -5}]\n', [FILE, 'weight']),
    entry('a route with a bad duration', ROUTE + '  - timeouts: {request: 5 minutes}\n', [FILE, 'timeouts.request']),
    entry('a route with a bad header name',
          ROUTE + '  - filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: "a\\r\\nb", value: x}]}}]\n',
          [FILE, 'name']),
    entry('a name that would be a line of the log', POD.replace('name: ghost', 'name: "x\\nERROR forged"'), [FILE, 'metadata.name'],
          [FILE, 'name']),
    Entry('a manifest: an unknown kind', lambda world: write(world, SERVICE.replace('Service', 'Gizmo')), World.control,
          ['Gizmo', 'skipped'],
          Metric('aquifer_control_kinds_skipped_total'), limited=False, after=remove),
    special('a directory', os.mkdir, [FILE, 'is not a regular file'], [FILE, 'is not a regular file']),
    special('a pipe', os.mkfifo, [FILE, 'is not a regular file'], [FILE, 'is not a regular file']),
    special('a file that cannot be opened', unreadable, [FILE, 'cannot be opened'], [FILE, 'cannot be opened']),
    special('a link out of the folder', lambda path: path.symlink_to('/etc/hostname'), [FILE, 'leads out'], [FILE, 'leads out']),
    special('a link upwards', lambda path: path.symlink_to('../state/ca/ca-key.pem'), [FILE, 'leads out'], [FILE, 'leads out']),
]
