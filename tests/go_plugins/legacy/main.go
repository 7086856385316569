// The older generation of plugins: one hook, and nothing else has an answer.
package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"sluice.test/plugins/served"
)

var hooks = map[string]map[string]served.Method{
	"pre_auth":  {"ProcessPreAuth": answer(served.Fields{"modified": true, "headers": map[string]string{"X-Legacy": "pre_auth"}})},
	"post_auth": {"ProcessPostAuth": answer(served.Fields{"modified": true, "headers": map[string]string{"X-Legacy": "post_auth"}})},
	"auth": {
		"Authenticate":        authenticate,
		"GetAppByCredential":  answer(served.Fields{"success": true, "app": served.Fields{"id": uint32(1)}}),
		"GetUserByCredential": answer(served.Fields{"error_message": "nobody"}),
	},
	"response": {
		"OnBeforeWriteHeaders": answer(nil),
		"OnBeforeWrite":        answer(served.Fields{"modified": true, "body": []byte("legacy")}),
	},
	"data_collection": {
		"HandleProxyLog":    answer(served.Fields{"success": true, "handled": true}),
		"HandleAnalytics":   answer(served.Fields{"success": true, "handled": true}),
		"HandleBudgetUsage": answer(served.Fields{"success": true, "handled": true}),
	},
}

func main() {
	hook := strings.TrimPrefix(filepath.Base(os.Args[0]), "legacy_")
	methods := map[string]served.Method{
		"Initialize": answer(served.Fields{"success": true}),
		"Ping":       answer(served.Fields{"healthy": true}),
		"Shutdown":   answer(served.Fields{"success": true}),
	}
	for name, method := range hooks[hook] {
		methods[name] = method
	}
	served.Serve(&served.Plugin{
		Methods: methods,
		Config: map[string]served.Method{
			"GetConfigSchema": answer(served.Fields{"success": true, "schema_json": `{"type": "object", "additionalProperties": true}`}),
			"GetManifest":     answer(served.Fields{"error_message": "no manifest"}),
			"Ping":            answer(served.Fields{"healthy": true}),
		},
	})
}

func answer(fields served.Fields) served.Method {
	return func(context.Context, served.Message) (served.Fields, error) { return fields, nil }
}

// The app's id as a text that is no number, as some plugins have it.
func authenticate(_ context.Context, request served.Message) (served.Fields, error) {
	return served.Fields{
		"authenticated": request.Text("credential") == "legacy-secret", "user_id": "someone", "app_id": "app-one",
	}, nil
}
