#!/usr/bin/env python3
"""Aquifer on one machine, without Kubernetes: two nodes, their pods, an ingress gateway and a waypoint as network
namespaces; the manifests of manifests/examples/000-gateway-api, applied one after another as a reader would. Each
command is printed with its real output and checked; exit status 0 only if all of it was as it should be.

  ./dev demo           run it and leave nothing behind
  ./dev demo --keep    leave it up, print how to use it, and end with Ctrl-C
"""
import argparse
import json
import os
import pathlib
import shutil
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests' / 'netns'))
import lib  # noqa: E402

EXAMPLES = ROOT / 'manifests/examples/000-gateway-api'
VENV = ROOT / 'build/venv/bin'
DENIED = 'RBAC: access denied'

POD = '''apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: {namespace}
  labels: {labels}
  annotations: {{aquifer.io/netns: {netns}}}
spec:
  serviceAccountName: {account}
  nodeName: {node}
  containers:
  - name: main
    ports: {ports}
status: {{phase: Running, podIP: {address}}}
---
'''


class Demo:
    def __init__(self, cluster):
        self.cluster, self.wrong = cluster, []
        self.started = time.monotonic()
        self.manifests = cluster.folder / 'manifests'
        self.manifests.mkdir()
        self.state = cluster.folder / 'state'

    # --- what is shown -----------------------------------------------------------------------------------------------
    def title(self, text):
        print(f'\n=== {text}  [{time.monotonic() - self.started:.0f} s]', flush=True)

    def expect(self, condition, what):
        print(f'    {"as it should be" if condition else "WRONG"}: {what}', flush=True)
        if not condition:
            self.wrong.append(what)

    def curl(self, where, *words, shown=None):
        print(f'{where.short_name}$ curl {shown or " ".join(words)}', flush=True)
        done = where.run('curl', '-sS', '-m', '10', *words, check_status=False)
        print(done.stdout + ('' if done.stdout.endswith('\n') else '%'), flush=True)
        return done

    def apply(self, name, text=None):
        fresh = self.manifests / f'.{name}.new'
        fresh.write_text(text if text is not None else (EXAMPLES / name).read_text())
        fresh.rename(self.manifests / name)
        print(f'$ cp manifests/examples/000-gateway-api/{name} MANIFESTS/' if text is None else f'$ MANIFESTS/{name} written', flush=True)

    # --- the machine -------------------------------------------------------------------------------------------------
    def build_nodes(self):
        self.node_a, self.node_b, self.host = self.cluster.node(), self.cluster.node(), self.cluster.node()
        a, b = self.node_a.pod, self.node_b.pod
        self.curl_pod, self.intruder, self.ingress = a('curl'), a('intruder'), a('ingress')
        self.httpbin, self.inventory, self.waypoint = b('httpbin'), b('inventory'), b('waypoint')
        text = ''
        for pod, name, namespace, account, labels, ports in (
                (self.curl_pod, 'curl', 'default', 'curl', {'app': 'curl'}, []),
                (self.intruder, 'intruder', 'default', 'intruder', {'app': 'intruder'}, []),
                (self.httpbin, 'httpbin', 'default', 'httpbin', {'app': 'httpbin', 'version': 'v1'},
                 [{'name': 'http', 'containerPort': 80}]),
                (self.inventory, 'inventory', 'default', 'inventory', {'app': 'inventory'},
                 [{'name': 'http', 'containerPort': 80}]),
                (self.waypoint, 'httpbin-istio-waypoint', 'default', 'httpbin-istio-waypoint',
                 {'gateway.networking.k8s.io/gateway-name': 'httpbin', 'istio.io/dataplane-mode': 'none'},
                 [{'name': 'mesh', 'containerPort': 15008}]),
                (self.ingress, 'istio-ingressgateway', 'istio-system', 'istio-ingressgateway',
                 {'istio': 'ingressgateway', 'gateway.networking.k8s.io/gateway-name': 'gateway',
                  'istio.io/dataplane-mode': 'none'}, [{'name': 'http', 'containerPort': 80}])):
            node = 'node-a' if pod.node is self.node_a else 'node-b'
            text += POD.format(name=name, namespace=namespace, account=account, labels=json.dumps(labels), netns=pod.name,
                               node=node, ports=json.dumps(ports), address=pod.address)
        self.pods_manifest = text

    def start_applications(self):
        gunicorn = [VENV / 'gunicorn', '--bind', '0.0.0.0:80', '--workers', '1', '--threads', '4']
        self.httpbin.spawn([*gunicorn, 'httpbin:app'], log='httpbin')
        self.inventory.spawn([*gunicorn, 'httpbin:app'], log='inventory')

    def control(self):
        return self.host.spawn([lib.program('aquifer-control', 'control'), '--manifests', self.manifests, '--state', self.state,
                                '--listen', f'{self.host.address}:15012', '--admin', f'{self.host.address}:15014'], log='control')

    def environment(self, token, **more):
        server = f'https://{self.host.address}:15012'
        return {'XDS_ADDRESS': server, 'CA_ADDRESS': server, 'XDS_ROOT_CA': str(self.state / 'ca/root-cert.pem'),
                'CA_ROOT_CA': str(self.state / 'ca/root-cert.pem'), 'AUTH_TOKEN': str(self.state / 'tokens' / token), **more}

    def start_node(self, node, name):
        socket = self.cluster.folder / f'{name}-zds.sock'
        node.spawn([lib.program('aquifer-cni', 'redirect'), 'agent', '--manifests', self.manifests, '--node-name', name,
                    '--zds-socket', socket, '--status-file', self.cluster.folder / f'{name}-status.json'], log=f'cni-{name}')
        return node.spawn([lib.program('aquifer-node', 'node-proxy')], log=name,
                          env=self.environment(f'node/{name}', NODE_NAME=name, INPOD_UDS=str(socket), POD_NAME=f'aquifer-{name}',
                                               POD_NAMESPACE='aquifer-system'))

    def start_gateway(self, pod, gateway, namespace, account, log):
        process = pod.spawn([lib.program('aquifer-waypoint', 'waypoint')], log=log,
                            env=self.environment(f'workload/{namespace}/{account}', GATEWAY_NAME=gateway, POD_NAME=account,
                                                 POD_NAMESPACE=namespace, SERVICE_ACCOUNT=account, INSTANCE_IP=pod.address))
        lib.eventually(lambda: pod.run('curl', '-sS', '-o', '/dev/null', '-w', '%{http_code}', 'http://127.0.0.1:15021/healthz/ready',
                                       check_status=False).stdout.startswith('200'), f'{log} is ready', 20)
        return process

    def wait_ready(self, node, what):
        lib.eventually(lambda: node.run('curl', '-sS', 'http://127.0.0.1:15021/healthz/ready', check_status=False).stdout == 'ready\n',
                       f'{what} is ready', 20)

    def settle(self, where, url, wanted, *words):
        """Waits until a change has arrived everywhere: the answer is as wanted."""
        lib.eventually(lambda: wanted in where.run('curl', '-sS', '-m', '5', '-o', '-', '-w', '\n%{http_code}', *words, url,
                                                   check_status=False).stdout, f'{wanted!r} from {url}', 15)

    # --- the walk-through --------------------------------------------------------------------------------------------
    def run(self):
        self.title('two nodes, their pods, the control plane')
        self.build_nodes()
        self.start_applications()
        for name in ('10-namespace.yaml', '11-httpbin.yaml', '12-clients.yaml', '13-inventory.yaml', '14-ingress.yaml',
                     '15-waypoint-service.yaml'):
            self.apply(name)
        self.apply('16-pods.yaml', self.pods_manifest)
        self.control()
        lib.eventually(lambda: self.host.run('curl', '-sS', '-o', '/dev/null', '-w', '%{http_code}', f'http://{self.host.address}:15014/healthz/ready',
                                             check_status=False).stdout == '200', 'aquifer-control is ready', 20)
        lib.eventually((self.state / 'tokens/node/node-b').exists, 'tokens')
        self.proxy_a, self.proxy_b = self.start_node(self.node_a, 'node-a'), self.start_node(self.node_b, 'node-b')
        self.wait_ready(self.node_a, 'node-a')
        self.wait_ready(self.node_b, 'node-b')
        print(json.dumps(json.loads((self.cluster.folder / 'node-b-status.json').read_text()), indent=1)[:600])
        capture = self.node_a.spawn(['tcpdump', '-Z', 'root', '-i', 'eth0', '--immediate-mode', '-s', '256', '-U', '-w', self.cluster.folder / 'link.pcap',
                                           'net 10.244.1.0/24 and net 10.244.2.0/24'], log='tcpdump')
        capture.wait_log('listening on')

        self.title('in the mesh: encrypted between the nodes, as the pods\' own identities')
        url = 'http://10.96.0.80:8000'
        self.settle(self.curl_pod, f'{url}/status/200', '200')
        got = self.curl(self.curl_pod, f'{url}/status/418')
        self.expect('teapot' in got.stdout, 'a teapot from the pod')

        self.title('the ingress gateway and its route')
        self.apply('20-gateway.yaml')
        self.apply('30-httproute.yaml')
        self.start_gateway(self.ingress, 'gateway', 'istio-system', 'istio-ingressgateway', 'ingress')
        outside = self.node_a
        gateway = f'http://{self.ingress.address}:80'
        host = ('-HHost:httpbin.aliyun.com',)
        self.settle(outside, f'{gateway}/status/200', '200', *host)
        got = self.curl(outside, *host, f'{gateway}/status/418')
        self.expect('teapot' in got.stdout, 'a teapot through the gateway')

        self.run_waypoint(capture, url, outside, gateway, host)
        return not self.wrong

    def run_waypoint(self, capture, url, outside, gateway, host):
        self.title('a waypoint for the service account httpbin')
        self.apply('40-waypoint.yaml')
        self.start_gateway(self.waypoint, 'httpbin', 'default', 'httpbin-istio-waypoint', 'waypoint')
        self.settle(self.curl_pod, f'{url}/get', 'server: istio-envoy', '-i')
        got = self.curl(self.curl_pod, f'{url}/status/418')
        self.expect('teapot' in got.stdout, 'a teapot through the waypoint, no policy yet')

        self.title('a policy at the waypoint')
        self.apply('50-authorizationpolicy.yaml')
        self.settle(self.curl_pod, f'{url}/status/418', DENIED)
        self.settle(outside, f'{gateway}/status/418', DENIED, *host)
        for where, words in ((self.curl_pod, (f'{url}/status/418',)), (outside, (*host, f'{gateway}/status/418'))):
            got = self.curl(where, *words)
            self.expect(got.stdout == DENIED, '19 bytes and no newline')
            code = where.run('curl', '-sS', '-o', '/dev/null', '-w', '%{http_code}', *words).stdout
            self.expect(code == '403', f'status {code}')
        for where, words in ((self.curl_pod, (f'{url}/headers',)), (outside, (*host, f'{gateway}/headers'))):
            got = self.curl(where, '-I', *words)
            head = got.stdout.lower()
            self.expect(' 200' in head.splitlines()[0] and 'server: istio-envoy' in head and 'x-envoy-upstream-service-time' in head,
                        'other paths: 200, server: istio-envoy, x-envoy-upstream-service-time')

        self.run_connection_policy()
        self.title('what crossed the link between the nodes')
        capture.stop()
        print(capture.log().strip())
        self.show_capture()

    def run_connection_policy(self):
        self.title('a connection policy refuses one identity')
        inventory = 'http://10.96.0.90/status/200'
        self.apply('60-deny-intruder.yaml')
        self.settle(self.curl_pod, inventory, '200')
        lib.eventually(lambda: self.intruder.run('curl', '-sS', '-m', '5', '-o', '/dev/null', inventory, check_status=False).returncode != 0,
                       'the intruder is refused', 15)
        got = self.curl(self.intruder, inventory)
        self.expect(got.returncode in (52, 56), 'the intruder\'s connection is closed')
        got = self.curl(self.curl_pod, '-o', '/dev/null', '-w', '%{http_code}', inventory)
        self.expect(got.stdout == '200', 'others are served')

        self.title('what the node proxies wrote down')
        for process, direction in ((self.proxy_a, 'outbound'), (self.proxy_b, 'inbound')):
            lines = [line for line in process.log().splitlines()
                     if f'direction="{direction}"' in line and '/sa/curl' in line and '/sa/inventory' in line]
            self.expect(bool(lines), f'{direction}: a line with both identities')
            print('\n'.join(lines[-1:]))

    def show_capture(self):
        pcap = self.cluster.folder / 'link.pcap'
        ports = {}
        for line in lib.run('tcpdump', '-nn', '-q', '-r', pcap, 'tcp').stdout.splitlines():
            words = line.split()
            if len(words) > 5 and words[1] == 'IP':
                low = min(int(words[2].rsplit('.', 1)[1]), int(words[4].rstrip(':').rsplit('.', 1)[1]))
                ports[low] = ports.get(low, 0) + 1
        for port, count in sorted(ports.items()):
            print(f'  port {port}: {count} packets')
        self.expect(set(ports) == {15008}, 'nothing but port 15008')
        raw = pcap.read_bytes()
        self.expect(b'HTTP/1.1' not in raw and b'teapot' not in raw and b'GET /' not in raw, 'no clear text in it')
        self.expect(b'\x16\x03\x01' in raw and b'\x17\x03\x03' in raw, 'TLS handshakes and records')

    def keep(self):
        print(f'''
It stays up until Ctrl-C. Try:
  ip netns exec {self.curl_pod.name} curl http://10.96.0.80:8000/status/418
  ip netns exec {self.node_a.name} curl -HHost:httpbin.aliyun.com http://{self.ingress.address}/headers -I
  ip netns exec {self.node_a.name} curl localhost:15000/config_dump
  ip netns exec {self.node_b.name} curl localhost:15020/metrics
Manifests that take effect as you change them: {self.manifests}
Logs: {self.cluster.folder}/*.log''', flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            print('ending')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--keep', action='store_true', help='leave it up and print how to use it')
    options = parser.parse_args()
    reason = lib.why_not()
    for tool in ('curl', 'tcpdump'):
        if shutil.which(tool) is None:
            reason = reason or f'needs {tool}'
    if reason:
        sys.exit(f'demo: {reason}')
    with lib.Cluster() as cluster:
        demo = Demo(cluster)
        good = False
        try:
            good = demo.run()
        except lib.Failure as problem:
            print(f'\ndemo: {problem}')
            cluster.show_logs()
        if options.keep:
            demo.keep()
    print('\ndemo: ' + ('everything was as it should be' if good else f'NOT as it should be: {demo.wrong or "see above"}'))
    sys.exit(0 if good else 1)


if __name__ == '__main__':
    main()
