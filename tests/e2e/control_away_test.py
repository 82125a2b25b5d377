#!/usr/bin/env python3
"""aquifer-control goes away for a while, all replicas: what is served goes on without one failure, new connections included; a pod that
starts meanwhile is held with a reason, or is in the mesh as itself, and is never reached or heard in the clear. Once it is back the
pod is served like any other.

AQUIFER_E2E_AWAY_S says for how long (default 30 seconds; 600 is the long form). Failed requests and logs go to build/log/e2e-control-away.
"""
import os
import sys
import time

import load_world
from load_world import LOADS, PODS, SYSTEM, account, lib

# One has an account whose certificate its node has, the other a new one.
NEWCOMERS = {'late1': ('shop', 'node1', 'client'), 'fresh2': ('shop', 'node2', 'fresh')}
KEPT = (('client1', 'server2'), ('client2', 'server1'), ('client1', 'server1'))
ECHO = 7001
SERVED_S, SPOKEN_S = 30, 60


def control(world, replicas):
    c = world.cluster
    c.kubectl('-n', SYSTEM, 'scale', 'deploy/aquifer-control', f'--replicas={replicas}')
    if replicas:
        c.kubectl('-n', SYSTEM, 'rollout', 'status', 'deploy/aquifer-control', '--timeout=90s', timeout=120)
    else:
        lib.eventually(lambda: not c.names('pod', '-n', SYSTEM, '-l', 'app=aquifer-control'), 'aquifer-control is gone', 60)


def takes_orders(world, name):
    try:
        return world.order(name, 'lookup', name='localhost') is not None
    except (OSError, ValueError):
        return False


def reasons(world, name):
    """Why a pod does not start, in the words of its events."""
    events = world.cluster.get('event', '-n', 'shop', '--field-selector', f'involvedObject.name={name}')['items']
    return [event['message'] for event in events if event['type'] == 'Warning']


def tries(world, name):
    """What a newcomer is answered, and who it is to others; by the addresses' own ports in the logs."""
    host = world.api.call('GET', f'/api/v1/namespaces/shop/pods/{name}')['status']['podIP']
    world.identities[host] = NEWCOMERS[name][2]
    return {f'{name} to server2': world.order(name, 'http', host=world.addresses['server2'], port=8080, timeout=5),
            f'client1 to {name}': world.order('client1', 'http', host=host, port=8080, timeout=5),
            f'client2 to {name}': world.order('client2', 'http', host=host, port=8080, timeout=5)}


def newcomer(world, name):
    """How it does without the control plane; what is wrong with that."""
    if takes_orders(world, name):
        word = world.cluster.redirection('shop', name)
        for what, answer in tries(world, name).items():
            print(f'    {what}: {answer.get("pod") or answer.get("error") or answer}')
        print(f'    {name} runs; ambient.istio.io/redirection: {word}')
        return [] if word in ('enabled', 'pending') else [f'{name} runs, and is not said to be captured: {word}']
    why = reasons(world, name)
    print(f'    {name} is held: {why[:1]}')
    return [] if any('aquifer' in each for each in why) else [f'{name} is held, and nobody says why: {why}']


def away(world):
    seconds = float(os.environ.get('AQUIFER_E2E_AWAY_S', '30'))
    world.pods = PODS | NEWCOMERS
    world.cluster.apply(account('fresh', 'shop'))
    for client, server in KEPT:
        world.order(client, 'hold', key=f'held {server}', host=world.addresses[server], port=ECHO)  # idle meanwhile
        world.order(client, 'keep', key=server, host=world.addresses[server], port=ECHO)
    world.start()
    start = time.monotonic()
    wrong = world.quiet(2, 20)
    control(world, 0)
    print(f'    away from {time.monotonic() - start:.0f} s')
    gone = time.monotonic()
    world.cluster.apply(*(world.pod(name) for name in NEWCOMERS))
    time.sleep(max(0, gone + seconds - time.monotonic()))
    world.look()
    for name in NEWCOMERS:
        # What holds a pod says so after half a minute.
        lib.eventually(lambda: takes_orders(world, name) or reasons(world, name), f'{name} starts, or somebody says why not', SPOKEN_S)
        wrong += newcomer(world, name)
    control(world, 2)
    print(f'    back at {time.monotonic() - start:.0f} s')
    began = time.monotonic()
    for name in NEWCOMERS:
        lib.eventually(lambda: takes_orders(world, name), f'{name} starts', SERVED_S * 2)
        lib.eventually(lambda: world.cluster.redirection('shop', name) == 'enabled', f'{name} is served', SERVED_S)
        # late1 is a client to the policies, fresh2 is not.
        wanted = 'server2' if NEWCOMERS[name][2] == 'client' else None
        lib.eventually(lambda: tries(world, name)[f'{name} to server2'].get('pod') == wanted, f'{name} gets what it may', SERVED_S)
        lib.eventually(lambda: tries(world, name)[f'client2 to {name}'].get('pod') == name, f'{name} answers', SERVED_S)
        print(f'    {name} is served {time.monotonic() - began:.1f} s after that')
    wrong += world.quiet(2, 30)
    elapsed = time.monotonic() - start
    for client, server in KEPT:
        held, kept = world.order(client, 'use', key=f'held {server}'), world.order(client, 'kept', key=server, drop=True)
        wrong += [f'{client} to {server}: an idle connection: {held}'] if held.get('text') != 'still' else []
        wrong += [f'{client} to {server}: a connection in use: {kept}'] if kept['ended'] else []
    done = world.stop()
    load_world.keep(world, done, 'e2e-control-away')
    load_world.show_loads(done, elapsed)
    wrong += [f'{load.key}: {done[load.key]["bad"][:5]}' for load in LOADS if done[load.key]['bad'] or not done[load.key]['good']]
    return wrong + load_world.judge_answers(world, done) + load_world.judge_logs(world)


if __name__ == '__main__':
    sys.exit(load_world.run(away, 'aquifer-control away: traffic goes on, and nobody is unprotected'))
