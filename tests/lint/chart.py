#!/usr/bin/env python3
"""The chart: manifests/aquifer.yaml is what it gives, every value is explained and known to the schema, every permission has its row in
docs/security.md, and what it makes holds together under all its switches."""
import itertools
import json
import re
import sys

import support

sys.path.insert(0, str(support.ROOT / 'scripts'))
import chart  # noqa: E402

# Each alone, beside the chart's own values.
VARIANTS = [{}, {'definitions': False, 'gatewayClasses': {'own': False, 'istio': False}}, {'control': {'replicas': 1, 'caSecret': 'cacerts'}},
            {'networkPolicies': {'create': False}, 'priorityClass': {'create': False}, 'monitoring': {'annotations': False}},
            {'monitoring': {'operator': True, 'labels': {'release': 'prometheus'}}, 'image': {'pullSecrets': ['registry']},
             'networkPolicies': {'metricsFrom': [{'namespaceSelector': {}}]}, 'node': {'env': {'AQUIFER_IDLE_TIMEOUT': '1h'}, 'tolerations': []}},
            {'namespace': 'mesh', 'mesh': {'network': 'n1', 'dnsCapture': False}, 'control': {'nodeAccounts': ['istio-system/ztunnel']}}]
# Names of other versions of the same kinds, and of a whole that has none.
REFUSED = [{'imagee': 'x'}, {'image': {'tag': 'x'}}, {'control': {'replicas': 0}}, {'control': {'replicas': '2'}}, {'namespace': 'Not Good'},
           {'node': {'env': {'A': 1}}}, {'log': {'format': 'xml'}}, {'cni': {'runFolder': 'relative'}}, {'mesh': {'listenAddress': 'everywhere'}}]


def not_refused():
    for others in REFUSED:
        try:
            chart.Chart().documents(others)
            yield f'values {others} are taken'
        except chart.ChartError:
            pass


def unexplained():
    """Values of the first two levels without a comment over them or their group."""
    lines = support.read('manifests/aquifer/values.yaml').splitlines()
    for at, line in enumerate(lines):
        found = re.match(r'( {0,2})([A-Za-z]+):', line)
        if found and not explained(lines[:at], found[1]):
            yield f'manifests/aquifer/values.yaml: {found[2]} has no comment'


def explained(above, indent):
    for line in reversed(above):
        if line.startswith(indent + '#'):
            return True
        if not line or not line.startswith(indent):
            return False
    return False


def drift_of_schema():
    """Names of values.yaml and of the schema are the same."""
    one = chart.Chart()

    def names(values, schema, path=()):
        known = schema.get('properties')
        if known is None or not isinstance(values, dict):
            return
        for name in values.keys() ^ known.keys():
            if (*path, name) != ('global',) and not (path and path[-1] == 'resources'):
                yield f'{".".join((*path, name))}: only in one of values.yaml and values.schema.json'
        for name in values.keys() & known.keys():
            yield from names(values[name], known[name], (*path, name))
    return names(one.values, one.schema)


# Permissions

def granted(objects, name):
    """(group, resource, verb) of all roles of that name."""
    found = set()
    for role in (o for o in objects if o['kind'] in ('ClusterRole', 'Role') and o['metadata']['name'] == name):
        for rule in role['rules']:
            for group, resource, verb in itertools.product(rule['apiGroups'], rule['resources'], rule['verbs']):
                only = ' '.join(rule.get('resourceNames', []))
                found.add((role['kind'], group, resource + (f' {only}' if only else ''), verb))
    return found


def sections():
    """The tables of docs/security.md by the program that a heading names: rows as lists of cells."""
    found = {}
    for part in re.split(r'^## ', support.read('docs/security.md'), flags=re.M)[1:]:
        title, _, body = part.partition('\n')
        found[title.strip()] = [[cell.strip() for cell in line.strip('|').split('|')] for line in body.splitlines() if line.startswith('|')]
    return found


def words(cell):
    return re.findall(r'`([^`]*)`', cell)


def described(rows):
    """What the tables say is granted; their first cell is ClusterRole or Role, then group, resources, verbs, why."""
    found = set()
    for row in rows:
        if row[0] in ('ClusterRole', 'Role') and len(row) == 5 and row[4]:
            groups = words(row[1]) or ['']
            found |= {(row[0], g, r, v) for g, r, v in itertools.product(groups, words(row[2]), row[3].split(', '))}
    return found


def pods_of(objects):
    for each in objects:
        if each['kind'] in ('Deployment', 'DaemonSet'):
            yield each['metadata']['name'], each['spec']['template']['spec']


def taken(pod):
    """Capabilities, and folders of the node with how they are mounted."""
    found = set()
    mounts = {m['name']: m for c in pod['containers'] for m in c['volumeMounts']}
    for container in pod['containers']:
        found |= {('capability', name) for name in container['securityContext']['capabilities'].get('add', [])}
    for volume in pod['volumes']:
        if 'hostPath' in volume:
            found.add(('reads' if mounts[volume['name']].get('readOnly') else 'writes', volume['hostPath']['path']))
    return found


def permissions(objects):
    tables = sections()
    for name, pod in pods_of(objects):
        rows = tables.get(name, [])
        for what, real, said in (('rules', granted(objects, name), described(rows)),
                                 ('pod', taken(pod), {(r[0], words(r[1])[0]) for r in rows if r[0] in ('capability', 'reads', 'writes') and r[2]})):
            for extra in sorted(real - said):
                yield f'docs/security.md: {name}: {what}: no reason for {" ".join(extra)}'
            for missing in sorted(said - real):
                yield f'docs/security.md: {name}: {what}: {" ".join(missing)} is not asked for'


def too_much(objects):
    """What none of our pods may have."""
    for name, pod in pods_of(objects):
        for key in ('hostNetwork', 'hostPID', 'hostIPC'):
            if pod.get(key):
                yield f'{name}: {key}'
        for container in pod['containers']:
            security = container['securityContext']
            if security.get('privileged') or not security.get('readOnlyRootFilesystem') or security.get('allowPrivilegeEscalation', True):
                yield f'{name}: a container with more than it needs'
            if security['capabilities'].get('drop') != ['ALL']:
                yield f'{name}: capabilities are kept'
            if not (security.get('seccompProfile') or pod.get('securityContext', {}).get('seccompProfile')):
                yield f'{name}: no seccomp profile is named'


# What programs are told

# Where each program names its flags or settings.
SOURCES = {'aquifer-control': ('control/',), 'aquifer-cni': ('redirect/',), 'aquifer-node': ('node-proxy/', 'proxy/')}


def unknown_words(objects):
    """Flags and settings that the program would refuse or pass over."""
    for name, pod in pods_of(objects):
        text = ''.join(support.read(p) for p in support.files('.cc', '.h') if str(p).startswith(SOURCES[name]))
        for container in pod['containers']:
            told = [word for word in container.get('args', []) if word.startswith('--')]
            if name == 'aquifer-node':
                told += [e['name'] for e in container['env']]
            for word in told:
                if f'"{word}"' not in text:
                    yield f'{name}: {word} is nothing that it knows'


# The whole

def holds_together(objects, values):
    names = [(o['kind'], o['metadata'].get('namespace'), o['metadata']['name']) for o in objects]
    for name in {n for n in names if names.count(n) > 1}:
        yield f'{name} is there twice'
    accounts = {n for kind, _, n in names if kind == 'ServiceAccount'}
    for each in objects:
        kind, meta = each['kind'], each['metadata']
        namespaced = kind not in ('Namespace', 'PriorityClass', 'CustomResourceDefinition', 'ClusterRole', 'ClusterRoleBinding', 'GatewayClass')
        if namespaced != ('namespace' in meta) or meta.get('namespace', values['namespace']) != values['namespace']:
            yield f'{kind} {meta["name"]}: wrong namespace'
        if meta['labels'].get('app.kubernetes.io/part-of') != 'aquifer':
            yield f'{kind} {meta["name"]}: not labelled as ours'
        if kind == 'GatewayClass' and len(each['spec']['description']) > 64:
            yield f'GatewayClass {meta["name"]}: its description is over 64 characters'
        for subject in each.get('subjects', []):
            if subject['name'] not in accounts or (each['roleRef']['kind'], each['roleRef']['name']) not in {(k, n) for k, _, n in names}:
                yield f'{kind} {meta["name"]}: binds what is not there'
    for name, pod in pods_of(objects):
        volumes = {v['name'] for v in pod['volumes']}
        mounted = {m['name'] for c in pod['containers'] for m in c['volumeMounts']}
        if volumes != mounted:
            yield f'{name}: volumes {sorted(volumes ^ mounted)} are only one of there and mounted'
        if pod['serviceAccountName'] not in accounts:
            yield f'{name}: has no account'


def structural(schema, path):
    """What the API server asks of a definition's schema: a type everywhere, keys of lists required, no field both of two kinds."""
    if not schema.get('type'):
        yield f'{path}: no type'
    if 'properties' in schema and 'additionalProperties' in schema:
        yield f'{path}: properties and additionalProperties'
    for name in schema.get('required', []):
        if name not in schema.get('properties', {}):
            yield f'{path}: requires {name}, which it does not describe'
    if schema['type'] == 'array':
        for key in schema.get('x-kubernetes-list-map-keys', []):
            if key not in schema['items'].get('required', []):
                yield f'{path}: {key} is a key and not required'
        yield from structural(schema['items'], path + '[]')
    for name, inner in schema.get('properties', {}).items():
        yield from structural(inner, f'{path}.{name}')
    if isinstance(schema.get('additionalProperties'), dict):
        yield from structural(schema['additionalProperties'], path + '.*')


def definitions(objects):
    for each in (o for o in objects if o['kind'] == 'CustomResourceDefinition'):
        name, spec = each['metadata']['name'], each['spec']
        if name != f'{spec["names"]["plural"]}.{spec["group"]}':
            yield f'{name}: not its plural and group'
        if sum(v['storage'] for v in spec['versions']) != 1:
            yield f'{name}: not exactly one stored version'
        schemas = [v['schema']['openAPIV3Schema'] for v in spec['versions']]
        if any(json.dumps(s) != json.dumps(schemas[0]) for s in schemas):
            yield f'{name}: its versions differ, and nobody converts'
        yield from structural(schemas[0], name)


def main():
    findings = [*filter(None, [chart.drift()]), *not_refused(), *unexplained(), *drift_of_schema()]
    one = chart.Chart()
    findings += [*permissions(one.objects()), *unknown_words(one.objects())]
    for others in VARIANTS:
        objects = one.objects(others)
        values = chart.merged(one.values, others)
        problems = [*too_much(objects), *holds_together(objects, values), *definitions(objects)]
        findings += [f'with {others}: {problem}' for problem in problems]
    support.finish('chart', findings, len(one.pages))


main()
