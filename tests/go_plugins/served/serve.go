// Package served runs a plugin's process by the published protocol of its peers.
package served

import (
	"context"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Fields are a message's fields by name, to be set.
type Fields map[string]interface{}

// Method answers one call. Nil fields and no error is the default message.
type Method func(ctx context.Context, request Message) (Fields, error)

// Stream answers one call with many messages.
type Stream func(request Message, ctx context.Context, send func(Fields) error) error

// Plugin is what a process offers: methods of the plugin service and of the config service, by name.
type Plugin struct {
	plugin.NetRPCUnsupportedPlugin
	Methods map[string]Method
	Streams map[string]Stream
	Config  map[string]Method
	// Defaults says whether a method that is not there answers its default message, rather than UNIMPLEMENTED.
	Defaults bool
	// Broker is where the host is found, from the moment that it asks for anything.
	Broker *plugin.GRPCBroker
}

// GRPCServer registers the services; go-plugin calls it.
func (p *Plugin) GRPCServer(broker *plugin.GRPCBroker, server *grpc.Server) error {
	p.Broker = broker
	server.RegisterService(p.service("plugin.PluginService", p.Methods), nil)
	server.RegisterService(p.service("config_provider.ConfigProviderService", p.Config), nil)
	return nil
}

// GRPCClient is the host's half, which is not here.
func (p *Plugin) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (interface{}, error) {
	return nil, nil
}

// Serve says where it listens, and returns when the host asks it to end.
func Serve(p *Plugin) {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion: 1, MagicCookieKey: "AI_STUDIO_PLUGIN", MagicCookieValue: "v1",
		},
		Plugins:    map[string]plugin.Plugin{"plugin": p},
		GRPCServer: plugin.DefaultGRPCServer,
	})
}

func (p *Plugin) service(name string, methods map[string]Method) *grpc.ServiceDesc {
	described := service(name)
	registered := &grpc.ServiceDesc{ServiceName: name, HandlerType: (*interface{})(nil)}
	for i := 0; i < described.Methods().Len(); i++ {
		method := described.Methods().Get(i)
		if method.IsStreamingServer() {
			registered.Streams = append(registered.Streams, p.stream(method))
		} else {
			registered.Methods = append(registered.Methods, p.method(method, methods[string(method.Name())]))
		}
	}
	return registered
}

func (p *Plugin) method(method protoreflect.MethodDescriptor, answer Method) grpc.MethodDesc {
	handle := func(_ interface{}, ctx context.Context, decode func(interface{}) error, _ grpc.UnaryServerInterceptor) (interface{}, error) {
		request := dynamicpb.NewMessage(method.Input())
		if err := decode(request); err != nil {
			return nil, err
		}
		if answer == nil && !p.Defaults {
			return nil, status.Errorf(codes.Unimplemented, "method %s not implemented", method.Name())
		}
		var fields Fields
		if answer != nil {
			var err error
			if fields, err = answer(ctx, Message{request}); err != nil {
				return nil, err
			}
		}
		return filled(method.Output(), fields), nil
	}
	return grpc.MethodDesc{MethodName: string(method.Name()), Handler: handle}
}

func (p *Plugin) stream(method protoreflect.MethodDescriptor) grpc.StreamDesc {
	handle := func(_ interface{}, stream grpc.ServerStream) error {
		request := dynamicpb.NewMessage(method.Input())
		if err := stream.RecvMsg(request); err != nil {
			return err
		}
		answer := p.Streams[string(method.Name())]
		if answer == nil {
			return status.Errorf(codes.Unimplemented, "method %s not implemented", method.Name())
		}
		send := func(fields Fields) error { return stream.SendMsg(filled(method.Output(), fields)) }
		return answer(Message{request}, stream.Context(), send)
	}
	return grpc.StreamDesc{StreamName: string(method.Name()), Handler: handle, ServerStreams: true}
}
