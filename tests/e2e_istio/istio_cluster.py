"""The cluster with Istio that this suite is given: AQUIFER_CLUSTER names the command that makes a cluster of two nodes on
this machine, AQUIFER_PEERS the folder with the command that installs Istio on it. Nodes share this machine's files.

AQUIFER_E2E_KEEP=1 uses a cluster that is up and leaves it up, which is how one works on a case.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / 'tests/netns'), str(ROOT / 'scripts')]
import agents  # noqa: E402
import image  # noqa: E402
import lib  # noqa: E402

OURS, THEIRS = 'aquifer:dev', 'docker.io/istio/ztunnel:dev'
SYSTEM = 'istio-system'
NODES = ('node1', 'node2')
# What the cluster's own command needs and a small machine lacks.
COMMANDS = ('containerd', 'runc', 'nft', 'ipset', 'conntrack', 'openssl', 'gcc')


def why_not():
    for variable, what in (('AQUIFER_CLUSTER', 'a command that makes a cluster'), ('AQUIFER_PEERS', 'a folder with Istio')):
        if not os.environ.get(variable):
            return f'{variable} is not set: {what}'
    missing = [command for command in COMMANDS if not shutil.which(command)]
    if missing:
        return f'needs {" ".join(missing)} (deps/apt-e2e.txt)'
    if not Cluster.keep() and Cluster.folder().joinpath('run').exists():
        return 'a cluster is up already'
    return None


class Cluster:
    """Made on entry, gone on exit."""

    def __init__(self, dual=False):
        self.dual = dual
        self.tool = os.environ['AQUIFER_CLUSTER']
        self.peers = pathlib.Path(os.environ['AQUIFER_PEERS']) / 'istio'
        self.env = dict(os.environ, KUBECONFIG=str(self.folder() / 'admin.conf'), KUBE_DUAL='1' if dual else '')

    @staticmethod
    def keep():
        return os.environ.get('AQUIFER_E2E_KEEP') == '1'

    @staticmethod
    def folder():
        return pathlib.Path(os.environ.get('KUBE_DIR', '/tmp/kube'))

    def __enter__(self):
        if not (self.keep() and (self.folder() / 'run').exists()):
            try:
                self.run(self.tool, 'up', timeout=240)
                self.run(self.peers, 'up', timeout=240)
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_):
        if not self.keep():
            self.run(self.tool, 'down', timeout=120)

    def run(self, *command, text=None, timeout=120):
        """Output of a command that succeeds."""
        done = subprocess.run([str(w) for w in command], input=text, env=self.env, text=True, timeout=timeout,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              **({} if text else {'stdin': subprocess.DEVNULL}))
        lib.check(done.returncode == 0, f'{" ".join(map(str, command))[:300]}: {done.stderr.strip()[-1500:]}')
        return done.stdout

    def kubectl(self, *words, **options):
        return self.run(self.tool, 'kubectl', *words, **options)

    def istioctl(self, *words):
        return self.run(self.peers, 'ctl', *words)

    def get(self, *words):
        return json.loads(self.kubectl('get', *words, '-o', 'json'))

    def apply(self, *objects):
        listed = {'apiVersion': 'v1', 'kind': 'List', 'items': list(objects)}
        self.kubectl('apply', '-f', '-', text=json.dumps(listed))

    def delete(self, *objects):
        listed = {'apiVersion': 'v1', 'kind': 'List', 'items': list(objects)}
        self.kubectl('delete', '--wait=false', '--ignore-not-found', '-f', '-', text=json.dumps(listed))

    def load_images(self, folder):
        """Our programs, and the agent of the test pods with as much of Python as it imports."""
        build = pathlib.Path(os.environ.get('AQUIFER_BUILD', ROOT / 'build/release'))
        programs = {f'/usr/local/bin/{pathlib.Path(p).name}': str(build / p) for p in image.PROGRAMS}
        image.write_archive(folder / 'aquifer.tar', image.layer(programs), OURS, Entrypoint=['/usr/local/bin/aquifer-node'])
        image.write_archive(folder / 'agent.tar', image.layer(agents.files()), agents.IMAGE,
                            Entrypoint=[agents.PYTHON, '-I', '-S', '-B', '/agent.py'], Env=['PYTHONHOME=/usr'])
        for archive in ('aquifer.tar', 'agent.tar'):
            self.run(self.tool, 'load', folder / archive)

    # The node proxies

    def node_proxies(self):
        """The one ready node proxy of each node: its pod."""
        pods = [p for p in self.get('pod', '-n', SYSTEM)['items']
                if p['metadata']['labels'].get('app') in ('ztunnel', 'node-proxy')]
        found = {}
        for pod in pods:
            if 'deletionTimestamp' in pod['metadata'] or not is_ready(pod) or pod['spec']['nodeName'] in found:
                return None
            found[pod['spec']['nodeName']] = pod
        return found if len(found) == len(NODES) else None

    def settled(self, images, seconds=90):
        def as_wanted():
            found = self.node_proxies()
            return found if found and all(found[n]['spec']['containers'][0]['image'] == images[n] for n in NODES) else None
        return lib.eventually(as_wanted, f'one ready node proxy on each node: {images}', seconds)

    def use(self, images):
        """Moves to these node proxies, {node: image}, and returns their pods."""
        theirs = [n for n in NODES if images[n] == THEIRS]
        if len(theirs) == 1:
            self.set_all(THEIRS)
            ours = next(n for n in NODES if n not in theirs)
            self.run(self.peers, 'node-proxy', OURS, ours)
        else:
            self.set_all(images['node1'])
        return self.settled(images)

    def set_all(self, name):
        self.kubectl('-n', SYSTEM, 'delete', 'ds', 'node-proxy', '--ignore-not-found')
        patch = {'spec': {'template': {'spec': {'affinity': None, 'containers': [{'name': 'istio-proxy', 'image': name}]}}}}
        self.kubectl('-n', SYSTEM, 'patch', 'ds', 'ztunnel', '-p', json.dumps(patch))
        self.kubectl('-n', SYSTEM, 'rollout', 'status', 'ds/ztunnel', '--timeout=90s')

    def set_proxy_options(self, grace_s, **variables):
        """Before the first use: a short end, so that moving between configurations is quick, and what tests need."""
        env = [{'name': k, 'value': v} for k, v in {'TERMINATION_GRACE_PERIOD_SECONDS': str(grace_s), **variables}.items()]
        spec = {'terminationGracePeriodSeconds': grace_s, 'containers': [{'name': 'istio-proxy', 'env': env}]}
        self.kubectl('-n', SYSTEM, 'patch', 'ds', 'ztunnel', '-p', json.dumps({'spec': {'template': {'spec': spec}}}))

    def log_of(self, pod):
        return self.kubectl('-n', SYSTEM, 'logs', pod['metadata']['name'])


class Beside:
    """kubectl that runs beside the test. The cluster's command may start it as a child, which is ended too."""

    def __init__(self, cluster, *words, output=subprocess.PIPE):
        self.process = subprocess.Popen([str(w) for w in (cluster.tool, 'kubectl', *words)], env=cluster.env, text=True,
                                        stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.returncode is None:  # else it was waited for, and the number of its group may be another's
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def is_ready(pod):
    return any(c['type'] == 'Ready' and c['status'] == 'True' for c in pod['status'].get('conditions', []))
