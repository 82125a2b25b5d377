"""ZDS gone wrong: a hostile proxy at aquifer-cni's socket, a hostile agent at a node proxy's; and requests to the CA."""
import os
import ssl

import hostile_zds
import lib
import wire
from bad_input import Entry, Metric, World, unless_gone
from hostile_zds import HELLO, add
from wire import proto

KEEP = proto((5, proto((1, 'ghost'))))
DEL = proto((2, proto((2, 'ghost'))))
SNAPSHOT = proto((3, b''))
ACK = proto((1, b''))


# --- towards aquifer-cni ---------------------------------------------------------------------------------------------
def proxy(what, says, *packets, descriptors=0, metric='aquifer_zds_protocol_errors_total'):
    """Packets of a proxy, the last of which breaks the protocol; the agent hangs up."""
    def send(world):
        files = [os.open('/dev/null', os.O_RDONLY) for _ in range(descriptors)]
        try:
            with hostile_zds.dial(world.mesh.b.socket) as connection:
                for packet in packets[:-1]:
                    unless_gone(hostile_zds.send, connection, packet)
                    unless_gone(hung_up_or_more, connection)
                unless_gone(hostile_zds.send, connection, packets[-1], files)
                while unless_gone(hung_up_or_more, connection):
                    pass
        finally:
            for one in files:
                os.close(one)
    return Entry(f'aquifer-cni gets ZDS: {what}', send, World.cni_b, ['a proxy broke the protocol', *says], Metric(metric))


def hung_up_or_more(connection):
    packet, descriptors = hostile_zds.receive(connection)
    for one in descriptors:
        os.close(one)
    return packet


def refuses_pods(world):
    """A proxy that says of each pod that it cannot serve it: the newest one, and then gone."""
    with hostile_zds.dial(world.mesh.b.socket) as connection:
        hostile_zds.send(connection, HELLO)
        hung_up_or_more(connection)
        hostile_zds.send(connection, proto((1, proto((1, 'cannot\nERROR forged')))))
        hung_up_or_more(connection)


# --- towards a node proxy --------------------------------------------------------------------------------------------
def agent(what, says, packet, make=lambda world: (), metric='aquifer_zds_protocol_errors_total', answer=None):
    """A packet of the agent. Without an answer, the proxy hangs up, and comes back for a snapshot."""
    def send(world):
        connections, files = world.relay.connections, list(make(world))
        try:
            world.relay.say(packet, files)
            found = world.relay.reply()
            if answer is None:
                lib.equal(found, None, 'the answer')
                world.relay.await_snapshot(connections)
            else:
                lib.check(found is not None and answer in found, f'the answer {found!r} does not say {answer}')
        finally:
            for one in files:
                os.close(one)
    head = 'the node agent broke the protocol' if answer is None else 'the node agent sent an unusable pod'
    return Entry(f'a node gets ZDS: {what}', send, World.proxy_a, [head, *says], Metric(metric))


def null(_):
    return [os.open('/dev/null', os.O_RDONLY)]


def nets(world, count=1):
    return [os.open(world.mesh.a.intruder.path, os.O_RDONLY) for _ in range(count)]


def twice(world):
    """The same pod again is no other pod; its end is told once."""
    files = [os.open(world.mesh.host.path, os.O_RDONLY)]
    try:
        for packet, descriptors in ((add('ghost'), files), (add('ghost'), files), (DEL, ()), (DEL, ())):
            world.relay.say(packet, descriptors)
            lib.equal(world.relay.reply(), '', 'the answer')
    finally:
        os.close(files[0])


# --- CreateCertificate -----------------------------------------------------------------------------------------------
_METHOD = '/istio.v1.auth.IstioCertificateService/CreateCertificate'
APP_A = 'spiffe://cluster.local/ns/default/sa/app-a'
APP_B = 'spiffe://cluster.local/ns/default/sa/app-b'


def token(world, name='node/node-a'):
    return (world.mesh.state / 'tokens' / name).read_text().strip()


def csr(world, name='csr', san=f'URI:{APP_A}', bits=None):
    return world.ca.request(name, san, bits)


def broken_csr(world):
    """With the last byte, which is the signature's, changed."""
    der = bytearray(ssl.PEM_cert_to_DER_cert(csr(world).replace('CERTIFICATE REQUEST', 'CERTIFICATE')))
    der[-1] ^= 1
    return ssl.DER_cert_to_PEM_cert(bytes(der)).replace('CERTIFICATE', 'CERTIFICATE REQUEST')


def metadata(identity):
    value = proto((1, 'ImpersonatedIdentity'), (2, proto((3, identity))))
    return proto((1, value))


def certificate(what, outcome, says, who, make, served=False):
    def send(world):
        _, answer = wire.grpc_call(world.mesh.host, world.mesh.host.address, 15012, _METHOD, who(world), make(world))
        lib.equal(answer is not None, served, 'whether there is a certificate')
    head = 'certificate granted' if served else 'certificate refused'
    return Entry(f'aquifer-control gets CreateCertificate: {what}', send, World.control, [head, *says],
                 Metric('aquifer_control_certificate_requests_total', outcome=outcome))


def ask(make_csr=csr, identity=APP_A, seconds=3600):
    return lambda world: wire.grpc(proto((1, make_csr(world)), (3, seconds), *([(4, metadata(identity))] if identity else [])))


NODE = 'caller="node node-a"'
ENTRIES = [
    proxy('no hello but garbage', ['ZdsHello'], b'\xff\xff\xff'),
    proxy('an unknown version', ['version', 'only 1 is known'], proto((1, 7))),
    proxy('a hello without a version', ['version'], proto((9, 'x'))),
    proxy('an over-long hello', ['packet', '1024'], b'\x12' * 5000),
    proxy('a hello with a descriptor', ['packet', 'descriptors'], HELLO, descriptors=1),
    proxy('garbage for an acknowledgement', ['WorkloadResponse'], HELLO, b'\xff\xff\xff'),
    proxy('an answer that is no acknowledgement', ['has no ack'], HELLO, proto((9, 'x'))),
    proxy('an acknowledgement without a request', ['without a request'], HELLO, *[proto((1, b''))] * 40),
    Entry('aquifer-cni gets ZDS: a pod that cannot be served', refuses_pods, World.cni_b, ['does not serve a pod', 'forged'],
          Metric('aquifer_zds_failed_pods_total')),
    agent('garbage', ['WorkloadRequest'], b'\xff\xff\xff'),
    agent('an unknown message', ['WorkloadRequest'], proto((9, b'x'))),
    agent('an over-long packet', ['packet', '1024'], proto((9, b'x' * 5000))),
    agent('no descriptor', ['add', 'came with none'], add('ghost')),
    agent('two descriptors', ['add', 'came with more'], add('ghost'), lambda world: nets(world, 2)),
    agent('a descriptor with a removal', ['descriptor'], DEL, nets),
    agent('no uid', ['add.uid', 'empty'], add(''), nets),
    agent('an over-long uid', ['add.uid', 'longer'], add('u' * 300), nets),
    agent('a uid with a line break', ['add.uid', 'unprintable'], add('a\nERROR forged'), nets),
    agent('no name', ['workload_info.name'], add('ghost', name=''), nets, 'aquifer_zds_refused_pods_total', 'name'),
    agent('a name that is none', ['workload_info.namespace'], add('ghost', namespace='A/..'), nets,
          'aquifer_zds_refused_pods_total', 'namespace'),
    agent('a descriptor that is no namespace', ['ghost', 'namespace'], add('ghost'), null, 'aquifer_zds_refused_pods_total', 'namespace'),
    agent('no workload', ['workload_info', 'missing'], proto((1, proto((1, 'ghost')))), nets),
    agent('a Keep after the snapshot', ['keep', 'after'], KEEP),
    agent('a second end of the snapshot', ['snapshot_sent', 'twice'], SNAPSHOT),
    Entry('a node gets ZDS: a uid twice', twice, World.proxy_a, [], None),
    certificate('no token', 'unauthenticated', ['caller=unknown', 'token'], lambda world: None, ask()),
    certificate('a token of nobody', 'unauthenticated', ['caller=unknown', 'token'], lambda world: 'f' * 64, ask()),
    certificate('an over-long token', 'unauthenticated', ['caller=unknown', 'token'], lambda world: 'f' * 6000, ask()),
    certificate('what is no request', 'malformed', [NODE, 'decoded'], token, lambda world: wire.grpc(b'\xff\xff\xff')),
    certificate('no CSR', 'malformed', [NODE, 'csr'], token, ask(lambda world: '')),
    certificate('a CSR that is none', 'malformed', [NODE, 'csr'], token,
                ask(lambda world: '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n')),
    certificate('a CSR with a broken signature', 'malformed', [NODE, 'csr'], token,
                ask(broken_csr)),
    certificate('a CSR of RSA 1024', 'malformed', [NODE, 'csr', 'RSA'], token, ask(lambda world: csr(world, 'weak', bits=1024))),
    certificate('a CSR for somebody else', 'denied', [NODE, f'names {APP_B}'], token,
                ask(lambda world: csr(world, 'else', f'URI:{APP_B}'))),
    certificate('a CSR for a host name too', 'denied', [NODE, 'names control.example'], token,
                ask(lambda world: csr(world, 'host', f'URI:{APP_A},DNS:control.example'))),
    certificate('a pod of another node', 'denied', [NODE, APP_B], token, ask(lambda world: csr(world, 'other', f'URI:{APP_B}'), APP_B)),
    certificate('a node without a pod', 'denied', [NODE, 'ImpersonatedIdentity'], token, ask(identity=None)),
    certificate('another trust domain', 'denied', [NODE, 'trust domain'], token, ask(identity=APP_A.replace('cluster.local', 'other'))),
    certificate('an identity that is none', 'malformed', [NODE, 'ImpersonatedIdentity'], token, ask(identity='spiffe://x/y\nERROR forged')),
    certificate('a gateway as somebody else', 'denied', ['caller=spiffe://', 'this token is for'],
                lambda world: token(world, f'workload/default/{world.way.account}'), ask()),
    certificate('a lifetime below zero', 'malformed', [NODE, 'validity_duration'], token, ask(seconds=-5)),
    certificate('a lifetime of a million years', 'granted', [NODE, 'asked_seconds=31536000000000'], token,
                ask(seconds=31536000 * 10 ** 6), served=True),
]
