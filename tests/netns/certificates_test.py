#!/usr/bin/env python3
"""Certificates are there before a pod's first connection and gone with the last pod of their account, on its own node alone."""
import json

import lib
from mesh import ACCOUNT, Mesh, pod_manifest


def dump(side):
    return json.loads(side.node.run('curl', '-sS', '-m', '5', 'http://127.0.0.1:15000/config_dump').stdout)


def certificates(side):
    """State by account."""
    return {entry['identity'].rpartition('/')[2]: entry['state'] for entry in dump(side)['certificates']}


def eventually_has(side, seconds=10, **expected):
    wanted = {name.replace('_', '-'): state for name, state in expected.items()}
    lib.eventually(lambda: certificates(side) == wanted, f'{side.name} has {wanted}', seconds)


def certificates_come_before_connections_and_go_with_the_last_pod():
    with lib.Cluster() as cluster:
        mesh = Mesh(cluster)
        mesh.start()
        a, b = mesh.sides
        eventually_has(a, app_a='Available', intruder='Available')
        eventually_has(b, app_b='Available', intruder='Available')
        mesh.apply('19-late.yaml', ACCOUNT.format(account='late'))
        for number in (1, 2):
            pod = a.node.pod(f'late{number}')
            mesh.apply(f'2{number}-late.yaml', pod_manifest(a, pod, f'late{number}', 'late', f'10.96.2.{number}', 'late'))
        eventually_has(a, app_a='Available', intruder='Available', late='Available')
        lib.check('connection' not in a.proxy.log(), 'nobody has connected')
        workloads = len(dump(a)['workloads'])
        mesh.withdraw('21-late.yaml')
        lib.eventually(lambda: len(dump(a)['workloads']) == workloads - 1, 'the first one has left')
        eventually_has(a, app_a='Available', intruder='Available', late='Available')
        mesh.withdraw('22-late.yaml')
        eventually_has(a, app_a='Available', intruder='Available')
        lib.check('late' not in certificates(b), 'the other node never had it')


def a_control_plane_that_comes_back_is_asked_again():
    with lib.Cluster() as cluster:
        mesh = Mesh(cluster)
        mesh.start()
        a = mesh.a
        eventually_has(a, app_a='Available', intruder='Available')
        mesh.control.kill()
        # What is held stays; nothing is forgotten because nobody answers.
        eventually_has(a, app_a='Available', intruder='Available')
        mesh.apply('20-late.yaml', ACCOUNT.format(account='late') +
                   pod_manifest(a, a.node.pod('late'), 'late', 'late', '10.96.2.1', 'late'))
        mesh.start_control()
        eventually_has(a, seconds=30, app_a='Available', intruder='Available', late='Available')


lib.main([certificates_come_before_connections_and_go_with_the_last_pod, a_control_plane_that_comes_back_is_asked_again])
