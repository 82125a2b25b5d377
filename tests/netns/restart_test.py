#!/usr/bin/env python3
"""Each program is killed outright and started again while the others go on: traffic goes on or resumes."""
import shutil

import lib
from mesh import ACCOUNT, DENY_INTRUDER, Mesh, get, pod_manifest

SECONDS = 30


def why_not():
    return None if shutil.which('curl') else 'needs curl'


def up(cluster):
    mesh = Mesh(cluster)
    mesh.start()
    mesh.serve()
    answered(mesh)
    return mesh


def answered(mesh, seconds=SECONDS):
    for client, server in ((mesh.a, mesh.b), (mesh.b, mesh.a)):
        lib.eventually(lambda: get(client.app, server.service) == f'app-{server.letter}\n',
                       f'{client.name} is answered by {server.name}', seconds)


def others_run(mesh, killed):
    everyone = [mesh.control] + [process for side in mesh.sides for process in (side.agent, side.proxy)]
    for process in everyone:
        lib.check(process is killed or process.running(), f'{process.log_path.stem} ended as well')


def served_encrypted(mesh, client, server):
    """Requests go through both proxies, and not past them: the log of the server's node has the client's identity."""
    def lines():
        return server.proxy.log().count(f'src.identity="{client.identity}"')
    before = lines()
    lib.equal(get(client.app, server.service), f'app-{server.letter}\n', f'what {server.name} answers')
    lib.eventually(lambda: lines() > before, f'{server.name} knows who asked')


def refused(mesh):
    mesh.apply('60-deny-intruder.yaml', DENY_INTRUDER)
    lib.eventually(lambda: get(mesh.a.intruder, mesh.b.service) == '', 'a policy applied after it holds', SECONDS)
    lib.equal(get(mesh.a.app, mesh.b.service), 'app-b\n', 'others are served')


def the_control_plane_is_killed():
    with lib.Cluster() as cluster:
        mesh = up(cluster)
        killed = mesh.control
        killed.kill()
        answered(mesh, 5)
        root = (mesh.state / 'ca/root-cert.pem').read_bytes()
        mesh.start_control()
        lib.equal((mesh.state / 'ca/root-cert.pem').read_bytes(), root, 'the root of trust')
        answered(mesh, 5)
        # The proxies have to find it again by themselves.
        refused(mesh)
        others_run(mesh, killed)


def the_agent_is_killed():
    with lib.Cluster() as cluster:
        mesh = up(cluster)
        killed = mesh.b.agent
        killed.kill()
        answered(mesh, 5)
        mesh.b.start_agent()
        mesh.b.wait_ready()
        answered(mesh, 5)
        late = mesh.b.node.pod('late')
        mesh.apply('20-late.yaml', ACCOUNT.format(account='late') + pod_manifest(mesh.b, late, 'late', 'late', '10.96.2.1', 'late'))
        lib.eventually(lambda: '"late"' in (cluster.folder / 'node-b-status.json').read_text(), 'a new pod is captured', SECONDS)
        lib.eventually(lambda: get(late, mesh.a.service) == 'app-a\n', 'a new pod is served', SECONDS)
        lib.eventually(lambda: 'src.identity="spiffe://cluster.local/ns/default/sa/late"' in mesh.a.proxy.log(), 'as itself', SECONDS)
        others_run(mesh, killed)


def the_proxy_of_a_client_is_killed():
    proxy_is_killed('a')


def the_proxy_of_a_server_is_killed():
    proxy_is_killed('b')


def proxy_is_killed(letter):
    with lib.Cluster() as cluster:
        mesh = up(cluster)
        side, other = (mesh.a, mesh.b) if letter == 'a' else (mesh.b, mesh.a)
        killed = side.proxy
        killed.kill()
        lib.equal(get(side.app, other.service), '', 'what a pod is told without its proxy (never clear text)')
        side.start_proxy()
        side.wait_ready()
        answered(mesh)
        served_encrypted(mesh, mesh.a, mesh.b)
        served_encrypted(mesh, mesh.b, mesh.a)
        others_run(mesh, killed)


if __name__ == '__main__':
    tests = [the_control_plane_is_killed, the_agent_is_killed, the_proxy_of_a_client_is_killed, the_proxy_of_a_server_is_killed]
    if why_not():
        for test in tests:
            print(f'skip {test.__name__.replace("_", " ")}: {why_not()}')
    else:
        lib.main(tests)
