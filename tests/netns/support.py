"""What the tests of redirect share: echo servers in namespaces, manifests, the agent and a proxy without a mesh."""
import contextlib
import json
import pathlib
import signal
import socket
import threading

import lib

MARK = 0x539
# nft and the sanitizers are no strangers to each other, so these run sanitized.
CNI = ('aquifer-cni', 'redirect')
PLAIN_PROXY = ('plain_proxy', 'tests/netns')


def cni(*words, check_status=True):
    return lib.run(lib.program(*CNI, sanitized=True), *words, check_status=check_status)


class EchoServer:
    """Answers each line with the address that it sees its client at. One thread, ended with the block."""

    def __init__(self, netns, port, address='::'):
        with netns.entered():
            family = socket.AF_INET6 if ':' in address else socket.AF_INET
            self.listener = socket.create_server((address, port), family=family, dualstack_ipv6=address == '::')
        self.seen = []
        self._connections = []
        self._closing = False
        self._thread = threading.Thread(target=self._serve)

    def _serve(self):
        threads = []
        while True:
            try:
                connection, peer = self.listener.accept()
            except OSError:
                break
            if self._closing:
                connection.close()
                break
            self.seen.append(peer[0].removeprefix('::ffff:'))
            self._connections.append(connection)
            threads.append(threading.Thread(target=self._echo, args=(connection, self.seen[-1])))
            threads[-1].start()
        for thread in threads:
            thread.join()

    @staticmethod
    def _echo(connection, peer):
        with connection, contextlib.suppress(OSError):
            for line in connection.makefile('rb'):
                connection.sendall(peer.encode() + b' ' + line)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._closing = True
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self.listener.close()


def connect(netns, address, port, mark=0, source=None, timeout=5):
    """A connected socket from inside the namespace."""
    with netns.entered():
        client = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET)
    try:
        client.settimeout(timeout)
        if mark:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        if source:
            client.bind((source, 0))
        client.connect((address, port))
    except OSError:
        client.close()
        raise
    return client


def say(client, text='hello'):
    """Sends a line and returns the answer."""
    client.sendall(text.encode() + b'\n')
    answer = b''
    while not answer.endswith(b'\n'):
        part = client.recv(4096)
        lib.check(part, f'connection ended after {answer!r}')
        answer += part
    return answer.decode().strip()


def ask(netns, address, port, text='hello', **options):
    with connect(netns, address, port, **options) as client:
        return say(client, text)


def reachable(netns, address, port, **options):
    """Whether a connection carries a line and its answer."""
    try:
        return ask(netns, address, port, **options)
    except (OSError, lib.Failure):
        return None


class Manifests:
    """A directory of manifests and the agent's view of it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)

    def write(self, name, text):
        fresh = self.folder / f'.{name}.new'
        fresh.write_text(text)
        fresh.rename(self.folder / f'{name}.yaml')

    def remove(self, name):
        (self.folder / f'{name}.yaml').unlink()

    def namespace(self, name, mode=None):
        labels = f'\n  labels: {{istio.io/dataplane-mode: {mode}}}' if mode else ''
        self.write(f'ns-{name}', f'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}{labels}\n')

    def pod(self, pod, node='node1', ns='shop', mode=None, account='default', annotations='', netns=None):
        labels = f'\n  labels: {{istio.io/dataplane-mode: {mode}}}' if mode else ''
        self.write(f'pod-{pod.short_name}', f'''apiVersion: v1
kind: Pod
metadata:
  name: {pod.short_name}
  namespace: {ns}{labels}
  annotations:
    aquifer.io/netns: {netns or pod.name}
{annotations}spec:
  nodeName: {node}
  serviceAccountName: {account}
''')


class Mesh:
    """A cluster with manifests, the agent of one node, and proxies that carry traffic in the clear."""

    def __init__(self, cluster, node_name='node1'):
        self.cluster, self.node_name = cluster, node_name
        self.manifests = Manifests(cluster.folder / 'manifests')
        self.zds = cluster.folder / 'zds.sock'
        self.status_file = cluster.folder / 'status.json'
        self.agent = None

    def start_agent(self, *more):
        self.agent = self.cluster.spawn(
            [lib.program(*CNI, sanitized=True), 'agent', '--manifests', self.manifests.folder, '--node-name',
             self.node_name, '--zds-socket', self.zds, '--status-file', self.status_file, '--log-level', 'debug',
             *more], 'agent')
        return self.agent

    def start_proxy(self, name='proxy', *more):
        return self.cluster.spawn([lib.program(*PLAIN_PROXY, sanitized=True), self.zds, *more], name)

    def status(self):
        try:
            return json.loads(self.status_file.read_text())
        except FileNotFoundError:
            return {'pods': [], 'refusals': [], 'proxies': 0}

    def pod_status(self, pod):
        return next((p for p in self.status()['pods'] if p['name'] == pod.short_name), None)

    def wait_served(self, pod, seconds=10):
        def served():
            status = self.pod_status(pod)
            return status and status['capture'] == 'verified' and status['proxy'] == 'served'
        lib.eventually(served, f'{pod.short_name} captured, proven and served', seconds)

    def wait_gone(self, pod, seconds=10):
        lib.eventually(lambda: not self.pod_status(pod), f'{pod.short_name} no longer captured', seconds)


@contextlib.contextmanager
def two_pods():
    """A node with a pod to capture and one outside the mesh."""
    with lib.Cluster() as cluster:
        node = cluster.node()
        yield cluster, node.pod('inside'), node.pod('outside')


def stopped_cleanly(process):
    """Sanitizers turn what they find into another exit status."""
    lib.equal(process.kill(signal.SIGTERM), 0, f'exit status of {process.command[0]}')
