#!/usr/bin/env python3
"""Upgrades of the node proxy while new connections keep coming: the new proxy starts beside the old one, as with maxSurge."""
import pathlib
import signal

import lib
from mesh import PYTHON, Mesh

LOAD = pathlib.Path(__file__).with_name('upgrade_load.py')
# The second proxy of a node shares its network namespace here; a DaemonSet's pods do not.
PORTS = ({'AQUIFER_ADMIN_PORT': '15000', 'AQUIFER_STATS_PORT': '15020', 'AQUIFER_READY_PORT': '15021'},
         {'AQUIFER_ADMIN_PORT': '16000', 'AQUIFER_STATS_PORT': '16020', 'AQUIFER_READY_PORT': '16021'})
TURNS = 3
CONNECTIONS = 300  # new ones that have to come between two steps


class Load:
    """Clients in both pods, each of the other's service."""

    def __init__(self, mesh):
        self.processes = []
        for side, other in (mesh.sides, mesh.sides[::-1]):
            self.processes.append(side.app.spawn([PYTHON, LOAD, other.service], log=f'load-{side.letter}'))
        for process in self.processes:
            process.wait_log('listening')
        for process in self.processes:
            process.popen.send_signal(signal.SIGUSR1)

    def count(self, process):
        numbers = [int(line.split()[1]) for line in process.log().splitlines() if line.startswith('served ')]
        return numbers[-1] if numbers else 0

    def more(self):
        """Waits until as many new connections as it takes have come through from either side."""
        wanted = [self.count(process) + CONNECTIONS for process in self.processes]
        lib.eventually(lambda: all(self.count(process) >= number for process, number in zip(self.processes, wanted)),
                       'connections come through', 60)

    def end(self):
        for process in self.processes:
            process.popen.send_signal(signal.SIGUSR2)
        for process in self.processes:
            process.wait_log('clients are done', 30)
        for process in self.processes:
            lib.equal(process.stop(), 0, 'the exit status of the load')
            failures = [line for line in process.log().splitlines() if line.startswith('failed ')]
            lib.equal(failures, [], f'failures of {self.count(process)} connections')


def upgrade(mesh, side, load, turn):
    old = side.proxy
    side.start_proxy(**PORTS[turn % 2])
    side.wait_ready(port=PORTS[turn % 2]['AQUIFER_READY_PORT'])
    load.more()
    lib.equal(old.stop(), 0, 'the exit status of the old proxy')
    load.more()


def a_new_proxy_takes_over_without_a_lost_connection():
    with lib.Cluster() as cluster:
        mesh = Mesh(cluster)
        mesh.start()
        load = Load(mesh)
        load.more()
        for turn in range(1, TURNS + 1):
            for side in mesh.sides:
                upgrade(mesh, side, load, turn)
        load.end()


if __name__ == '__main__':
    lib.main([a_new_proxy_takes_over_without_a_lost_connection])
