//! HTTP with Prometheus' http_config; an Alertmanager cluster; Prometheus.
