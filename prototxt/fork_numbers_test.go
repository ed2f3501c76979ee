package prototxt

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/gocaffe/gocaffe/caffepb"
)

// TestForkNumbers reads models in whose layers a field of any number has any wire type
// and any content, as forks have that gave a number to something else. The blobs are
// read whatever it is.
func TestForkNumbers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.caffemodel")
	contents := map[string]func(b []byte, number protowire.Number) []byte{
		"varint": func(b []byte, n protowire.Number) []byte {
			return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), 1<<40)
		},
		"fixed32": func(b []byte, n protowire.Number) []byte {
			return protowire.AppendFixed32(protowire.AppendTag(b, n, protowire.Fixed32Type), 0xffffffff)
		},
		"fixed64": func(b []byte, n protowire.Number) []byte {
			return protowire.AppendFixed64(protowire.AppendTag(b, n, protowire.Fixed64Type), 1)
		},
		"text": func(b []byte, n protowire.Number) []byte {
			return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), "a fork's text \xff")
		},
		"empty": func(b []byte, n protowire.Number) []byte {
			return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), "")
		},
		"message": func(b []byte, n protowire.Number) []byte {
			var inside []byte
			for i := protowire.Number(1); i < 30; i++ {
				inside = protowire.AppendString(protowire.AppendTag(inside, i, protowire.BytesType), "\xff\xff\xff")
			}
			return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), inside)
		},
		"group": func(b []byte, n protowire.Number) []byte {
			return protowire.AppendTag(protowire.AppendTag(b, n, protowire.StartGroupType), n, protowire.EndGroupType)
		},
	}
	blobs := []*caffepb.BlobProto{{Shape: &caffepb.BlobShape{Dim: []int64{2}}, Data: []float32{3, 4}}}
	v2, err := proto.Marshal(&caffepb.LayerParameter{Name: proto.String("ip"), Type: proto.String("InnerProduct"), Blobs: blobs})
	if err != nil {
		t.Fatal(err)
	}
	v1, err := proto.Marshal(&caffepb.V1LayerParameter{Name: proto.String("ip"), Type: caffepb.V1LayerParameter_INNER_PRODUCT.Enum(), Blobs: blobs})
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []struct {
		name   string
		number protowire.Number // of the layers in a net
		layer  []byte
		keep   []protowire.Number // what every fork has
	}{
		{"layer", 100, v2, []protowire.Number{1, 2, 7}},
		{"layers", 2, v1, []protowire.Number{1, 4, 5, 6}},
	} {
		for number := protowire.Number(1); number < 260; number++ {
			if slices.Contains(format.keep, number) {
				continue
			}
			for kind, add := range contents {
				net := protowire.AppendTag(nil, format.number, protowire.BytesType)
				net = protowire.AppendBytes(net, add(slices.Clone(format.layer), number))
				if err := os.WriteFile(path, net, 0o644); err != nil {
					t.Fatal(err)
				}
				p, _, err := ReadBinaryNet(path)
				switch {
				case err != nil:
					t.Errorf("%s, field %d with %s: %v", format.name, number, kind, err)
				case len(p.Layer) != 1 || p.Layer[0].GetName() != "ip" || len(p.Layer[0].Blobs) != 1 || !slices.Equal(p.Layer[0].Blobs[0].Data, []float32{3, 4}):
					t.Errorf("%s, field %d with %s: the layers are %v", format.name, number, kind, p.Layer)
				}
			}
		}
	}
}
