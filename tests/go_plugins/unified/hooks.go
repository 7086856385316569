package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"sluice.test/plugins/served"
)

func (u *unified) preAuth(_ context.Context, request served.Message) (served.Fields, error) {
	if request.Texts("headers")["X-Block"] != "" {
		return served.Fields{
			"block": true, "status_code": int32(451), "error_message": "not before authentication",
			"headers": map[string]string{"X-Why": "pre-auth"},
		}, nil
	}
	return nil, nil
}

// As real plugins do it: all headers again with one more, and a body that is not the one that came.
func (u *unified) postAuth(ctx context.Context, enriched served.Message) (served.Fields, error) {
	request := enriched.Part("request")
	headers := request.Texts("headers")
	if answer, err := misbehave(ctx, headers["X-Misbehave"]); answer != nil || err != nil {
		return answer, err
	}
	headers["X-Go-Value"] = u.configured("value")
	headers["X-Go-App"] = enriched.Text("app_id")
	answer := served.Fields{
		"modified": true, "headers": headers,
		"context_updates": map[string]string{"go": request.Part("context").Text("request_id")},
	}
	var body map[string]interface{}
	if json.Unmarshal(request.Bytes("body"), &body) == nil && body != nil {
		body["user"] = "go"
		changed, _ := json.Marshal(body)
		answer["body"] = changed
	}
	return answer, nil
}

func misbehave(ctx context.Context, how string) (served.Fields, error) {
	switch how {
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	case "exit":
		os.Exit(2)
	case "panic":
		go panic("as plugins do")
		time.Sleep(time.Second)
	case "error":
		return nil, status.Error(codes.Internal, "it does not work")
	case "huge":
		return served.Fields{"modified": true, "body": bytes.Repeat([]byte("x"), 100<<20)}, nil
	case "large":
		return served.Fields{"modified": true, "body": bytes.Repeat([]byte("x"), 8<<20)}, nil
	case "flood":
		line := strings.Repeat("a line of a flood ", 5)
		for i := 0; i < 20000; i++ {
			fmt.Fprintln(os.Stderr, line, i)
			fmt.Fprintln(os.Stdout, line, i)
		}
	}
	return nil, nil
}

func authenticate(_ context.Context, request served.Message) (served.Fields, error) {
	if request.Text("credential") != "go-secret" {
		return served.Fields{"error_message": "unknown to Go"}, nil
	}
	return served.Fields{
		"authenticated": true, "user_id": "gopher", "claims": map[string]string{"by": request.Text("auth_type")},
	}, nil
}

func appByCredential(_ context.Context, request served.Message) (served.Fields, error) {
	if request.Text("credential") != "go-secret" {
		return served.Fields{"error_message": "unknown"}, nil
	}
	return served.Fields{"success": true, "app": served.Fields{"id": uint32(1), "name": "gophers", "is_active": true}}, nil
}

func userByCredential(context.Context, served.Message) (served.Fields, error) {
	return served.Fields{"success": true, "user": served.Fields{"id": uint32(9), "email": "g@example.org"}}, nil
}

func writeHeaders(_ context.Context, request served.Message) (served.Fields, error) {
	headers := request.Texts("headers")
	headers["X-Go-Response"] = "yes"
	return served.Fields{"modified": true, "headers": headers}, nil
}

func write(_ context.Context, request served.Message) (served.Fields, error) {
	body := bytes.ReplaceAll(request.Bytes("body"), []byte("secret"), []byte("******"))
	return served.Fields{"modified": true, "body": body, "headers": request.Texts("headers")}, nil
}

func streamComplete(context.Context, served.Message) (served.Fields, error) {
	return served.Fields{"handled": true, "cached": true}, nil
}

func (u *unified) collect(kind string) served.Method {
	return func(_ context.Context, event served.Message) (served.Fields, error) {
		path := u.configured("collect_to")
		if path == "" {
			return served.Fields{"success": true}, nil
		}
		file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return served.Fields{"error_message": err.Error()}, nil
		}
		defer file.Close()
		fmt.Fprintln(file, kind, event.Text("request_id"), event.Number("app_id"))
		return served.Fields{"success": true, "handled": true}, nil
	}
}
