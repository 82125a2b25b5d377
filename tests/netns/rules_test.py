#!/usr/bin/env python3
"""The rules of a captured pod in a real kernel: into force, proven, away again, and what they do to packets."""
import os
import pathlib
import socket
import struct
import threading

import lib
import support

ORIGINAL_DST = 80
TABLES = ('istio-ambient-nat', 'istio-ambient-mangle', 'istio-ambient-raw')


def marked_listener(netns, port):
    """A listener as the proxy makes one."""
    with netns.entered():
        listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, support.MARK)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(('::', port))
    listener.listen()
    listener.settimeout(5)
    return listener


def original_destination(connection):
    try:
        found = connection.getsockopt(socket.IPPROTO_IP, ORIGINAL_DST, 16)
        return socket.inet_ntop(socket.AF_INET, found[4:8]), struct.unpack('!H', found[2:4])[0]
    except OSError:
        found = connection.getsockopt(socket.IPPROTO_IPV6, ORIGINAL_DST, 28)
        return socket.inet_ntop(socket.AF_INET6, found[8:24]), struct.unpack('!H', found[2:4])[0]


TRACKING = {'timeout_close_wait': 3600, 'timeout_fin_wait': 180, 'timeout_last_ack': 180, 'timeout_time_wait': 180, 'be_liberal': 1}


def has_sack(connection):
    options = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[5]
    return bool(options & 2)  # TCPI_OPT_SACK


def tracking(netns):
    with netns.entered():
        return {name: int(pathlib.Path(f'/proc/sys/net/netfilter/nf_conntrack_tcp_{name}').read_text()) for name in TRACKING}


def state(netns):
    """Rules without counters, policy rules and table 100 of a namespace."""
    return (netns.run('nft', '-s', 'list', 'ruleset').stdout, netns.ip('rule'), netns.ip('-6', 'rule'),
            netns.ip('route', 'show', 'table', 'all', 'type', 'local', '0.0.0.0/0'),
            netns.ip('-6', 'route', 'show', 'table', 'all', 'type', 'local', '::/0'))


def rules_are_proven_and_removed_without_a_trace():
    with support.two_pods() as (_, pod, _):
        before = state(pod)
        support.cni('enrol', pod.name)
        printed = support.cni('verify', pod.name).stdout
        for table in TABLES:
            lib.check(f'table inet {table}' in printed, f'{table} is not printed')
        lib.check('32764:\tfrom all fwmark 0x111/0xfff lookup 100' in pod.ip('rule'), 'no rule for IPv4')
        lib.check('32764:\tfrom all fwmark 0x111/0xfff lookup 100' in pod.ip('-6', 'rule'), 'no rule for IPv6')
        support.cni('remove', pod.name)
        lib.equal(state(pod), before, 'what is left in the namespace')


def applying_again_is_the_same_as_once():
    with support.two_pods() as (_, pod, _):
        support.cni('enrol', pod.name)
        once = state(pod)
        support.cni('enrol', pod.name)
        lib.equal(state(pod), once, 'state')
        support.cni('remove', pod.name)
        support.cni('remove', pod.name)


def what_is_left_of_rules_is_replaced():
    with support.two_pods() as (_, pod, _):
        support.cni('enrol', pod.name)
        whole = state(pod)
        for table in TABLES:
            pod.run('nft', 'delete', 'table', 'inet', table)
            pod.run('nft', 'insert', 'rule', 'inet', next(t for t in TABLES if t != table), 'istio-output', 'accept')
            support.cni('enrol', pod.name)
            lib.equal(state(pod), whole, f'state after {table} was missing')


def rules_of_others_stay():
    with support.two_pods() as (_, pod, _):
        pod.run('nft', 'add table inet other; add chain inet other c; add rule inet other c counter')
        before = state(pod)
        support.cni('enrol', pod.name)
        support.cni('remove', pod.name)
        lib.equal(state(pod), before, 'what is left in the namespace')


def verify_sees_whatever_is_missing_or_added():
    with support.two_pods() as (_, pod, _):
        damages = [['nft', 'delete', 'table', 'inet', table] for table in TABLES]
        damages += [['nft', 'insert', 'rule', 'inet', 'istio-ambient-nat', 'istio-output', 'accept'],
                    ['nft', 'flush', 'chain', 'inet', 'istio-ambient-mangle', 'output'],
                    ['nft', 'add', 'table', 'inet', 'istio-ambient-nat', '{', 'flags', 'dormant', ';', '}'],
                    ['ip', 'rule', 'del', 'pref', '32764'], ['ip', '-6', 'rule', 'del', 'pref', '32764'],
                    ['ip', 'route', 'flush', 'table', '100'], ['ip', '-6', 'route', 'flush', 'table', '100']]
        for damage in damages:
            support.cni('enrol', pod.name)
            lib.equal(support.cni('verify', pod.name, check_status=False).returncode, 0, 'verify of good rules')
            pod.run(*damage)
            found = support.cni('verify', pod.name, check_status=False)
            lib.equal(found.returncode, 1, f'verify after {" ".join(damage)}')
            lib.check('aquifer-cni: ' in found.stdout, 'verify says nothing')


def a_namespace_without_ipv6_is_captured_for_ipv4():
    with support.two_pods() as (_, pod, _):
        pod.sysctl('net.ipv6.conf.all.disable_ipv6', 1)
        support.cni('enrol', pod.name)
        support.cni('verify', pod.name)
        support.cni('remove', pod.name)


def a_namespace_that_is_none_is_refused_with_its_name():
    with lib.Cluster() as cluster:
        plain = cluster.folder / 'plain'
        plain.write_text('')
        os.mkfifo(cluster.folder / 'pipe')
        for name in (f'{cluster.prefix}none', plain, cluster.folder / 'pipe', '/proc/self/ns/mnt', '../x'):
            found = support.cni('enrol', name, check_status=False)
            lib.equal(found.returncode, 1, f'enrol {name}')
            lib.check(str(name) in found.stdout, f'{name} is not named: {found.stdout}')


def outbound_connections_reach_the_proxy_with_their_destination():
    with support.two_pods() as (_, pod, other):
        support.cni('enrol', pod.name)
        with marked_listener(pod, 15001) as listener:
            for address in (other.address, other.address6):
                with support.connect(pod, address, 8080):
                    connection, _ = listener.accept()
                    with connection:
                        lib.equal(original_destination(connection), (address, 8080), 'original destination')


def captured_connections_are_opened_without_sack_and_others_with_it():
    with support.two_pods() as (_, pod, other), support.EchoServer(other, 8080):
        support.cni('enrol', pod.name)
        with marked_listener(pod, 15001) as listener:
            for address in (other.address, other.address6):
                with support.connect(pod, address, 8080) as client, listener.accept()[0]:
                    lib.check(not has_sack(client), 'a captured connection has SACK')
                with support.connect(pod, address, 8080, mark=support.MARK) as client:
                    lib.check(has_sack(client), 'the proxy connects without SACK')


def inbound_connections_reach_the_proxy_with_their_destination():
    with support.two_pods() as (_, pod, other):
        support.cni('enrol', pod.name)
        with marked_listener(pod, 15006) as listener:
            for address in (pod.address, pod.address6):
                with support.connect(other, address, 8080):
                    connection, peer = listener.accept()
                    with connection:
                        lib.equal(original_destination(connection), (address, 8080), 'original destination')
                        lib.check(peer[0].removeprefix('::ffff:') in (other.address, other.address6), 'peer')


def what_the_proxy_sends_is_not_sent_back_to_it():
    with support.two_pods() as (_, pod, other), support.EchoServer(other, 8080) as server:
        support.cni('enrol', pod.name)
        with marked_listener(pod, 15001):
            lib.equal(support.ask(pod, other.address, 8080, mark=support.MARK), f'{pod.address} hello', 'answer')
            lib.equal(support.ask(pod, other.address6, 8080, mark=support.MARK), f'{pod.address6} hello', 'answer')
        lib.equal(server.seen, [pod.address, pod.address6], 'clients of the server')


def hbone_goes_to_its_own_port():
    with support.two_pods() as (_, pod, other):
        support.cni('enrol', pod.name)
        with marked_listener(pod, 15008) as listener, support.connect(other, pod.address, 15008):
            listener.accept()[0].close()


def a_half_closed_connection_is_tracked_for_longer_than_its_silence():
    with support.two_pods() as (_, pod, _):
        before = tracking(pod)
        support.cni('enrol', pod.name)
        lib.equal(tracking(pod), TRACKING, 'settings')
        support.cni('remove', pod.name)
        lib.equal(tracking(pod), before, 'settings afterwards')
        pod.sysctl('net.netfilter.nf_conntrack_tcp_timeout_close_wait', 7200)
        support.cni('enrol', pod.name)
        support.cni('remove', pod.name)
        lib.equal(tracking(pod), before | {'timeout_close_wait': 7200}, 'settings, one of which somebody else chose')


def loopback_is_left_alone():
    with support.two_pods() as (_, pod, _), support.EchoServer(pod, 8080):
        support.cni('enrol', pod.name)
        for address in ('127.0.0.1', '127.0.0.2', '::1', pod.address, pod.address6):
            lib.check(support.ask(pod, address, 8080), f'{address} inside the pod')


def health_probes_reach_the_application():
    with support.two_pods() as (_, pod, _), support.EchoServer(pod, 8080) as server:
        probes = ('169.254.7.127', 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff')
        for probe, bits in zip(probes, (32, 128)):
            pod.node.ip('addr', 'add', f'{probe}/{bits}', 'dev', 'pods', *(['nodad'] if ':' in probe else []))
        support.cni('enrol', pod.name)
        lib.equal(support.ask(pod.node, pod.address, 8080, source=probes[0]), f'{probes[0]} hello', 'answer')
        lib.equal(support.ask(pod.node, pod.address6, 8080, source=probes[1]), f'{probes[1]} hello', 'answer')
        lib.equal(server.seen, list(probes), 'clients of the server')


def replacing_the_rules_lets_nothing_pass():
    with support.two_pods() as (_, pod, other), support.EchoServer(other, 8080) as server:
        support.cni('enrol', pod.name)
        listener = marked_listener(pod, 15001)
        captured, over = [], threading.Event()

        def accept():
            # Until the listener is shut: connections made just before "over" still wait in its queue.
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                captured.append(original_destination(connection))
                connection.close()

        def apply():
            for _ in range(10):
                support.cni('enrol', pod.name)
            over.set()

        threads = [threading.Thread(target=accept), threading.Thread(target=apply)]
        for thread in threads:
            thread.start()
        tried = 0
        while not over.is_set():
            tried += 1
            support.connect(pod, other.address, 8080).close()
        try:
            lib.eventually(lambda: len(captured) >= tried, 'every connection to be captured')
        finally:
            listener.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        listener.close()
        lib.check(tried > 20, f'only {tried} connections were tried')
        lib.equal(server.seen, [], 'connections that passed by the proxy')


lib.main([
    rules_are_proven_and_removed_without_a_trace,
    applying_again_is_the_same_as_once,
    what_is_left_of_rules_is_replaced,
    rules_of_others_stay,
    verify_sees_whatever_is_missing_or_added,
    a_namespace_without_ipv6_is_captured_for_ipv4,
    a_namespace_that_is_none_is_refused_with_its_name,
    outbound_connections_reach_the_proxy_with_their_destination,
    inbound_connections_reach_the_proxy_with_their_destination,
    what_the_proxy_sends_is_not_sent_back_to_it,
    hbone_goes_to_its_own_port,
    captured_connections_are_opened_without_sack_and_others_with_it,
    a_half_closed_connection_is_tracked_for_longer_than_its_silence,
    loopback_is_left_alone,
    health_probes_reach_the_application,
    replacing_the_rules_lets_nothing_pass,
])
