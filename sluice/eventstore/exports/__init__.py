"""Our dashboards as Kibana and Grafana read them; what they cannot show is left out, and each panel says so."""
