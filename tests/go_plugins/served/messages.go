package served

import (
	_ "embed"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

//go:embed descriptors.binpb
var descriptors []byte

var files = parsed()

func parsed() *protoregistry.Files {
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(descriptors, set); err != nil {
		panic(err)
	}
	found, err := protodesc.NewFiles(set)
	if err != nil {
		panic(err)
	}
	return found
}

func service(name string) protoreflect.ServiceDescriptor {
	found, err := files.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		panic(err)
	}
	return found.(protoreflect.ServiceDescriptor)
}

// Message is read by the names of its fields.
type Message struct{ *dynamicpb.Message }

func (m Message) value(name string) protoreflect.Value {
	field := m.Descriptor().Fields().ByName(protoreflect.Name(name))
	if field == nil {
		panic(fmt.Sprintf("%s has no %s", m.Descriptor().FullName(), name))
	}
	return m.Get(field)
}

// Text is a string field.
func (m Message) Text(name string) string { return m.value(name).String() }

// Bytes is a bytes field.
func (m Message) Bytes(name string) []byte { return m.value(name).Bytes() }

// Number is an integer field.
func (m Message) Number(name string) int64 {
	switch number := m.value(name).Interface().(type) {
	case uint32:
		return int64(number)
	case int32:
		return int64(number)
	case int64:
		return number
	}
	panic(name + " is no number")
}

// Part is a message field.
func (m Message) Part(name string) Message {
	return Message{m.value(name).Message().Interface().(*dynamicpb.Message)}
}

// Texts is a map of strings.
func (m Message) Texts(name string) map[string]string {
	found := map[string]string{}
	m.value(name).Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
		found[key.String()] = value.String()
		return true
	})
	return found
}

func filled(kind protoreflect.MessageDescriptor, fields Fields) *dynamicpb.Message {
	message := dynamicpb.NewMessage(kind)
	for name, value := range fields {
		field := kind.Fields().ByName(protoreflect.Name(name))
		if field == nil {
			panic(fmt.Sprintf("%s has no %s", kind.FullName(), name))
		}
		set(message, field, value)
	}
	return message
}

func set(message *dynamicpb.Message, field protoreflect.FieldDescriptor, value interface{}) {
	switch given := value.(type) {
	case map[string]string:
		entries := message.Mutable(field).Map()
		for key, text := range given {
			entries.Set(protoreflect.ValueOfString(key).MapKey(), protoreflect.ValueOfString(text))
		}
	case []string:
		list := message.Mutable(field).List()
		for _, text := range given {
			list.Append(protoreflect.ValueOfString(text))
		}
	case []Fields:
		list := message.Mutable(field).List()
		for _, each := range given {
			list.Append(protoreflect.ValueOfMessage(filled(field.Message(), each)))
		}
	case Fields:
		message.Set(field, protoreflect.ValueOfMessage(filled(field.Message(), given)))
	case protoreflect.EnumNumber:
		message.Set(field, protoreflect.ValueOfEnum(given))
	default:
		message.Set(field, protoreflect.ValueOf(given))
	}
}
