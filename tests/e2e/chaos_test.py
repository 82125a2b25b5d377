#!/usr/bin/env python3
"""Every five seconds a pod of ours, drawn at random, comes to its end, under 500 requests a second by layer 4 and through waypoints.
Which requests fail, and why, is shown. None may be answered that policies forbid, none be taken for somebody else's, and after the
last kill all of it recovers.

AQUIFER_E2E_KILL_S says for how long (default 45 seconds; 300 is the long form), AQUIFER_SEED which pods and manners are drawn. Failed
requests, one by one, and the logs of all node proxies that there were go to build/log/e2e-chaos.
"""
import collections
import contextlib
import os
import random
import sys
import time

import load_world
from load_world import LOADS, Refused, lib

EVERY_S = 5
QUIET_S, PATIENCE_S = 5, 90
# Killed: its program gets SIGKILL and its object goes at once, so that a new pod takes its place. Deleted: as a drained node does it.
MANNERS = ('killed', 'deleted')
# Of all requests; what a killed node proxy costs by its nature is far below.
MOST_FAILED = 0.25


class Killer:
    def __init__(self, world, seed):
        self.world, self.dice, self.done = world, random.Random(seed), []

    def program(self, pod):
        labels = pod['metadata']['labels']
        return labels.get('gateway.networking.k8s.io/gateway-name') or labels['app']

    def kill(self):
        """One pod that runs, whether or not it is ready yet; first one of the programs is drawn, then a pod of it."""
        by_program = collections.defaultdict(list)
        for pod in self.world.look():
            if pod['status'].get('phase') == 'Running' and 'deletionTimestamp' not in pod['metadata']:
                by_program[self.program(pod)].append(pod)
        program = self.dice.choice(sorted(by_program))
        pod = self.dice.choice(sorted(by_program[program], key=lambda pod: pod['metadata']['name']))
        meta, node, manner = pod['metadata'], pod['spec']['nodeName'], self.dice.choice(MANNERS)
        self.done.append((time.time(), program, manner, node))
        path = f'/api/v1/namespaces/{meta["namespace"]}/pods/{meta["name"]}'
        if manner == 'killed':
            uid = meta['uid'].replace('-', '[-_]')
            self.world.cluster.run(self.world.cluster.tool, 'exec', node, 'sh', '-c',
                                   f'grep -ls "pod{uid}" /proc/[0-9]*/cgroup | cut -d/ -f3 | xargs -r kill -9')
            path += '?gracePeriodSeconds=0'
        with contextlib.suppress(Refused):  # it may have gone by itself
            self.world.api.call('DELETE', path)
        print(f'    {self.done[-1][0] - self.world.began:6.1f} s: {manner} {program}, {meta["name"]} on {node}', flush=True)

    def before(self, when):
        """The last kill up to that time."""
        return next((kill for kill in reversed(self.done) if kill[0] <= when), None)


def show_causes(killer, done):
    """Failures by what was killed just before they came, each with when the last one was asked for."""
    rows = collections.defaultdict(collections.Counter)
    lasts = collections.defaultdict(float)
    for load in LOADS:
        for bad in done[load.key]['bad']:
            kill = killer.before(bad['began'] + bad['seconds'])
            what = (f'{kill[2]} {kill[1]}' if kill else 'nothing yet', load.through)
            rows[what][bad['outcome'] + (' (kept)' if bad.get('again') else '')] += 1
            lasts[what] = max(lasts[what], bad['began'] - kill[0] if kill else 0)
    times = collections.Counter(f'{kill[2]} {kill[1]}' for kill in killer.done)
    listed = [('just before', 'times', 'path', 'failed', 'last after s', 'how')]
    listed += [(what, times[what], path, sum(causes.values()), f'{lasts[what, path]:.1f}',
                ', '.join(f'{count} {cause}' for cause, count in causes.most_common()))
               for (what, path), causes in sorted(rows.items())]
    listed += [(what, number, 'all', 0, '-', '') for what, number in sorted(times.items()) if not any(what == row[0] for row in rows)]
    load_world.table(listed)


def chaos(world):
    seconds, seed = float(os.environ.get('AQUIFER_E2E_KILL_S', '45')), int(os.environ.get('AQUIFER_SEED', '1'))
    print(f'    AQUIFER_SEED={seed}')
    killer = Killer(world, seed)
    world.start()
    start = time.monotonic()
    wrong = world.quiet(2, 20)  # undisturbed, nothing fails
    while time.monotonic() < start + seconds:
        due = time.monotonic() + EVERY_S
        killer.kill()
        while time.monotonic() < due:
            time.sleep(min(0.5, max(0, due - time.monotonic())))
            world.look()
    began = time.monotonic()
    try:
        lib.eventually(world.all_ready, 'every pod of ours is there and ready again', PATIENCE_S)
        print(f'    all pods are ready {time.monotonic() - began:.1f} s after the last turn')
    except lib.Failure as problem:
        wrong.append(str(problem))
    world.look()
    wrong += world.quiet(QUIET_S, PATIENCE_S)
    elapsed = time.monotonic() - start
    done = world.stop()
    load_world.keep(world, done, 'e2e-chaos')
    show_causes(killer, done)
    good, bad = load_world.show_loads(done, elapsed)
    if bad > MOST_FAILED * (good + bad):
        wrong.append(f'{bad} of {good + bad} requests failed')
    return wrong + load_world.judge_answers(world, done) + load_world.judge_logs(world)


if __name__ == '__main__':
    sys.exit(load_world.run(chaos, f'pods of ours killed every {EVERY_S} s under {load_world.RATE} requests a second'))
