// The newer generation of plugins: everything has an answer.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"

	"sluice.test/plugins/served"
)

const manifest = `{"id": "test.go-unified", "version": "1.2.3", "name": "Go, unified", "description": "for tests",
"capabilities": {"hooks": ["post_auth", "on_response", "data_collection", "custom_endpoint", "studio_ui"],
"primary_hook": "post_auth"}, "permissions": {"services": ["kv.readwrite", "apps.read"]}}`

const schema = `{"type": "object", "properties": {"value": {"type": "string", "default": "go"},
"limit": {"type": "integer"}, "refuse": {"type": "string"}, "collect_to": {"type": "string"}}}`

type unified struct {
	*served.Plugin
	host     *served.Host
	mutex    sync.Mutex
	config   map[string]string
	heard    []string
	sessions chan struct{}
	ready    sync.Once
}

func main() {
	u := &unified{Plugin: &served.Plugin{Defaults: true}, sessions: make(chan struct{})}
	u.host = &served.Host{Plugin: u.Plugin}
	u.Methods = map[string]served.Method{
		"Initialize":           u.initialize,
		"Ping":                 ping,
		"Shutdown":             succeed,
		"ProcessPreAuth":       u.preAuth,
		"ProcessPostAuth":      u.postAuth,
		"Authenticate":         authenticate,
		"GetAppByCredential":   appByCredential,
		"GetUserByCredential":  userByCredential,
		"OnBeforeWriteHeaders": writeHeaders,
		"OnBeforeWrite":        write,
		"OnStreamComplete":     streamComplete,
		"HandleProxyLog":       u.collect("proxy_log"),
		"HandleAnalytics":      u.collect("analytics"),
		"HandleBudgetUsage":    u.collect("budget"),
		"GetManifest":          document("manifest_json", manifest),
		"GetConfigSchema":      document("schema_json", schema),
		"OpenSession":          u.openSession,
		"CloseSession":         u.closeSession,
		"AcceptEdgePayload":    u.acceptEdgePayload,

		"GetEndpointRegistrations": registrations,
		"HandleEndpointRequest":    u.endpoint,
	}
	u.Streams = map[string]served.Stream{"HandleEndpointRequestStream": stream}
	u.Config = map[string]served.Method{
		"GetManifest":     document("manifest_json", manifest),
		"GetConfigSchema": document("schema_json", schema),
		"Ping":            ping,
	}
	fmt.Fprintln(os.Stderr, "runtime:", os.Getenv("PLUGIN_RUNTIME"))
	served.Serve(u.Plugin)
}

func (u *unified) initialize(_ context.Context, request served.Message) (served.Fields, error) {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	u.config = request.Texts("config")
	if text := u.config["refuse"]; text != "" {
		return served.Fields{"success": false, "error_message": text}, nil
	}
	u.host.PluginID = number(u.config["_plugin_id"])
	u.host.BrokerID = number(u.config["_service_broker_id"])
	return served.Fields{"success": true}, nil
}

func (u *unified) configured(key string) string {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	return u.config[key]
}

func number(text string) uint32 {
	found, _ := strconv.ParseUint(text, 10, 32)
	return uint32(found)
}

func ping(_ context.Context, request served.Message) (served.Fields, error) {
	return served.Fields{"timestamp": request.Number("timestamp"), "healthy": true}, nil
}

func succeed(context.Context, served.Message) (served.Fields, error) {
	return served.Fields{"success": true}, nil
}

func document(field, text string) served.Method {
	return func(context.Context, served.Message) (served.Fields, error) {
		return served.Fields{"success": true, field: text}, nil
	}
}
