"""What operators look at: istioctl, /config_dump, /logging and metrics of the node proxies, read after the same traffic and
made comparable. Names of node proxies' pods change between configurations and are left out.
"""
import collections
import gzip
import json
import re
import subprocess
import urllib.error
import urllib.request

from istio_cluster import SYSTEM, Beside, lib

PROXY_POD = re.compile(r'\b(ztunnel|node-proxy)-[a-z0-9]{5}\b')
# What only ztunnel's build has.
NOT_OURS = {'version.rustVersion', 'config.dnsResolverCfg', 'config.dnsResolverOpts', 'config.fakeCa', 'config.fakeSelfInbound',
            'config.proxyArgs', 'config.preferedServiceNamespace', 'config.proxyWorkloadInformation', 'config.socketConfig',
            'config.socks5Addr', 'config.xdsOnDemand', 'config.crlPath', 'config.dnsProxy', 'config.dnsProxyAddr',
            'config.localhostAppTunnel', 'config.proxy', 'config.statsAddr', 'config.readinessAddr'}


class Forward(Beside):
    """A port of this machine that leads to the admin port of a node proxy, by kubectl as istioctl has it."""

    def __init__(self, cluster, pod):
        super().__init__(cluster, '-n', SYSTEM, 'port-forward', pod['metadata']['name'], ':15000', '--address=127.0.0.1')
        said = self.process.stdout.readline()
        found = re.search(r'127\.0\.0\.1:(\d+)', said)
        if not found:
            self.__exit__()
            raise lib.Failure(f'kubectl port-forward does not say its port: {said}')
        self.base = f'http://127.0.0.1:{found[1]}'

    def ask(self, path, post=False):
        """Status and text."""
        request = urllib.request.Request(self.base + path, method='POST' if post else 'GET')
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


def rows(world, text):
    """A table of istioctl's, as a set of its rows."""
    lines = [line for line in text.splitlines() if line.strip() and '\twarn\t' not in line]
    for ip, name in world.names.items():
        lines = [re.sub(rf'(?<![\w.]){re.escape(ip)}(?![\w.])', name, line) for line in lines]
    words = (' '.join(line.split()) for line in lines)
    return sorted({re.sub(PROXY_POD, 'proxy', line) for line in words if 'proxy2' not in line and 'proxy1' not in line})


def istioctl(world):
    """The tables of istioctl about the node proxy of node1, with connections held open for one of them."""
    if world.proxy_pods['node1']['metadata']['labels']['app'] != 'ztunnel':
        return {}  # istioctl looks for pods with that label alone
    for key, host in (('shown', world.address('server2')), ('shown service', world.address('one.shop')), ('shown plain', world.address('plain1'))):
        world.order('client1', 'hold', key=key, host=host, port=7001)
    name = world.proxy_pods['node1']['metadata']['name']
    tables = {}
    for what in ('workload', 'service', 'policy', 'certificate', 'connections', 'all'):
        tables[what] = rows(world, world.cluster.istioctl('ztunnel-config', what, f'{name}.{SYSTEM}'))
    tables['certificate'] = sorted(' '.join(line.split()[:4]) for line in tables['certificate'])
    # The address of plain1 is that of service entries' workloads, too: istioctl takes the name that it reads last.
    tables['connections'] = [re.sub(r'(static|automatic)\.shop:7001', 'plain1.plain:7001', line) for line in tables['connections']]
    tables['connections'] = sorted(re.sub(r'(client\d\.shop):\d{5}\b', r'\1:port', line)
                                   for line in tables['connections'])
    tables['all'] = [str(len(tables['all']) > 20)]
    for what, words in (('shown', ()), ('debug', ('--level', 'debug')), ('reset', ('--reset',))):
        said = world.cluster.istioctl('ztunnel-config', 'log', f'{name}.{SYSTEM}', *words)
        tables[f'log, {what}'] = sorted(set(re.findall(r'current log level is|debug|info', said)))
    tables['proxy-status'] = sorted(re.sub(PROXY_POD, 'proxy', ' '.join(line.split()[:2])) for line in world.cluster.istioctl('proxy-status').splitlines()
                                    if f'.{SYSTEM} ' in line)
    for key in ('shown', 'shown service', 'shown plain'):
        world.order('client1', 'drop', key=key)
    return {f'istioctl {what}': '\n'.join(lines) for what, lines in tables.items()}


def shape(value, path='', into=None):
    """Which keys there are, and of which types; one member of a list or map with free names stands for all."""
    into = collections.defaultdict(set) if into is None else into
    if isinstance(value, dict):
        free = path.endswith(('endpoints', 'port', 'ports', 'workloadState', 'stagedServices', 'proxyMetadata'))
        for key, each in value.items():
            shape(each, f'{path}.{"*" if free else key}'.lstrip('.'), into)
    elif isinstance(value, list):
        into[path].add('list')
        for each in value:
            shape(each, f'{path}[]', into)
    else:
        into[path].add('number' if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__)
    return into


def config_dump(world):
    with Forward(world.cluster, world.proxy_pods['node1']) as admin:
        dump = json.loads(admin.ask('/config_dump')[1])
        logging = [admin.ask(path, True)[0] for path in ('/logging', '/logging?level=debug', '/logging?level=nonsense', '/logging?reset')]
        others = [admin.ask('/quitquitquit')[0], admin.ask('/nothing')[0]]
    outcomes = {f'config_dump {path}': ' '.join(sorted(types)) for path, types in shape(dump).items()
                if not any(path == f or path.startswith((f'{f}.', f'{f}[')) for f in NOT_OURS)}
    return outcomes | {'admin answers to /logging': str(logging), 'admin answers to what is not there': str(others)}


def scrape(address, path='/metrics', **headers):
    host = f'[{address}]' if ':' in address else address
    request = urllib.request.Request(f'http://{host}:15020{path}', headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers, answer.read()


SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)')
# Whose traffic is the same in each run; what was spread over several endpoints is not.
SPREAD = ('server.shop', 'here.shop', 'near.shop', 'outlandish.plain', 'headless.shop')


def metrics(world):
    """Families with type, stability and label names; and of the traffic's counters the whole label sets."""
    outcomes, series = {}, collections.defaultdict(set)
    for node in world.proxies:
        head, body = scrape(world.proxies[node]['4'])
        text = body.decode()
        outcomes[f'metrics, node{node}: form'] = f'{head["content-type"]} {text.endswith("# EOF" + chr(10))}'
        head, body = scrape(world.proxies[node]['4'], **{'accept-encoding': 'gzip'})
        packed = head['content-encoding'] == 'gzip'
        outcomes[f'metrics, node{node}: gzip'] = 'packed' if packed and gzip.decompress(body).endswith(b'# EOF\n') else 'as it is'
        head, _ = scrape(world.proxies[node]['4'], '/stats/prometheus', accept='application/openmetrics-text;version=1.0.0')
        outcomes[f'metrics, node{node}: OpenMetrics'] = head['content-type']
        families = dict(re.findall(r'^# TYPE (\S+) (\S+)$', text, re.M))
        unstable = set(re.findall(r'^# HELP (\S+) .*\(unstable\)\.?$', text, re.M))
        for family, kind in families.items():
            series[f'metrics family {family}'].add(f'{kind}{" unstable" if family in unstable else ""}')
        for line in text.splitlines():
            found = SAMPLE.fullmatch(line)
            if found and not line.startswith('#'):
                add_sample(series, found[1], found[2] or '')
    return outcomes | {name: ' '.join(sorted(values)) for name, values in series.items()}


def add_sample(series, name, labels):
    names = re.findall(r'([a-z_]+)="', labels)
    series[f'metrics labels of {name}'].add(','.join(names) or 'none')
    if 'reporter="destination"' in labels:
        # Of several services that a pod is in, which one the server's side names is arbitrary.
        labels = re.sub(r'destination_service(_namespace|_name)?="[^"]*",', '', labels)
    steady = name.startswith('istio_tcp_connections_opened') and not any(word in labels for word in SPREAD)
    if steady and SYSTEM not in labels and 'unknown-name' not in labels:
        series[f'metrics series {name}{{{labels}}}'].add('there')


def analyze(world):
    said = subprocess.run([world.cluster.peers, 'ctl', 'analyze', '-A'], env=world.cluster.env, capture_output=True, text=True, timeout=60,
                          check=False)
    codes = sorted(set(re.findall(r'\[(IST\d+)\]', said.stdout + said.stderr)))
    return {'istioctl analyze': f'{said.returncode} {" ".join(codes)}'}


def run(world):
    """A view that cannot be read is an outcome too, and the others are still looked at."""
    outcomes = {}
    for view in (metrics, istioctl, config_dump, analyze):
        try:
            outcomes |= view(world)
        except (AssertionError, OSError, ValueError, subprocess.SubprocessError) as problem:
            outcomes[f'{view.__name__} can be read'] = str(problem)
    return outcomes
