#!/usr/bin/env python3
"""HTTPRoutes at a waypoint and at an ingress gateway: matching and precedence, weights, filters, timeouts, retries and
what is answered when there is nowhere to go. Expectations are those of the Gateway API and of Istio's waypoint."""
import math
import time

import h2
import lib
from waypoint_world import World, backend, curl, main, policy, route


def rule(name, matches=None, filters=(), **more):
    """A rule that says its name in the response."""
    told = {'type': 'ResponseHeaderModifier', 'responseHeaderModifier': {'set': [{'name': 'x-rule', 'value': name}]}}
    return {**({'matches': matches} if matches else {}), 'filters': [told, *filters], 'backendRefs': [backend('v1')], **more}


def path(kind, value, **more):
    return {'path': {'type': kind, 'value': value}, **more}


def header(name, value, kind='Exact'):
    return {'name': name, 'value': value, 'type': kind}


# Rules in an order that would be wrong if the first match won.
MATCHING = [
    rule('prefix-root', [path('PathPrefix', '/')]),
    rule('prefix-a', [path('PathPrefix', '/a')]),
    rule('prefix-a-slash-b', [path('PathPrefix', '/a/b/')]),
    rule('regex', [path('RegularExpression', '/regex/[0-9]+')]),
    rule('regex-long', [path('RegularExpression', '/regex/[0-9]+/[a-z]+')]),
    rule('exact', [path('Exact', '/a/exact')]),
    rule('exact-slash', [path('Exact', '/a/slash/')]),
    rule('one-header', [path('PathPrefix', '/h', headers=[header('X-One', '1')])]),
    rule('two-headers', [path('PathPrefix', '/h', headers=[header('x-one', '1'), header('x-two', '2')])]),
    rule('regex-header', [path('PathPrefix', '/h', headers=[header('x-three', '[a-c]+', 'RegularExpression')])]),
    rule('post', [path('PathPrefix', '/h', method='POST')]),
    rule('h', [path('PathPrefix', '/h')]),
    rule('query', [path('PathPrefix', '/q', queryParams=[header('color', 'red')])]),
    rule('query-two', [path('PathPrefix', '/q', queryParams=[header('color', 'red'), header('size', '4')])]),
    rule('query-regex', [path('PathPrefix', '/q', queryParams=[header('color', 'b.*e', 'RegularExpression')])]),
    rule('q', [path('PathPrefix', '/q')]),
    rule('either', [path('Exact', '/either/one'), path('Exact', '/either/two', method='PUT')]),
    rule('get', [path('PathPrefix', '/method', method='GET')]),
    rule('delete', [path('PathPrefix', '/method', method='DELETE')]),
    rule('first-of-equals', [path('PathPrefix', '/same')]),
    rule('second-of-equals', [path('PathPrefix', '/same')]),
]
# method, target, fields, the rule that has to win
MATCHES = [
    ('GET', '/', {}, 'prefix-root'), ('GET', '/ab', {}, 'prefix-root'), ('GET', '/a', {}, 'prefix-a'), ('GET', '/a/', {}, 'prefix-a'),
    ('GET', '/a/x?y=1', {}, 'prefix-a'), ('GET', '/A', {}, 'prefix-root'), ('GET', '/a?b', {}, 'prefix-a'),
    ('GET', '/a/b', {}, 'prefix-a-slash-b'), ('GET', '/a/b/', {}, 'prefix-a-slash-b'), ('GET', '/a/b/c', {}, 'prefix-a-slash-b'),
    ('GET', '/a/bc', {}, 'prefix-a'), ('GET', '/a/exact', {}, 'exact'), ('GET', '/a/exact?q', {}, 'exact'),
    ('GET', '/a/exact/', {}, 'prefix-a'), ('GET', '/a/slash/', {}, 'exact-slash'), ('GET', '/a/slash', {}, 'prefix-a'),
    ('GET', '/a/./exact', {}, 'exact'), ('GET', '/a/x/../exact', {}, 'exact'), ('GET', '/a/%65xact', {}, 'exact'),
    # A prefix beats a regular expression here (ours to choose), so these reach it only where no longer prefix is.
    ('GET', '/regex/12', {}, 'prefix-root'),
    ('GET', '/h', {}, 'h'), ('GET', '/h', {'x-one': '1'}, 'one-header'), ('GET', '/h', {'X-ONE': '1', 'x-two': '2'}, 'two-headers'),
    ('GET', '/h', {'x-one': '2'}, 'h'), ('GET', '/h', {'x-one': ['1', '1']}, 'h'), ('GET', '/h', {'x-three': 'abc'}, 'regex-header'),
    ('GET', '/h', {'x-three': 'abcd'}, 'h'), ('POST', '/h', {'x-one': '1', 'x-two': '2'}, 'post'),
    ('GET', '/q', {}, 'q'), ('GET', '/q?color=red', {}, 'query'), ('GET', '/q?size=4&color=red', {}, 'query-two'),
    ('GET', '/q?color=blue', {}, 'query-regex'), ('GET', '/q?color=Red', {}, 'q'), ('GET', '/q?Color=red', {}, 'q'),
    ('GET', '/q?color=green&color=red', {}, 'q'), ('GET', '/q?color=red&color=green', {}, 'query'), ('GET', '/q?colored=red', {}, 'q'),
    ('GET', '/either/one', {}, 'either'), ('PUT', '/either/two', {}, 'either'), ('GET', '/either/two', {}, 'prefix-root'),
    ('GET', '/method', {}, 'get'), ('DELETE', '/method', {}, 'delete'), ('HEAD', '/method', {}, 'prefix-root'),
    ('GET', '/same', {}, 'first-of-equals'),
]


def rules_match_and_the_most_specific_wins(world):
    world.apply('50-match.yaml', route('match', 'match', MATCHING))
    lib.eventually(lambda: world.ask('match', path='/a/exact')['x-rule'] == 'exact', 'the route holds')
    for method, target, fields, expected in MATCHES:
        answer = world.ask('match', method, target, fields)
        lib.equal((answer.status, answer['x-rule']), (200, expected), f'{method} {target} {fields}')


def the_same_over_http2(world):
    for method, target, fields, expected in MATCHES:
        if '/../' in target or '/./' in target or any(isinstance(value, list) for value in fields.values()):
            continue
        words = ['--http2-prior-knowledge', *(['-I'] if method == 'HEAD' else ['-X', method])]
        for name, value in fields.items():
            words += ['-H', f'{name}: {value}']
        answer = world.curl('match', *words, path=target)
        lib.equal((answer.status, answer['x-rule']), (200, expected), f'{method} {target} {fields} over HTTP/2')


def a_regular_expression_matches_the_whole_path(world):
    world.apply('50-regex.yaml', route('regex', 'regex', MATCHING[3:6]))
    lib.eventually(lambda: world.ask('regex', path='/a/exact')['x-rule'] == 'exact', 'the route holds')
    for target, expected in (('/regex/12', 'regex'), ('/regex/12/ab', 'regex-long'), ('/regex/12?x', 'regex'), ('/regex/', None),
                             ('/regex/1x', None), ('/x/regex/1', None), ('/regex/1/', None)):
        answer = world.ask('regex', path=target)
        lib.equal((answer.status, answer['x-rule']), (200, expected) if expected else (404, None), target)


def what_matches_no_rule_is_404_and_empty(world):
    answer = world.ask('regex', path='/none')
    lib.equal((answer.status, answer.body, answer['server']), (404, b'', 'istio-envoy'), 'no match')
    lib.equal(answer['x-envoy-upstream-service-time'], None, 'x-envoy-upstream-service-time of an answer of our own')


def older_routes_win_over_newer_ones(world):
    new, old = route('newer', 'age', [rule('newer', [path('PathPrefix', '/')])]), route('older', 'age', [rule('older', [path('PathPrefix', '/')])])
    new['metadata']['creationTimestamp'], old['metadata']['creationTimestamp'] = '2026-01-02T00:00:00Z', '2026-01-01T00:00:00Z'
    alpha = route('alpha', 'name', [rule('alpha', [path('PathPrefix', '/')])])
    beta = route('beta', 'name', [rule('beta', [path('PathPrefix', '/')])])
    world.apply('50-age.yaml', new, old, beta, alpha)
    lib.eventually(lambda: world.ask('age')['x-rule'] == 'older', 'the older route')
    lib.eventually(lambda: world.ask('name')['x-rule'] == 'alpha', 'the first by name')


def a_route_for_one_port_leaves_the_other_alone(world):
    parent = {'group': '', 'kind': 'Service', 'name': 'port', 'port': 80}
    world.apply('50-port.yaml', route('port', 'port', [rule('port', [path('PathPrefix', '/')])], parent))
    lib.eventually(lambda: world.ask('port')['x-rule'] == 'port', 'the route')
    lib.equal(world.ask('port', port=9080)['x-rule'], None, 'the other port')


def backends_get_their_shares(world):
    shares = {'v1': 70, 'v2': 30}
    backends = [backend(name, weight) for name, weight in shares.items()] + [backend('nobody', 0)]
    world.apply('50-weight.yaml', route('weight', 'weight', [{'backendRefs': backends}]))
    lib.eventually(lambda: {world.ask('weight').echo['name'] for _ in range(20)} == {'v1', 'v2'}, 'both backends answer')
    count, total = 0, 1500
    with world.connect('weight') as connection:
        for _ in range(total):
            connection.send(b'GET / HTTP/1.1\r\nHost: echo\r\n\r\n')
            count += connection.answer().echo['name'] == 'v1'
    # Six standard deviations: wrong once in five hundred million runs.
    bound = 6 * math.sqrt(total * 0.7 * 0.3)
    lib.check(abs(count - total * 0.7) < bound, f'v1 got {count} of {total}, expected {total * 0.7:.0f} within {bound:.0f}')


FILTERS = {
    'request-headers': [{'type': 'RequestHeaderModifier', 'requestHeaderModifier': {
        'set': [{'name': 'X-Set', 'value': 'new'}], 'add': [{'name': 'x-add', 'value': 'more'}], 'remove': ['X-Gone']}}],
    'response-headers': [{'type': 'ResponseHeaderModifier', 'responseHeaderModifier': {
        'set': [{'name': 'x-set', 'value': 'new'}], 'add': [{'name': 'x-add', 'value': 'more'}], 'remove': ['x-gone']}}],
    'rewrite-host': [{'type': 'URLRewrite', 'urlRewrite': {'hostname': 'other.example'}}],
    'rewrite-full': [{'type': 'URLRewrite', 'urlRewrite': {'path': {'type': 'ReplaceFullPath', 'replaceFullPath': '/full'}}}],
    'rewrite-prefix': [{'type': 'URLRewrite', 'urlRewrite': {'path': {'type': 'ReplacePrefixMatch', 'replacePrefixMatch': '/new'}}}],
    'rewrite-root': [{'type': 'URLRewrite', 'urlRewrite': {'path': {'type': 'ReplacePrefixMatch', 'replacePrefixMatch': '/'}}}],
    'to-https': [{'type': 'RequestRedirect', 'requestRedirect': {'scheme': 'https', 'statusCode': 301}}],
    'to-host': [{'type': 'RequestRedirect', 'requestRedirect': {'hostname': 'other.example'}}],
    'to-port': [{'type': 'RequestRedirect', 'requestRedirect': {'port': 8443, 'statusCode': 307}}],
    'to-https-443': [{'type': 'RequestRedirect', 'requestRedirect': {'scheme': 'https', 'port': 443, 'statusCode': 308}}],
    'to-http-80': [{'type': 'RequestRedirect', 'requestRedirect': {'scheme': 'http', 'port': 80, 'statusCode': 303}}],
    'to-full': [{'type': 'RequestRedirect', 'requestRedirect': {'path': {'type': 'ReplaceFullPath', 'replaceFullPath': '/full'}}}],
    'to-prefix': [{'type': 'RequestRedirect', 'requestRedirect': {'path': {'type': 'ReplacePrefixMatch', 'replacePrefixMatch': '/p'}}}],
    'cors': [{'type': 'CORS', 'cors': {'allowOrigins': ['https://a.example', 'https://*.b.example'], 'allowMethods': ['GET', 'PUT'],
                                       'allowHeaders': ['x-one'], 'exposeHeaders': ['x-two'], 'allowCredentials': True, 'maxAge': 60}}],
}
# rule, target below it, status, location
REDIRECTS = [
    ('to-https', '/x?q=1', 301, 'https://echo/to-https/x?q=1'), ('to-host', '/x', 302, 'http://other.example/to-host/x'),
    ('to-port', '', 307, 'http://echo:8443/to-port'), ('to-https-443', '', 308, 'https://echo/to-https-443'),
    ('to-http-80', '', 303, 'http://echo/to-http-80'), ('to-full', '/x?q=1', 302, 'http://echo/full?q=1'),
    ('to-prefix', '/x?q=1', 302, 'http://echo/p/x?q=1'), ('to-prefix', '', 302, 'http://echo/p'), ('to-prefix', '/', 302, 'http://echo/p/'),
]
# rule, target below it, what the backend sees
REWRITES = [
    ('rewrite-full', '/x?q=1', '/full?q=1'), ('rewrite-prefix', '/x?q=1', '/new/x?q=1'), ('rewrite-prefix', '', '/new'),
    ('rewrite-prefix', '/', '/new/'), ('rewrite-root', '/x', '/x'), ('rewrite-root', '', '/'), ('rewrite-root', '/', '/'),
    ('rewrite-root', '?a=b', '/?a=b'), ('rewrite-host', '/x', '/rewrite-host/x'),
]


def with_filters(world):
    rules = [{'matches': [path('PathPrefix', f'/{name}')], 'filters': filters,
              **({} if name.startswith('to-') else {'backendRefs': [backend('v1')]})} for name, filters in FILTERS.items()]
    rules.append({'matches': [path('PathPrefix', '/per-backend')],
                  'backendRefs': [backend('v1', filters=FILTERS['request-headers'] + FILTERS['response-headers'])]})
    world.apply('50-filters.yaml', route('filters', 'filters', rules[:8]), route('filters-more', 'filters', rules[8:]))
    lib.eventually(lambda: world.ask('filters', path='/rewrite-full').echo['target'] == '/full', 'the route holds')


def headers_are_set_added_and_removed(world):
    with_filters(world)
    for place in ('request-headers', 'per-backend'):
        fields = world.ask('filters', path=f'/{place}', fields={'x-set': 'old', 'x-add': 'one', 'x-gone': '1', 'x-kept': '', 'X-Gone': '2'})
        sent = fields.echo['fields']
        lib.equal([value for name, value in sent if name.lower() == 'x-set'], ['new'], f'{place}: set')
        lib.equal(','.join(value for name, value in sent if name.lower() == 'x-add'), 'one,more', f'{place}: add')
        lib.check('x-gone' not in fields.sent, f'{place}: removed')
        lib.equal(fields.sent.get('x-kept'), '', f'{place}: an empty field is kept')
    for place in ('response-headers', 'per-backend'):
        answer = world.ask('filters', path=f'/{place}', fields={'x-do': 'header=x-set:old header=X-Add:one header=x-gone:1 header=x-kept:'})
        lib.equal((answer.all('x-set'), answer['x-add'], answer['x-gone'], answer['x-kept']), (['new'], 'one,more', None, ''), place)


def redirects_are_answered_here(world):
    for name, rest, status, location in REDIRECTS:
        answer = world.ask('filters', path=f'/{name}{rest}')
        lib.equal((answer.status, answer['location'], answer.body), (status, location, b''), f'{name}{rest}')


def paths_and_hosts_are_rewritten(world):
    for name, rest, expected in REWRITES:
        answer = world.ask('filters', path=f'/{name}{rest}')
        lib.equal(answer.echo['target'], expected, f'{name}{rest}')
        lib.equal(answer.sent['host'], 'other.example' if name == 'rewrite-host' else 'echo', f'host of {name}')


def cors_is_answered_and_marked(world):
    preflight = {'origin': 'https://x.b.example', 'access-control-request-method': 'PUT'}
    answer = world.ask('filters', 'OPTIONS', '/cors', preflight)
    lib.equal((answer.status, answer['access-control-allow-origin'], answer['access-control-allow-credentials'], answer['access-control-max-age']),
              (200, 'https://x.b.example', 'true', '60'), 'preflight')
    lib.check('PUT' in answer['access-control-allow-methods'] and 'x-one' in answer['access-control-allow-headers'].lower(), repr(answer))
    answer = world.ask('filters', path='/cors', fields={'origin': 'https://a.example'})
    lib.equal((answer.status, answer['access-control-allow-origin'], answer['access-control-expose-headers']),
              (200, 'https://a.example', 'x-two'), 'an ordinary request')
    for origin in ('https://evil.example', 'http://a.example', 'https://b.example', 'https://a.example.evil'):
        answer = world.ask('filters', path='/cors', fields={'origin': origin})
        lib.equal((answer.status, answer['access-control-allow-origin']), (200, None), origin)


def requests_end_with_their_timeouts(world):
    rules = [{'matches': [path('PathPrefix', f'/{kind}')], 'timeouts': {kind: '300ms'}, 'backendRefs': [backend('v1')]}
             for kind in ('request', 'backendRequest')]
    world.apply('50-timeouts.yaml', route('timeouts', 'timeouts', rules))
    lib.eventually(lambda: world.ask('timeouts', path='/none').status == 404, 'the route holds')
    for kind in ('request', 'backendRequest'):
        lib.equal(world.ask('timeouts', path=f'/{kind}/ok').sent['x-envoy-expected-rq-timeout-ms'], '300', f'{kind} is told')
        started = time.monotonic()
        answer = world.ask('timeouts', path=f'/{kind}/late', fields={'x-do': 'delay=3000'})
        took = time.monotonic() - started
        lib.equal((answer.status, answer.body), (504, b'upstream request timeout'), kind)
        lib.check(0.25 < took < 2, f'{kind}: it took {took:.2f} s')
        lib.eventually(lambda: world.echo['v1'].left(f'/{kind}/late'), f'{kind}: the backend is let go')
    code = world.curl('timeouts', '--http2-prior-knowledge', '-H', 'x-do: delay=3000', path='/request/late').status
    lib.equal(code, 504, 'over HTTP/2')


def failures_are_retried_as_the_route_says(world):
    retry = {'attempts': 2, 'codes': [503], 'backoff': '10ms'}
    rules = [{'matches': [path('PathPrefix', '/retry')], 'retry': retry, 'backendRefs': [backend('v1')]}, {'backendRefs': [backend('v1')]}]
    world.apply('50-retry.yaml', route('retry', 'retry', rules))
    lib.eventually(lambda: world.ask('retry', path='/retry/known', fields={'x-do': 'fail=1'}).status == 200, 'the route holds')
    lib.equal(world.ask('retry', path='/retry/twice', fields={'x-do': 'fail=2'}).status, 200, 'two failures')
    lib.equal(len(world.echo['v1'].seen('/retry/twice')), 3, 'tries')
    lib.equal(world.ask('retry', path='/retry/thrice', fields={'x-do': 'fail=3'}).status, 503, 'three failures')
    lib.equal(world.ask('retry', path='/plain', fields={'x-do': 'fail=1'}).status, 503, 'a rule without retries')
    answer = world.ask('retry', 'POST', '/retry/body', {'x-do': 'fail=1'}, b'abc')
    lib.equal((answer.status, len(world.echo['v1'].seen('/retry/body'))), (503, 1), 'a body that is gone is not sent again')


def there_is_an_answer_when_there_is_nowhere_to_go(world):
    world.apply('50-nowhere.yaml', route('nowhere', 'nowhere', [
        {'matches': [path('PathPrefix', '/missing')], 'backendRefs': [backend('missing')]},
        {'matches': [path('PathPrefix', '/half')], 'backendRefs': [backend('missing'), backend('v1')]},
        {'matches': [path('PathPrefix', '/zero')], 'backendRefs': [backend('v1', 0)]},
        {'matches': [path('PathPrefix', '/kind')], 'backendRefs': [{'kind': 'Secret', 'name': 'v1', 'port': 80}]},
        {'matches': [path('PathPrefix', '/nobody')], 'backendRefs': [backend('nobody')]},
        {'matches': [path('PathPrefix', '/refused')], 'backendRefs': [{'name': 'refused', 'port': 80}]},
        {'matches': [path('PathPrefix', '/ok')], 'backendRefs': [backend('v1')]}]))
    lib.eventually(lambda: world.ask('nowhere', path='/ok').status == 200, 'the route holds')
    for target in ('/missing', '/zero', '/kind'):
        answer = world.ask('nowhere', path=target)
        lib.equal((answer.status, answer.body), (500, b''), target)
    statuses = [world.ask('nowhere', path='/half').status for _ in range(60)]
    lib.equal(set(statuses), {200, 500}, 'half of the requests')
    answer = world.ask('nowhere', path='/nobody')
    lib.equal((answer.status, answer.body), (503, b'no healthy upstream'), 'a service without endpoints')
    answer = world.ask('nobody')
    lib.equal((answer.status, answer.body), (503, b'no healthy upstream'), 'addressed directly')
    answer = world.ask('nowhere', path='/refused')
    lib.equal(answer.status, 503, 'nobody listens')
    lib.check(answer.body.startswith(b'upstream connect error or disconnect/reset before headers'), repr(answer.body))


def grpc_is_answered_in_its_own_words(world):
    grpc = {'content-type': 'application/grpc', 'te': 'trailers'}
    for service, target, status, message in (('regex', '/none', '12', None), ('nobody', '/', '14', 'no healthy upstream'),
                                             ('nowhere', '/missing', '14', None)):
        client = h2.Client(world.connect(service).socket)
        fields, body, _ = client.response(client.request('POST', target, fields=list(grpc.items())))
        client.close()
        fields = dict(fields)
        lib.equal((fields[':status'], fields['content-type'], fields['grpc-status'], fields.get('grpc-message'), body),
                  ('200', 'application/grpc', status, message, b''), f'{service}{target}')


def a_waypoint_that_is_not_there_is_not_bypassed(world):
    lib.equal(world.try_ask('orphan'), 0, 'a service whose waypoint does not exist')
    try:
        with world.connect('orphan', timeout=5) as connection:
            connection.send(b'GET /orphan HTTP/1.1\r\nHost: echo\r\n\r\n')
            lib.equal(connection.rest(), b'', 'what a client is told')
    except OSError:
        pass
    lib.equal(world.echo['v1'].seen('/orphan'), [], 'requests that went past it')


def traffic_to_a_pod_does_not_pass_a_service_waypoint(world):
    answer = curl(world.client, f'http://{world.pods["v1"].address}/pod')
    lib.equal((answer.status, answer.echo['name'], answer['server'], 'x-request-id' in answer.sent), (200, 'v1', None, False), 'by its address')


def traffic_to_a_pod_passes_its_own_waypoint_and_knows_no_routes(world):
    def get(target, *words):
        return curl(world.client, f'http://{world.pods["own"].address}{target}', *words)
    lib.eventually(lambda: get('/')['server'] == 'istio-envoy', 'the waypoint of the pod')
    target = {'group': 'gateway.networking.k8s.io', 'kind': 'Gateway', 'name': 'guard'}
    world.apply('50-own.yaml', route('own', 'own', [rule('own', [path('PathPrefix', '/')])]),
                policy('own-gateway', 'DENY', [{'to': [{'operation': {'paths': ['/gateway']}}]}], target=target),
                policy('own-service', 'DENY', [{'to': [{'operation': {'paths': ['/service']}}]}], 'own'),
                policy('own-port', 'DENY', [{'to': [{'operation': {'paths': ['/port'], 'ports': ['80']}}]}], target=target))
    lib.eventually(lambda: world.ask('own')['x-rule'] == 'own', 'the route of the service')
    for target, status in (('/', 200), ('/gateway', 403), ('/service', 200), ('/port', 403)):
        answer = get(target)
        lib.equal((answer.status, answer['x-rule']), (status, None), f'{target} at the pod')
    for target, status in (('/', 200), ('/gateway', 403), ('/service', 403), ('/port', 403)):
        lib.equal(world.ask('own', path=target).status, status, f'{target} at the service')
    lib.equal(get('/', '-H', 'x-do: status=204', '--http2-prior-knowledge').status, 204, 'over HTTP/2')
    # Services disagree on what the pod's port speaks, so that the client says it.
    for words, version in (((), 'HTTP/1.1'), (('--http2-prior-knowledge',), 'HTTP/2')):
        lib.equal(get('/', *words).echo['version'], version, 'what the pod is asked in')


def a_gateway_takes_the_route_of_its_host(world):
    parent = {'name': 'ingress'}
    rules = [{'matches': [path('PathPrefix', '/to-port')], 'filters': FILTERS['to-port']},
             {'matches': [path('PathPrefix', '/to-host')], 'filters': FILTERS['to-host']}, rule('shop', [path('PathPrefix', '/')])]
    world.apply('50-shop.yaml', route('shop', None, rules, parent, hostnames=['shop.example', '*.wild.example']),
                route('precise', None, [rule('precise', [path('PathPrefix', '/precise')])], parent, hostnames=['a.wild.example']))
    lib.eventually(lambda: world.ask_ingress().status == 200, 'the gateway serves')
    for host, target, expected in (('shop.example', '/', 'shop'), ('SHOP.example:80', '/', 'shop'), ('x.wild.example', '/', 'shop'),
                                   ('a.wild.example', '/precise', 'precise'), ('a.wild.example', '/other', 'shop'),
                                   ('wild.example', '/', None), ('other.example', '/', None)):
        answer = world.ask_ingress(path=target, host=host)
        lib.equal((answer.status, answer['x-rule']), (200, expected) if expected else (404, None), f'{host}{target}')
    lib.equal(world.ask_ingress(path='/to-port')['location'], 'http://shop.example:8443/to-port', 'redirect')
    # v1 has a waypoint, which the request has to pass; both proxies add to what they know.
    answer = curl(world.a.node, f'http://{world.ingress.address}/x', '-H', 'Host: shop.example', '--http2-prior-knowledge')
    lib.equal((answer.status, answer['x-rule']), (200, 'shop'), 'over HTTP/2')


SERVICES = ('match', 'regex', 'age', 'name', 'port', 'weight', 'filters', 'timeouts', 'retry', 'nowhere')


def make_world():
    world = World()
    for name in SERVICES:
        world.service(name)
    world.service('nobody', pod='nobody')
    world.service('refused', pod='intruder-b')
    world.pods['own'] = world.b.node.pod('own')
    world.pod_labels['own'] = {'istio.io/use-waypoint': 'guard'}
    world.service('own', pod='own', waypoint='guard')
    guard = world.mesh.waypoint(world.a, 'guard')
    manifest = world.mesh.manifests / f'15-gateway-{guard.name}.yaml'
    world.mesh.apply(manifest.name, manifest.read_text().replace('metadata: {name: guard, namespace: default}',
                                                                 'metadata: {name: guard, namespace: default, labels: {istio.io/waypoint-for: all}}'))
    world.service('orphan', waypoint='missing')
    world.service('last')
    return world


if __name__ == '__main__':
    main(make_world, [
        rules_match_and_the_most_specific_wins, the_same_over_http2, a_regular_expression_matches_the_whole_path,
        what_matches_no_rule_is_404_and_empty, older_routes_win_over_newer_ones, a_route_for_one_port_leaves_the_other_alone,
        backends_get_their_shares, headers_are_set_added_and_removed, redirects_are_answered_here, paths_and_hosts_are_rewritten,
        cors_is_answered_and_marked, requests_end_with_their_timeouts, failures_are_retried_as_the_route_says,
        there_is_an_answer_when_there_is_nowhere_to_go, grpc_is_answered_in_its_own_words,
        a_waypoint_that_is_not_there_is_not_bypassed, traffic_to_a_pod_does_not_pass_a_service_waypoint,
        traffic_to_a_pod_passes_its_own_waypoint_and_knows_no_routes, a_gateway_takes_the_route_of_its_host])
