"""A mesh for tests: two nodes, on each an application and an intruder, under aquifer-control.

    with lib.Cluster() as cluster:
        mesh = Mesh(cluster, (OURS, ZTUNNEL))     # which proxy each node runs
        mesh.start()
        mesh.a.app.run('curl', f'http://{mesh.b.app.address}/')

The applications are labelled app: app and each has an account and a service of its own (app-a, app-b);
both intruders share the account "intruder". Both proxies get the same environment, that of Istio's node proxy.

    waypoint = mesh.waypoint(mesh.b)              # its pod, account, service and Gateway; not started yet
    waypoint.start()
    mesh.use_waypoint(mesh.b, waypoint)           # the service app-b goes through it
    ingress = mesh.ingress(mesh.a, port=80)       # likewise; routes are the test's own (mesh.apply)
"""
import json
import os
import pathlib

import lib

# The interpreter itself, not a wrapper that would have another pid.
PYTHON = os.path.realpath('/proc/self/exe')
OURS, ZTUNNEL, NONE = 'aquifer-node', 'ztunnel', 'no proxy'

HEAD = '''apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {istio.io/dataplane-mode: ambient}}
---
'''
ACCOUNT = '''apiVersion: v1
kind: ServiceAccount
metadata: {{name: {account}, namespace: default}}
---
'''
POD = '''apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default, labels: {service_labels}}}
spec:
  clusterIP: {service}
  selector: {{name: {name}}}
  ports:
  - {{name: http, port: 80}}
  - {{name: iperf, port: 5201}}
---
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: default
  labels: {{app: {app}, name: {name}}}
  annotations: {{aquifer.io/netns: {netns}}}
spec:
  serviceAccountName: {account}
  nodeName: {node}
  containers: [{{name: main, ports: [{{name: http, containerPort: 80}}]}}]
status: {{phase: Running, podIP: {address}}}
---
'''
DENY_INTRUDER = '''apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny-intruder, namespace: default}
spec:
  selector: {matchLabels: {app: app}}
  action: DENY
  rules:
  - from: [{source: {principals: [cluster.local/ns/default/sa/intruder]}}]
'''


GATEWAY_POD = ACCOUNT + '''apiVersion: v1
kind: Service
metadata:
  name: {account}
  namespace: default
  labels: {{gateway.networking.k8s.io/gateway-name: {gateway}}}
spec:
  clusterIP: {service}
  selector: {{gateway.networking.k8s.io/gateway-name: {gateway}}}
  ports: [{{name: {port_name}, port: {port}}}]
---
apiVersion: v1
kind: Pod
metadata:
  name: {account}
  namespace: default
  labels: {{gateway.networking.k8s.io/gateway-name: {gateway}, istio.io/dataplane-mode: none}}
  annotations: {{aquifer.io/netns: {netns}}}
spec:
  serviceAccountName: {account}
  nodeName: {node}
  containers: [{{name: main, ports: [{{name: {port_name}, containerPort: {port}}}]}}]
status: {{phase: Running, podIP: {address}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: {gateway}, namespace: default}}
spec:
  gatewayClassName: {gateway_class}
  listeners: [{{name: {port_name}, port: {port}, protocol: {protocol}}}]
'''


def pod_manifest(side, pod, name, account, service, app, service_labels=None):
    """A pod with its service."""
    return POD.format(name=name, account=account, app=app, netns=pod.name, node=side.name, address=pod.address, service=service,
                      service_labels=json.dumps(service_labels or {}))


def answers_ready(netns, url):
    return netns.run('curl', '-sS', '-m', '5', '-o', os.devnull, '-w', '%{http_code}', url, check_status=False).stdout == '200'


class Side:
    """A node, its pods and the processes on it."""

    def __init__(self, mesh, letter, kind):
        self.mesh, self.letter, self.kind, self.name = mesh, letter, kind, f'node-{letter}'
        self.node = mesh.cluster.node()
        self.app, self.intruder = self.node.pod(f'app-{letter}'), self.node.pod(f'bad-{letter}')
        self.socket = mesh.cluster.folder / f'{self.name}-zds.sock'
        self.agent = self.proxy = None
        self.service_labels = {}

    @property
    def service(self):
        return f'10.96.0.{self.node.number}'

    @property
    def identity(self):
        return f'spiffe://cluster.local/ns/default/sa/app-{self.letter}'

    def manifest(self):
        return (pod_manifest(self, self.app, f'app-{self.letter}', f'app-{self.letter}', self.service, 'app',
                             self.service_labels) +
                pod_manifest(self, self.intruder, f'intruder-{self.letter}', 'intruder', f'10.96.1.{self.node.number}', 'intruder'))

    def start_agent(self):
        self.agent = self.node.spawn([self.mesh.program('aquifer-cni', 'redirect'), 'agent', '--manifests', self.mesh.manifests,
                                      '--node-name', self.name, '--zds-socket', self.socket, '--status-file',
                                      self.mesh.cluster.folder / f'{self.name}-status.json', '--admin', '127.0.0.1:15014'],
                                     log=f'cni-{self.name}')
        return self.agent

    def start_proxy(self, **environment):
        env = self.mesh.environment(f'node/{self.name}', NODE_NAME=self.name, INPOD_UDS=str(self.socket), POD_NAME=f'proxy-{self.name}',
                                    POD_NAMESPACE='aquifer-system', RUST_LOG='info', ISTIO_META_DNS_CAPTURE='false')
        command = [self.mesh.program('aquifer-node', 'node-proxy')] if self.kind == OURS else [os.environ['AQUIFER_ZTUNNEL'], 'proxy', 'ztunnel']
        self.proxy = self.node.spawn(command, log=f'proxy-{self.name}', env=env | environment)
        return self.proxy

    def wait_ready(self, seconds=30, port=15021):
        def ready():
            lib.check(self.proxy.running(), f'the proxy of {self.name} ended')
            return answers_ready(self.node, f'http://127.0.0.1:{port}/healthz/ready')
        lib.eventually(ready, f'the proxy of {self.name} is ready', seconds)


class Gateway:
    """aquifer-waypoint in a pod of its own on a side's node: a waypoint, or a gateway that listens for HTTP."""

    def __init__(self, mesh, side, name, number, gateway_class, port_name, port, protocol):
        self.mesh, self.side, self.name, self.account = mesh, side, name, f'{name}-sa'
        self.pod = side.node.pod(name)
        self.service = f'10.96.9.{number}'
        self.process = None
        mesh.apply(f'15-gateway-{name}.yaml', GATEWAY_POD.format(
            account=self.account, gateway=name, service=self.service, netns=self.pod.name, node=side.name, address=self.pod.address,
            gateway_class=gateway_class, port_name=port_name, port=port, protocol=protocol))

    @property
    def address(self):
        return self.pod.address

    @property
    def identity(self):
        return f'spiffe://cluster.local/ns/default/sa/{self.account}'

    def start(self, **environment):
        """Starts it (anew) and waits until it is ready."""
        self.launch(**environment)
        self.wait_ready()
        return self.process

    def launch(self, **environment):
        token = f'workload/default/{self.account}'
        lib.eventually((self.mesh.state / 'tokens' / token).exists, f'the token of {self.account}')
        env = self.mesh.environment(token, GATEWAY_NAME=self.name, POD_NAME=self.account, POD_NAMESPACE='default', RUST_LOG='info',
                                    SERVICE_ACCOUNT=self.account, INSTANCE_IP=self.pod.address)
        self.process = self.pod.spawn([self.mesh.program('aquifer-waypoint', 'waypoint')], log=f'gateway-{self.name}',
                                      env=env | environment)

    def wait_ready(self, seconds=30):
        def ready():
            lib.check(self.process.running(), f'{self.name} ended')
            return answers_ready(self.pod, 'http://127.0.0.1:15021/healthz/ready')
        lib.eventually(ready, f'{self.name} is ready', seconds)


class Mesh:
    def __init__(self, cluster, kinds=(OURS, OURS), sanitized=False):
        self.cluster, self.sanitized = cluster, sanitized
        self.manifests, self.state = cluster.folder / 'manifests', cluster.folder / 'state'
        self.manifests.mkdir()
        self.a, self.b = Side(self, 'a', kinds[0]), Side(self, 'b', kinds[1])
        self.sides = (self.a, self.b)
        self.host = cluster.node()
        self.control = None
        self.gateways = []
        self.apply_pods()

    def program(self, name, folder):
        return lib.program(name, folder, self.sanitized)

    def environment(self, token, **more):
        """What a client of the control plane needs, with this token of its."""
        server, root = f'https://{self.host.address}:15012', str(self.state / 'ca/root-cert.pem')
        return {'XDS_ADDRESS': server, 'CA_ADDRESS': server, 'XDS_ROOT_CA': root, 'CA_ROOT_CA': root,
                'AUTH_TOKEN': str(self.state / 'tokens' / token), **more}

    def apply_pods(self):
        self.apply('10-pods.yaml', HEAD + ''.join(ACCOUNT.format(account=name) for name in ('app-a', 'app-b', 'intruder')) +
                   self.a.manifest() + self.b.manifest())

    def apply(self, name, text):
        fresh = self.manifests / f'.{name}.new'
        fresh.write_text(text)
        fresh.rename(self.manifests / name)

    def withdraw(self, name):
        (self.manifests / name).unlink()

    def waypoint(self, side, name='way'):
        return self._gateway(side, name, 'istio-waypoint', 'mesh', 15008, 'HBONE')

    def ingress(self, side, name='ingress', port=80):
        return self._gateway(side, name, 'istio', 'http', port, 'HTTP')

    def _gateway(self, side, name, *kind):
        self.gateways.append(Gateway(self, side, name, len(self.gateways) + 1, *kind))
        return self.gateways[-1]

    def use_waypoint(self, side, waypoint):
        """The service of the side's application goes through the waypoint from now on; None: no longer."""
        side.service_labels = {'istio.io/use-waypoint': waypoint.name} if waypoint else {}
        self.apply_pods()

    def start_control(self):
        self.control = self.host.spawn([self.program('aquifer-control', 'control'), '--manifests', self.manifests, '--state', self.state,
                                        '--listen', f'{self.host.address}:15012', '--admin', f'{self.host.address}:15014'],
                                       log='control')
        lib.eventually(self.control_ready, 'aquifer-control is ready', 20)
        lib.eventually(lambda: all((self.state / 'tokens/node' / side.name).exists() for side in self.sides), 'tokens')
        return self.control

    def control_ready(self):
        lib.check(self.control.running(), 'aquifer-control ended')
        return answers_ready(self.host, f'http://{self.host.address}:15014/healthz/ready')

    def start(self, **environment):
        """Everything; the environment is added to that of the proxies."""
        self.start_control()
        for side in self.sides:
            if side.kind != NONE:
                side.start_agent()
                side.start_proxy(**environment)
        for side in self.sides:
            if side.kind != NONE:
                side.wait_ready()

    def serve(self):
        """A file served by each application, which holds the letter of its node."""
        for side in self.sides:
            folder = pathlib.Path(self.cluster.folder, f'files-{side.letter}')
            folder.mkdir()
            (folder / 'who').write_text(f'app-{side.letter}\n')
            side.app.spawn([PYTHON, '-m', 'http.server', '80', '--directory', folder], log=f'http-{side.letter}')
            lib.eventually(lambda: side.app.run('curl', '-sS', '-m', '5', 'http://127.0.0.1/who', check_status=False).returncode == 0,
                           f'the server of {side.name}', 20)


def get(pod, address):
    """What curl printed; empty when refused."""
    done = pod.run('curl', '-sS', '-m', '5', f'http://{address}/who', check_status=False)
    return done.stdout if done.returncode == 0 else ''
