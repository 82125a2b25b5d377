"""The access log of the node proxies: found by the client's address, and made comparable."""
import re
import time

FIELD = re.compile(r'([a-z_.]+)=("(?:[^"\\]|\\.)*"|\S*)')
ADDRESS = re.compile(r'^\[?([0-9a-f.:]+?)\]?:(\d+)$')
VOLATILE = ('duration', 'src.addr')
RACY_PORTS = (7004, 7007, 8090)  # reset on purpose, or spread over several endpoints


def parse(text):
    """The lines of finished and refused connections, as dictionaries in the order of their fields."""
    for line in text.splitlines():
        parts = line.split('\t')
        if len(parts) > 4 and parts[2] == 'access' and parts[3].startswith('connection'):
            fields = {key: value.strip('"') for key, value in FIELD.findall(parts[4])}
            yield {'level': parts[1], 'message': parts[3]} | fields


def split(address):
    found = ADDRESS.match(address)
    return (found[1], int(found[2])) if found else (address, 0)


def read(world):
    return [line for pod in world.proxy_pods.values() for line in parse(world.cluster.log_of(pod))]


def lines_of(world, clients, seconds=3):
    """Outbound lines by pod and port of the client. One that is not captured has none, so the wait is bounded by time."""
    wanted, end = set(clients), time.monotonic() + seconds
    while True:
        lines = [(split(line['src.addr']), line) for line in read(world) if line.get('direction') == 'outbound']
        found = {(world.name_of(ip), port): line for (ip, port), line in lines}
        if wanted <= set(found) or time.monotonic() > end:
            return {key: found[key] for key in wanted if key in found}
        time.sleep(0.2)


def named(world, address):
    ip, port = split(address)
    return f'{world.name_of(ip)}:{port}' if port else address


def normal(world, line):
    """One line without what differs between runs; the words of an error are each program's own."""
    shown = []
    for key, value in line.items():
        if key in VOLATILE:
            continue
        if key in ('dst.addr', 'dst.hbone_addr'):
            value = named(world, value)
        shown.append(f'{key}={"yes" if key == "error" else value}')
    return ' '.join(shown)


def inbound(world):
    """What the servers' node proxies say of the traffic so far; without what a race decides."""
    outcomes = {}
    for line in read(world):
        target = split(line.get('dst.hbone_addr') or line['dst.addr'])[1]
        if line.get('direction') != 'inbound' or target in RACY_PORTS or target >= 15000:
            continue
        client = world.name_of(split(line['src.addr'])[0])
        # Of several services that a pod is in, which one its side names is arbitrary.
        line = {key: 'some' if key == 'dst.service' else value for key, value in line.items()}
        outcomes[f'access log, inbound from {client}: {normal(world, line)}'] = 'there'
    return outcomes
