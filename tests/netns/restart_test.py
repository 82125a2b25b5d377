#!/usr/bin/env python3
"""Each program is killed outright and started again while the others go on: traffic goes on or resumes."""
import shutil

import lib
from mesh import ACCOUNT, DENY_INTRUDER, Mesh, get, pod_manifest

SECONDS = 30
DENY_PATH = '''apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: {name}, namespace: default}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: {gateway}}}]
  action: DENY
  rules:
  - to: [{{operation: {{paths: [{path}]}}}}]
'''
ROUTE = '''apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}, namespace: default}}
spec:
  parentRefs: [{{name: {gateway}}}]
  hostnames: [{host}]
  rules:
  - backendRefs: [{{name: app-b, port: 80}}]
'''


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
    everyone += [gateway.process for gateway in mesh.gateways]
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


def status(pod, address, path='/who', *words):
    """The status of an HTTP answer; 000 when there is none."""
    return pod.run('curl', '-sS', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}', *words, f'http://{address}{path}',
                   check_status=False).stdout[-3:]


def the_waypoint_is_killed():
    with lib.Cluster() as cluster:
        mesh = up(cluster)
        waypoint = mesh.waypoint(mesh.b)
        waypoint.start()
        mesh.use_waypoint(mesh.b, waypoint)
        through = 'server: istio-envoy'
        lib.eventually(lambda: through in mesh.a.app.run('curl', '-sSi', '-m', '5', f'http://{mesh.b.service}/who').stdout,
                       'requests go through the waypoint', SECONDS)
        mesh.apply('69-before.yaml', DENY_PATH.format(name='before', gateway=waypoint.name, path='/before'))
        lib.eventually(lambda: status(mesh.a.app, mesh.b.service, '/before') == '403', 'a policy holds', SECONDS)
        killed = waypoint.process
        killed.kill()
        served = cluster.folder / 'http-b.log'
        before = served.read_text()
        for _ in range(10):
            lib.equal(status(mesh.a.app, mesh.b.service), '000', 'what a client of the service is told without its waypoint')
        lib.equal(served.read_text(), before, 'what reached the application past the waypoint')
        lib.equal(get(mesh.b.app, mesh.a.service), 'app-a\n', 'a service without a waypoint answers')
        lib.equal(get(mesh.a.app, mesh.b.app.address), 'app-b\n', 'a pod whose service alone has the waypoint answers')
        mesh.apply('70-meanwhile.yaml', DENY_PATH.format(name='meanwhile', gateway=waypoint.name, path='/meanwhile'))
        waypoint.launch()
        lib.eventually(lambda: status(mesh.a.app, mesh.b.service, '/before') == '403', 'a policy from before holds again', SECONDS)
        lib.equal(served.read_text().count('/before', len(before)), 0, 'what the policy let through while the waypoint started')
        waypoint.wait_ready()
        answered(mesh)
        answer = mesh.a.app.run('curl', '-sSi', '-m', '5', f'http://{mesh.b.service}/who').stdout
        lib.check(through in answer, f'through the waypoint again: {answer}')
        lib.eventually(lambda: status(mesh.a.app, mesh.b.service, '/meanwhile') == '403', 'what was decided meanwhile holds', SECONDS)
        mesh.apply('71-later.yaml', DENY_PATH.format(name='later', gateway=waypoint.name, path='/later'))
        lib.eventually(lambda: status(mesh.a.app, mesh.b.service, '/later') == '403', 'a later policy holds', SECONDS)
        others_run(mesh, killed)


def the_ingress_gateway_is_killed():
    with lib.Cluster() as cluster:
        mesh = up(cluster)
        ingress = mesh.ingress(mesh.a)
        mesh.apply('70-route.yaml', ROUTE.format(name='route', gateway=ingress.name, host='one.example'))
        ingress.start()

        def outside(host):
            return status(mesh.host, ingress.address, '/who', f'-HHost: {host}')
        lib.eventually(lambda: outside('one.example') == '200', 'a client from outside is answered', SECONDS)
        killed = ingress.process
        killed.kill()
        lib.equal(outside('one.example'), '000', 'what a client is told without the gateway')
        answered(mesh, 5)
        mesh.apply('71-meanwhile.yaml', ROUTE.format(name='meanwhile', gateway=ingress.name, host='two.example'))
        ingress.start()
        for host in ('one.example', 'two.example'):
            lib.eventually(lambda: outside(host) == '200', f'{host} is answered', SECONDS)
        mesh.apply('72-policy.yaml', DENY_PATH.format(name='later', gateway=ingress.name, path='/who'))
        lib.eventually(lambda: outside('one.example') == '403', 'a later policy holds', SECONDS)
        others_run(mesh, killed)


if __name__ == '__main__':
    tests = [the_control_plane_is_killed, the_agent_is_killed, the_proxy_of_a_client_is_killed, the_proxy_of_a_server_is_killed,
             the_waypoint_is_killed, the_ingress_gateway_is_killed]
    if why_not():
        for test in tests:
            print(f'skip {test.__name__.replace("_", " ")}: {why_not()}')
    else:
        lib.main(tests)
