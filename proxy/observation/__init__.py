"""What operators see of the proxy: Prometheus metrics and OpenTelemetry spans, both off until settings ask."""
