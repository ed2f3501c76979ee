package prototxt

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/atomicfile"
	"github.com/gocaffe/gocaffe/internal/readfile"
)

// maxBinary is the size of the largest protobuf message.
const maxBinary = math.MaxInt32

// ReadBinaryNet reads a .caffemodel file of Caffe or a fork and upgrades it to the
// current format. The notes report the upgrades. Layer fields and types that mean
// something else in the fork and cannot be read are dropped: weights need only the
// names of layers and their blobs.
func ReadBinaryNet(path string) (*caffepb.NetParameter, []Note, error) {
	p := new(caffepb.NetParameter)
	if err := ReadBinary(path, p); err != nil {
		return nil, nil, err
	}
	for _, l := range p.Layers {
		if l.Type != nil && v1Types[*l.Type] == "" {
			l.Type = nil
		}
	}
	notes, err := UpgradeNet(path, p, nil)
	if err != nil {
		return nil, nil, err
	}
	return p, notes, nil
}

// ReadBlobProto reads a file with one array, such as a mean image.
func ReadBlobProto(path string) (*caffepb.BlobProto, error) {
	b := new(caffepb.BlobProto)
	if err := ReadBinary(path, b); err != nil {
		return nil, err
	}
	return b, nil
}

// ReadBinary reads a file in protobuf's binary format into m. The error gives the
// position of the damage, or the kind of the file if it is not the wanted one.
func ReadBinary(path string, m proto.Message) error {
	b, err := readfile.All(path, maxBinary)
	if err != nil {
		return err
	}
	if err := unmarshal(b, m); err != nil {
		return fmt.Errorf("%s: %d bytes, %w", path, len(b), err)
	}
	return nil
}

// unmarshal decodes b into m.
func unmarshal(b []byte, m proto.Message) error {
	if len(b) == 0 {
		return fmt.Errorf("want %s", kindOf(m))
	}
	md := m.ProtoReflect().Descriptor()
	err := proto.Unmarshal(b, m)
	if err == nil && fits(b, md) {
		return nil
	}
	if err != nil && readForkNet(b, m) {
		return nil
	}
	if other := identify(b); other != "" && other != kindOf(m) {
		return fmt.Errorf("%s, want %s", other, kindOf(m))
	}
	if err == nil {
		return nil // a newer kind of file, or a fork's
	}
	if what := damage(b, md, "", 0, 0); what != "" {
		return fmt.Errorf("not %s or a damaged one: %s", kindOf(m), what)
	}
	return fmt.Errorf("not %s: %w", kindOf(m), err)
}

// readForkNet decodes b into m if m is a net. It leaves out layer options that cannot be
// decoded with our field numbers. It returns false if b is not a net.
func readForkNet(b []byte, m proto.Message) bool {
	if _, isNet := m.(*caffepb.NetParameter); !isNet {
		return false
	}
	fields := m.ProtoReflect().Descriptor().Fields()
	kept := make([]byte, 0, len(b))
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeField(b)
		if n < 0 {
			return false
		}
		if field := fields.ByNumber(number); field != nil && (field.Name() == "layer" || field.Name() == "layers") && kind == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(b)
			layer, _ := protowire.ConsumeBytes(b[tag:n])
			kept = protowire.AppendTag(kept, number, kind)
			kept = protowire.AppendBytes(kept, readableFields(layer, field.Message()))
		} else {
			kept = append(kept, b[:n]...)
		}
		b = b[n:]
	}
	proto.Reset(m)
	return proto.Unmarshal(kept, m) == nil
}

// readableFields returns the fields of a layer, without messages that cannot be decoded.
// It always keeps blobs: if they are damaged, so is the file.
func readableFields(layer []byte, md protoreflect.MessageDescriptor) []byte {
	var kept []byte
	for len(layer) > 0 {
		number, kind, n := protowire.ConsumeField(layer)
		if n < 0 {
			return append(kept, layer...)
		}
		field := md.Fields().ByNumber(number)
		isOption := field != nil && field.Name() != "blobs" && kind == protowire.BytesType
		if !isOption || proto.Unmarshal(layer[:n], dynamicpb.NewMessage(md)) == nil {
			kept = append(kept, layer[:n]...)
		}
		layer = layer[n:]
	}
	return kept
}

// kinds lists the messages that Caffe writes as files.
var kinds = []struct {
	message proto.Message
	is      string
}{
	{(*caffepb.NetParameter)(nil), "a net in binary form (.caffemodel)"},
	{(*caffepb.SolverState)(nil), "a solver state (.solverstate)"},
	{(*caffepb.BlobProto)(nil), "an array (.binaryproto)"},
}

func kindOf(m proto.Message) string {
	name := m.ProtoReflect().Descriptor().FullName()
	for _, k := range kinds {
		if k.message.ProtoReflect().Descriptor().FullName() == name {
			return k.is
		}
	}
	return fmt.Sprintf("a binary %s", name)
}

// identify describes the kind of file that b is, or returns "" if it is unknown.
func identify(b []byte) string {
	if bytes.HasPrefix(b, []byte("\x89HDF\r\n\x1a\n")) {
		return "an HDF5 file"
	}
	for _, k := range kinds {
		if fits(b, k.message.ProtoReflect().Descriptor()) {
			return k.is
		}
	}
	if IsText(b) {
		return "a text file"
	}
	return ""
}

// IsText reports whether the contents of a file look like text: a prototxt file, say,
// and not a .caffemodel file.
func IsText(b []byte) bool {
	b = b[:min(len(b), 1000)]
	return utf8.Valid(bytes.TrimRight(b, "\x80-\xff")) &&
		bytes.IndexFunc(b, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' }) < 0
}

// fits reports whether b is a message with only fields of md. It does not look into the
// fields.
func fits(b []byte, md protoreflect.MessageDescriptor) bool {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeField(b)
		if n < 0 {
			return false
		}
		field := md.Fields().ByNumber(number)
		if field == nil || !(kind == wireType(field) || kind == protowire.BytesType && field.IsList()) {
			return false
		}
		b = b[n:]
	}
	return true
}

// wireType returns the wire type of a single value of a field.
func wireType(field protoreflect.FieldDescriptor) protowire.Type {
	switch field.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.FloatKind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return protowire.Fixed32Type
	case protoreflect.DoubleKind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return protowire.Fixed64Type
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	}
	return protowire.VarintType
}

// damage describes the first position at which b, at offset in the file, is not a
// message of md, or returns "" if there is none. path names the message.
func damage(b []byte, md protoreflect.MessageDescriptor, path string, offset, depth int) string {
	seen := make(map[protowire.Number]int)
	for at := 0; at < len(b); {
		number, kind, n := protowire.ConsumeTag(b[at:])
		if n < 0 {
			return fmt.Sprintf("no field at byte %d%s", offset+at, within(path))
		}
		field := md.Fields().ByNumber(number)
		name := fmt.Sprintf("field %d", number)
		if field != nil {
			name = string(field.Name())
			if field.IsList() && kind == wireType(field) {
				name = fmt.Sprintf("%s[%d]", name, seen[number])
			}
			if path != "" {
				name = path + "." + name
			}
		}
		seen[number]++
		start := at + n
		if kind == protowire.BytesType {
			length, lengthSize := protowire.ConsumeVarint(b[start:])
			if left := len(b) - start - lengthSize; lengthSize > 0 && length > uint64(left) {
				return fmt.Sprintf("%s at byte %d has %d bytes, but %d are left%s", name, offset+at, length, left, within(path))
			}
		}
		n = protowire.ConsumeFieldValue(number, kind, b[start:])
		if n < 0 {
			if errors.Is(protowire.ParseError(n), io.ErrUnexpectedEOF) {
				return fmt.Sprintf("%s at byte %d is cut short", name, offset+at)
			}
			return fmt.Sprintf("no field at byte %d%s", offset+at, within(path))
		}
		if field != nil && field.Kind() == protoreflect.MessageKind && kind == protowire.BytesType && depth < maxDepth {
			value, _ := protowire.ConsumeBytes(b[start:])
			if what := damage(value, field.Message(), name, offset+start+n-len(value), depth+1); what != "" {
				return what
			}
		}
		at = start + n
	}
	return ""
}

func within(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}

// WriteBinary writes m to a file in protobuf's binary format. If it fails, an existing
// file is unchanged.
func WriteBinary(path string, m proto.Message) error {
	_, err := WriteBinarySum(path, m)
	return err
}

// WriteBinarySum is like WriteBinary and returns the SHA-256 sum of the file,
// for comparison with FileSum.
func WriteBinarySum(path string, m proto.Message) (sum [sha256.Size]byte, err error) {
	if size := proto.Size(m); size > maxBinary {
		return sum, fmt.Errorf("%s: %d bytes to write, protobuf files have at most %d", path, size, maxBinary)
	}
	b, err := proto.Marshal(m)
	if err != nil {
		return sum, fmt.Errorf("%s: %w", path, err)
	}
	return sha256.Sum256(b), atomicfile.WriteBytes(path, b)
}

// FileSum returns the SHA-256 sum of a file.
func FileSum(path string) (sum [sha256.Size]byte, err error) {
	f, _, err := readfile.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	h.Sum(sum[:0])
	return sum, nil
}
