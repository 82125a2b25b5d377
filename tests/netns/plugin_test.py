#!/usr/bin/env python3
"""The CNI plugin as a container runtime calls it: a pod of the mesh starts when it is captured, proven and served, and not before."""
import contextlib
import json
import os
import subprocess
import threading

import lib
import support

PORT = 8080
RESULT = {'cniVersion': '1.0.0', 'ips': [{'address': '10.1.0.5/24'}], 'dns': {}}


class Runtime:
    """Calls the plugin for a pod and keeps what it said."""

    def __init__(self, mesh, pod, uid, ns='shop', container='c1', **settings):
        self.pod = pod
        self.conf = {'cniVersion': '1.0.0', 'name': 'pods', 'type': 'aquifer-cni', 'prevResult': RESULT,
                     'socket': str(mesh.cluster.folder / 'plugin.sock'), **settings}
        self.environment = {'CNI_CONTAINERID': container, 'CNI_NETNS': pod.path, 'CNI_IFNAME': 'eth0',
                            'CNI_ARGS': f'IgnoreUnknown=1;K8S_POD_NAMESPACE={ns};K8S_POD_NAME={pod.short_name};K8S_POD_UID={uid}'}

    def call(self, command):
        done = subprocess.run([lib.program(*support.CNI, sanitized=True)], input=json.dumps(self.conf), text=True, timeout=60,
                              env=os.environ | self.environment | {'CNI_COMMAND': command}, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        lib.check('Sanitizer' not in done.stderr, done.stderr[-2000:])
        return done.returncode, json.loads(done.stdout) if done.stdout else None

    def starts(self):
        status, said = self.call('ADD')
        lib.equal((status, said), (0, RESULT), 'exit status and result of ADD')

    def refused(self, why):
        status, said = self.call('ADD')
        lib.equal((status, said['code']), (1, 11), 'exit status and code of ADD')
        lib.check(why in said['details'], f'details of the error: {said["details"]}')


class Mesh(support.Mesh):
    def start_agent(self, *more):
        return super().start_agent('--plugin-socket', self.cluster.folder / 'plugin.sock', *more)

    def write_pod(self, pod, uid, ns='shop'):
        """As an API server has it: nothing is said of the network namespace."""
        self.manifests.write(f'pod-{pod.short_name}', f'''apiVersion: v1
kind: Pod
metadata: {{name: {pod.short_name}, namespace: {ns}, uid: {uid}}}
spec: {{nodeName: node1, serviceAccountName: default}}
''')


@contextlib.contextmanager
def node_with(*names, agent=True, proxy=True):
    with lib.Cluster() as cluster:
        node = cluster.node()
        mesh = Mesh(cluster)
        mesh.manifests.namespace('shop', 'ambient')
        if agent:
            mesh.start_agent().wait_log('started')
        if proxy:
            mesh.start_proxy()
        yield mesh, *[node.pod(name) for name in names]
        for process in [p for p in cluster.processes if p.running()]:
            support.stopped_cleanly(process)


def captured(pod):
    return support.cni('verify', pod.path, check_status=False).returncode == 0


def a_pod_of_the_mesh_is_captured_and_served_when_it_starts():
    with node_with('client', 'outside') as (mesh, client, outside), support.EchoServer(outside, PORT):
        mesh.write_pod(client, 'u1')
        Runtime(mesh, client, 'u1').starts()
        status = mesh.pod_status(client)
        lib.equal((status['capture'], status['proxy'], status['netns']), ('verified', 'served', client.path), 'status')
        lib.equal(support.ask(client, outside.address, PORT), f'{client.address} hello', 'answer')
        lib.equal(Runtime(mesh, client, 'u1').call('CHECK'), (0, None), 'CHECK')


def a_pod_waits_until_the_agent_knows_it():
    with node_with('late') as (mesh, late):
        answers = []
        thread = threading.Thread(target=lambda: answers.append(Runtime(mesh, late, 'u1').call('ADD')))
        thread.start()
        mesh.write_pod(late, 'u1')
        thread.join()
        lib.equal(answers, [(0, RESULT)], 'answer')
        lib.check(captured(late), 'the pod is not captured')


def without_a_proxy_a_pod_does_not_start_and_is_captured_all_the_same():
    with node_with('client', 'outside', proxy=False) as (mesh, client, outside), support.EchoServer(outside, PORT) as server:
        mesh.write_pod(client, 'u1')
        Runtime(mesh, client, 'u1', timeoutSeconds=2).refused('no answer')
        lib.check(captured(client), 'the pod is not captured')
        lib.check(not support.reachable(client, outside.address, PORT), 'the pod talks in the clear')
        lib.equal(server.seen, [], 'clients of the server')
        mesh.start_proxy()
        Runtime(mesh, client, 'u1').starts()
        lib.equal(support.ask(client, outside.address, PORT), f'{client.address} hello', 'answer')


def a_pod_outside_of_the_mesh_starts_without_a_proxy():
    with node_with('plain', proxy=False) as (mesh, plain):
        mesh.manifests.namespace('other')
        mesh.write_pod(plain, 'u1', ns='other')
        Runtime(mesh, plain, 'u1', ns='other').starts()
        lib.check(not captured(plain), 'the pod is captured')


def without_an_agent_only_excluded_pods_start():
    with node_with('pod', agent=False, proxy=False) as (mesh, pod):
        Runtime(mesh, pod, 'u1', excludeNamespaces=['kube-system'], timeoutSeconds=1).refused('plugin.sock')
        Runtime(mesh, pod, 'u1', ns='kube-system', excludeNamespaces=['kube-system']).starts()
        Runtime(mesh, pod, 'u1', failClosed=False, timeoutSeconds=1).starts()
        lib.equal(Runtime(mesh, pod, 'u1').call('DEL'), (0, None), 'DEL')


def a_pod_that_ends_is_let_go_and_its_next_sandbox_is_another():
    with node_with('first', 'outside') as (mesh, first, outside), support.EchoServer(outside, PORT):
        mesh.write_pod(first, 'u1')
        Runtime(mesh, first, 'u1').starts()
        second = first.node.pod('second')
        # The same pod of Kubernetes, in the namespace of the second sandbox.
        again = Runtime(mesh, first, 'u1', container='c2')
        again.environment['CNI_NETNS'] = second.path
        again.starts()
        lib.equal(mesh.pod_status(first)['netns'], second.path, 'namespace of the pod')
        lib.equal(Runtime(mesh, first, 'u1').call('DEL'), (0, None), 'DEL of the first sandbox')
        lib.equal(support.ask(second, outside.address, PORT), f'{second.address} hello', 'answer')
        lib.equal(again.call('DEL'), (0, None), 'DEL of the second sandbox')
        mesh.wait_gone(first)


def an_agent_that_is_started_again_keeps_what_the_runtime_told():
    with node_with('client', 'outside') as (mesh, client, outside), support.EchoServer(outside, PORT):
        mesh.write_pod(client, 'u1')
        Runtime(mesh, client, 'u1').starts()
        support.stopped_cleanly(mesh.agent)
        agent = mesh.start_agent()
        lib.eventually(lambda: agent.log().count('pod captured') == 2, 'the second agent has captured the pod')
        mesh.wait_served(client)
        lib.equal(support.ask(client, outside.address, PORT), f'{client.address} hello', 'answer')
        lib.check('pod released' not in agent.log(), 'the pod was released')


lib.main([
    a_pod_of_the_mesh_is_captured_and_served_when_it_starts,
    a_pod_waits_until_the_agent_knows_it,
    without_a_proxy_a_pod_does_not_start_and_is_captured_all_the_same,
    a_pod_outside_of_the_mesh_starts_without_a_proxy,
    without_an_agent_only_excluded_pods_start,
    a_pod_that_ends_is_let_go_and_its_next_sandbox_is_another,
    an_agent_that_is_started_again_keeps_what_the_runtime_told,
])
