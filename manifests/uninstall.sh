#!/usr/bin/env bash
# uninstall.sh [NAMESPACE]: takes Aquifer off the cluster of kubectl's context, however it was installed, and leaves nothing of it behind.
# Pods leave the mesh, nodes get their network configuration back, then all that was made goes: with the definitions the policies and
# entries of everybody. Gateways and routes stay as they were written. Not for a cluster that has Istio as well.
set -euo pipefail
namespace=${1:-aquifer-system}
seconds=120

say() { echo "uninstall: $*"; }
die() { echo "uninstall: $*" >&2; exit 1; }
k() { kubectl -n "$namespace" "$@"; }

# until_none WHY COMMAND...: waits until the command prints nothing
until_none() {
  local why=$1 left end=$((SECONDS + seconds))
  shift
  left=$("$@")
  while [ -n "$left" ]; do
    [ $SECONDS -lt $end ] || die "$why: $(echo "$left" | head -n 5 | tr '\n' ' ')"
    sleep 1
    left=$("$@")
  done
}

captured() {
  kubectl get pods -A --field-selector=status.phase!=Succeeded,status.phase!=Failed -o jsonpath='{range .items[?(@.metadata.annotations.ambient\.istio\.io/redirection)]}{.metadata.namespace}/{.metadata.name}{"\n"}{end}'
}

leave_the_mesh() {
  say "pods leave the mesh"
  kubectl label namespaces,pods -A -l istio.io/dataplane-mode=ambient istio.io/dataplane-mode-
  until_none "still captured, see the log of aquifer-cni on their nodes" captured
}

folder_of() { k get daemonset aquifer-cni -o jsonpath="{.spec.template.spec.volumes[?(@.name==\"$1\")].hostPath.path}"; }

# Nodes where the plugin is still in the network's configuration, as far as they have a pod by now.
not_left() {
  local wanted pods
  wanted=$(k get daemonset aquifer-leave -o jsonpath='{.status.desiredNumberScheduled}')
  pods=$(k get pods -l app=aquifer-leave -o jsonpath='{range .items[*]}{.spec.nodeName}|{.status.initContainerStatuses[0].state.terminated.exitCode}{"\n"}{end}')
  echo "$pods" | awk -F'|' -v wanted="${wanted:-0}" '$2 == "0" { done++; next } { print $1 } END { if (wanted == 0 || done < wanted) print "others" }'
}

# What gives nodes their configuration back is there before the agents go, on no node yet: whenever this script is stopped, the next run finds
# one of them. The agents go first, as they would put the plugin back.
leave_the_nodes() {
  local image config plugins
  image=$(k get daemonset aquifer-cni -o jsonpath='{.spec.template.spec.containers[0].image}')
  config=$(folder_of config) plugins=$(folder_of plugins)
  say "nodes get their network configuration back"
  kubectl apply -f - <<Y
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: aquifer-leave, namespace: $namespace}
spec:
  selector: {matchLabels: {app: aquifer-leave}}
  template:
    metadata: {labels: {app: aquifer-leave}}
    spec:
      automountServiceAccountToken: false
      nodeSelector: {aquifer.io/leaves: not-yet}
      tolerations: [{operator: Exists}]
      initContainers:
      - name: leave
        image: $image
        command: [/usr/local/bin/aquifer-cni, uninstall, --conf-dir, $config, --bin-dir, $plugins]
        securityContext: {runAsUser: 0, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
        volumeMounts:
        - {name: config, mountPath: $config}
        - {name: plugins, mountPath: $plugins}
      containers:
      - name: done
        image: $image
        command: [/usr/local/bin/aquifer-cni, version]
        securityContext: {runAsUser: 65532, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
      volumes:
      - {name: config, hostPath: {path: $config}}
      - {name: plugins, hostPath: {path: $plugins}}
Y
  k delete daemonset aquifer-cni --cascade=foreground
}

# The namespace before the rest: aquifer-control would make some of it again.
remove() {
  local release
  say "the rest goes"
  release=$(kubectl get namespace "$namespace" --ignore-not-found -o jsonpath='{.metadata.annotations.meta\.helm\.sh/release-name}')
  [ -z "$release" ] || helm uninstall "$release" --wait -n "$(kubectl get namespace "$namespace" -o jsonpath='{.metadata.annotations.meta\.helm\.sh/release-namespace}')"
  kubectl delete namespace "$namespace" --ignore-not-found
  kubectl delete clusterrolebindings,clusterroles,priorityclasses,customresourcedefinitions -l app.kubernetes.io/part-of=aquifer
  kubectl get gatewayclasses -o jsonpath='{range .items[*]}{.metadata.name} {.spec.controllerName}{"\n"}{end}' |
    awk '$2 ~ /^aquifer\.(io|dev)\// { print $1 }' | xargs -r kubectl delete gatewayclasses
  kubectl delete deployments,services,serviceaccounts,horizontalpodautoscalers,poddisruptionbudgets -A \
    -l gateway.istio.io/managed=aquifer.io-controller
  kubectl delete configmaps -A -l app.kubernetes.io/managed-by=aquifer-control
}

[ -z "$(kubectl get daemonsets -A -l k8s-app=istio-cni-node -o name)" ] || die "Istio's agent is here, and pods may be its own: see docs/install.md"
# Each step may have been done by an attempt that stopped half-way.
if [ -n "$(k get daemonset aquifer-cni --ignore-not-found -o name)" ]; then
  leave_the_mesh
  leave_the_nodes
fi
if [ -n "$(k get daemonset aquifer-leave --ignore-not-found -o name)" ]; then
  k patch daemonset aquifer-leave --type=json -p '[{"op": "replace", "path": "/spec/template/spec/nodeSelector", "value": {"kubernetes.io/os": "linux"}}]'
  until_none "no pod would start any more on these nodes, whose configuration still names the plugin" not_left
fi
remove
