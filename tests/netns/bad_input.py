"""What the tests of bad input share: a mesh with a hostile control plane and a hostile node agent in it, and the list.

Node a's proxy and the waypoint get the mesh from hostile_xds.Server, which replays what aquifer-control says and adds
what a test tells it to; node a's proxy gets its pods through hostile_zds.Relay. Node b is fed by the real programs. All
programs of ours are sanitized. An Entry is one bad input; after it has been counted and named in the log, ordinary
traffic and an ordinary change still have to work:

    Entry('port 0', lambda world: world.connect(...), World.proxy_b,
          says=['CONNECT refused', ':authority'], metric=Metric('aquifer_hbone_refused_total', stage='request'))
"""
import dataclasses
import re
import typing

import certificates
import hostile_xds
import hostile_zds
import lib
import wire
from mesh import DENY_INTRUDER, Mesh

SECONDS = 20
REPORT = re.compile(r'(ERROR: (Address|Leak|Undefined)Sanitizer|runtime error:|check failed).*', re.M)
HARMLESS = DENY_INTRUDER.replace('sa/intruder', 'sa/nobody')


def http_get(netns, address, path='/who', port=80, seconds=5):
    """(status, body); (0, why) when there is no answer."""
    try:
        with wire.dial(netns, address, port, seconds) as connection:
            connection.sendall(f'GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n'.encode())
            raw = b''
            while part := connection.recv(65536):
                raw += part
    except OSError as error:
        return 0, str(error)
    head, _, body = raw.partition(b'\r\n\r\n')
    return (int(head.split()[1]), body.decode(errors='replace')) if head.startswith(b'HTTP/') else (0, 'closed')


@dataclasses.dataclass
class Metric:
    family: str
    labels: dict

    def __init__(self, family, **labels):
        self.family, self.labels = family, labels


class Program:
    """A running program of ours: its log and its metrics."""

    def __init__(self, name, process, netns, address, port):
        self.name, self.process, self.netns, self.address, self.port = name, process, netns, address, port

    def page(self, path='/metrics', port=None, address=None):
        status, body = http_get(self.netns, address or self.address, path, port or self.port, SECONDS)
        lib.equal(status, 200, f'{path} of {self.name}: {body[:200]}')
        return body

    def total(self, metric):
        wanted = [f'{name}="{value}"' for name, value in metric.labels.items()]
        found = re.findall(rf'^{metric.family}(\{{.*\}})? (\d+)', self.page(), re.M)
        return sum(int(value) for labels, value in found if all(each in labels for each in wanted))

    def log_size(self):
        return self.process.log_path.stat().st_size

    def line(self, since, says):
        """The line behind a place of the log that says all of it."""
        with self.process.log_path.open('rb') as log:
            log.seek(since)
            lines = log.read().decode(errors='replace').splitlines()
        return next((line for line in lines if all(each in line for each in says)), None)

    def clean(self):
        text = self.process.log()
        report = REPORT.search(text)
        lib.check(report is None, f'{self.name}: {report and text[report.start():report.start() + 2000]}')
        # Entries send text that would be a line of its own.
        lib.check(not re.search(r'^ERROR forged', text, re.M), f'a peer has written a line into the log of {self.name}')

    def healthy(self):
        self.clean()
        lib.check(self.process.running(), f'{self.name} ended: {self.process.log()[-2000:]}')


@dataclasses.dataclass
class Entry:
    name: str
    send: typing.Callable
    program: typing.Callable  # World -> Program
    says: list  # what one line of its log holds
    metric: Metric  # None: it is no error, and must do no harm
    # The line may be one that the rate limit leaves out: it is then sent again, and counted again.
    limited: bool = True
    after: typing.Callable = None  # undoes it, and checks what is special about it
    change: typing.Callable = None  # the ordinary change; World.manifest_change unless given
    others: tuple = ()  # (program, says, metric) of further programs that hear of it


class World:
    """One for all entries, made by the first that needs it."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.mesh = mesh = Mesh(cluster, sanitized=True)
        # Which way the next ordinary change goes.
        self.deny = self.turn = self.way_turn = False
        mesh.start_control()
        self.way = mesh.waypoint(mesh.b)
        mesh.use_waypoint(mesh.b, self.way)
        self.start_agents()
        self.ca = certificates.Authority(cluster.folder / 'certificates', mesh.state)
        self.stranger = certificates.Authority(cluster.folder / 'stranger')
        self.xds = hostile_xds.Server(mesh.host, mesh.host.address, 15112, self.server_certificate())
        self.start_fed()
        mesh.serve()
        self.settle()

    def server_certificate(self):
        return self.ca.leaf('xds', f'IP:{self.mesh.host.address}')

    def start_agents(self):
        mesh = self.mesh
        for side in mesh.sides:
            side.start_agent()
        mesh.b.start_proxy(AQUIFER_HANDSHAKE_TIMEOUT='1s')
        self.relay = hostile_zds.Relay(self.cluster.folder / 'relay.sock', mesh.a.socket)
        mesh.b.wait_ready()

    def start_fed(self):
        """The programs that the hostile server feeds, with what the real one says of the mesh now."""
        mesh, server = self.mesh, f'https://{self.mesh.host.address}:15112'
        lib.eventually((mesh.state / f'tokens/workload/default/{self.way.account}').exists, 'the token of the waypoint')
        self.xds.base['way'] = lib.eventually(self.record_waypoint, 'the waypoint is known to the control plane')
        self.xds.base['node'] = hostile_xds.record(mesh, f'node/{mesh.a.name}', 'ztunnel~x', {}, hostile_xds.NODE_TYPES)
        self.xds.start()
        mesh.a.start_proxy(XDS_ADDRESS=server, INPOD_UDS=str(self.relay.path))
        self.way.launch(XDS_ADDRESS=server, AQUIFER_HANDSHAKE_TIMEOUT='1s')
        mesh.a.wait_ready()
        self.way.wait_ready()

    def record_waypoint(self):
        """None until the service of app-b goes through it."""
        found = hostile_xds.record(self.mesh, f'workload/default/{self.way.account}', 'waypoint~x',
                                   {'GATEWAY_NAME': self.way.name, 'NAMESPACE': 'default'}, hostile_xds.WAY_TYPES)
        bound = any(f'{self.way.account}.default.svc'.encode() in body for name, body in found[hostile_xds.ADDRESS] if 'app-b.' in name)
        return found if bound and found[hostile_xds.GATEWAY] else None

    # --- the programs ------------------------------------------------------------------------------------------------
    def control(self):
        return Program('aquifer-control', self.mesh.control, self.mesh.host, self.mesh.host.address, 15014)

    def cni_a(self):
        return Program('aquifer-cni of a', self.mesh.a.agent, self.mesh.a.node, '127.0.0.1', 15014)

    def proxy_a(self):
        return Program('aquifer-node of a', self.mesh.a.proxy, self.mesh.a.node, '127.0.0.1', 15020)

    def proxy_b(self):
        return Program('aquifer-node of b', self.mesh.b.proxy, self.mesh.b.node, '127.0.0.1', 15020)

    def waypoint(self):
        return Program('aquifer-waypoint', self.way.process, self.way.pod, '127.0.0.1', 15020)

    def cni_b(self):
        return Program('aquifer-cni of b', self.mesh.b.agent, self.mesh.b.node, '127.0.0.1', 15014)

    def programs(self):
        return (self.control(), self.cni_a(), self.cni_b(), self.proxy_a(), self.proxy_b(), self.waypoint())

    # --- what has to work --------------------------------------------------------------------------------------------
    def settle(self):
        lib.eventually(self.served, 'ordinary traffic', SECONDS)
        self.manifest_change()
        self.manifest_change()

    def served(self):
        mesh = self.mesh
        return (http_get(mesh.a.app, mesh.b.service) == (200, 'app-b\n') and  # through the waypoint
                http_get(mesh.b.app, mesh.a.service) == (200, 'app-a\n') and
                http_get(mesh.a.app, mesh.b.app.address) == (200, 'app-b\n'))

    def traffic(self):
        mesh = self.mesh
        lib.equal(http_get(mesh.a.app, mesh.b.service), (200, 'app-b\n'), 'a to the service of b, through the waypoint')
        lib.equal(http_get(mesh.b.app, mesh.a.service), (200, 'app-a\n'), 'b to the service of a')
        lib.equal(http_get(mesh.a.app, mesh.b.app.address), (200, 'app-b\n'), 'a to the pod of b')

    def manifest_change(self):
        """A policy comes into force, or goes, on node b."""
        self.deny = not self.deny
        self.mesh.apply('60-deny-intruder.yaml', DENY_INTRUDER if self.deny else HARMLESS)
        wanted = (0,) if self.deny else (200,)
        lib.eventually(lambda: http_get(self.mesh.a.intruder, self.mesh.b.app.address)[:1] == wanted,
                       f'an ordinary change: {"deny" if self.deny else "allow"} the intruder', SECONDS)

    def run(self, entry):
        own = [(entry.program(self), entry.says, entry.metric)] if entry.metric else []
        parties = own + [(who(self), says, metric) for who, says, metric in entry.others]
        counted = self.counted_and_named(entry, parties) if entry.limited and parties else self.hear_once(entry, parties)
        if entry.after:
            entry.after(self)
        lib.eventually(self.served, f'ordinary traffic after {entry.name}', SECONDS)
        (entry.change or World.manifest_change)(self)
        for (program, _, metric), expected in zip(parties, counted):
            lib.equal(program.total(metric), expected, f'{metric.family} of {program.name} in the end')
        for program in self.programs():
            program.healthy()

    def hear_once(self, entry, parties):
        expected = [program.total(metric) + 1 for program, _, metric in parties]
        since = [program.log_size() for program, _, _ in parties]
        entry.send(self)
        for (program, says, metric), total, mark in zip(parties, expected, since):
            lib.eventually(lambda: program.total(metric) >= total, f'{program.name} counts {metric}: {self.tail(program, mark)}', SECONDS)
            lib.equal(program.total(metric), total, f'{metric.family} of {program.name}')
            lib.eventually(lambda: program.line(mark, says), f'{program.name} says {says}: {self.tail(program, mark)}', SECONDS)
        return expected

    def counted_and_named(self, entry, parties):
        (program, says, metric), = parties

        def named():
            total, mark = program.total(metric) + 1, program.log_size()
            entry.send(self)
            lib.eventually(lambda: program.total(metric) >= total, f'{program.name} counts {metric}', SECONDS)
            lib.equal(program.total(metric), total, f'{metric.family} of {program.name}')
            try:
                some = lib.eventually(lambda: program.line(mark, says[:1]), 'a line', 0.3)
            except lib.Failure:
                return None  # the limit of lines a second: once more
            lib.check(program.line(mark, says), f'{program.name} says {some!r}, without {says}')
            return [total]
        return lib.eventually(named, f'{program.name} says {says}: {program.process.log()[-1500:]}', SECONDS)

    @staticmethod
    def tail(program, mark):
        return program.process.log_path.read_bytes()[mark:].decode(errors='replace')[-1500:]


def unless_gone(function, *arguments):
    """The function's result; None when the peer has hung up."""
    try:
        return function(*arguments)
    except (OSError, EOFError):
        return None
