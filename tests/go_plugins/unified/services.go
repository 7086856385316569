package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"sluice.test/plugins/served"
)

const (
	headersChunk protoreflect.EnumNumber = iota
	bodyChunk
	doneChunk
)

func registrations(context.Context, served.Message) (served.Fields, error) {
	return served.Fields{"registrations": []served.Fields{
		{"path": "/echo", "methods": []string{"GET", "POST"}, "description": "what came"},
		{"path": "/services", "methods": []string{"POST"}, "require_auth": true},
		{"path": "/stream", "methods": []string{"GET"}, "stream_response": true},
	}}, nil
}

func (u *unified) endpoint(ctx context.Context, request served.Message) (served.Fields, error) {
	if request.Text("relative_path") == "/services" {
		body, err := json.Marshal(u.callServices(ctx))
		return served.Fields{"status_code": int32(200), "body": body, "headers": jsonType}, err
	}
	body := request.Text("method") + " " + request.Text("path") + " " + string(request.Bytes("body"))
	return served.Fields{"status_code": int32(201), "body": []byte(body), "headers": map[string]string{"X-Go": "echo"}}, nil
}

var jsonType = map[string]string{"Content-Type": "application/json"}

// Three pieces, then as many as are taken: a client that leaves ends it.
func stream(request served.Message, ctx context.Context, send func(served.Fields) error) error {
	head := served.Fields{
		"type": headersChunk, "status_code": int32(200), "headers": map[string]string{"Content-Type": "text/event-stream"},
	}
	if err := send(head); err != nil {
		return err
	}
	for i := 0; i < 3 || request.Text("query_string") == "endless"; i++ {
		if err := send(served.Fields{"type": bodyChunk, "data": []byte(fmt.Sprintf("data: %d\n\n", i))}); err != nil {
			fmt.Fprintln(os.Stderr, "stream was cancelled")
			return err
		}
		if i >= 3 {
			select {
			case <-ctx.Done():
				fmt.Fprintln(os.Stderr, "stream was cancelled")
				return ctx.Err()
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	return send(served.Fields{"type": doneChunk})
}

type asked struct {
	name, method, scope string
	fields              served.Fields
}

// Every service once; the answer, or the status, of each.
func (u *unified) callServices(ctx context.Context) map[string]interface{} {
	calls := []asked{
		{served.Management, "WritePluginKV", "kv.readwrite", served.Fields{"key": "k", "value": []byte("v")}},
		{served.Management, "ReadPluginKV", "kv.readwrite", served.Fields{"key": "k"}},
		{served.Management, "DeletePluginKV", "kv.readwrite", served.Fields{"key": "k"}},
		{served.Management, "ListLLMs", "llms.read", served.Fields{"limit": int32(10), "page": int32(1)}},
		{served.Management, "GetLLM", "llms.read", served.Fields{"llm_id": uint32(1)}},
		{served.Management, "ListApps", "apps.read", served.Fields{"limit": int32(10), "page": int32(1)}},
		{served.Management, "GetApp", "apps.read", served.Fields{"app_id": uint32(1)}},
		{served.Management, "GetBudgetStatus", "budget.read", served.Fields{"app_id": uint32(1)}},
		{served.Management, "ListModelPrices", "pricing.read", served.Fields{}},
		{served.Management, "GetModelPrice", "pricing.read", served.Fields{"model_name": "gpt-4o", "vendor": "openai"}},
		{served.Management, "ValidateCredential", "credentials.validate", served.Fields{"secret": "nothing"}},
		{served.Management, "QueueControlPayload", "control.send", served.Fields{"payload": []byte("hello"), "correlation_id": "c-1"}},
		{served.Management, "GetLicenseInfo", "license.read", served.Fields{}},
		{served.Events, "Publish", "", served.Fields{"topic": "go", "payload": []byte("hello"), "plugin_id": fmt.Sprint(u.host.PluginID)}},
	}
	found := map[string]interface{}{}
	for _, call := range calls {
		answer, err := u.host.Call(ctx, call.name, call.method, call.scope, call.fields)
		if err != nil {
			found[call.method] = map[string]string{"error": err.Error()}
			continue
		}
		text, err := protojson.Marshal(answer.Message)
		if err != nil {
			found[call.method] = map[string]string{"error": err.Error()}
			continue
		}
		found[call.method] = json.RawMessage(text)
	}
	u.mutex.Lock()
	defer u.mutex.Unlock()
	found["heard"] = strings.Join(u.heard, ",")
	return found
}

// A session lasts until its time is over, or until the host closes it; with the first one the services can be called.
func (u *unified) openSession(ctx context.Context, request served.Message) (served.Fields, error) {
	u.ready.Do(func() { go u.whenReady() })
	u.mutex.Lock()
	closed := u.sessions
	u.mutex.Unlock()
	reason := protoreflect.EnumNumber(1)
	select {
	case <-closed:
		reason = 2
	case <-time.After(time.Duration(request.Number("timeout_ms")) * time.Millisecond):
	case <-ctx.Done():
	}
	return served.Fields{"success": true, "session_id": "session-1", "close_reason": reason}, nil
}

func (u *unified) closeSession(context.Context, served.Message) (served.Fields, error) {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	close(u.sessions)
	u.sessions = make(chan struct{})
	fmt.Fprintln(os.Stderr, "session was closed")
	return served.Fields{"success": true}, nil
}

func (u *unified) whenReady() {
	fmt.Fprintln(os.Stderr, `{"@level":"info","@message":"session is ready","@module":"unified"}`)
	if u.host.BrokerID == 0 {
		return
	}
	topic := served.Fields{"topic": "go", "plugin_id": fmt.Sprint(u.host.PluginID)}
	err := u.host.Subscribe(context.Background(), topic, func(message served.Message) {
		u.mutex.Lock()
		defer u.mutex.Unlock()
		u.heard = append(u.heard, string(message.Bytes("payload")))
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "subscription ended")
	}
}

func (u *unified) acceptEdgePayload(_ context.Context, request served.Message) (served.Fields, error) {
	if string(request.Bytes("payload")) == "refuse" {
		return served.Fields{"error_message": "not this one"}, nil
	}
	return served.Fields{"success": true, "handled": true}, nil
}
