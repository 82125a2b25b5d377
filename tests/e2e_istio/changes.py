"""Cases in which something changes while connections are open: policies, pods, endpoints, enrolment, the node proxy itself.

Each makes its change, says what came of it and takes the change back. They touch different pods, so all but the last run at
the same time. A change has arrived when it shows, within a bound.
"""
import json
import threading
import time

from objects import DATAPLANE
from world import PODS, authorization, deny_rules, peer_authentication, pod

ARRIVES_S = 6


class Trial:
    """One case on one address family."""

    def __init__(self, world, family):
        self.world, self.family = world, family

    def address(self, name):
        return self.world.address(name, self.family)

    def hold(self, client, key, host, port=7001):
        return self.world.order(client, 'hold', key=f'{self.family}-{key}', host=host, port=port).get('text', 'nothing')

    def end_of(self, client, key):
        """How a held connection was ended by others, within the bound."""
        end = self.world.order(client, 'await_end', key=f'{self.family}-{key}', seconds=ARRIVES_S)['end']
        return 'ended' if end in ('closed', 'reset') else end

    def use(self, client, key):
        answer = self.world.order(client, 'use', key=f'{self.family}-{key}')
        return answer.get('text', '').replace('stillstill', 'still') or 'ended'  # what an earlier look left unread comes along

    def ask(self, client, host, port=8080):
        answer = self.world.order(client, 'http', host=host, port=port, timeout=5)
        return f'{answer["status"]} from {answer["pod"]}' if 'pod' in answer else 'ended' if answer.get('error') in ('reset', 'closed') else answer['error']

    def until(self, wanted, client, host, port=8080):
        """Asks until the answer holds a word, and returns the answer."""
        end = time.monotonic() + ARRIVES_S
        while True:
            answer = self.ask(client, host, port)
            if wanted in answer or time.monotonic() > end:
                return answer
            time.sleep(0.05)

    def until_held(self, client, host):
        """Until a connection is let through (again), for the case that comes next."""
        end = time.monotonic() + ARRIVES_S
        while self.hold(client, 'again', host) == 'nothing' and time.monotonic() < end:
            time.sleep(0.05)
        self.world.order(client, 'drop', key=f'{self.family}-again')

    def patch(self, name, labels):
        ns = PODS[name][0]
        self.world.cluster.kubectl('-n', ns, 'patch', 'pod', name, '-p', json.dumps({'metadata': {'labels': labels}}))


def a_policy_denies_an_open_connection(trial):
    """DENY of one port; the connection to the other port of the same pod goes on."""
    server = trial.address('moody2')
    said = [trial.hold('client1', 'denied', server), trial.hold('client1', 'spared', server, 7002).splitlines()[0]]
    rule = authorization(f'sudden{trial.family}', 'shop', 'DENY', [{'to': [{'operation': {'ports': ['7001']}}]}], {'pod': 'moody2'})
    trial.world.cluster.apply(rule)
    try:
        said += ['after the policy', trial.end_of('client1', 'denied'), trial.use('client1', 'spared'), trial.until('ended', 'client1', server, 7001)]
    finally:
        trial.world.cluster.delete(rule)
        trial.until_held('client1', server)
    trial.world.order('client1', 'drop', key=f'{trial.family}-spared')
    said += ['after its end', trial.until('200', 'client1', server)]
    return said


def an_attached_policy_is_changed(trial):
    server, spare = trial.address('guarded2'), trial.address('guarded1')
    said = [trial.hold('client1', 'changed', server), trial.hold('client1', 'unchanged', spare)]
    deny = authorization('deny', 'shop', 'DENY', deny_rules(), {'app': 'guarded'})
    ports = [{'to': [{'operation': {'ports': ['7001']}}], 'from': [{'source': {'principals': ['*/client']}}]}]
    trial.world.cluster.apply(authorization('deny', 'shop', 'DENY', deny_rules() + ports, {'app': 'guarded'}))
    said += ['after the change', trial.end_of('client1', 'changed'), trial.end_of('client1', 'unchanged'),
             trial.until('ended', 'client1', server, 7001), trial.ask('client1', server)]
    trial.world.cluster.apply(deny)
    return said + ['after its end', trial.until('closed', 'client1', server, 7001) and trial.ask('client1', server)]


def strict_ends_an_open_connection_in_the_clear(trial):
    server = trial.address('moody1')
    said = [trial.hold('plain2', 'clear', server), trial.hold('client2', 'tunnelled', server)]
    rule = peer_authentication(f'sudden{trial.family}', 'shop', 'STRICT', selector={'pod': 'moody1'})
    trial.world.cluster.apply(rule)
    said += ['after STRICT', trial.end_of('plain2', 'clear'), trial.use('client2', 'tunnelled'), trial.until('ended', 'plain2', server),
             trial.until('200', 'client2', server)]
    trial.world.cluster.delete(rule)
    trial.world.order('client2', 'drop', key=f'{trial.family}-tunnelled')
    said += ['after its end', trial.until('200', 'plain2', server)]
    return said


def a_pod_is_deleted_and_another_comes(trial):
    world, name = trial.world, f'mortal{trial.family}'
    world.cluster.apply(pod(name, world.folder))
    world.cluster.kubectl('-n', 'shop', 'wait', '--for=condition=Ready', f'pod/{name}', '--timeout=30s')
    addresses = [a['ip'] for a in world.cluster.get('pod', name, '-n', 'shop')['status']['podIPs']]
    address = next(a for a in addresses if (':' in a) == (trial.family == '6'))
    said = [trial.until('200', 'client2', address)]
    trial.until_held('client2', address)  # a server that answers on one port may not listen on the other yet
    said += [trial.hold('client2', 'mortal', address)]
    world.cluster.kubectl('-n', 'shop', 'delete', 'pod', name, '--wait', '--timeout=30s')
    # Nobody is there any more to say that it ended: the next use finds out.
    end = time.monotonic() + ARRIVES_S
    while '200' in trial.ask('client2', address) and time.monotonic() < end:
        time.sleep(0.05)
    return said + ['after its end', 'fails' if '200' not in trial.ask('client2', address) else 'still answers']


def endpoints_come_and_go(trial):
    """A service without endpoints gets one, and loses it; an open connection to it goes on."""
    host, server = trial.address('elastic.shop'), {'4': 'server1', '6': 'server2'}[trial.family]
    said = [trial.until('ended', 'client1', host, 80)]
    trial.patch(server, {'elastic': 'yes'})
    said += [trial.until('200', 'client1', host, 80).replace(server, 'the endpoint'), trial.hold('client1', 'elastic', host)]
    trial.patch(server, {'elastic': None})
    said += [trial.until('ended', 'client1', host, 80), trial.use('client1', 'elastic')]
    trial.world.order('client1', 'drop', key=f'{trial.family}-elastic')
    return said


def a_pod_leaves_the_mesh_and_comes_back(trial):
    """What the server sees of it stays right: the address is its own, in the mesh or not."""
    name = {'4': 'bypass1', '6': 'stranger1'}[trial.family]
    said = [trial.ask(name, trial.address('server2'))]
    for mode, word in (('none', 'out'), (None, 'in')):
        trial.patch(name, {DATAPLANE: mode})
        said += [word, trial.until('200', name, trial.address('server2')), trial.until('200', 'client2', trial.address(name))]
    return said


TOGETHER = (a_policy_denies_an_open_connection, an_attached_policy_is_changed, strict_ends_an_open_connection_in_the_clear, a_pod_is_deleted_and_another_comes,
            endpoints_come_and_go, a_pod_leaves_the_mesh_and_comes_back)


def run(world):
    outcomes = {}
    for family in world.families:
        said = {}

        def take(case, trial=Trial(world, family), said=said):
            try:
                said[case] = ', '.join(case(trial))
            except Exception as problem:  # whatever it is, it is the outcome
                said[case] = repr(problem)
        threads = [threading.Thread(target=take, args=(case,)) for case in TOGETHER]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        outcomes |= {f'v{family} {case.__name__.replace("_", " ")}': text for case, text in said.items()}
    return outcomes
