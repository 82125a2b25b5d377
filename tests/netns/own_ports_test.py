#!/usr/bin/env python3
"""The proxy's own ports, from wherever somebody may dial them: its metrics and its readiness answer, over HBONE too; everything else
is refused or closed at once, and no dial comes back to the proxy for ever.
"""
import time

import lib
from mesh import Mesh
from support import connect

PORTS = (15001, 15006, 15008, 15080, 15000, 15020, 15021)
# The proxy of a node as a workload of the mesh: not captured, but at home on HBONE's port.
OWN_POD = '''apiVersion: v1
kind: Namespace
metadata: {{name: aquifer-system}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: aquifer-node, namespace: aquifer-system}}
---
apiVersion: v1
kind: Pod
metadata:
  name: proxy-node-{letter}
  namespace: aquifer-system
  labels: {{istio.io/dataplane-mode: none}}
  annotations: {{ambient.istio.io/redirection: enabled}}
spec: {{nodeName: node-{letter}, serviceAccountName: aquifer-node}}
status: {{phase: Running, podIP: {address}}}
'''
OWN_IDENTITY = 'spiffe://cluster.local/ns/aquifer-system/sa/aquifer-node'
DENY_ALL = '''apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nobody, namespace: aquifer-system}
spec: {}
'''
PLAIN_POD = '''apiVersion: v1
kind: Pod
metadata: {{name: plain, namespace: default, labels: {{istio.io/dataplane-mode: none}}}}
spec: {{nodeName: node-c}}
status: {{phase: Running, podIP: {address}}}
'''


class World:
    def __init__(self, cluster):
        self.mesh = Mesh(cluster)
        self.a, self.b = self.mesh.sides
        self.plain = self.mesh.host.pod('plain')
        self.mesh.apply('20-plain.yaml', PLAIN_POD.format(address=self.plain.address))
        for side in self.mesh.sides:
            self.mesh.apply(f'30-own-{side.letter}.yaml', OWN_POD.format(letter=side.letter, address=side.node.address))
        self.mesh.start(SERVICE_ACCOUNT='aquifer-node')


def scrape(pod, address, path='metrics', port=15020):
    done = pod.run('curl', '-sS', '-m', '5', '-w', '\n%{http_code}', f'http://{address}:{port}/{path}', check_status=False)
    return done.stdout if done.returncode == 0 else ''


def its_metrics_are_had_over_hbone():
    with lib.Cluster() as cluster:
        world = World(cluster)
        a, b = world.a, world.b
        text = lib.eventually(lambda: scrape(a.app, b.node.address), 'the metrics of node-b', 20)
        lib.check(text.endswith('\n200') and '# TYPE' in text, text[:500])
        lib.check(scrape(a.app, b.node.address, 'healthz/ready', 15021).endswith('ready\n\n200'), 'readiness')

        def line():
            return next((line for line in b.proxy.log().splitlines() if 'direction="inbound"' in line and ':15020' in line), None)
        found = lib.eventually(line, 'the line of it')
        for word in (f'src.identity="{a.identity}"', f'dst.identity="{OWN_IDENTITY}"', f'dst.addr={b.node.address}:15008',
                     f'dst.hbone_addr={b.node.address}:15020', 'connection complete'):
            lib.check(word in found, f'{word} is not in {found}')
        world.mesh.apply('60-nobody.yaml', DENY_ALL)
        lib.eventually(lambda: not scrape(a.app, b.node.address), 'a policy denies it')
        # The first may have ended as an open connection: of the next it is told which policy it was.
        lib.eventually(lambda: not scrape(a.app, b.node.address) and 'aquifer-system/nobody' in a.proxy.log(), 'the client\'s node knows which')
        lib.check(scrape(b.node, '127.0.0.1').endswith('\n200'), 'the node itself is asked for no identity')


def outcome(pod, address, port):
    """What somebody hears who dials the port and talks nonsense, and how long it took."""
    start = time.monotonic()
    try:
        with connect(pod, address, port, timeout=3) as end:
            end.sendall(b'nonsense\r\n\r\n')
            heard = b''
            while b'\r\n' not in heard:
                part = end.recv(1 << 12)
                if not part:
                    break
                heard += part
            is_alert = heard[:2] == b'\x15\x03'  # of TLS, on HBONE's port: it says what was wrong and closes
            result = 'closed' if is_alert else heard.split(b'\r\n')[0].decode(errors='replace') or 'closed'
    except ConnectionRefusedError:
        result = 'refused'
    except (ConnectionResetError, BrokenPipeError):
        result = 'closed'
    except TimeoutError:
        result = 'nothing'
    return result, time.monotonic() - start


def whoever_dials_a_port_of_the_proxy_hears_so_at_once():
    with lib.Cluster() as cluster:
        world = World(cluster)
        lib.eventually(lambda: scrape(world.a.app, world.b.node.address), 'the metrics of node-b', 20)
        wrong = []
        for name, pod in (('a captured pod', world.a.app), ('a pod outside', world.plain)):
            targets = {'its own node': pod.node.address, 'the other node': world.b.node.address, 'itself': pod.address,
                       'another pod': world.b.app.address, 'loopback': '127.0.0.1'}
            for which, address in targets.items():
                for port in PORTS:
                    result, seconds = outcome(pod, address, port)
                    served = port in (15020, 15021) and which in ('its own node', 'the other node')
                    allowed = ('HTTP/1.1 400', 'closed', 'refused') if served else ('closed', 'refused')
                    if seconds > 1 or not result.startswith(allowed):
                        wrong.append(f'{name} to {which}, port {port}: {result} after {seconds:.1f} s')
        lib.check(not wrong, '\n'.join(wrong))
        for side in world.mesh.sides:
            lib.check(side.proxy.running(), f'the proxy of {side.name} ended')
            lines = [line for line in side.proxy.log().splitlines() if 'connection' in line]
            lib.check(len(lines) < 4 * len(PORTS) * 5, f'{len(lines)} connections at {side.name}: one dial is taken again and again')


lib.main([its_metrics_are_had_over_hbone, whoever_dials_a_port_of_the_proxy_hears_so_at_once])
