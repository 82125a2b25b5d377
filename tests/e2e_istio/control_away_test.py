#!/usr/bin/env python3
"""istiod goes away for a while: what was served goes on without one error, and what changed meanwhile holds once it is back.

AQUIFER_E2E_AWAY_S says for how long (default 20 seconds).
"""
import os
import sys
import time

import suite
from istio_cluster import NODES, OURS, SYSTEM, lib

LOADS = (('client1', 'server2'), ('client1', 'one.shop'), ('client2', 'server1'), ('client2', 'plain1'), ('stranger1', 'two.shop'))
RATE = 20
DENIED_PORT = 8015  # by the policies of the pods that are guarded


def istiod(cluster, replicas):
    cluster.kubectl('-n', SYSTEM, 'scale', 'deploy/istiod', f'--replicas={replicas}')
    if replicas:
        cluster.kubectl('-n', SYSTEM, 'rollout', 'status', 'deploy/istiod', '--timeout=90s', timeout=120)
    else:
        lib.eventually(lambda: not cluster.get('pod', '-n', SYSTEM, '-l', 'app=istiod')['items'], 'istiod is gone', 60)


def label(cluster, pod, word):
    cluster.kubectl('-n', 'shop', 'label', '--overwrite', 'pod', pod, word)


def answers(world, client, server, port=8080):
    return world.order(client, 'http', host=world.address(server), port=port, timeout=5).get('status') == 200


def away(world, seconds):
    """Load, istiod away with changes queued, istiod back; returns what went wrong."""
    cluster = world.cluster
    world.see_proxies(cluster.use(dict.fromkeys(NODES, OURS)))
    for client, server in LOADS:
        port = 80 if '.' in server else 8080
        order = {'op': 'http', 'host': world.address(server), 'port': port, 'timeout': 5}
        world.order(client, 'load_start', key=server, rate=RATE, order=order)
        world.order(client, 'hold', key=f'held {server}', host=world.address(server), port=7001)  # idle meanwhile
        world.order(client, 'keep', key=server, host=world.address(server), port=7001)  # and one that is used
    wrong = []
    try:
        istiod(cluster, 0)
        # Queued: a pod that policies now select, and an endpoint of a service that had none. Without istiod nobody can make
        # policies: it is asked whether they are sound.
        label(cluster, 'moody2', 'app=guarded')
        label(cluster, 'server1', 'elastic=yes')
        time.sleep(seconds)
        if not answers(world, 'client1', 'moody2', DENIED_PORT):
            wrong.append('a policy that istiod had not sent was in force')
        istiod(cluster, 1)
        lib.eventually(lambda: not answers(world, 'client1', 'moody2', DENIED_PORT), 'the policy is in force', 60)
        lib.eventually(lambda: answers(world, 'client1', 'elastic.shop', 80), 'the service has its endpoint', 60)
    finally:
        label(cluster, 'moody2', 'app=moody')
        label(cluster, 'server1', 'elastic-')
        for client, server in LOADS:
            done = world.order(client, 'load_stop', key=server)
            held = world.order(client, 'use', key=f'held {server}')
            kept = world.order(client, 'kept', key=server, drop=True)
            print(f'    {client} to {server}: {done["good"]} answered, {done["bad_count"]} not; the slowest after {done["slowest"]:.2f} s')
            wrong += [f'{client} to {server}: {done["bad"]}'] if done['bad'] or not done['good'] else []
            wrong += [f'{client} to {server}: an idle connection: {held}'] if held.get('text') != 'still' else []
            wrong += [f'{client} to {server}: a connection in use: {kept}'] if kept['ended'] else []
            world.order(client, 'drop', key=f'held {server}')
    return wrong


def main(world):
    seconds = float(os.environ.get('AQUIFER_E2E_AWAY_S', '20'))
    wrong = away(world, seconds)
    name = f'istiod away for {seconds:.0f} s: traffic goes on and changes arrive'
    print(f'not ok {name}: {"; ".join(wrong)}' if wrong else f'ok {name}')
    return len(wrong)


sys.exit(suite.main(dual=False, part=main, name='istiod away'))
