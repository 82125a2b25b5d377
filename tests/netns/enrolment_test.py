#!/usr/bin/env python3
"""Running pods come into the mesh and leave it: what they have open goes on, what they open is captured."""
import contextlib
import re
import socket
import threading

import lib
import support

PORT = 8080


class Open:
    """Connections of a pod with another one: opened by it and accepted by it, in both families."""

    def __init__(self, stack, pod, other):
        self.connections = {
            f'{client.short_name} to {address}': stack.enter_context(support.connect(client, address, PORT))
            for client, server in ((pod, other), (other, pod)) for address in (server.address, server.address6)}
        self.go_on('before')

    def go_on(self, when):
        for name, connection in self.connections.items():
            try:
                lib.check(support.say(connection, when), 'no answer')
            except (OSError, lib.Failure) as problem:
                raise lib.Failure(f'{name}, {when}: {problem}') from problem


@contextlib.contextmanager
def running():
    """A running pod that is not captured, and one outside the mesh, with servers."""
    with lib.Cluster() as cluster, contextlib.ExitStack() as stack:
        node = cluster.node()
        mesh = support.Mesh(cluster)
        mesh.manifests.namespace('shop')
        pod, outside = node.pod('pod'), node.pod('outside')
        mesh.manifests.pod(pod)
        mesh.start_agent()
        proxy = mesh.start_proxy()
        proxy.wait_log('^ready')
        for one in (pod, outside):
            stack.enter_context(support.EchoServer(one, PORT))
        yield mesh, proxy, pod, outside, Open(stack, pod, outside)
        for process in [p for p in cluster.processes if p.running()]:
            support.stopped_cleanly(process)


def label(mesh, pod):
    mesh.manifests.namespace('shop', 'ambient')
    mesh.wait_served(pod)


def unlabel(mesh, pod):
    mesh.manifests.namespace('shop')
    mesh.wait_gone(pod)


def carried(proxy):
    return len(re.findall(r'pod (?:in|out)bound', proxy.log()))


def both_ways(pod, outside):
    for client, server in ((pod, outside), (outside, pod)):
        for address in (server.address, server.address6):
            lib.check(support.ask(client, address, PORT), f'a new connection to {address}')


def open_connections_go_on_when_their_pod_is_labelled_and_when_it_is_unlabelled():
    with running() as (mesh, proxy, pod, outside, opened):
        label(mesh, pod)
        opened.go_on('captured')
        lib.equal(carried(proxy), 0, 'connections from before that the proxy has')
        both_ways(pod, outside)
        lib.equal(carried(proxy), 4, 'connections through the proxy')
        opened.go_on('captured still')
        lib.check('"connections_kept":4' in mesh.agent.log() or 'connections_kept=4' in mesh.agent.log(), 'the log does not count them')
        unlabel(mesh, pod)
        opened.go_on('released')
        both_ways(pod, outside)
        lib.equal(carried(proxy), 4, 'connections through the proxy')


def a_pod_may_come_and_go_and_connections_of_each_time_without_the_mesh_go_on():
    with running() as (mesh, proxy, pod, outside, opened), contextlib.ExitStack() as stack:
        for number in range(3):
            label(mesh, pod)
            through = stack.enter_context(support.connect(pod, outside.address, PORT))
            lib.check(support.say(through), 'through the proxy')
            unlabel(mesh, pod)
            opened.go_on(f'after {number + 1} times in the mesh')
            opened = Open(stack, pod, outside)
        label(mesh, pod)
        opened.go_on('at last')
        lib.equal(carried(proxy), 3, 'connections through the proxy')


def open_connections_outlive_the_agent_that_captured_their_pod():
    with running() as (mesh, proxy, pod, outside, opened):
        label(mesh, pod)
        with support.connect(pod, outside.address, PORT) as through:
            lib.check(support.say(through), 'through the proxy')
            mesh.agent.kill()
            opened.go_on('without the agent')
            mesh.start_agent()
            mesh.wait_served(pod)
            opened.go_on('with its successor')
            lib.check(support.say(through), 'through the proxy, with its successor')
        both_ways(pod, outside)
        lib.equal(carried(proxy), 5, 'connections through the proxy')


def what_was_opened_while_somebody_had_taken_the_rules_away_does_not_stay():
    with running() as (mesh, _, pod, outside, opened):
        label(mesh, pod)
        pod.run('nft', 'flush', 'ruleset')
        with support.connect(outside, pod.address, PORT) as meanwhile:
            mesh.agent.wait_log('repaired', 15)
            with contextlib.suppress(OSError):
                meanwhile.sendall(b'hello\n')
                lib.equal(meanwhile.recv(100), b'', 'an answer past the proxy')
        opened.go_on('after the repair')


def a_long_transfer_goes_on():
    size = 64 << 20
    with running() as (mesh, _, pod, outside, _):
        for client, server in ((pod, outside), (outside, pod)):
            with server.entered():
                listener = socket.create_server((server.address, 9090))
            with listener, support.connect(client, server.address, 9090) as sender, listener.accept()[0] as receiver:
                thread = threading.Thread(target=lambda sender=sender: [sender.sendall(bytes(1 << 20)) for _ in range(size >> 20)])
                thread.start()
                got = len(receiver.recv(1 << 20))
                label(mesh, pod)
                while got < size:
                    part = receiver.recv(1 << 20)
                    lib.check(part, f'the transfer ended after {got} bytes')
                    got += len(part)
                thread.join()
            unlabel(mesh, pod)


def half_closed_connections_end_in_order():
    with running() as (mesh, _, pod, outside, _):
        for client, server in ((pod, outside), (outside, pod)):
            with server.entered():
                listener = socket.create_server((server.address, 9090))
            with listener, support.connect(client, server.address, 9090) as first, listener.accept()[0] as second:
                first.shutdown(socket.SHUT_WR)
                lib.equal(second.recv(1), b'', 'the end of the one direction')
                label(mesh, pod)
                second.sendall(b'answer')
                second.shutdown(socket.SHUT_WR)
                lib.equal(first.makefile('rb').read(), b'answer', 'the other direction')
            unlabel(mesh, pod)


if __name__ == '__main__':
    lib.main([
        open_connections_go_on_when_their_pod_is_labelled_and_when_it_is_unlabelled,
        a_pod_may_come_and_go_and_connections_of_each_time_without_the_mesh_go_on,
        open_connections_outlive_the_agent_that_captured_their_pod,
        what_was_opened_while_somebody_had_taken_the_rules_away_does_not_stay,
        a_long_transfer_goes_on,
        half_closed_connections_end_in_order,
    ])
