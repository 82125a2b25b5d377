#!/usr/bin/env python3
"""The node proxies are restarted as Kubernetes does it, twice, while 200 new connections a second cross the nodes: none fails.
Connections that are open meanwhile go on until the proxy that leaves has reached its deadline, and end then. A pod that starts
meanwhile is served at once.

Logs of all the proxies go to build/log/rolling-restart. AQUIFER_E2E_GRACE_S sets terminationGracePeriodSeconds (default 10).
"""
import contextlib
import datetime
import os
import re
import sys
import time

import istio_cluster
import suite
from istio_cluster import NODES, OURS, SYSTEM, Beside, lib
from world import pod

ROUNDS = 2
RATE = 20  # of each
# Both directions, by pod and by service, and to and from what is no part of the mesh.
LOADS = (('client1', 'server2'), ('client1', 'two.shop'), ('stranger1', 'server2'), ('stranger1', 'two.shop'), ('client2', 'server1'),
         ('client2', 'one.shop'), ('moody2', 'server1'), ('moody2', 'one.shop'), ('client1', 'plain2'), ('plain1', 'server2'))
# Each as often, beside the connections; a resolver that hears nothing asks again after five seconds.
LOOKUPS = (('client1', 'two.shop.svc.cluster.local'), ('client2', 'kubernetes.default.svc.cluster.local'))
RESOLVER_ASKS_AGAIN_S = 4.5
KEPT = (('client1', 'server2'), ('client1', 'two.shop'), ('client2', 'one.shop'), ('client2', 'plain1'), ('plain1', 'server2'))
LOGS = istio_cluster.ROOT / 'build/log/rolling-restart'


def orders(world):
    """Pod, name of the load and its order."""
    for client, server in LOADS:
        yield client, server, {'op': 'http', 'host': world.address(server), 'port': 80 if '.' in server else 8080}
    for client, name in LOOKUPS:
        yield client, name, {'op': 'lookup', 'name': name}


def more(world, number):
    """Waits until every load has had so many more good answers."""
    def counts():
        return {(client, key): world.order(client, 'load_count', key=key)['good'] for client, key, _ in orders(world)}
    before = counts()
    lib.eventually(lambda: all(count >= before[load] + number for load, count in counts().items()), 'connections come through', 30)


def drain_of(log):
    """When the proxy with this log began to drain, and how long it may; seconds."""
    found = re.search(r'^(\S+)Z\t\w+\tproxy\tdraining\t.*deadline_ms=(\d+)', log, re.M)
    lib.check(found, f'the log of a proxy that left does not say that it drains: {log[-500:]}')
    began = datetime.datetime.fromisoformat(found[1]).replace(tzinfo=datetime.timezone.utc)
    return began.timestamp(), int(found[2]) / 1000


def newcomer(world, turn):
    """A pod that starts meanwhile; what is wrong with its first connections."""
    name = f'newcomer{turn}'
    world.cluster.apply(pod(name, world.folder))
    world.cluster.kubectl('-n', 'shop', 'wait', '--for=condition=Ready', f'pod/{name}', '--timeout=30s')
    host = world.cluster.get('pod', name, '-n', 'shop')['status']['podIP']
    lib.eventually(lambda: world.answers(name), f'{name} takes orders', 10)
    tries = {f'{name} to server2': world.order(name, 'http', host=world.address('server2'), port=8080),
             f'client2 to {name}': world.order('client2', 'http', host=host, port=8080)}
    world.cluster.kubectl('-n', 'shop', 'delete', 'pod', name, '--wait=false')
    return [f'{what}: {answer}' for what, answer in tries.items() if answer.get('status') != 200]


def restart(world, turn):
    """One rolling restart; returns when each node's old proxy began to drain and for how long, and what went wrong."""
    old = {node: proxy['metadata']['name'] for node, proxy in world.proxy_pods.items()}
    with contextlib.ExitStack() as stack:
        followed = []
        for name in old.values():
            file = stack.enter_context((LOGS / f'{name}.log').open('w'))
            followed.append(stack.enter_context(Beside(world.cluster, '-n', SYSTEM, 'logs', '-f', name, output=file)))
        began = time.monotonic()
        world.cluster.kubectl('-n', SYSTEM, 'rollout', 'restart', 'ds/ztunnel')
        wrong = newcomer(world, turn)
        world.cluster.kubectl('-n', SYSTEM, 'rollout', 'status', 'ds/ztunnel', '--timeout=90s')
        print(f'    rolled out after {time.monotonic() - began:.1f} s', flush=True)
        world.see_proxies(world.cluster.settled(dict.fromkeys(NODES, OURS)))
        for each in followed:
            each.process.wait(30)
    stayed = set(old.values()) & {proxy['metadata']['name'] for proxy in world.proxy_pods.values()}
    lib.check(not stayed, f'was not restarted: {stayed}')
    return {node: drain_of((LOGS / f'{name}.log').read_text()) for node, name in old.items()}, wrong


def judge_kept(world, key, drains):
    """What is wrong with connections that were open when the restart began."""
    wrong = []
    for client, server in KEPT:
        ends = (client, {'two.shop': 'server2', 'one.shop': 'server1'}.get(server, server))
        crossed = {f'node{name[-1]}' for name in ends if not name.startswith('plain')}
        due = min(sum(drains[node]) for node in crossed)
        how = world.order(client, 'kept', key=f'{key} {server}', drop=True)
        if how['ended'] is None:
            wrong.append(f'{client} to {server}: open after both its proxies have gone')
            continue
        print(f'    kept {client} to {server}: {how["error"]} {how["ended"] - due:+.2f} s from the deadline')
        if how['ended'] < due - 0.1:
            wrong.append(f'{client} to {server}: an open connection ended {due - how["ended"]:.1f} s before the deadline: {how["error"]}')
    return wrong


def judge_load(world, seconds, began):
    wrong = []
    for client, key, order in orders(world):
        done = world.order(client, 'load_stop', key=key)
        print(f'    {client} to {key}: {done["good"]} in {seconds:.1f} s, {done["bad_count"]} failed, '
              f'the slowest took {done["slowest"]:.2f} s')
        wrong += [f'{client} to {key} at {bad["began"] - began:.2f} s, from port {bad.get("port")}, '
                  f'after {bad["seconds"]:.2f} s: {bad.get("error")}' for bad in done['bad']]
        if done['good'] + done['bad_count'] < 0.9 * RATE * seconds:
            wrong.append(f'{client} to {key}: only {done["good"]} were tried in {seconds:.0f} s')
        if order['op'] == 'lookup' and done['slowest'] > RESOLVER_ASKS_AGAIN_S:
            wrong.append(f'{client}: a question for {key} had no answer')
    return wrong


def rolling(world):
    """Load and restarts; returns what went wrong."""
    LOGS.mkdir(parents=True, exist_ok=True)
    for path in LOGS.iterdir():
        path.unlink()
    grace = int(os.environ.get('AQUIFER_E2E_GRACE_S', '10'))
    world.cluster.set_proxy_options(grace)
    world.see_proxies(world.cluster.use(dict.fromkeys(NODES, OURS)))
    wrong, began, start = [], time.time(), time.monotonic()
    for client, key, order in orders(world):
        world.order(client, 'load_start', key=key, rate=RATE, order=order)
    try:
        for turn in range(1, ROUNDS + 1):
            more(world, RATE)
            for client, server in KEPT:
                world.order(client, 'keep', key=f'{turn} {server}', host=world.address(server), port=7001)
            print(f'    restart {turn} at {time.time() - began:.1f} s', flush=True)
            drains, failed = restart(world, turn)
            wrong += failed
            more(world, 2 * RATE)
            for node, (drain, deadline) in drains.items():
                print(f'    {node} drained from {drain - began:.2f} s for {deadline} s')
            wrong += judge_kept(world, turn, drains)
    except (AssertionError, OSError) as problem:
        wrong.append(str(problem))
    finally:
        wrong += judge_load(world, time.monotonic() - start, began)
        for proxy in world.proxy_pods.values():
            (LOGS / f'{proxy["metadata"]["name"]}.log').write_text(world.cluster.log_of(proxy))
    return wrong


def main(world):
    wrong = rolling(world)
    name = f'{ROUNDS} rolling restarts under {RATE * len(LOADS)} new connections a second'
    print(f'not ok {name}: ' + '\n    '.join(wrong) if wrong else f'ok {name}', flush=True)
    return len(wrong)


sys.exit(suite.main(dual=False, part=main, name='rolling restart'))
