"""Three roles, and a listener whose owner says from which namespaces routes may attach."""
from cluster import lib
from reader import Reader

NAMESPACES = ('infra', 'foo', 'bar', 'baz')
PARENT = ".parents[?(@.parentRef.name=='my-gateway')]".replace("'", '"')


def each_role_has_its_own_objects(reader):
    for ns in NAMESPACES:
        reader.types(f'kubectl create namespace {ns}')
        reader.types(f'kubectl apply -n {ns} -f my-service.yaml')
    reader.types('kubectl apply -f roles.yaml')
    provider, operator, developer = (f'--as={role}' for role in ('infrastructure-provider', 'cluster-operator', 'application-developer'))
    reader.fails(f'aquifer convert -f class.yaml | kubectl apply {operator} -f -', 'forbidden')
    reader.converts('class.yaml', words=provider)
    reader.fails(f'aquifer convert -f gateway.yaml | kubectl apply -n infra {developer} -f -', 'forbidden')
    reader.converts('gateway.yaml', words=f'-n infra {operator}')
    reader.fails(f'aquifer convert -f route.yaml | kubectl apply -n infra {operator} -f -', 'forbidden')
    reader.converts('route.yaml', words=f'-n infra {developer}')
    reader.types('kubectl wait --for=condition=accepted gatewayclass/my-gateway-class --timeout=20s')


def the_route_serves_its_service(reader):
    reader.types('kubectl wait -n infra --for=condition=programmed gateway/my-gateway --timeout=60s')
    address(reader)
    reader.sees('curl -s "http://$GATEWAY/anything"', 'Hostname: my-service-', 'GET /anything ')
    reader.sees("kubectl get gateway my-gateway -n infra -o jsonpath='{.status.listeners[0].attachedRoutes}'", '1')


def address(reader):
    reader.sees("kubectl get gateway my-gateway -n infra -o jsonpath='{.status.addresses[0].type}'", 'IPAddress')
    reader.types("export GATEWAY=$(kubectl get gateway my-gateway -n infra -o jsonpath='{.status.addresses[0].value}')")


def routes_of_the_selected_namespaces_attach_and_serve(reader):
    reader.converts('shared-gateway.yaml', words='-n infra')
    for ns in ('foo', 'bar'):
        reader.converts(f'route-of-{ns}.yaml')
        reader.sees(reader.condition(f'httproute {ns} -n {ns}', 'Accepted', PARENT), 'True Accepted')
        reader.types(f"kubectl get pods -n {ns} -l app=my-service -o jsonpath='{{.items[0].metadata.name}}'")
        reader.sees(f'curl -s "http://$GATEWAY/{ns}"', f'Hostname: {reader.last.out}')
    reader.sees("kubectl get gateway my-gateway -n infra -o jsonpath='{.status.listeners[0].attachedRoutes}'", '2')


def routes_of_others_are_refused_and_their_status_says_so(reader):
    reader.converts('route-of-baz.yaml')
    reader.sees(reader.condition('httproute baz -n baz', 'Accepted', PARENT), 'False NotAllowedByListeners')
    reader.sees(reader.condition('httproute my-http-route -n infra', 'Accepted', PARENT), 'False NotAllowedByListeners')
    reader.sees('curl -s -o /dev/null -w "%{http_code}" "http://$GATEWAY/baz"', '404')
    reader.types("kubectl get gateway my-gateway -n infra -o jsonpath='{.status.listeners[0].attachedRoutes}'")
    lib.equal(reader.last.out, '2', 'routes that are attached')


def clean(reader):
    reader.command(f'kubectl delete namespace {" ".join(NAMESPACES)} --wait=false --ignore-not-found')
    reader.command('kubectl delete -f roles.yaml --ignore-not-found')
    reader.command('kubectl delete gatewayclass my-gateway-class --ignore-not-found')


def reader(made, folder):
    return Reader(made, '001-roles', folder)


PARTS = (each_role_has_its_own_objects, the_route_serves_its_service, routes_of_the_selected_namespaces_attach_and_serve,
         routes_of_others_are_refused_and_their_status_says_so)
