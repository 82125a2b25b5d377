#!/usr/bin/env python3
"""Aquifer on a Kubernetes with nothing else, and on it every walk-through as its reader types it, each output checked.

Arguments: NUMBER... of walk-throughs (000 001 ...); all without one.
"""
import concurrent.futures
import pathlib
import subprocess
import sys
import tempfile
import time
import traceback

import backends
import cluster
import install_test
import walkthrough_000
import walkthrough_001
import walkthrough_002
import walkthrough_003
import walkthrough_004
from cluster import lib

WALKTHROUGHS = {'000': walkthrough_000, '001': walkthrough_001, '002': walkthrough_002, '003': walkthrough_003, '004': walkthrough_004}


class World:
    def __init__(self, made):
        self.cluster, self.folder = made, None

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix='aquifer-e2e-')
        self.folder = pathlib.Path(self.temporary.name)
        return self

    def __exit__(self, *_):
        self.temporary.cleanup()


def walk(world, number):
    """All parts of one; how many went wrong. They build on each other, so the first that does ends it."""
    walkthrough, folder = WALKTHROUGHS[number], world.folder / number
    folder.mkdir()
    reader = walkthrough.reader(world.cluster, folder)
    try:
        for part in walkthrough.PARTS:
            start = time.monotonic()
            name = f'{number}: {part.__name__.replace("_", " ")}'
            try:
                part(reader)
            except (AssertionError, OSError, ValueError, subprocess.SubprocessError) as problem:
                traceback.print_exc(file=sys.stdout)
                install_test.show(world.cluster)
                print(f'not ok {name}: {problem}', flush=True)
                return 1
            print(f'ok {name}  ({time.monotonic() - start:.1f} s)', flush=True)
    finally:
        walkthrough.clean(reader)
    return 0


def by_command_line(made, *words):
    status, text = made.aquifer(*words)
    lib.check(status == 0, f'aquifer {" ".join(words)}\n{text}[{status}]')


def leave(made):
    """What was installed goes as it came."""
    start = time.monotonic()
    by_command_line(made, 'uninstall')
    for kind in ('clusterrole', 'crd', 'gatewayclass', 'namespace'):
        lib.equal([name for name in made.names(kind) if 'aquifer' in name], [], f'{kind}s of ours')
    print(f'ok aquifer uninstall leaves nothing  ({time.monotonic() - start:.1f} s)', flush=True)


def play(world):
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        loaded = pool.submit(backends.load, world.cluster, world.folder)
        world.cluster.kubectl('apply', '--server-side', '-f', cluster.definitions())
        by_command_line(world.cluster, 'install', *cluster.VALUES)
        loaded.result()
    print(f'  installed after {time.monotonic() - start:.1f} s', flush=True)
    wrong = 0
    for number in sys.argv[1:] or WALKTHROUGHS:
        wrong += walk(world, number)
    if not wrong:
        leave(world.cluster)
    print(f'  all of it took {time.monotonic() - start:.1f} s')
    return wrong


def main():
    reason = backends.why_not()
    if reason:
        print(f'skip walk-throughs: {reason}')
        return 0
    return install_test.on_a_cluster('walk-throughs', World, play)


if __name__ == '__main__':
    sys.exit(main())
