"""Renders the Helm chart with Helm's own engine, for each of the values on stdin, and prints the manifests of each as JSON."""

import json
import sys

from helm_python.chart import Chart, lint

# Severity of a warning in Helm's lint.
WARNING = 2

chart = sys.argv[1]
report = lint(chart, strict=True)
found = [message for message in report["messages"] if message["severity"] >= WARNING]
if found or report["errors"]:
    sys.exit(f"lint: {found} {report['errors']}")
rendered = []
for values in json.load(sys.stdin):
    manifests = Chart.load(chart).render(values, name="gw", namespace="istio-ingress")
    rendered.append([text for path, text in sorted(manifests.items()) if path.endswith(".yaml")])
json.dump(rendered, sys.stdout)
