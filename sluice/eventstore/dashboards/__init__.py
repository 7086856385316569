"""The dashboards we ship: one definition each, from which come the console's pages, Kibana's and Grafana's."""
