#!/usr/bin/env python3
"""Capture as a whole: agent, ZDS, sockets in the pod's namespace, and a proxy that carries traffic in the clear."""
import contextlib
import re
import socket

import lib
import support

PORT = 8080


@contextlib.contextmanager
def captured(*names):
    """A node whose pods of these names are captured and served, with a pod outside the mesh."""
    with lib.Cluster() as cluster:
        node = cluster.node()
        mesh = support.Mesh(cluster)
        mesh.manifests.namespace('shop', 'ambient')
        pods = [node.pod(name) for name in names]
        for pod in pods:
            mesh.manifests.pod(pod)
        mesh.start_agent()
        proxy = mesh.start_proxy()
        for pod in pods:
            mesh.wait_served(pod)
        yield mesh, proxy, node.pod('outside'), *pods
        for process in [p for p in cluster.processes if p.running()]:
            support.stopped_cleanly(process)


def a_captured_client_reaches_a_server_through_its_proxy():
    with captured('client') as (_, proxy, outside, client), support.EchoServer(outside, PORT) as server:
        for own, other in ((client.address, outside.address), (client.address6, outside.address6)):
            lib.equal(support.ask(client, other, PORT), f'{own} hello', 'answer')
            proxy.wait_log(r'client outbound from \S+ to ' + re.escape(f'[{other}]' if ':' in other else other))
        lib.equal(server.seen, [client.address, client.address6], 'clients of the server')


def a_captured_server_sees_the_address_of_its_client():
    with captured('server') as (_, proxy, outside, server), support.EchoServer(server, PORT) as echo:
        for own, other in ((outside.address, server.address), (outside.address6, server.address6)):
            lib.equal(support.ask(outside, other, PORT), f'{own} hello', 'answer')
        lib.equal(echo.seen, [outside.address, outside.address6], 'clients of the server')
        lib.equal(len(re.findall('server inbound', proxy.log())), 2, 'connections through the proxy')


def two_captured_pods_reach_each_other_and_each_hop_is_taken_once():
    with captured('client', 'server') as (_, proxy, _, client, server), support.EchoServer(server, PORT):
        lib.equal(support.ask(client, server.address, PORT), f'{client.address} hello', 'answer')
        lib.equal(len(re.findall('client outbound', proxy.log())), 1, 'outbound connections')
        lib.equal(len(re.findall('server inbound', proxy.log())), 1, 'inbound connections')


def a_captured_pod_reaches_itself():
    with captured('pod') as (_, _, _, pod), support.EchoServer(pod, PORT):
        lib.equal(support.ask(pod, pod.address, PORT), f'{pod.address} hello', 'answer')
        lib.equal(support.ask(pod, '127.0.0.1', PORT), '127.0.0.1 hello', 'answer')


def many_connections_with_the_client_s_address_work_at_once():
    with captured('server') as (_, _, outside, server), support.EchoServer(server, PORT):
        with contextlib.ExitStack() as open_ones:
            clients = [open_ones.enter_context(support.connect(outside, server.address, PORT)) for _ in range(200)]
            for number, client in enumerate(clients):
                lib.equal(support.say(client, f'n{number}'), f'{outside.address} n{number}', 'answer')


def a_client_s_own_ports_never_meet_those_borrowed_from_it():
    # Few ports on the server's side, and a client that uses just these: whatever the proxy lets the kernel
    # choose is the client's next one.
    with captured('server') as (_, _, outside, server), support.EchoServer(server, PORT):
        server.sysctl('net.ipv4.ip_local_port_range', '40000 40015')
        with contextlib.ExitStack() as open_ones:
            for port in range(40000, 40016):
                with outside.entered():
                    client = open_ones.enter_context(socket.socket())
                client.settimeout(5)
                client.bind((outside.address, port))
                client.connect((server.address, PORT))
                lib.equal(support.say(client), f'{outside.address} hello', f'answer at port {port}')


def a_pod_without_ipv6_is_served():
    with captured('other') as (mesh, _, outside, _), support.EchoServer(outside, PORT):
        pod = outside.node.pod('pod')
        pod.sysctl('net.ipv6.conf.all.disable_ipv6', 1)
        mesh.manifests.pod(pod)
        mesh.wait_served(pod)
        with support.EchoServer(pod, PORT, '0.0.0.0'):
            lib.equal(support.ask(pod, outside.address, PORT), f'{pod.address} hello', 'answer from outside')
            lib.equal(support.ask(outside, pod.address, PORT), f'{outside.address} hello', 'answer from the pod')


def a_closed_port_is_a_closed_connection():
    with captured('client') as (_, _, outside, client):
        with support.connect(client, outside.address, 9) as refused:
            lib.check(refused.recv(1) == b'', 'bytes from a closed port')


def an_unlabelled_pod_is_released_and_served_no_more():
    with captured('client') as (mesh, proxy, outside, client), support.EchoServer(outside, PORT):
        with support.connect(client, outside.address, PORT) as old:
            lib.check(support.say(old), 'before')
            mesh.manifests.pod(client, mode='none')
            with contextlib.suppress(ConnectionResetError):
                lib.equal(old.recv(1), b'', 'a connection of before')
            mesh.wait_gone(client)
        lib.equal(client.run('nft', 'list', 'ruleset').stdout, '', 'rules that are left')
        lib.check(support.ask(client, outside.address, PORT), 'a connection without the mesh')
        lib.equal(len(re.findall('client outbound', proxy.log())), 1, 'connections through the proxy')


def a_label_on_the_namespace_captures_and_its_removal_releases():
    with captured('client') as (mesh, _, _, client):
        mesh.manifests.namespace('shop')
        mesh.wait_gone(client)
        mesh.manifests.namespace('shop', 'ambient')
        mesh.wait_served(client)


def only_pods_that_are_to_be_are_captured():
    with captured('plain') as (mesh, _, outside, _):
        node = outside.node
        mesh.manifests.pod(node.pod('none'), mode='none')
        mesh.manifests.pod(node.pod('elsewhere'), node='node2')
        mesh.manifests.pod(node.pod('host'), annotations='spec: {hostNetwork: true}\nx:\n')
        mesh.manifests.pod(node.pod('sidecar'), annotations='    sidecar.istio.io/status: "{}"\n')
        mesh.manifests.pod(node.pod('free'), ns='other')
        mesh.manifests.pod(node.pod('own'), ns='other', mode='ambient')
        own = lib.eventually(lambda: [p for p in mesh.status()['pods'] if p['name'] == 'own'], 'own to be captured')
        lib.equal(own[0]['namespace'], 'other', 'namespace')
        lib.equal(sorted(p['name'] for p in mesh.status()['pods']), ['own', 'plain'], 'captured pods')


def a_removed_manifest_releases_the_pod():
    with captured('client') as (mesh, _, _, client):
        mesh.manifests.remove('pod-client')
        mesh.wait_gone(client)
        lib.equal(client.run('nft', 'list', 'ruleset').stdout, '', 'rules that are left')


def a_broken_manifest_releases_nobody():
    with captured('client', 'server') as (mesh, _, _, client, server):
        mesh.manifests.write('pod-client', 'kind: Pod\nmetadata: {name: [\n')
        lib.eventually(lambda: mesh.status()['refusals'], 'a refusal')
        lib.check('pod-client.yaml: document 1' in mesh.status()['refusals'][0], f'{mesh.status()["refusals"]}')
        mesh.manifests.remove('pod-server')
        mesh.wait_gone(server)
        lib.equal(mesh.pod_status(client)['capture'], 'verified', 'capture')
        mesh.manifests.pod(client)
        lib.eventually(lambda: not mesh.status()['refusals'], 'no refusal')


def tampered_rules_are_repaired_and_told():
    with captured('client') as (mesh, _, _, client):
        client.run('nft', 'flush', 'ruleset')
        mesh.agent.wait_log('repaired', 15)
        support.cni('verify', client.name)


def a_killed_proxy_s_successor_serves_every_pod():
    with captured('client') as (mesh, proxy, outside, client), support.EchoServer(outside, PORT):
        proxy.kill()
        lib.check(support.reachable(client, outside.address, PORT) is None, 'a captured pod without its proxy')
        mesh.start_proxy('second').wait_log('^ready')
        lib.check(support.ask(client, outside.address, PORT), 'answer')


def a_killed_agent_s_successor_goes_on_and_traffic_never_stops():
    with captured('client', 'leaving') as (mesh, proxy, outside, client, leaving):
        with support.EchoServer(outside, PORT), support.connect(client, outside.address, PORT) as old:
            mesh.agent.kill()
            lib.check(support.say(old), 'an old connection')
            lib.check(support.ask(client, outside.address, PORT), 'a new connection')
            proxy.wait_log('not ready')
            mesh.manifests.remove('pod-leaving')
            mesh.start_agent()
            mesh.wait_served(client)
            mesh.wait_gone(leaving)
            lib.equal(leaving.run('nft', 'list', 'ruleset').stdout, '', 'rules that are left')
            proxy.wait_log('ended shop/leaving')
            lib.check(support.say(old), 'an old connection')
            lib.check(support.ask(client, outside.address, PORT), 'a new connection')
            lib.check('ended shop/client' not in proxy.log(), 'a pod was restarted')


def a_restarted_agent_with_a_broken_manifest_keeps_what_was_captured():
    with captured('client') as (mesh, proxy, outside, client), support.EchoServer(outside, PORT):
        mesh.agent.kill()
        mesh.manifests.write('pod-client', 'kind: [')
        mesh.start_agent()
        mesh.wait_served(client)
        lib.eventually(lambda: mesh.status()['refusals'], 'a refusal')
        lib.check(support.ask(client, outside.address, PORT), 'answer')
        lib.check('ended' not in proxy.log(), 'a pod was ended')


def a_second_proxy_takes_the_new_pods_and_both_hear_of_removals():
    with captured('first') as (mesh, old, outside, first):
        new = mesh.start_proxy('new')
        new.wait_log('serves shop/first')
        second = outside.node.pod('second')
        mesh.manifests.pod(second)
        new.wait_log('serves shop/second')
        mesh.manifests.remove('pod-first')
        old.wait_log('ended shop/first')
        new.wait_log('ended shop/first')
        lib.check('second' not in old.log(), 'the old proxy got a new pod')
        new.kill()
        old.wait_log('serves shop/second')


def a_pod_in_a_new_sandbox_is_served_there():
    with captured('client') as (mesh, proxy, outside, client), support.EchoServer(outside, PORT):
        client.remove()
        proxy.wait_log('ended shop/client')
        node = outside.node
        node.pods.remove(client)
        again = lib.Pod(node, 'client', 7)
        proxy.wait_log(r'(?s)ended shop/client.*serves shop/client')
        lib.eventually(lambda: support.reachable(again, outside.address, PORT), 'an answer through the new sandbox')
        lib.check(f'client outbound from {again.address}' in proxy.log(), 'not through the proxy')


def a_pod_that_the_proxy_refuses_is_told_and_costs_the_others_nothing():
    with captured('good') as (mesh, proxy, outside, good), support.EchoServer(outside, PORT):
        support.stopped_cleanly(proxy)
        refusing = mesh.start_proxy('refusing', '--refuse', 'bad')
        refusing.wait_log('^ready')
        bad = outside.node.pod('bad')
        mesh.manifests.pod(bad)
        lib.eventually(lambda: mesh.pod_status(bad) and 'refused, as asked' in mesh.pod_status(bad)['proxy'], 'a refusal')
        refusing.wait_log('not ready')
        lib.check(support.ask(good, outside.address, PORT), 'answer of the good pod')
        lib.check(support.reachable(bad, outside.address, PORT) is None, 'a captured pod without a proxy')


def a_pod_whose_namespace_comes_later_is_captured_then():
    with captured('now') as (mesh, _, outside, _):
        mesh.manifests.write('pod-later', f'''apiVersion: v1
kind: Pod
metadata: {{name: later, namespace: shop, annotations: {{aquifer.io/netns: {mesh.cluster.prefix}later}}}}
spec: {{nodeName: node1}}
''')
        def status():
            return next((p for p in mesh.status()['pods'] if p['name'] == 'later'), None)
        lib.eventually(lambda: 'not found' in (status() or {}).get('problem', ''), 'the problem in the status')
        lib.equal(status()['capture'], 'pending', 'capture')
        later = outside.node.pod('later')
        mesh.wait_served(later)


def a_namespace_is_captured_for_one_pod_and_never_the_agent_s_own():
    with captured('client') as (mesh, proxy, outside, client):
        second = outside.node.pod('second')
        mesh.manifests.pod(second, netns=client.name)
        third = outside.node.pod('third')
        mesh.manifests.pod(third, netns='/proc/self/ns/net')
        def problem(pod):
            return (mesh.pod_status(pod) or {}).get('problem', '')
        lib.eventually(lambda: 'is that of pod shop/client' in problem(second), 'the second pod to be refused')
        lib.eventually(lambda: "is the agent's own" in problem(third), "the agent's own namespace to be refused")
        mesh.manifests.remove('pod-client')
        mesh.wait_served(second)
        proxy.wait_log(r'(?s)ended shop/client.*serves shop/second')
        mesh.wait_gone(client)
        support.cni('verify', client.name)


def strangers_on_the_socket_cost_the_agent_nothing():
    with captured('client') as (mesh, _, outside, client), support.EchoServer(outside, PORT):
        for garbage in (b'', b'\x08\x02', b'\xff' * 2000, b'\x08\x01\x08\x01', b'\x08\x01'):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
                stranger.connect(str(mesh.zds))
                if garbage:
                    stranger.send(garbage)
        lib.equal(mesh.zds.stat().st_mode & 0o777, 0o600, 'mode of the socket')
        lib.eventually(lambda: mesh.status()['proxies'] == 1, 'one proxy')
        mesh.wait_served(client)
        lib.check(support.ask(client, outside.address, PORT), 'answer')


lib.main([
    a_captured_client_reaches_a_server_through_its_proxy,
    a_captured_server_sees_the_address_of_its_client,
    two_captured_pods_reach_each_other_and_each_hop_is_taken_once,
    a_captured_pod_reaches_itself,
    many_connections_with_the_client_s_address_work_at_once,
    a_client_s_own_ports_never_meet_those_borrowed_from_it,
    a_pod_without_ipv6_is_served,
    a_closed_port_is_a_closed_connection,
    an_unlabelled_pod_is_released_and_served_no_more,
    a_label_on_the_namespace_captures_and_its_removal_releases,
    only_pods_that_are_to_be_are_captured,
    a_removed_manifest_releases_the_pod,
    a_broken_manifest_releases_nobody,
    tampered_rules_are_repaired_and_told,
    a_killed_proxy_s_successor_serves_every_pod,
    a_killed_agent_s_successor_goes_on_and_traffic_never_stops,
    a_restarted_agent_with_a_broken_manifest_keeps_what_was_captured,
    a_second_proxy_takes_the_new_pods_and_both_hear_of_removals,
    a_pod_in_a_new_sandbox_is_served_there,
    a_pod_that_the_proxy_refuses_is_told_and_costs_the_others_nothing,
    a_pod_whose_namespace_comes_later_is_captured_then,
    a_namespace_is_captured_for_one_pod_and_never_the_agent_s_own,
    strangers_on_the_socket_cost_the_agent_nothing,
])
