#!/usr/bin/env python3
"""AuthorizationPolicies at a waypoint: every field, ALLOW and DENY, what fails closed, and a denial byte by byte. Each
case is a service of its own with the same backend; expectations are Istio's."""
import re

import h2
import lib
from support import EchoServer
from waypoint_world import Connection, World, backend, main, policy, request_bytes, route

YES, NO = 200, 403


class Case:
    """Policies on one service, and requests with what they have to get. A request: method, path and more for World.ask;
    `who` is client (cluster.local/ns/default/sa/app-a), intruder or far (ns/far/sa/far)."""

    def __init__(self, name, policies, *requests):
        self.name, self.requests = name, requests
        self.service = 'c-' + re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')[:50].strip('-')
        self.policies = [policy(f'{self.service}-{index}', action, rules, self.service, **(more[0] if more else {}))
                         for index, (action, rules, *more) in enumerate(policies)]


def get(path='/', expected=YES, **more):
    return {'method': 'GET', 'path': path, **more}, expected


def deny(**operation):
    return ('DENY', [{'to': [{'operation': operation}]}])


def allow(**operation):
    return ('ALLOW', [{'to': [{'operation': operation}]}])


def source(action, **fields):
    return (action, [{'from': [{'source': fields}]}])


def when(action, key, values=(), but=()):
    return (action, [{'when': [{'key': key, **({'values': list(values)} if values else {}), **({'notValues': list(but)} if but else {})}]}])


CLIENT, INTRUDER, FAR = (f'cluster.local/ns/{ns}/sa/{sa}' for ns, sa in (('default', 'app-a'), ('default', 'intruder'), ('far', 'far')))


def by(who, expected, path='/'):
    return get(path, expected, who=who)


def operations():
    return [
        Case('path exact', [deny(paths=['/deny'])], get('/deny', NO), get('/deny?x=1', NO), get('/x/../deny', NO), get('/./deny', NO),
             get('/%64eny', NO), get('/x/%2e%2e/deny', NO), get('/x\\..\\deny', NO),
             get('/deny/'), get('//deny'), get('/deny;a=b'), get('/DENY'), get('/%2Fdeny'), get('/deny%2F'), get('/deny%20'), get('/denyx'),
             get('http://other/deny', NO), ({'method': 'POST', 'path': '/deny'}, NO), ({'method': 'HEAD', 'path': '/deny'}, NO),
             ({'method': 'BREW', 'path': '/deny'}, 400)),
        Case('path forms', [deny(paths=['/pre*', '*.php', '/mid*dle'])], get('/pre', NO), get('/prefix/x', NO), get('/a/b.php', NO),
             get('/a/b.php?x', NO), get('/b.php5'), get('/mid-x-dle'), get('/mid*dle', NO), get('/mid%2Adle')),
        Case('path presence', [deny(paths=['*'])], get('/', NO), get('/any', NO)),
        Case('path template', [allow(paths=['/admin/{**}', '/foo/{*}/bar/{**}', '/store/{**}/cart', '/one/{*}'])],
             get('/admin/', YES), get('/admin/a/b', YES), get('/admin', NO), get('/foo/x/bar/', YES), get('/foo/x/bar/y/z', YES),
             get('/foo//bar/x', NO), get('/foo/b/bar', NO), get('/store//cart', YES), get('/store/a/b/cart', YES), get('/store/cart', NO),
             get('/one/x', YES), get('/one/x.txt', YES), get('/one/a%20b', YES), get('/one/', NO), get('/one/x/', NO), get('/one/x?y', YES)),
        Case('not paths', [allow(notPaths=['/secret', '/private/*'])], get('/', YES), get('/secret', NO), get('/private/x', NO), get('/private', YES)),
        Case('paths and not paths', [deny(paths=['/deny*'], notPaths=['/deny/allow'])], get('/deny/x', NO), get('/deny/allow'), get('/other')),
        Case('methods', [allow(methods=['GET', 'P*'])], get('/', YES), ({'method': 'POST', 'path': '/'}, YES), ({'method': 'HEAD', 'path': '/'}, NO),
             ({'method': 'DELETE', 'path': '/'}, NO)),
        Case('not methods', [deny(notMethods=['GET'])], get('/', YES), ({'method': 'HEAD', 'path': '/'}, NO), ({'method': 'PUT', 'path': '/'}, NO)),
        Case('hosts', [allow(hosts=['good.example', '*.wild.example', 'pre*'])], get('/', YES, host='good.example'), get('/', YES, host='GOOD.Example'),
             get('/', NO, host='good.example:80'), get('/', YES, host='a.wild.example'), get('/', NO, host='wild.example'),
             get('/', YES, host='prefix'), get('/', NO, host='bad.example'), get('http://good.example/', YES, host='bad.example'),
             get('http://bad.example/', NO, host='good.example')),
        Case('not hosts', [deny(notHosts=['good.example'])], get('/', YES, host='good.example'), get('/', NO, host='bad.example'),
             get('/', NO, host='good.example:80')),
        Case('ports', [deny(ports=['80'])], get('/', NO), get('/', YES, port=9080)),
        Case('not ports', [allow(notPorts=['80'])], get('/', NO), get('/', YES, port=9080)),
    ]


def sources(world):
    client, far = world.client.address, world.far.address
    return [
        Case('principals', [source('ALLOW', principals=[CLIENT])], by('client', YES), by('intruder', NO), by('far', NO)),
        Case('principal forms', [source('DENY', principals=['*/sa/intruder', 'cluster.local/ns/far/*'])], by('client', YES), by('intruder', NO), by('far', NO)),
        Case('principal presence', [source('ALLOW', principals=['*'])], *(by(who, YES) for who in ('client', 'intruder', 'far'))),
        Case('not principals', [source('DENY', notPrincipals=[CLIENT])], by('client', YES), by('intruder', NO), by('far', NO)),
        Case('namespaces', [source('ALLOW', namespaces=['far'])], by('client', NO), by('far', YES)),
        Case('namespace forms', [source('ALLOW', namespaces=['f*r'])], by('client', NO), by('far', YES)),
        Case('not namespaces', [source('DENY', notNamespaces=['far'])], by('client', NO), by('far', YES)),
        Case('service accounts', [source('ALLOW', serviceAccounts=['app-a', 'far/far'])], by('client', YES), by('intruder', NO), by('far', YES)),
        Case('not service accounts', [source('DENY', notServiceAccounts=['app-a'])], by('client', YES), by('intruder', NO)),
        Case('trust domains', [source('ALLOW', trustDomains=['other.domain'])], by('client', NO)),
        Case('own trust domain', [source('ALLOW', trustDomains=['cluster.local'])], by('client', YES)),
        Case('ip blocks', [source('ALLOW', ipBlocks=[client, '192.0.2.0/24'])], by('client', YES), by('far', NO)),
        Case('ip ranges', [source('DENY', ipBlocks=['10.244.1.0/24'])], by('client', NO)),
        Case('not ip blocks', [source('DENY', notIpBlocks=[client])], by('client', YES), by('far', NO)),
        Case('ip block is the peer', [source('ALLOW', ipBlocks=['1.2.3.4'])], get('/', NO, fields={'x-forwarded-for': '1.2.3.4'})),
        Case('remote ip blocks', [source('ALLOW', remoteIpBlocks=['1.2.3.0/24'])], get('/', NO), get('/', YES, fields={'x-forwarded-for': '1.2.3.4'}),
             get('/', NO, fields={'x-forwarded-for': '1.2.3.4, 5.6.7.8'})),
        Case('not remote ip blocks', [source('DENY', notRemoteIpBlocks=[client])], by('client', YES), by('far', NO)),
        Case('all of a source', [source('ALLOW', principals=['*'], namespaces=['far'], ipBlocks=[far])], by('client', NO), by('far', YES)),
        Case('source and operation', [('ALLOW', [{'from': [{'source': {'namespaces': ['far']}}], 'to': [{'operation': {'paths': ['/far']}}]},
                                                 {'to': [{'operation': {'paths': ['/all']}}]}])],
             by('far', YES, '/far'), by('client', NO, '/far'), by('client', YES, '/all'), by('far', NO, '/other')),
        Case('one of many', [('ALLOW', [{'from': [{'source': {'namespaces': ['far']}}, {'source': {'principals': [CLIENT]}}],
                                         'to': [{'operation': {'paths': ['/a']}}, {'operation': {'paths': ['/b'], 'methods': ['PUT']}}]}])],
             by('far', YES, '/a'), by('client', YES, '/a'), by('intruder', NO, '/a'), by('client', NO, '/b'), ({'method': 'PUT', 'path': '/b'}, YES)),
    ]


def conditions(world):
    client = world.client.address
    return [
        Case('when header', [when('ALLOW', 'request.headers[X-Token]', ['good', 'pre*', '*fix'])], get('/', NO), get('/', YES, fields={'x-token': 'good'}),
             get('/', YES, fields={'X-TOKEN': 'prefixed'}), get('/', NO, fields={'x-token': 'GOOD'}), get('/', NO, fields={'x-token': 'good,good'}),
             get('/', YES, fields={'x-token': ['bad', 'good']}), get('/', NO, fields={'x-token': ''}), get('/', YES, fields={'x-token': 'suffix'})),
        Case('when header presence', [when('DENY', 'request.headers[x-token]', ['*'])], get('/', YES), get('/', NO, fields={'x-token': 'a'}),
             get('/', NO, fields={'x-token': ''})),
        Case('when header not', [when('DENY', 'request.headers[x-token]', (), ['good'])], get('/', NO), get('/', YES, fields={'x-token': 'good'}),
             get('/', NO, fields={'x-token': 'bad'}), get('/', YES, fields={'x-token': ['bad', 'good']})),
        Case('when source ip', [when('ALLOW', 'source.ip', [client])], by('client', YES), by('far', NO)),
        Case('when remote ip', [when('ALLOW', 'remote.ip', ['1.2.3.4'])], get('/', YES, fields={'x-forwarded-for': '1.2.3.4'}), get('/', NO)),
        Case('when namespace', [when('ALLOW', 'source.namespace', (), ['far'])], by('client', YES), by('far', NO)),
        Case('when principal', [when('ALLOW', 'source.principal', [FAR])], by('client', NO), by('far', YES)),
        Case('when account', [when('ALLOW', 'source.serviceAccount', ['app-a'])], by('client', YES), by('intruder', NO)),
        Case('when trust domain', [when('DENY', 'source.trustDomain', (), ['cluster.local'])], by('client', YES)),
        Case('when destination ip', [when('ALLOW', 'destination.ip', ['10.96.20.0/22'])], by('client', YES)),
        Case('when destination ip is no pod', [when('ALLOW', 'destination.ip', [world.pods['v1'].address])], by('client', NO)),
        Case('when destination port', [when('ALLOW', 'destination.port', ['9080'])], get('/', NO), get('/', YES, port=9080)),
        Case('when sni', [when('ALLOW', 'connection.sni', ['*'])], by('client', NO)),
        Case('when sni denies', [when('DENY', 'connection.sni', (), ['a.example'])], by('client', NO)),
    ]


def outcomes():
    return [
        Case('nothing allowed', [('ALLOW', None)], by('client', NO)),
        Case('everything allowed', [('ALLOW', [{}])], by('client', YES)),
        Case('everything denied', [('DENY', [{}])], by('client', NO)),
        Case('deny wins', [allow(paths=['/a*']), deny(paths=['/ab'])], get('/a', YES), get('/ab', NO), get('/b', NO)),
        Case('allows add up', [allow(paths=['/a']), allow(paths=['/b'])], get('/a', YES), get('/b', YES), get('/c', NO)),
        Case('dry run denies nobody', [(*deny(paths=['/']), {'metadata': {'annotations': {'istio.io/dry-run': 'true'}}})], by('client', YES)),
        Case('dry run allows nobody', [(*allow(paths=['/a']), {'metadata': {'annotations': {'istio.io/dry-run': 'true'}}})], get('/b', YES)),
        Case('audit only marks', [('AUDIT', [{}])], by('client', YES)),
        # What this version cannot decide denies: an unknown caller of an authorizer, a token that nobody has checked.
        Case('custom denies what it matches', [('CUSTOM', [{'to': [{'operation': {'paths': ['/ext']}}]}], {'provider': {'name': 'some'}})],
             get('/ext', NO), get('/other', YES)),
        Case('token principals allow nobody', [source('ALLOW', requestPrincipals=['*'])], by('client', NO)),
        Case('token principals deny everybody', [source('DENY', notRequestPrincipals=['*'])], by('client', NO)),
        Case('claims allow nobody', [when('ALLOW', 'request.auth.claims[groups]', ['a'])], by('client', NO)),
        Case('claims deny everybody', [when('DENY', 'request.auth.claims[groups]', (), ['a'])], by('client', NO)),
    ]


def every_field_decides(world):
    wrong = []
    for case in world.cases:
        for request, expected in case.requests:
            request = dict(request)
            netns = {'client': world.client, 'intruder': world.intruder, 'far': world.far}[request.pop('who', 'client')]
            try:
                status = world.ask(case.service, netns=netns, **request).status
            except (OSError, lib.Failure) as problem:
                status = problem
            if status != expected:
                wrong.append(f'{case.name}: {request} by {netns.short_name}: {status}, expected {expected}')
    lib.equal(wrong, [], f'of {sum(len(case.requests) for case in world.cases)} requests')


def the_same_over_http2(world):
    wrong = []
    for case in world.cases:
        for request, expected in case.requests:
            simple = set(request) <= {'method', 'path', 'who'} and request['path'].startswith('/') and '\\' not in request['path']
            if not simple or expected == 400:
                continue
            netns = {'client': world.client, 'intruder': world.intruder, 'far': world.far}[request.get('who', 'client')]
            client = h2.Client(world.connect(case.service, netns=netns).socket)
            got = client.response(client.request(request['method'], request['path']))
            client.close()
            status = dict(got[0])[':status'] if isinstance(got[0], list) else got
            if status != str(expected):
                wrong.append(f'{case.name}: {request}: {status}, expected {expected}')
    lib.equal(wrong, [], 'over HTTP/2')


DENIED = re.compile(rb'HTTP/1\.1 403 Forbidden\r\ncontent-length: 19\r\ncontent-type: text/plain\r\n'
                    rb'date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\nserver: istio-envoy\r\n\r\nRBAC: access denied')


def a_denial_is_exactly_these_bytes(world):
    with world.connect('c-path-exact') as connection:
        for _ in range(2):
            connection.send(request_bytes('GET', '/deny'))
            answer = connection.answer()
            lib.check(DENIED.fullmatch(answer.raw), repr(answer.raw))
        connection.send(request_bytes('HEAD', '/deny'))
        answer = connection.answer('HEAD')
        lib.check(DENIED.fullmatch(answer.raw + b'RBAC: access denied'), repr(answer.raw))
        connection.send(request_bytes('GET', '/other'))
        lib.equal(connection.answer().status, 200, 'the connection goes on')
        connection.send(request_bytes('POST', '/deny', {}, b'body') + request_bytes('GET', '/behind'))
        answer = connection.answer()
        lib.equal((answer.status, answer['connection'], answer.body), (403, 'close', b'RBAC: access denied'), 'with a body')
        lib.check(connection.closed(), 'and the connection ends')
    before = world.curl('c-path-exact', path='/deny')
    lib.equal(before.body, b'RBAC: access denied', 'curl')
    client = h2.Client(world.connect('c-path-exact').socket)
    fields, body, trailers = client.response(client.request('GET', '/deny'))
    lib.equal([name for name, _ in fields], [':status', 'content-length', 'content-type', 'date', 'server'], 'fields over HTTP/2')
    lib.equal((fields[0][1], dict(fields)['content-length'], body, trailers), ('403', '19', b'RBAC: access denied', None), 'HTTP/2')
    stream = client.request('POST', '/deny', fields=[('content-type', 'application/grpc')])
    fields, body, _ = client.response(stream)
    client.close()
    lib.equal(({name: value for name, value in fields if name != 'date'}, body),
              ({':status': '200', 'content-type': 'application/grpc', 'grpc-status': '7', 'grpc-message': 'RBAC: access denied', 'server': 'istio-envoy'},
               b''), 'gRPC')


def a_denied_request_reaches_nobody(world):
    world.ask('c-path-exact', 'GET', '/deny?nobody')
    lib.equal(world.echo['v1'].seen('/deny?nobody'), [], 'at the backend')


def connections_that_are_not_http_are_judged_too(world):
    with EchoServer(world.pods['v1'], 9000, '0.0.0.0'):
        for service, netns, expected in (('c-principals', world.client, True), ('c-principals', world.intruder, False),
                                         ('c-methods', world.client, False), ('c-namespaces', world.far, True)):
            try:
                with Connection(netns, world.address(service), 9000, timeout=3) as connection:
                    connection.send(b'ping\n')
                    carried = connection.until(b'\n').endswith(b'ping')
            except (OSError, lib.Failure):
                carried = False
            lib.equal(carried, expected, f'{service} by {netns.short_name}')


def a_policy_of_the_gateway_holds_for_all_services(world):
    target = {'group': 'gateway.networking.k8s.io', 'kind': 'Gateway', 'name': 'way'}
    world.apply('60-gateway.yaml', policy('all', 'DENY', [{'to': [{'operation': {'paths': ['/all-denied']}}]}], target=target))
    for service in ('v1', 'v2', 'c-path-exact'):
        lib.eventually(lambda: world.ask(service, path='/all-denied').status == 403, f'{service} refuses')
    old = policy('single', 'DENY', [{'to': [{'operation': {'paths': ['/single-denied']}}]}], target=target)
    old['spec']['targetRef'] = old['spec'].pop('targetRefs')[0]
    world.apply('61-single.yaml', old)
    lib.eventually(lambda: world.ask('v1', path='/single-denied').status == 403, 'a single targetRef')
    lib.equal(world.ask('v1', path='/else').status, 200, 'another path')


def policies_of_the_ingress_know_the_outside(world):
    world.apply('62-ingress.yaml', route('shop', None, [{'backendRefs': [backend('v1')]}], {'name': 'ingress'}),
                policy('outside', 'DENY', [{'to': [{'operation': {'paths': ['/in-denied']}}]},
                                           {'from': [{'source': {'ipBlocks': ['203.0.113.0/24']}}]}],
                       target={'group': 'gateway.networking.k8s.io', 'kind': 'Gateway', 'name': 'ingress'}))
    lib.eventually(lambda: world.ask_ingress(path='/in-denied').status == 403, 'the gateway refuses')
    lib.equal(world.ask_ingress(path='/fine').status, 200, 'others pass')
    lib.equal(world.ask_ingress(path='/fine', fields={'x-forwarded-for': '203.0.113.9'}).status, 200, 'ipBlocks are the peer\'s')
    lib.equal(world.ask(path='/in-denied').status, 200, 'the waypoint has its own')
    lib.equal(world.ask_ingress(path='/all-denied').status, 403, 'what comes through the gateway is checked at the waypoint')


def denials_are_counted_and_logged(world):
    world.ask('c-path-exact', path='/deny?counted')
    lines = lib.eventually(lambda: [line for line in world.waypoint.process.log().splitlines() if '/deny?counted' in line], 'an access log line')
    lib.equal(len(lines), 1, 'lines in the access log')
    lib.check('rbac_access_denied_matched_policy[ns[default]-policy[c-path-exact-0]-rule[0]]' in lines[0] and CLIENT in lines[0], lines[0])
    counted = [line for line in world.metrics(world.waypoint).splitlines()
               if line.startswith('istio_requests_total') and 'response_code="403"' in line and 'destination_service_name="c-path-exact"' in line]
    lib.check(counted and f'source_principal="spiffe://{CLIENT}"' in counted[0] and 'reporter="waypoint"' in counted[0], repr(counted))


def make_world():
    world = World()
    world.cases = operations() + sources(world) + conditions(world) + outcomes()
    for case in world.cases:
        world.service(case.service)
    world.service('last')

    def start(begin=world.start):
        begin()
        world.apply('50-policies.yaml', *(each for case in world.cases for each in case.policies))
        lib.eventually(lambda: world.ask(world.cases[-1].service).status == 403, 'the policies hold')
    world.start = start
    return world


if __name__ == '__main__':
    main(make_world, [
        every_field_decides, the_same_over_http2, a_denial_is_exactly_these_bytes, a_denied_request_reaches_nobody,
        connections_that_are_not_http_are_judged_too, a_policy_of_the_gateway_holds_for_all_services, policies_of_the_ingress_know_the_outside,
        denials_are_counted_and_logged])
