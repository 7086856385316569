package served

import (
	"context"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Management and Events are the services of a host.
const (
	Management = "microgateway_management.MicrogatewayManagementService"
	Events     = "plugin_events.PluginEventService"
)

// Host calls the services of the host that runs this plugin, over one connection, dialled when first needed.
type Host struct {
	Plugin   *Plugin
	PluginID uint32
	BrokerID uint32
	dialling sync.Mutex
	conn     *grpc.ClientConn
}

// Call calls a method, with the context that every management call carries where a scope is named.
func (h *Host) Call(ctx context.Context, name, method, scope string, fields Fields) (Message, error) {
	conn, err := h.dialled()
	if err != nil {
		return Message{}, err
	}
	described := service(name).Methods().ByName(protoreflect.Name(method))
	if scope != "" {
		fields["context"] = Fields{"plugin_id": h.PluginID, "method_scope": scope}
	}
	answer := dynamicpb.NewMessage(described.Output())
	err = conn.Invoke(ctx, "/"+name+"/"+method, filled(described.Input(), fields), answer)
	return Message{answer}, err
}

// Subscribe gives each message of a topic to a function, until the host ends.
func (h *Host) Subscribe(ctx context.Context, fields Fields, each func(Message)) error {
	conn, err := h.dialled()
	if err != nil {
		return err
	}
	described := service(Events).Methods().ByName("Subscribe")
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/"+Events+"/Subscribe")
	if err != nil {
		return err
	}
	if err := stream.SendMsg(filled(described.Input(), fields)); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		message := dynamicpb.NewMessage(described.Output())
		if err := stream.RecvMsg(message); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		each(Message{message})
	}
}

func (h *Host) dialled() (*grpc.ClientConn, error) {
	h.dialling.Lock()
	defer h.dialling.Unlock()
	if h.conn != nil {
		return h.conn, nil
	}
	conn, err := h.Plugin.Broker.Dial(h.BrokerID)
	if err == nil {
		h.conn = conn
	}
	return conn, err
}
