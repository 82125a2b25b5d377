"""What the tests of the waypoint share: one mesh for a whole script, echo servers behind a waypoint and an ingress
gateway, and a client that sends exactly the bytes it is told to.

    world = World()                       # services v1, v2 behind the waypoint; pods v1, v2 answer (echo.py)
    world.service('shop', pod='v1')       # one more service with the waypoint, before start()
    world.start()
    world.apply('50-route.yaml', route('shop', rules))
    answer = world.ask('shop', 'GET', '/path', {'x-a': '1'})
"""
import collections
import json
import socket
import sys
import time

from echo import Echo
import lib
from mesh import ACCOUNT, Mesh, answers_ready

HOST = 'default.svc.cluster.local'


class Answer:
    """A response in HTTP/1.1. `fields` in order, names as they came."""

    def __init__(self, status, fields, body, trailers, raw):
        self.status, self.fields, self.body, self.trailers, self.raw = status, fields, body, trailers, raw

    def __getitem__(self, name):
        found = [value for field, value in self.fields if field.lower() == name]
        return ','.join(found) if found else None

    def all(self, name):
        return [value for field, value in self.fields if field.lower() == name]

    @property
    def echo(self):
        """What the backend says that it got."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise lib.Failure(f'not from a backend: {self.status} {self.body[:200]!r}') from None

    @property
    def sent(self):
        """The fields that the backend got."""
        return {name.lower(): value for name, value in self.echo['fields']}

    def __repr__(self):
        return f'{self.status} {self.fields} {self.body[:200]!r}'


class Connection:
    """A client's connection, HTTP/1.1 by hand."""

    def __init__(self, netns, address, port=80, timeout=10):
        with netns.entered():
            self.socket = socket.socket()
        self.socket.settimeout(timeout)
        self.socket.connect((address, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b''

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode('latin-1'))

    def more(self):
        part = self.socket.recv(65536)
        self.buffer += part
        return bool(part)

    def until(self, mark):
        while mark not in self.buffer:
            if not self.more():
                raise lib.Failure(f'connection ended after {self.buffer[:300]!r}')
        part, _, self.buffer = self.buffer.partition(mark)
        return part

    def exactly(self, size):
        while len(self.buffer) < size:
            if not self.more():
                raise lib.Failure(f'body ended after {len(self.buffer)} bytes, expected {size}')
        part, self.buffer = self.buffer[:size], self.buffer[size:]
        return part

    def answer(self, method='GET', interim=False):
        """The next response; interim ones are skipped unless wanted."""
        while True:
            text = self.until(b'\r\n\r\n')
            first, _, rest = text.decode('latin-1').partition('\r\n')
            status = int(first.split(' ')[1])
            if status // 100 != 1 or status == 101 or interim:
                break
        fields = [tuple(part.strip() for part in line.split(':', 1)) for line in rest.split('\r\n') if line]
        answer = Answer(status, fields, b'', [], text + b'\r\n\r\n')
        if method == 'HEAD' or status in (101, 204, 304) or status // 100 == 1:
            return answer
        if answer['transfer-encoding'] == 'chunked':
            while size := int(self.until(b'\r\n'), 16):
                answer.body += self.exactly(size)
                self.until(b'\r\n')
            while line := self.until(b'\r\n'):
                answer.trailers.append(tuple(part.strip() for part in line.decode().split(':', 1)))
        elif answer['content-length'] is not None:
            answer.body = self.exactly(int(answer['content-length']))
        else:
            answer.body = self.rest()
        answer.raw += answer.body
        return answer

    def rest(self):
        """Everything until the other side closes; what is there when it resets."""
        try:
            while self.more():
                pass
        except ConnectionResetError:
            pass
        part, self.buffer = self.buffer, b''
        return part

    def closed(self, seconds=5):
        """Whether the other side ends the connection and says nothing more."""
        self.socket.settimeout(seconds)
        try:
            return self.rest() == b''
        except TimeoutError:
            return False

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request_bytes(method, path, fields=None, body=b'', host='echo'):
    lines = [f'{method} {path} HTTP/1.1']
    fields = dict(fields or {})
    if 'host' not in {name.lower() for name in fields}:
        lines.append(f'Host: {host}')
    for name, value in fields.items():
        lines += [f'{name}: {each}' for each in (value if isinstance(value, list) else [value])]
    if body and 'transfer-encoding' not in {name.lower() for name in fields}:
        lines.append(f'Content-Length: {len(body)}')
    return '\r\n'.join(lines).encode('latin-1') + b'\r\n\r\n' + body


SERVICE = '''apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default, labels: {labels}}}
spec:
  clusterIP: {address}
  selector: {{name: {pod}}}
  ports:
  - {{name: http, port: 80, targetPort: 80}}
  - {{name: http2-two, port: 82, targetPort: 80, appProtocol: kubernetes.io/h2c}}
  - {{name: tcp-raw, port: 9000, targetPort: 9000}}
  - {{name: unsaid, port: 9001, targetPort: 9000}}
  - {{name: maybe, port: 9080, targetPort: 80}}
---
'''
POD = '''apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: {namespace}
  labels: {labels}
  annotations: {{aquifer.io/netns: {netns}}}
spec: {{serviceAccountName: {account}, nodeName: {node}, containers: [{{name: main}}]}}
status: {{phase: Running, podIP: {address}}}
---
'''
FAR = '''apiVersion: v1
kind: Namespace
metadata: {name: far, labels: {istio.io/dataplane-mode: ambient}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: far, namespace: far}
---
'''


class World:
    def __init__(self, ingress=True):
        self.cluster = lib.Cluster()
        self.cluster.__enter__()
        self.mesh = Mesh(self.cluster)
        self.a, self.b = self.mesh.a, self.mesh.b
        self.client, self.intruder = self.a.app, self.a.intruder
        self.far = self.a.node.pod('far')
        self.pods = {name: self.b.node.pod(name) for name in ('v1', 'v2')}
        self.pod_labels = {}
        self.services, self.echo = collections.OrderedDict(), {}
        self.service('v1')
        self.service('v2', pod='v2')
        self.waypoint = self.mesh.waypoint(self.b)
        self.ingress = self.mesh.ingress(self.b) if ingress else None

    def service(self, name, pod='v1', waypoint='way'):
        self.services[name] = (f'10.96.{20 + len(self.services) // 200}.{len(self.services) % 200 + 1}', pod, waypoint)

    def address(self, name):
        return self.services[name][0]

    def manifest(self):
        text = FAR + self.pod_manifest(self.far, 'far', 'far', 'node-a')
        for name, pod in self.pods.items():
            text += ACCOUNT.format(account=name) + self.pod_manifest(pod, name, 'default', 'node-b', self.pod_labels.get(name))
        for name, (address, pod, waypoint) in self.services.items():
            labels = json.dumps({'istio.io/use-waypoint': waypoint} if waypoint else {})
            text += SERVICE.format(name=name, labels=labels, address=address, pod=pod)
        return text

    @staticmethod
    def pod_manifest(pod, name, namespace, node, labels=None):
        return POD.format(name=name, namespace=namespace, netns=pod.name, account=name, node=node, address=pod.address,
                          labels=json.dumps({'name': name, **(labels or {})}))

    def start(self):
        self.mesh.apply('20-world.yaml', self.manifest())
        self.mesh.start()
        for gateway in self.mesh.gateways:
            gateway.start()
        for name, pod in self.pods.items():
            self.echo[name] = Echo(pod, name)
        last = list(self.services)[-1]
        lib.eventually(lambda: self.try_ask(last) == 200, f'the service {last} is served through the waypoint', 20)
        lib.eventually(lambda: self.try_ask(last, netns=self.far) == 200, 'another namespace is served', 20)

    def try_ask(self, service, **more):
        try:
            answer = self.ask(service, **more)
            return answer.status if answer['server'] == 'istio-envoy' else 0
        except (OSError, lib.Failure):
            return 0

    def connect(self, service='v1', port=80, netns=None, **more):
        return Connection(netns or self.client, self.address(service), port, **more)

    def ask(self, service='v1', method='GET', path='/', fields=None, body=b'', port=80, netns=None, host='echo'):
        with self.connect(service, port, netns) as connection:
            connection.send(request_bytes(method, path, fields, body, host))
            return connection.answer(method)

    def ask_ingress(self, method='GET', path='/', fields=None, body=b'', host='shop.example'):
        """From outside of the mesh."""
        with Connection(self.a.node, self.ingress.address) as connection:
            connection.send(request_bytes(method, path, fields, body, host))
            return connection.answer(method)

    def curl(self, service, *words, path='/', netns=None):
        return curl(netns or self.client, f'http://{self.address(service)}{path}', *words)

    def dump(self, gateway):
        return json.loads(gateway.pod.run('curl', '-sS', 'http://127.0.0.1:15000/config_dump').stdout)

    def apply(self, name, *objects):
        """Objects as they would be written; returns when the proxies that they concern know routes and policies."""
        self.mesh.apply(name, '\n---\n'.join(json.dumps(each) for each in objects))
        wanted = {f'{each["metadata"].get("namespace", "default")}/{each["metadata"]["name"]}' for each in objects
                  if each['kind'] in ('HTTPRoute', 'AuthorizationPolicy')}

        def known():
            names = set()
            for gateway in self.mesh.gateways:
                dump = self.dump(gateway)
                names |= {each['name'] for each in dump.get('routes', []) + dump.get('policies', [])}
            return wanted <= names
        lib.eventually(known, f'{name} is known to the proxies', 20)
        time.sleep(0.05)  # each worker gets what the control loop has dumped right after it

    def metrics(self, gateway):
        return gateway.pod.run('curl', '-sS', 'http://127.0.0.1:15020/metrics').stdout

    def close(self, failed):
        for server in self.echo.values():
            server.close()
        if failed:
            self.cluster.show_logs()
        self.cluster.close()


def curl(netns, url, *words):
    """An Answer from the real curl, whichever version of HTTP it is told to speak."""
    done = netns.run('curl', '-sS', '-m', '20', '-i', *words, url, check_status=False)
    lib.check(done.returncode == 0, f'curl {url}: {done.stdout[-300:]}')
    text = done.stdout
    while True:
        head, _, text = text.replace('\r\n', '\n').partition('\n\n')
        first, _, rest = head.partition('\n')
        if not first.split(' ')[1].startswith('1'):
            break
    fields = [tuple(part.strip() for part in line.split(':', 1)) for line in rest.split('\n') if line]
    return Answer(int(first.split(' ')[1]), fields, text.encode('latin-1', 'replace'), [], b'')


def meta(name, **more):
    return {'name': name, 'namespace': 'default', **more}


def route(name, service, rules, parent=None, namespace='default', **spec):
    parent = parent or {'group': '', 'kind': 'Service', 'name': service}
    return {'apiVersion': 'gateway.networking.k8s.io/v1', 'kind': 'HTTPRoute', 'metadata': {'name': name, 'namespace': namespace},
            'spec': {'parentRefs': [parent], 'rules': rules, **spec}}


def backend(name, weight=1, **more):
    return {'name': name, 'port': 80, 'weight': weight, **more}


def policy(name, action, rules, service=None, **more):
    target = {'group': '', 'kind': 'Service', 'name': service} if service else more.pop('target')
    return {'apiVersion': 'security.istio.io/v1', 'kind': 'AuthorizationPolicy', 'metadata': meta(name, **more.pop('metadata', {})),
            'spec': {'targetRefs': [target], 'action': action, **({'rules': rules} if rules is not None else {}), **more}}


def main(make_world, tests):
    """As lib.main, with one world for all tests; each gets it."""
    held = []

    def bound(test):
        def run():
            if not held:
                held.append(make_world())
                held[0].start()
            lib.check(held[0].echo, 'the mesh did not start')
            test(held[0])
        run.__name__ = test.__name__
        return run
    status = 1
    try:
        lib.main([bound(test) for test in tests])
    except SystemExit as end:
        status = end.code
    finally:
        for world in held:
            world.close(status)
    sys.exit(status)
