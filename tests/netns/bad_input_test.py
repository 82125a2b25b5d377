#!/usr/bin/env python3
"""Each bad input of a list gets a line in the log and a count, and everything else goes on working (bad_input.py)."""
import sys

import bad_input
import bad_manifests
import bad_tunnels
import bad_xds
import bad_zds
import certificates
import lib

ENTRIES = [*bad_manifests.ENTRIES, *bad_xds.ENTRIES, *bad_tunnels.ENTRIES, *bad_zds.ENTRIES]


def test_of(entry, world):
    def test():
        world().run(entry)
    test.__name__ = entry.name
    return test


def end_of(world):
    def in_the_end_each_program_ends_in_order():
        for program in world().programs():
            lib.equal(program.process.stop(), 0, f'the exit status of {program.name}')
            program.clean()
    return in_the_end_each_program_ends_in_order


def main():
    reason = lib.why_not() or certificates.why_not()
    if reason:
        for entry in ENTRIES:
            print(f'skip {entry.name}: {reason}')
        return 0
    worlds = []
    with lib.Cluster() as cluster:
        def world():
            if not worlds:
                worlds.append(bad_input.World(cluster))
            return worlds[0]
        try:
            lib.main([*(test_of(entry, world) for entry in ENTRIES), end_of(world)])
        except SystemExit as end:
            if end.code:
                cluster.show_logs()
            return end.code


if __name__ == '__main__':
    sys.exit(main())
