#!/usr/bin/env python3
"""The real node proxy of Istio's ambient mode (AQUIFER_ZTUNNEL) on our agent: ZDS, rules and namespaces fit."""
import contextlib
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'netns'))
import lib  # noqa: E402
import support  # noqa: E402

PORT = 8080


@contextlib.contextmanager
def ztunnel():
    """A node with our agent and the real proxy; a captured pod, and one outside the mesh."""
    with lib.Cluster() as cluster:
        node = cluster.node()
        inside, outside = node.pod('inside'), node.pod('outside')
        mesh = support.Mesh(cluster)
        mesh.manifests.namespace('shop', 'ambient')
        mesh.manifests.pod(inside)
        mesh.start_agent()
        config = cluster.folder / 'local.yaml'
        config.write_text(f'workloads:\n- uid: cluster1//v1/Pod/shop/inside\n  name: inside\n  namespace: shop\n'
                          f'  serviceAccount: default\n  workloadIps: ["{inside.address}", "{inside.address6}"]\n'
                          f'  protocol: HBONE\n  node: node1\n  network: ""\n  services: {{}}\n')
        # No CA answers, so nothing here needs a certificate: what leaves for or comes from outside is plain.
        environment = {'LOCAL_XDS_PATH': str(config), 'XDS_ADDRESS': '', 'CA_ADDRESS': 'https://127.0.0.1:15012',
                       'CA_ROOT_CA': 'SYSTEM', 'AUTH_TOKEN': 'none', 'INPOD_UDS': str(mesh.zds),
                       'NODE_NAME': 'node1'}

        def start(name):
            return node.spawn([os.environ['AQUIFER_ZTUNNEL'], 'proxy'], log=name, env=environment)
        yield mesh, start, inside, outside


def traffic_flows(inside, outside):
    with support.EchoServer(outside, PORT), support.EchoServer(inside, PORT):
        for own, other in ((inside.address, outside.address), (inside.address6, outside.address6)):
            lib.equal(support.ask(inside, other, PORT), f'{own} hello', 'answer from outside')
            lib.equal(support.ask(outside, own, PORT), f'{other} hello', 'answer from inside')


def ztunnel_serves_the_pods_of_our_agent():
    with ztunnel() as (mesh, start, inside, outside):
        start('ztunnel').wait_log('marking server ready')
        mesh.wait_served(inside)
        traffic_flows(inside, outside)


def ztunnel_follows_pods_that_come_and_go():
    with ztunnel() as (mesh, start, inside, outside):
        proxy = start('ztunnel')
        mesh.wait_served(inside)
        second = outside.node.pod('second')
        mesh.manifests.pod(second)
        mesh.wait_served(second)
        mesh.manifests.remove('pod-second')
        mesh.wait_gone(second)
        proxy.wait_log('pod delete request')


def ztunnel_and_our_agent_survive_each_other():
    with ztunnel() as (mesh, start, inside, outside):
        first = start('ztunnel')
        mesh.wait_served(inside)
        mesh.agent.kill()
        mesh.start_agent()
        lib.eventually(lambda: mesh.status()['proxies'] == 1, 'the proxy to come back')
        mesh.wait_served(inside)
        first.kill()
        lib.eventually(lambda: mesh.status()['proxies'] == 0, 'the proxy to be missed')
        start('successor')
        mesh.wait_served(inside)
        traffic_flows(inside, outside)


TESTS = [
    ztunnel_serves_the_pods_of_our_agent,
    ztunnel_follows_pods_that_come_and_go,
    ztunnel_and_our_agent_survive_each_other,
]
if 'AQUIFER_ZTUNNEL' in os.environ:
    lib.main(TESTS)
for test in TESTS:
    print(f'skip {test.__name__.replace("_", " ")}: AQUIFER_ZTUNNEL is not set')
