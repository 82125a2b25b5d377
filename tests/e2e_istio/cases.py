"""The cases that need nothing changed: one order to one agent each, all at the same time, by one address family.

A case is judged by its outcome, a line of text in which addresses are names and whatever differs between two runs of the
same proxy is left out. What is expected is the outcome that ztunnel gives in the same run.
"""
import dataclasses
import json

import access_log
from world import FAR, PODS

UNCAPTURED = ('plain1', 'plain2', 'host1')
IN_MESH = ('client1', 'client2', 'stranger1')
MEGABYTES = 1 << 23
EVERY_POD = [name for name in PODS if name not in ('moody1', 'moody2', 'guarded1', 'guarded2')]
SERVICES = ('one.shop', 'two.shop', 'nobody.shop', 'late.shop', 'early.shop', 'self.shop', 'plainly.plain', 'lost-waypoint.shop',
            'no-waypoint.shop', 'named.shop')
SPREAD = ('server.shop', 'here.shop', 'near.shop', 'outlandish.plain')
POLICY_PORTS = (8001, 8002, 8003, 8004, 8005, 8006, 8007, 8008, 8009, 8010, 8011, 8012, 8013, 8014, 8015)
PROXY_PORTS = (15000, 15001, 15006, 15008, 15020, 15021, 15053, 15080)
# Pairs of nodes and captures over which each way to end a connection is tried.
ENDING_PAIRS = (('client1', 'server1'), ('client1', 'server2'), ('client1', 'plain2'), ('plain2', 'server1'), ('plain1', 'plain2'))


@dataclasses.dataclass
class Case:
    name: str
    pod: str  # whose agent is told
    order: dict
    logged: bool = True  # whether its line in the access log is part of the outcome


def pod_to_pod(world, family):
    for client in (*IN_MESH, 'plain1', 'plain2', 'host1', 'strict2'):
        for server in EVERY_POD:
            yield Case(f'{client} to pod {server}', client, {'op': 'http', 'host': world.address(server, family), 'port': 8080})
    for client in ('client1', 'plain2', 'host1'):
        yield Case(f'{client} to the open port of strict1', client, {'op': 'http', 'host': world.address('strict1', family), 'port': 8005})
        yield Case(f'{client} to a port where nobody listens', client, {'op': 'http', 'host': world.address('server2', family), 'port': 7999})
    yield Case('client1 to itself by localhost', 'client1', {'op': 'http', 'host': '127.0.0.1' if family == '4' else '::1', 'port': 8080})


def pod_to_service(world, family):
    for client in ('client1', 'client2', 'stranger1', 'plain2', 'host1'):
        for service in SERVICES:
            if family == '4' or len(world.vips[service]) > 1:
                yield Case(f'{client} to service {service}', client, {'op': 'http', 'host': world.address(service, family), 'port': 80})
        for service in SPREAD:
            yield Case(f'{client} often to service {service}', client, logged=False, order={
                'op': 'many', 'times': 20, 'host': world.address(service, family), 'port': 8090})
    for client in ('client1', 'plain2'):
        yield Case(f'{client} to a port that service one.shop has not', client,
                   {'op': 'http', 'host': world.address('one.shop', family), 'port': 81, 'timeout': 3})
        yield Case(f'{client} to the API server', client, {'op': 'http', 'host': world.address('kubernetes.default'), 'port': 443})


def policies(world, family):
    for client in ('client1', 'client2', 'stranger1', 'plain1'):
        for server in ('guarded1', 'guarded2'):
            for port in POLICY_PORTS:
                yield Case(f'{client} to {server} port {port}', client, {'op': 'http', 'host': world.address(server, family), 'port': port})


def endings(world, family):
    for client, server in ENDING_PAIRS:
        host, pair = world.address(server, family), f'{client} to {server}'
        for op, what, more in (('echo', 'an echo', {}), ('listen_first', 'the server speaks first', {}),
                               ('upload', 'a large upload that ends first', {'size': MEGABYTES}),
                               ('download', 'a large download', {'size': MEGABYTES}),
                               ('fin_by_server', 'the server ends first', {})):
            yield Case(f'{pair}: {what}', client, {'op': op, 'host': host, **more})
        # How many bytes pass before a reset is a race.
        yield Case(f'{pair}: the server resets', client, {'op': 'reset_by_server', 'host': host}, logged=False)
    if family == '4' or world.cluster.dual:
        for op, what in (('listen_first', 'speaks first'), ('echo', 'echoes')):
            yield Case(f'client1 to service two.shop: the server {what}', 'client1', {'op': op, 'host': world.address('two.shop', family)})


def client_resets(world, family):
    """The second half, what the server saw, is asked afterwards."""
    for client, server in ENDING_PAIRS:
        key = f'{family}-{client}-{server}'
        yield Case(f'{client} to {server}: the client resets', client, {
            'op': 'reset_by_client', 'host': world.address(server, family), 'key': key}, logged=False), server, key


def service_entries(world, family):
    if family == '6':
        return
    for client in ('client1', 'client2', 'stranger1'):
        for number, what in enumerate(('static', 'selecting a workload entry', 'selecting pods', 'by name', 'by a name that is not'), 1):
            yield Case(f'{client} to a service entry, {what}', client, {'op': 'http', 'host': f'{FAR}.{number}', 'port': 80, 'timeout': 12})
        yield Case(f'{client} to the address of a service entry without resolution', client,
                   {'op': 'http', 'host': world.address('plain2'), 'port': 80})
    for name in ('static', 'selecting', 'pods', 'by-name', 'automatic'):
        yield Case(f'client1 to {name}.example', 'client1', {'op': 'http', 'host': f'{name}.example', 'port': 80})


def names(world, family):
    records = {'4': 'A', '6': 'AAAA'}[family]
    for client in ('client1', 'plain1', 'strict2'):
        for name in ('one', 'one.shop', 'one.shop.svc.cluster.local', 'headless.shop', 'server2', 'static.example', 'nowhere.example',
                     'outlandish.plain', 'kubernetes.default', 'automatic.example'):
            yield Case(f'{client} looks up {name}', client, {'op': 'lookup', 'name': name, 'family': family})
    for name in ('one.shop.svc.cluster.local', 'headless.shop.svc.cluster.local', 'static.example', 'by-name.example', 'none.example',
                 'nothing.shop.svc.cluster.local', 'nowhere.example', 'ONE.shop.SVC.cluster.local', 'one.shop.svc.cluster.local.'):
        for tcp in (False, True):
            yield Case(f'client1 asks for {records} {name}{" over TCP" if tcp else ""}', 'client1',
                       {'op': 'dns', 'name': name, 'type': records, 'tcp': tcp})
    if family == '4':
        for name, kind in (('p80._tcp.one.shop.svc.cluster.local', 'SRV'), ('_p80._tcp.one.shop.svc.cluster.local', 'SRV'),
                           ('one.shop.svc.cluster.local', 'TXT'), ('static.example', 'SRV'), ('static.example', 'TXT')):
            yield Case(f'client1 asks for {kind} {name}', 'client1', {'op': 'dns', 'name': name, 'type': kind})
    for host in ('one.shop', 'headless.shop', 'two.shop.svc.cluster.local'):
        yield Case(f'client1 often to {host} by name', 'client1', {'op': 'many', 'times': 10, 'host': host, 'port': 8090}, logged=False)


def outside(world, family):
    """Addresses of no pod and no service; where nothing is, and the ports of the node proxies themselves."""
    for client in ('client1', 'stranger1', 'plain1'):
        host, port = world.outside[family]
        yield Case(f'{client} to a machine outside the cluster', client, {'op': 'http', 'host': host, 'port': port})
        yield Case(f'{client} to a closed port outside the cluster', client, {'op': 'http', 'host': host, 'port': 7999})
    for client in ('client1', 'plain2'):
        for where, host in (('itself', world.address(client, family)), ('localhost', '127.0.0.1' if family == '4' else '::1'),
                            ('server1', world.address('server1', family)), ('its node proxy', world.proxies[PODS[client][1]][family])):
            for port in PROXY_PORTS:
                yield Case(f'{client} to {where} port {port}', client, {'op': 'http', 'host': host, 'port': port, 'path': '/x', 'timeout': 3},
                           logged=False)
    for node, found in world.proxies.items():
        for client in ('client1', 'plain1'):
            yield Case(f'{client} reads metrics of the node proxy on node{node}', client, {
                'op': 'http', 'host': found[family], 'port': 15020, 'path': '/metrics'}, logged=False)


GROUPS = (pod_to_pod, pod_to_service, policies, endings, service_entries, names, outside)


def run(world, family):
    """Outcomes by name of the case, and the lines of the logs that belong to each."""
    cases = [case for group in GROUPS for case in group(world, family)]
    resets = list(client_resets(world, family))
    cases += [case for case, _, _ in resets]
    answers = world.batch([(case.pod, dict(case.order)) for case in cases])
    seen = world.batch([(server, {'op': 'ending', 'key': key}) for _, server, key in resets])
    logs = access_log.lines_of(world, [(c.pod, a['port']) for c, a in zip(cases, answers)
                                       if c.logged and 'port' in a and c.pod not in UNCAPTURED])
    outcomes = {}
    for case, answer in zip(cases, answers):
        outcomes[f'v{family} {case.name}'] = outcome(world, case, answer, logs)
    for (case, _, _), end in zip(resets, seen):
        outcomes[f'v{family} {case.name}'] += f', server sees {end["end"]}'
    return outcomes


def outcome(world, case, answer, logs):
    text = describe(world, case.order['op'], answer)
    if case.logged and 'port' in answer:
        line = logs.get((case.pod, answer['port']))
        text += f' | {access_log.normal(world, line)}' if line else ''
    return text


def describe(world, op, answer):
    """What the application saw, in a few words."""
    if op in ('lookup', 'dns'):
        shown = {k: [by_name(world, a) for a in v] if isinstance(v, list) else v for k, v in answer.items()}
        return json.dumps(shown)
    if op == 'many':
        # A connection that ends early does so with or without a reset, which depends on what was unread.
        return ' '.join(sorted({'ended' if a in ('reset', 'closed') else a for a in answer['answers']}))
    if op != 'http':
        return ', '.join(f'{k} {v}' for k, v in answer.items() if k != 'port')
    error = answer.get('error')
    if error:
        return 'ended' if error in ('reset', 'closed') else error
    if 'pod' in answer:
        return f'{answer["status"]} from {answer["pod"]}, which sees {world.name_of(answer["peer"])}'
    # A TLS alert, or none: both are no answer to a request in the clear.
    return str(answer.get('status', 'ended'))


def by_name(world, text):
    return ' '.join(sorted(world.name_of(word) for word in text.split(' '))) if isinstance(text, str) else text
