"""Objects as the suites on a cluster make them."""

DATAPLANE = 'istio.io/dataplane-mode'
AMBIENT = {DATAPLANE: 'ambient'}


def meta(name, ns=None, **more):
    return {'name': name} | ({'namespace': ns} if ns else {}) | more


def namespace(name, **labels):
    return {'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': meta(name, labels=labels)}


def account(name, ns):
    return {'apiVersion': 'v1', 'kind': 'ServiceAccount', 'metadata': meta(name, ns)}


def policy(name, ns, **spec):
    return {'apiVersion': 'security.istio.io/v1', 'kind': 'AuthorizationPolicy', 'metadata': meta(name, ns), 'spec': spec}


def waypoint(name, ns, **more):
    listener = {'name': 'mesh', 'port': 15008, 'protocol': 'HBONE'}
    return {'apiVersion': 'gateway.networking.k8s.io/v1', 'kind': 'Gateway', 'metadata': meta(name, ns, **more),
            'spec': {'gatewayClassName': 'istio-waypoint', 'listeners': [listener]}}
