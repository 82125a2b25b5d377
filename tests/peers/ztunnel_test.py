#!/usr/bin/env python3
"""Istio's node proxy on one node and ours on the other, each way round, then on both, under aquifer-control and our node
agent: requests, streams and refusals in both directions, and both logs name both identities. AQUIFER_ZTUNNEL names the program.
Last, ours on both nodes from a file in the local format of that program.
"""
import json
import os
import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'netns'))
import lib  # noqa: E402
from mesh import DENY_INTRUDER, OURS, ZTUNNEL, Mesh, get  # noqa: E402


def why_not():
    return next((f'needs {tool}' for tool in ('curl', 'iperf3') if shutil.which(tool) is None), None)


def why_not_ztunnel():
    path = os.environ.get('AQUIFER_ZTUNNEL')
    if not path:
        return 'AQUIFER_ZTUNNEL is not set'
    return None if os.access(path, os.X_OK) else f'AQUIFER_ZTUNNEL is no program: {path}'


def both_ways(mesh):
    return ((mesh.a, mesh.b), (mesh.b, mesh.a))


def requests_work(mesh):
    for client, server in both_ways(mesh):
        for address in (server.app.address, server.service):
            lib.eventually(lambda: get(client.app, address) == f'app-{server.letter}\n', f'{client.name} is answered by {address}', 20)


def streams_work(mesh):
    for client, server in both_ways(mesh):
        listener = server.app.spawn(['iperf3', '-s', '-1', '--forceflush'], log=f'iperf-{server.letter}')
        listener.wait_log('Server listening')
        done = client.app.run('iperf3', '-c', server.app.address, '-t', '1', '-J', '--connect-timeout', '5000', timeout=60)
        sums = json.loads(done.stdout)['end']
        lib.check(sums['sum_received']['bytes'] > 1 << 20, f'{client.name} to {server.name}: {sums["sum_received"]}')
        listener.end()


def connections(side, direction, client, server):
    """Lines of the access log about finished connections between both, that name both identities."""
    return [line for line in side.proxy.log().splitlines()
            if f'direction="{direction}"' in line and f'src.identity="{client.identity}"' in line and
            f'dst.identity="{server.identity}"' in line]


def both_logs_name_both_identities(mesh):
    for client, server in both_ways(mesh):
        for side, direction in ((client, 'outbound'), (server, 'inbound')):
            lines = lib.eventually(lambda: connections(side, direction, client, server),
                                   f'the log of {side.name} ({side.kind}) names both identities, {direction}')
            lib.check(re.search(r'connection complete', lines[-1]), lines[-1])


def the_intruder_is_refused(mesh):
    for client, server in both_ways(mesh):
        lib.check(get(client.intruder, server.app.address) == f'app-{server.letter}\n', 'the intruder is served before the policy')
    mesh.apply('60-deny-intruder.yaml', DENY_INTRUDER)
    for client, server in both_ways(mesh):
        def refused():
            code = client.intruder.run('curl', '-sS', '-m', '5', '-o', os.devnull, f'http://{server.app.address}/who',
                                       check_status=False).returncode
            return code in (52, 56)
        lib.eventually(refused, f'{server.name} closes connections of the intruder on {client.name}', 20)
        lib.equal(get(client.app, server.app.address), f'app-{server.letter}\n', 'others are served')


def all_of_it(*kinds):
    with lib.Cluster() as cluster:
        mesh = Mesh(cluster, kinds)
        mesh.start()
        mesh.serve()
        requests_work(mesh)
        streams_work(mesh)
        the_intruder_is_refused(mesh)
        both_logs_name_both_identities(mesh)


def ztunnel_on_the_first_node_and_ours_on_the_second():
    all_of_it(ZTUNNEL, OURS)


def ours_on_the_first_node_and_ztunnel_on_the_second():
    all_of_it(OURS, ZTUNNEL)


def ztunnel_on_both_nodes_under_our_control_plane():
    all_of_it(ZTUNNEL, ZTUNNEL)


def local_file(mesh):
    workloads, services = [], []
    for side in mesh.sides:
        workloads.append({'uid': f'Kubernetes//Pod/default/app-{side.letter}', 'name': f'app-{side.letter}', 'namespace': 'default',
                          'serviceAccount': f'app-{side.letter}', 'workloadIps': [side.app.address], 'protocol': 'HBONE',
                          'node': side.name, 'services': {f'default/app-{side.letter}.default.svc.cluster.local': {'80': 80}},
                          'authorizationPolicies': ['default/deny-intruder']})
        workloads.append({'uid': f'Kubernetes//Pod/default/intruder-{side.letter}', 'name': f'intruder-{side.letter}',
                          'namespace': 'default', 'serviceAccount': 'intruder', 'workloadIps': [side.intruder.address],
                          'protocol': 'HBONE', 'node': side.name})
        services.append({'name': f'app-{side.letter}', 'namespace': 'default', 'hostname': f'app-{side.letter}.default.svc.cluster.local',
                         'vips': [f'/{side.service}'], 'ports': {'80': 80}})
    policy = {'name': 'deny-intruder', 'namespace': 'default', 'scope': 'WorkloadSelector', 'action': 'Deny',
              'rules': [[[{'principals': [{'Exact': 'cluster.local/ns/default/sa/intruder'}]}]]]}
    # JSON is YAML; the keys of ports have to be numbers.
    text = re.sub(r'"(\d+)":', r'\1:', json.dumps({'workloads': workloads, 'services': services, 'policies': [policy]}, indent=1))
    path = mesh.cluster.folder / 'local.yaml'
    path.write_text(text)
    return path


def from_local_file(**environment):
    with lib.Cluster() as cluster:
        mesh = Mesh(cluster)
        mesh.start_control()
        path = local_file(mesh)
        for side in mesh.sides:
            side.start_agent()
            side.start_proxy(XDS_ADDRESS='', LOCAL_XDS_PATH=str(path),
                             **{name: value.format(state=mesh.state) for name, value in environment.items()})
        for side in mesh.sides:
            side.wait_ready()
        mesh.serve()
        requests_work(mesh)
        for client, server in both_ways(mesh):
            lib.equal(get(client.intruder, server.app.address), '', 'what the intruder is told')
        both_logs_name_both_identities(mesh)


def a_local_file_with_certificates_of_the_control_plane():
    from_local_file()


def a_local_file_with_certificates_signed_locally():
    from_local_file(CA_ADDRESS='', AQUIFER_LOCAL_CA_DIR='{state}/ca')


WITH_ZTUNNEL = [ztunnel_on_the_first_node_and_ours_on_the_second, ours_on_the_first_node_and_ztunnel_on_the_second,
                ztunnel_on_both_nodes_under_our_control_plane]
ALONE = [a_local_file_with_certificates_of_the_control_plane, a_local_file_with_certificates_signed_locally]


def main():
    reason = why_not()
    for test in WITH_ZTUNNEL if reason or why_not_ztunnel() else []:
        print(f'skip {test.__name__.replace("_", " ")}: {reason or why_not_ztunnel()}')
    for test in ALONE if reason else []:
        print(f'skip {test.__name__.replace("_", " ")}: {reason}')
    lib.main([] if reason else ALONE if why_not_ztunnel() else WITH_ZTUNNEL + ALONE)


if __name__ == '__main__':
    main()
