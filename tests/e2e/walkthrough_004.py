"""Routes of a Service in the mesh: of its producer for everybody, of a consumer for its namespace, timeouts, several routes, no match."""
import time

from cluster import lib
from reader import Reader

CLIENTS, FAST = 'clients', 'fast-clients'
SMILEY = 'http://smiley.faces'
PARENT = '.parents[0]'
TRIES = 8
TICK_S = 0.001  # by which a timer may be early


def curl(ns, words):
    return f'kubectl exec -n {ns} client -- curl -s {words}'


def code(ns, path, port=80):
    return curl(ns, f"-m 5 -o /dev/null -w '%{{http_code}}' {SMILEY}:{port}{path}")


def without_a_route_requests_pass(reader):
    reader.types('kubectl apply -f faces.yaml -f clients.yaml')
    reader.types('kubectl wait -n faces --for=condition=programmed gateway/waypoint --timeout=60s')
    for ns in (CLIENTS, FAST):
        reader.types(f'kubectl wait -n {ns} --for=condition=ready pod/client --timeout=60s')
    reader.types('kubectl rollout status -n faces deployment/smiley --timeout=60s')
    for ns in (CLIENTS, FAST):
        reader.sees(curl(ns, f'-i {SMILEY}/anything'), '200', 'server: istio-envoy', 'Hostname: smiley-')


def a_route_of_the_producer_times_everybody_out(reader):
    for group in ('core', '""'):
        reader.types(f"sed 's/group: core/group: {group}/' producer-route.yaml | kubectl apply -f -")
        reader.sees(reader.condition('httproute smiley-route -n faces', 'Accepted', PARENT), 'True Accepted')
        for ns in (CLIENTS, FAST):
            reader.sees(code(ns, '/slow'), '504')
            reader.sees(code(ns, '/smile'), '200')


def what_no_route_matches_is_rejected(reader):
    for ns in (CLIENTS, FAST):
        reader.types(code(ns, '/anything'), '404')
        reader.types(code(ns, '/anything', 8080), '200')  # the route is for port 80


def several_routes_of_a_service_are_merged(reader):
    reader.types(code(CLIENTS, '/frown'), '404')
    reader.types('kubectl apply -f second-route.yaml')
    reader.sees(code(CLIENTS, '/frown'), '200')
    reader.types(code(CLIENTS, '/smile'), '200')
    reader.types(code(CLIENTS, '/anything'), '404')
    reader.types('kubectl delete -f second-route.yaml')
    reader.sees(code(CLIENTS, '/frown'), '404')


def a_route_of_a_consumer_is_for_its_namespace_alone(reader):
    reader.types('kubectl apply -f consumer-route.yaml')
    reader.sees(reader.condition('httproute smiley-route -n fast-clients', 'Accepted', PARENT), 'True Accepted')
    reader.sees(code(FAST, '/anything'), '200')  # it takes the place of the producer's, which has no such path
    reader.types(code(FAST, '/slow'), '504')
    reader.types(code(CLIENTS, '/anything'), '404')
    reader.types('kubectl delete -f producer-route.yaml')
    reader.sees(code(CLIENTS, '/anything'), '200')
    reader.types(code(FAST, '/slow'), '504')
    reader.fails(curl(CLIENTS, f'-m 2 {SMILEY}/slow'), 'exit code 28')
    reader.types('kubectl delete -f consumer-route.yaml')


def of_two_consumers_routes_the_older_wins(reader):
    took = "-o /dev/null -w '%{http_code} %{time_total}'"

    def quickest():
        """How soon a request was given up: never before its timeout, and later by whatever else the machine does."""
        found = [reader.types(curl(FAST, f'{took} {SMILEY}/slow'), '504').out.split()[1] for _ in range(TRIES)]
        return min(map(float, found))
    reader.types('kubectl apply -f consumer-route-100.yaml')
    reader.sees(code(FAST, '/slow'), '504')
    lib.check(quickest() >= 0.1 - TICK_S, 'given up before the timeout of 100 ms')
    reader.types('kubectl delete -f consumer-route-100.yaml')
    reader.types('kubectl apply -f consumer-route-50.yaml')
    created = time.time()
    reader.sees(code(FAST, '/slow'), '504')
    lib.eventually(lambda: time.time() > created + 2, 'the next object is younger by a second')
    reader.types('kubectl apply -f consumer-route-100.yaml')
    reader.sees(reader.condition('httproute smiley-route-100 -n fast-clients', 'Accepted', PARENT), 'True Accepted')
    lib.check(0.05 - TICK_S <= quickest() < 0.1 - TICK_S, 'the older route asks for 50 ms')


def clean(reader):
    reader.command('kubectl delete namespace faces clients fast-clients --wait=false --ignore-not-found')


def reader(made, folder):
    return Reader(made, '004-gamma', folder)


PARTS = (without_a_route_requests_pass, a_route_of_the_producer_times_everybody_out, what_no_route_matches_is_rejected,
         several_routes_of_a_service_are_merged, a_route_of_a_consumer_is_for_its_namespace_alone, of_two_consumers_routes_the_older_wins)
