#!/usr/bin/env python3
"""HTTP through a waypoint and an ingress gateway: connections, bodies, trailers, upgrades, and what two parties could
read differently, which is refused."""
import json
import os
import re
import threading
import time

import h2
import lib
from support import EchoServer
from waypoint_world import Connection, World, backend, curl, main, request_bytes, route

BODY = os.urandom(3_000_000)


def a_connection_carries_many_requests(world):
    before = world.echo['v1'].connections
    with world.connect() as connection:
        for number in range(50):
            connection.send(request_bytes('GET', f'/keep/{number}'))
            lib.equal(connection.answer().echo['target'], f'/keep/{number}', 'answer')
    lib.check(world.echo['v1'].connections - before <= 2, 'connections to the backend are kept')
    with world.connect() as connection:
        connection.send(request_bytes('GET', '/', {'Connection': 'close'}))
        lib.equal(connection.answer()['connection'], 'close', 'the last answer')
        lib.check(connection.closed(), 'closed after it')


def requests_may_come_all_at_once(world):
    with world.connect() as connection:
        connection.send(b''.join(request_bytes('POST', f'/pipe/{n}', {}, b'x' * n) for n in range(1, 40)))
        for n in range(1, 40):
            echo = connection.answer().echo
            lib.equal((echo['target'], echo['body']), (f'/pipe/{n}', 'x' * n), 'answers in order')


def both_versions_meet_both_versions(world):
    for port, inside in ((80, 'HTTP/1.1'), (82, 'HTTP/2')):
        for words, outside in (((), 'HTTP/1.1'), (('--http2-prior-knowledge',), 'HTTP/2')):
            for body in (b'', b'some body'):
                more = ['-d', body.decode(), '-H', 'content-type: text/plain'] if body else []
                answer = curl(world.client, f'http://{world.address("v1")}:{port}/both?x=%20y', *words, *more)
                what = f'{outside} to {inside}, {len(body)} bytes'
                lib.equal((answer.status, answer.echo['version'], answer.echo['target']), (200, inside, '/both?x=%20y'), what)
                lib.equal(answer.echo['body'], body.decode(), what)
                lib.equal(answer.sent['host'], world.address('v1') + ('' if port == 80 else ':82'), what)


def bodies_of_every_kind_arrive(world):
    chunked = request_bytes('POST', '/chunked', {'Transfer-Encoding': 'chunked'})
    with world.connect() as connection:
        connection.send(chunked + b'5\r\nhello\r\n6;name=value\r\n world\r\n0\r\n\r\n')
        echo = connection.answer().echo
        lib.equal((echo['body'], echo['trailers']), ('hello world', []), 'chunks')
        for part in (b'POST / HTTP/1.1\r\nhost', b': a\r\ncontent-length: ', b'3\r', b'\n\r\n', b'a', b'b', b'c'):
            connection.send(part)
            time.sleep(0.01)
        lib.equal(connection.answer().echo['body'], 'abc', 'in pieces')
        connection.send(request_bytes('POST', '/', {'Content-Length': '0'}))
        lib.equal(connection.answer().sent.get('content-length'), '0', 'an empty body is announced')
    for todo, what in (('chunked', 'a chunked answer'), ('until-close', 'an answer that ends with its connection')):
        with world.connect() as connection:
            connection.send(request_bytes('GET', '/', {'x-do': todo}))
            lib.equal(connection.answer().echo['target'], '/', what)
            connection.send(request_bytes('GET', '/again'))
            lib.equal(connection.answer().echo['target'], '/again', 'the client\'s connection goes on')


def trailers_go_both_ways(world):
    with world.connect() as connection:
        connection.send(request_bytes('POST', '/', {'Transfer-Encoding': 'chunked', 'TE': 'trailers', 'x-do': 'trailer=x-end:done'}))
        connection.send(b'3\r\nabc\r\n0\r\nX-Sum: 42\r\n\r\n')
        answer = connection.answer()
        lib.equal(([(n.lower(), v) for n, v in answer.echo['trailers']], answer.trailers), ([('x-sum', '42')], [('x-end', 'done')]), 'HTTP/1.1')
    for port in (80, 82):
        client = http2(world, port)
        stream = client.request('POST', '/', fields=[('x-do', 'trailer=x-end:done'), ('te', 'trailers')], end=False)
        client.send(h2.data(stream, b'abc') + h2.headers(stream, [('x-sum', '42')], end=True))
        fields, body, trailers = client.response(stream)
        client.close()
        lib.equal(dict(fields)[':status'], '200', f'HTTP/2, port {port}')
        lib.equal([[n.lower(), v] for n, v in json.loads(body)['trailers']], [['x-sum', '42']], f'HTTP/2 request, port {port}')
        lib.equal(trailers, [('x-end', 'done')], f'HTTP/2 answer, port {port}')


def http2(world, port=80):
    return h2.Client(world.connect(port=port).socket)


def large_bodies_stream_both_ways(world):
    for port in (80, 82):
        with world.connect(port=port) as connection:
            connection.send(request_bytes('POST', '/large', {}, BODY))
            lib.equal(connection.answer().echo['body_bytes'], len(BODY), f'bytes at the backend, port {port}')
    with world.connect() as connection:
        connection.send(request_bytes('GET', '/large', {'x-do': 'stream=20000000'}))
        lib.equal(len(connection.answer().body), 20_000_000, 'bytes at the client')
    client = http2(world)
    fields, body, _ = client.response(client.request('GET', '/large', fields=[('x-do', 'stream=5000000')]))
    client.close()
    lib.equal(len(body), 5_000_000, 'bytes at the client over HTTP/2')


def a_slow_reader_holds_the_sender_back(world):
    size = 200_000_000
    with world.connect() as connection:
        connection.send(request_bytes('GET', '/slow', {'x-do': f'stream={size}'}))
        connection.until(b'\r\n\r\n')
        before = resident(world.waypoint.process.pid)
        time.sleep(1.5)
        grown = resident(world.waypoint.process.pid) - before
        lib.check(grown < 8_000_000, f'the waypoint grew by {grown} bytes while its client did not read')
        lib.check(world.try_ask('v1') == 200, 'others are served meanwhile')
    with world.connect() as connection:
        connection.send(request_bytes('POST', '/slow-upload', {'Content-Length': str(size), 'x-do': 'stall=4000'}))
        connection.socket.settimeout(1)
        sent = 0
        try:
            while sent < size:
                connection.send(b'x' * 1_000_000)
                sent += 1_000_000
        except TimeoutError:
            pass
        lib.check(sent < 60_000_000, f'{sent} bytes were taken for a backend that does not read')


def resident(pid):
    with open(f'/proc/{pid}/statm') as statm:
        return int(statm.read().split()[1]) * 4096


def parts_arrive_as_they_are_sent(world):
    with world.connect() as connection:
        started = time.monotonic()
        connection.send(request_bytes('GET', '/drip', {'x-do': 'drip=5*200'}))
        connection.until(b'drip 0\n')
        lib.check(time.monotonic() - started < 0.5, 'the first part waits for the others')
        connection.until(b'drip 4\n')
        lib.check(time.monotonic() - started > 0.7, 'the last part is there too early')


def a_client_that_asks_is_told_to_continue(world):
    with world.connect() as connection:
        connection.send(request_bytes('POST', '/', {'Expect': '100-continue', 'Content-Length': '3'}))
        lib.equal(connection.answer(interim=True).status, 100, 'before the body')
        connection.send(b'abc')
        echo = connection.answer().echo
        lib.equal(echo['body'], 'abc', 'body')
        lib.check('expect' not in {name.lower() for name, _ in echo['fields']}, 'the backend is not asked again')
    answer = world.curl('v1', '-H', 'Expect: 100-continue', '-d', 'abc')
    lib.equal((answer.status, answer.echo['body']), (200, 'abc'), 'curl')


def answers_without_a_body_have_none(world):
    with world.connect() as connection:
        connection.send(request_bytes('HEAD', '/'))
        answer = connection.answer('HEAD')
        lib.equal(answer.status, 200, 'HEAD')
        lib.check(int(answer['content-length'] or 0) > 20, f'HEAD tells the length: {answer}')
        for status in (204, 304):
            connection.send(request_bytes('GET', '/', {'x-do': f'status={status} header=etag:x'}))
            answer = connection.answer()
            lib.equal((answer.status, answer['etag'], answer['transfer-encoding']), (status, 'x', None), f'{status}')
        lib.equal(answer['content-length'] is None or answer['content-length'].isdigit(), True, '304')
        connection.send(request_bytes('GET', '/after'))
        lib.equal(connection.answer().echo['target'], '/after', 'the connection is not out of step')
    for words in (['-I'], ['-H', 'x-do: status=204']):
        answer = world.curl('v1', '--http2-prior-knowledge', *words)
        lib.equal((answer.status, answer.body), (204 if words[0] == '-H' else 200, b''), f'HTTP/2 {words}')
        if words == ['-I']:
            lib.check(int(answer['content-length'] or 0) > 20, f'HEAD tells the length over HTTP/2: {answer}')


def a_websocket_goes_through(world):
    asked = {'Connection': 'Upgrade', 'Upgrade': 'websocket', 'Sec-WebSocket-Key': 'x', 'x-do': 'upgrade'}
    with world.connect() as connection:
        connection.send(request_bytes('GET', '/ws', asked) + b'early ')
        answer = connection.answer()
        lib.equal((answer.status, answer['upgrade'], answer['connection'].lower(), answer['x-tunnel']), (101, 'websocket', 'upgrade', 'yes'), '101')
        connection.send(b'hello')
        lib.equal(connection.exactly(11), b'EARLY HELLO', 'what goes and comes')
        ended = world.echo['v1'].tunnels_ended
    lib.eventually(lambda: world.echo['v1'].tunnels_ended > ended, 'the backend hears of the end')
    answer = world.ask(fields={**asked, 'Upgrade': 'h2c', 'x-do': 'status=200'})
    lib.check('upgrade' not in answer.sent, 'another protocol is not asked for')
    answer = world.ask(fields={**asked, 'Upgrade': 'h2c', 'x-do': 'upgrade'})
    lib.equal(answer.status, 502, 'a 101 that nobody asked for')


def an_old_version_is_told_to_upgrade(world):
    with world.connect() as connection:
        connection.send(b'GET / HTTP/1.0\r\nHost: a\r\n\r\n')
        answer = connection.answer()
        lib.equal((answer.status, answer.body), (426, b'Upgrade Required'), 'HTTP/1.0')
        lib.check(connection.closed(), 'and the connection ends')


def an_absolute_target_names_the_host(world):
    with world.connect() as connection:
        connection.send(b'GET http://named.example/x?y HTTP/1.1\r\nHost: other\r\n\r\n')
        answer = connection.answer()
        lib.equal((answer.sent['host'], answer.echo['target']), ('named.example', '/x?y'), 'absolute form')
        connection.send(b'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n')
        lib.equal(connection.answer().echo['target'], '*', 'asterisk form')


G, P, H, E = b'GET / HTTP/1.1\r\n', b'POST / HTTP/1.1\r\n', b'Host: a\r\n', b'\r\n'
SMUGGLED = b'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
# What a front and a back could read differently. None of it may reach the backend, nor what hides behind it.
REFUSED = {
    'both lengths': P + H + b'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'both lengths, other order': P + H + b'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n',
    'two lengths': P + H + b'Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde',
    'the same length twice': P + H + b'Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde',
    'a list of lengths': P + H + b'Content-Length: 5, 5\r\n\r\nabcde',
    'a signed length': P + H + b'Content-Length: +5\r\n\r\nabcde',
    'a negative length': P + H + b'Content-Length: -1\r\n\r\n',
    'a hexadecimal length': P + H + b'Content-Length: 0x5\r\n\r\nabcde',
    'a length beyond 64 bits': P + H + b'Content-Length: 18446744073709551616\r\n\r\n',
    'an empty length': P + H + b'Content-Length:\r\n\r\n',
    'a coding twice': P + H + b'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'chunked and identity': P + H + b'Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n',
    'identity and chunked': P + H + b'Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n',
    'a coding in disguise': P + H + b'Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
    'a tab before chunked': P + H + b'Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n',
    'a blank before the colon': P + H + b'Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n',
    'a folded line': G + H + b'X-Fold: a\r\n b\r\n\r\n',
    'a folded first line': G + b' Host: a\r\n\r\n',
    'bare line feeds': b'GET / HTTP/1.1\nHost: a\n\n',
    'one bare line feed': G + b'Host: a\nX: y\r\n\r\n',
    'a bare carriage return': G + H + b'X: a\rb\r\n\r\n',
    'a NUL in a value': G + H + b'X: a\0b\r\n\r\n',
    'a NUL in a name': G + H + b'X\0: a\r\n\r\n',
    'a NUL in the target': b'GET /\0 HTTP/1.1\r\n' + H + E,
    'an encoded NUL in the target': b'GET /%00 HTTP/1.1\r\n' + H + E,
    'a blank in the target': b'GET /a b HTTP/1.1\r\n' + H + E,
    'no host': G + E,
    'two hosts': G + b'Host: a\r\nHost: b\r\n\r\n',
    'a host with a path': G + b'Host: a/b\r\n\r\n',
    'a host with a user': G + b'Host: user@a\r\n\r\n',
    'no name': G + H + b': a\r\n\r\n',
    'a line without a colon': G + H + b'nonsense\r\n\r\n',
    'a name with a blank': G + H + b'a b: c\r\n\r\n',
    'a bad chunk size': P + H + b'Transfer-Encoding: chunked\r\n\r\nxyz\r\n',
    'a chunk size too large': P + H + b'Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n',
    'a signed chunk size': P + H + b'Transfer-Encoding: chunked\r\n\r\n+5\r\nabcde\r\n0\r\n\r\n',
    'a chunk longer than said': P + H + b'Transfer-Encoding: chunked\r\n\r\n3\r\nabcde\r\n0\r\n\r\n',
    'a bare line feed after a chunk size': P + H + b'Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n',
    'a trailer that frames': P + H + b'Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n',
    'a relative target': b'GET index.html HTTP/1.1\r\n' + H + E,
    'an unknown method with blanks': b'GE T / HTTP/1.1\r\n' + H + E,
    'nonsense': b'\x01\x02\x03\x04\x05 / HTTP/1.1\r\n' + H + E,
}
STATUSES = {'chunked and identity': {400, 501}, 'identity and chunked': {400, 501}, 'a coding in disguise': {400, 501}}


def what_can_be_read_in_two_ways_is_refused(world):
    wrong = []
    for where, address in (('waypoint', world.address('v1')), ('gateway', world.ingress.address)):
        for name, text in REFUSED.items():
            netns = world.client if where == 'waypoint' else world.a.node
            before = len(world.echo['v1'].seen('/smuggled'))
            with Connection(netns, address, timeout=5) as connection:
                connection.send(text + SMUGGLED)
                said = b''
                try:
                    said = connection.rest()
                except TimeoutError:
                    wrong.append(f'{where}: {name}: still open, said {said[:80]!r}')
                    continue
            first = said.split(b'\r\n')[0].decode('latin-1')
            status = int(first.split(' ')[1]) if first.startswith('HTTP/1.1 ') else 0
            # A body that turns out wrong when its request is on its way may end without an answer.
            allowed = STATUSES.get(name, {400}) | ({0} if 'chunk' in name or 'trailer' in name else set())
            if status not in allowed:
                wrong.append(f'{where}: {name}: {said[:120]!r}')
            if said.count(b'HTTP/1.1 ') > 1 or len(world.echo['v1'].seen('/smuggled')) != before:
                wrong.append(f'{where}: {name}: what hid behind it was served')
    lib.equal(wrong, [], 'refusals')


def too_much_is_refused(world):
    for name, text, status in (('a long target', b'GET /' + b'a' * 20000 + b' HTTP/1.1\r\n' + H + E, 414),
                               ('a long field', G + H + b'X: ' + b'a' * 70000 + b'\r\n\r\n', 431),
                               ('many fields', G + H + b''.join(b'X-%d: a\r\n' % n for n in range(2000)) + E, 431),
                               ('another version', b'GET / HTTP/3.0\r\n' + H + E, 505)):
        with world.connect() as connection:
            connection.send(text)
            lib.equal(connection.answer().status, status, name)
            lib.check(connection.closed(), f'{name}: closed')


def a_response_in_two_readings_is_refused(world):
    for name, raw in (('two lengths', b'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'),
                      ('both lengths', b'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n'),
                      ('a bare line feed', b'HTTP/1.1 200 OK\nContent-Length: 0\n\n'),
                      ('a split response', b'HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n'),
                      ('nonsense', b'hello\r\n\r\n')):
        answer = world.ask(fields={'x-do': f'raw={raw.hex()}'})
        lib.equal(answer.status, 502, name)
    with world.connect() as connection:
        raw = b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'
        connection.send(request_bytes('GET', '/', {'x-do': f'raw={raw.hex()}'}))
        connection.until(b'\r\n\r\n')
        lib.check(len(connection.rest()) < 10, 'a response cut short does not look whole')


def a_backend_that_breaks_off_is_told(world):
    for todo in ('close', 'reset'):
        answer = world.ask('v1', 'POST', '/breaks', {'x-do': todo}, b'x')
        lib.equal(answer.status, 503, todo)
        lib.check(answer.body.startswith(b'upstream connect error or disconnect/reset before headers. reset reason: connection termination'),
                  f'{todo}: {answer}')
    answer = world.ask('v1', 'POST', '/breaks', {'x-do': 'reset'}, b'x', port=82)
    lib.equal(answer.status, 503, 'a reset stream')


def a_connection_that_the_backend_closed_is_not_used(world):
    failed = []
    with world.connect() as connection:
        for number in range(40):
            connection.send(request_bytes('POST', f'/hangup/{number}', {'x-do': 'hangup'}, b'x'))
            status = connection.answer().status
            if status != 200:
                failed.append((number, status))
            time.sleep(0.01)
    lib.equal(failed, [], 'requests that may not be repeated, after the backend hung up')


def an_early_answer_is_delivered(world):
    with world.connect() as connection:
        connection.send(request_bytes('POST', '/early', {'Content-Length': '1000000', 'x-do': 'early'}) + b'x' * 1000)
        lib.equal(connection.answer().echo['target'], '/early', 'while the body is still coming')


def interim_responses_do_not_end_a_request(world):
    answer = world.ask(fields={'x-do': 'interim'})
    lib.equal((answer.status, answer.echo['target']), (200, '/'), 'a 103 before the answer')


UUID = '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}'


def fields_are_added_kept_and_removed(world):
    answer = world.ask(fields={'x-do': 'header=Server:mine header=x-app:1 header=Date:then'})
    sent = answer.sent
    lib.check(re.fullmatch(UUID, sent['x-request-id']), f'x-request-id {sent["x-request-id"]}')
    lib.equal(sent['x-forwarded-proto'], 'http', 'x-forwarded-proto')
    lib.check('x-forwarded-for' not in sent and 'via' not in sent and 'x-envoy-attempt-count' not in sent, f'a waypoint adds no more: {sent}')
    lib.equal((answer['server'], answer['x-app'], answer['date']), ('istio-envoy', '1', 'then'), 'the answer')
    lib.check(answer['x-envoy-upstream-service-time'].isdigit(), 'x-envoy-upstream-service-time')
    given = {'x-request-id': 'mine', 'x-forwarded-for': '1.2.3.4', 'x-forwarded-proto': 'https', 'forwarded': 'for=9.9.9.9', 'x-b3-traceid': 'a'}
    sent = world.ask(fields=given).sent
    lib.equal({name: sent.get(name) for name in given}, given, 'what a client of the mesh gave')
    never = {'x-forwarded-client-cert': 'forged', 'x-envoy-internal': 'true', 'x-envoy-upstream-rq-timeout-ms': '1', 'x-envoy-retry-on': '5xx',
             'connection': 'x-hop, keep-alive', 'x-hop': '1', 'keep-alive': '5', 'proxy-connection': 'close', 'te': 'gzip'}
    sent = world.ask(fields=never).sent
    lib.equal([name for name in never if name in sent], [], 'what is taken out')
    lib.check(world.ask().fields[-1][1] is not None, 'date is there')


def a_gateway_does_not_believe_the_outside(world):
    sent = world.ask_ingress(fields={'x-forwarded-for': '1.2.3.4', 'x-forwarded-proto': 'https', 'x-envoy-external-address': '9.9.9.9'}).sent
    lib.equal(sent['x-forwarded-for'], f'1.2.3.4,{world.a.node.address}', 'x-forwarded-for')
    lib.equal(sent['x-forwarded-proto'], 'http', 'x-forwarded-proto')
    lib.check('x-envoy-external-address' not in sent, 'x-envoy-external-address')
    lib.equal(world.ask_ingress(path='https://shop.example/').sent['x-forwarded-proto'], 'http', 'of a target that claims https')
    sent = world.ask_ingress(fields={'connection': 'x-forwarded-for, x-request-id'}).sent
    lib.check(sent.get('x-forwarded-for') == world.a.node.address and 'x-request-id' in sent, 'a client cannot have them taken out')


def a_port_of_another_protocol_is_copied(world):
    with EchoServer(world.pods['v1'], 9000, '0.0.0.0'):
        for port in (9000, 9001):
            with world.connect(port=port) as connection:
                connection.send(b'\x00binary, not HTTP\n')
                lib.check(connection.until(b'\n').endswith(b'\x00binary, not HTTP'), f'port {port}')


def streams_of_one_connection_do_not_stop_each_other(world):
    client = http2(world)
    client.give_back = False
    stalled = client.request('GET', '/stalled', fields=[('x-do', 'stream=1000000')])
    taken = 0
    while taken < 60000:
        kind, _, _, payload = client.next()
        taken += len(payload) if kind == h2.DATA else 0
    client.send(h2.frame(h2.WINDOW_UPDATE, 0, 0, (1_000_000).to_bytes(4, 'big')))
    fields, body, _ = client.response(client.request('GET', '/quick'))
    lib.equal((dict(fields)[':status'], json.loads(body)['target']), ('200', '/quick'), 'beside a stream that is not read')
    client.send(h2.frame(h2.RST_STREAM, 0, stalled, (8).to_bytes(4, 'big')))
    client.close()


def malformed_http2_is_refused(world):
    pseudo = [(':method', 'GET'), (':scheme', 'http'), (':path', '/'), (':authority', 'a')]
    for name, fields in (('upper case', [*pseudo, ('X-Upper', '1')]), ('connection', [*pseudo, ('connection', 'close')]),
                         ('transfer-encoding', [*pseudo, ('transfer-encoding', 'chunked')]), ('a line feed', [*pseudo, ('x', 'a\nb')]),
                         ('a NUL', [*pseudo, ('x', 'a\0b')]), ('no path', pseudo[:2] + pseudo[3:]), ('two paths', [*pseudo[:3], *pseudo[2:]]),
                         ('pseudo field at the end', [*pseudo, ('x', 'y'), (':path', '/b')]), ('a blank in the path', [*pseudo[:2], (':path', '/a b'), pseudo[3]]),
                         ('a line feed in the path', [*pseudo[:2], (':path', '/a\r\nx: y'), pseudo[3]]), ('an empty path', [*pseudo[:2], (':path', ''), pseudo[3]]),
                         ('another host', [*pseudo, ('host', 'b')]), ('a wrong length', [*pseudo, ('content-length', '5')]),
                         ('CONNECT', [(':method', 'CONNECT'), (':authority', 'v1:80')]), ('a method with a blank', [(':method', 'GE T'), *pseudo[1:]])):
        client = http2(world)
        before = len(world.echo['v1'].requests)
        client.send(h2.headers(1, fields, end=True))
        client.next_stream = 3
        got = client.response(1)
        refused = got[0] in ('reset', 'closed') or dict(got[0])[':status'] in ('400', '404')
        lib.check(refused, f'{name}: {got}')
        lib.equal(len(world.echo['v1'].requests), before, f'{name}: requests at the backend')
        client.close()


def many_clients_at_once(world):
    failed = []

    def ask(number):
        for index in range(20):
            answer = world.ask('v1', 'POST', f'/many/{number}/{index}', {}, b'x' * (number * 100))
            if answer.status != 200 or answer.echo['body_bytes'] != number * 100:
                failed.append(answer)
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lib.equal(failed, [], 'failed requests')


def make_world():
    world = World()

    def start(begin=world.start):
        begin()
        world.apply('50-shop.yaml', route('shop', None, [{'backendRefs': [backend('v1')]}], {'name': 'ingress'}))
        lib.eventually(lambda: world.ask_ingress().status == 200, 'the gateway serves')
    world.start = start
    return world


if __name__ == '__main__':
    main(make_world, [
        a_connection_carries_many_requests, requests_may_come_all_at_once, both_versions_meet_both_versions, bodies_of_every_kind_arrive,
        trailers_go_both_ways, large_bodies_stream_both_ways, a_slow_reader_holds_the_sender_back, parts_arrive_as_they_are_sent,
        a_client_that_asks_is_told_to_continue, answers_without_a_body_have_none, a_websocket_goes_through, an_old_version_is_told_to_upgrade,
        an_absolute_target_names_the_host, what_can_be_read_in_two_ways_is_refused, too_much_is_refused, a_response_in_two_readings_is_refused,
        a_backend_that_breaks_off_is_told, a_connection_that_the_backend_closed_is_not_used, an_early_answer_is_delivered, interim_responses_do_not_end_a_request,
        fields_are_added_kept_and_removed, a_gateway_does_not_believe_the_outside, a_port_of_another_protocol_is_copied,
        streams_of_one_connection_do_not_stop_each_other, malformed_http2_is_refused, many_clients_at_once])
