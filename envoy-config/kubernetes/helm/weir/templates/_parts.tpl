{{/* What the one filter that runs them all is configured with, as JSON. */}}
{{- define "weir.settings" -}}
{{- $settings := dict "model-router" .Values.modelRouter "endpoint-picker" .Values.endpointPicker -}}
{{- with .Values.guardrail }}{{ $settings = set $settings "guardrail" . }}{{ end -}}
{{- with .Values.tokenLimit }}{{ $settings = set $settings "token-limit" . }}{{ end -}}
{{- toJson $settings -}}
{{- end -}}

{{/* A route for each pool, by what its replicas were started with, and the last one for all else. */}}
{{- define "weir.routes" -}}
{{- $routes := list -}}
{{- range $name, $pool := .Values.pools -}}
{{- $header := dict "name" "x-gateway-base-model-name" "string_match" (dict "exact" $pool.baseModel) -}}
{{- $match := dict "prefix" "/" "headers" (list $header) -}}
{{- $routes = append $routes (dict "name" $name "match" $match "route" (dict "cluster" $name "timeout" "0s")) -}}
{{- end -}}
{{- toJson (concat $routes (.Files.Get "files/no-route.yaml" | fromYamlArray)) -}}
{{- end -}}

{{/* A cluster for each pool, which follows the filter's list. */}}
{{- define "weir.clusters" -}}
{{- $clusters := list -}}
{{- range $name, $pool := .Values.pools -}}
{{- $cluster := $.Files.Get "files/cluster.yaml" | fromYaml -}}
{{- $address := dict "socket_address" (dict "address" $pool.service "port_value" $pool.port) -}}
{{- $endpoint := dict "endpoint" (dict "address" $address) -}}
{{- $assignment := dict "cluster_name" $name "endpoints" (list (dict "lb_endpoints" (list $endpoint))) -}}
{{- $clusters = append $clusters (merge (dict "name" $name "load_assignment" $assignment) $cluster) -}}
{{- end -}}
{{- toJson $clusters -}}
{{- end -}}
