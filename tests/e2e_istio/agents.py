"""The agent of the test pods (agent.py): what its image holds, the pod that runs it, and the way to give it orders."""
import json
import os
import pathlib
import socket
import subprocess

from objects import meta

IMAGE = 'aquifer-e2e:dev'
PYTHON = '/usr/bin/python3'


def files():
    """By their paths in the image: the agent, the interpreter and the modules that the agent loads."""
    script = pathlib.Path(__file__).with_name('agent.py')
    lines = ('import sys, encodings.idna; sys.path.insert(0, sys.argv[1]); import agent; '
             'print("\\n".join(m.__file__ for m in sys.modules.values() if getattr(m, "__file__", None)))')
    listed = subprocess.run([PYTHON, '-I', '-S', '-B', '-c', lines, script.parent], check=True, capture_output=True, text=True)
    found = {name: name for name in listed.stdout.split() if name.startswith('/usr/')}
    return found | {PYTHON: os.path.realpath(PYTHON), '/agent.py': str(script)}


def pod(name, ns, node, account, folder, labels, words=(), **more):
    """A pod with an agent that takes orders in `folder`; `more` goes to its metadata."""
    container = {'name': 'agent', 'image': IMAGE, 'imagePullPolicy': 'Never', 'args': [name, f'/agents/{name}.sock', *words],
                 'ports': [{'name': 'web', 'containerPort': 8080}], 'volumeMounts': [{'name': 'agents', 'mountPath': '/agents'}]}
    return {'apiVersion': 'v1', 'kind': 'Pod', 'metadata': meta(name, ns, labels=labels, **more),
            'spec': {'nodeName': node, 'serviceAccountName': account, 'containers': [container], 'terminationGracePeriodSeconds': 0,
                     'volumes': [{'name': 'agents', 'hostPath': {'path': str(folder)}}]}}


def order(folder, pod_name, op, seconds, /, **words):
    """One order to the agent of a pod, and its answer, which is waited for so long."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(seconds)
        s.connect(str(folder / f'{pod_name}.sock'))
        s.sendall(json.dumps({'op': op, **words}).encode() + b'\n')
        return json.loads(s.makefile('rb').readline())
