"""A cluster with nothing on it but the Gateway API's definitions, and Aquifer installed there as its users do it. AQUIFER_CLUSTER names the command
that makes a cluster of two nodes on this machine, AQUIFER_PEERS the folder whose manifests hold the definitions.

AQUIFER_E2E_KEEP=1 uses a cluster that is up and leaves it up.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / 'tests/e2e_istio'))
import istio_cluster as istio  # noqa: E402
from istio_cluster import NODES, image, lib  # noqa: E402

SYSTEM = 'aquifer-system'
ZTUNNEL = 'aquifer-e2e-ztunnel:dev'
COMMAND_LINE = ROOT / os.environ.get('AQUIFER_BUILD', 'build/release') / 'cli/aquifer'
# The nodes of this cluster share the machine's /var/run; of each node's own is what another agent would use.
VALUES = ('--set', 'cni.runFolder=/var/run/istio-cni')


def why_not():
    reason = istio.why_not()
    if reason is None and not definitions().exists():
        return f'{definitions()} is not there'
    return reason


def definitions():
    return pathlib.Path(os.environ['AQUIFER_PEERS']) / 'manifests' / 'gateway-api-standard.yaml'


class Cluster(istio.Cluster):
    """Without Istio."""

    def __init__(self):
        super().__init__()
        self.bin = self.folder().parent / f'aquifer-e2e-bin-{os.getpid()}'

    def __enter__(self):
        if not (self.keep() and (self.folder() / 'run').exists()):
            self.run(self.tool, 'up', timeout=240)
        self.bin.mkdir(exist_ok=True)
        self.offer('kubectl', f'{self.tool} kubectl')
        self.offer('aquifer', COMMAND_LINE)
        return self

    def __exit__(self, *exception):
        shutil.rmtree(self.bin)
        super().__exit__(*exception)

    def offer(self, name, command):
        """A command for who types into a shell."""
        (self.bin / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (self.bin / name).chmod(0o755)

    def aquifer(self, *words):
        """Exit status and output of a command of the command line."""
        done = subprocess.run([self.bin / 'aquifer', *words], env=self.shell_environment(), text=True, capture_output=True, timeout=150, check=False)
        return done.returncode, done.stdout + done.stderr

    def shell_environment(self):
        return dict(self.env, PATH=f'{self.bin}:{self.env["PATH"]}')

    def manifests(self):
        """As of the chart, with the few values that this cluster needs."""
        made = subprocess.run([sys.executable, ROOT / 'scripts/chart.py', *VALUES], check=True, capture_output=True, text=True)
        return made.stdout

    def load_ztunnel(self, folder):
        layer = image.layer({'/usr/local/bin/ztunnel': os.environ['AQUIFER_ZTUNNEL']})
        image.write_archive(folder / 'ztunnel.tar', layer, ZTUNNEL, Entrypoint=['/usr/local/bin/ztunnel'])
        self.run(self.tool, 'load', folder / 'ztunnel.tar')

    def uninstall(self):
        done = subprocess.run([ROOT / 'manifests/uninstall.sh'], env=self.shell_environment(), text=True, capture_output=True, timeout=300, check=False)
        lib.check(done.returncode == 0, f'uninstall.sh: {done.stdout[-800:]}{done.stderr[-800:]}')

    def log_of_nodes(self):
        return ''.join(self.kubectl('-n', SYSTEM, 'logs', pod['metadata']['name'])
                       for pod in self.get('pod', '-n', SYSTEM, '-l', 'app=aquifer-node')['items'])

    def network_configuration(self, node):
        """Of a node: what its configurations say, by their files, and which plugins it has."""
        def at_node(*words):
            return self.run(self.tool, 'exec', node, *words)
        files = at_node('ls', '/etc/cni/net.d').split()
        return {name: json.loads(at_node('cat', f'/etc/cni/net.d/{name}')) for name in files}, at_node('ls', '/opt/cni/bin').split()

    def pod(self, ns, name):
        return self.get('pod', '-n', ns, name)

    def redirection(self, ns, name):
        return self.pod(ns, name)['metadata'].get('annotations', {}).get('ambient.istio.io/redirection')

    def condition(self, kind, ns, name, wanted):
        found = self.get(kind, '-n', ns, name).get('status', {}).get('conditions', [])
        return next((f'{c["status"]} {c["reason"]}' for c in found if c['type'] == wanted), None)

    def apply_text(self, text):
        self.kubectl('apply', '--server-side', '-f', '-', text=text)

    def names(self, *words):
        return [item['metadata']['name'] for item in json.loads(self.kubectl('get', *words, '-o', 'json'))['items']]
