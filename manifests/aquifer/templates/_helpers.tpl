{{- /* Labels of everything; the context is the name of the program. Selectors have the first alone. */ -}}
{{- define "aquifer.labels" -}}
app: {{ . }}
app.kubernetes.io/name: {{ . }}
app.kubernetes.io/part-of: aquifer
{{- end }}

{{- /* Of what belongs to no program. */ -}}
{{- define "aquifer.partOf" -}}
app.kubernetes.io/part-of: aquifer
{{- end }}

{{- /* The head of a pod's metadata: app, port of its metrics, the root. */ -}}
{{- define "aquifer.podMetadata" -}}
labels:
  {{- include "aquifer.labels" .app | nindent 2 }}
  istio.io/dataplane-mode: none
  sidecar.istio.io/inject: "false"
{{- if .root.Values.monitoring.annotations }}
annotations:
  prometheus.io/scrape: "true"
  prometheus.io/port: {{ .port | quote }}
  prometheus.io/path: /metrics
{{- end }}
{{- end }}

{{- /* Image, its policy. */ -}}
{{- define "aquifer.image" -}}
image: {{ .Values.image.name | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{- /* What all pods have of the values: the name of their part of them, the root. */ -}}
{{- define "aquifer.pod" -}}
serviceAccountName: {{ .app }}
priorityClassName: {{ .root.Values.priorityClass.name }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . | quote }}
{{- end }}
{{- end }}
{{- with .part.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations:
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}

{{- /* An account; the context is app and root. */ -}}
{{- define "aquifer.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .app }}
  namespace: {{ .root.Values.namespace }}
  labels:
    {{- include "aquifer.labels" .app | nindent 4 }}
{{- end }}

{{- /* Binds an account to the role of its name: app, kind (ClusterRole or Role), root. */ -}}
{{- define "aquifer.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  name: {{ .app }}
{{- if eq .kind "Role" }}
  namespace: {{ .root.Values.namespace }}
{{- end }}
  labels:
    {{- include "aquifer.labels" .app | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .app }}
subjects:
- kind: ServiceAccount
  name: {{ .app }}
  namespace: {{ .root.Values.namespace }}
{{- end }}
