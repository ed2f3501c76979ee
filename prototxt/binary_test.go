package prototxt

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/reference"
)

// Old files of weights and the results of Caffe's upgrade_net_proto_binary.
func TestUpgradeBinaryGolden(t *testing.T) {
	dir := reference.Golden(t, "formats/upgrade")
	for _, name := range []string{"v0", "v1"} {
		t.Run(name, func(t *testing.T) {
			got, notes, err := ReadBinaryNet(filepath.Join(dir, name+".caffemodel"))
			if err != nil {
				t.Fatal(err)
			}
			if len(notes) == 0 || len(got.Layer) == 0 || len(got.Layers) != 0 {
				t.Errorf("%d notes, %d layer, %d layers", len(notes), len(got.Layer), len(got.Layers))
			}
			golden := filepath.Join(dir, name+".upgraded.caffemodel")
			want, notes, err := ReadBinaryNet(golden)
			if err != nil || len(notes) != 0 {
				t.Fatal(notes, err)
			}
			if !proto.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", Marshal(got), Marshal(want))
			}
			path := filepath.Join(t.TempDir(), "upgraded.caffemodel")
			if err := WriteBinary(path, got); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(readFile(t, path), readFile(t, golden)) {
				t.Errorf("the bytes differ from Caffe's")
			}
		})
	}
}

func TestReadBlobProto(t *testing.T) {
	b, err := ReadBlobProto(reference.Golden(t, "formats/mean.binaryproto"))
	if err != nil {
		t.Fatal(err)
	}
	if n := int(b.GetChannels() * b.GetHeight() * b.GetWidth()); n == 0 || n != len(b.Data) {
		t.Errorf("%d elements, %d x %d x %d", len(b.Data), b.GetChannels(), b.GetHeight(), b.GetWidth())
	}
}

// smallNet is a net with weights in it.
func smallNet() *caffepb.NetParameter {
	return &caffepb.NetParameter{Name: proto.String("small"), Layer: []*caffepb.LayerParameter{
		{Name: proto.String("data")},
		{Name: proto.String("ip"), Blobs: []*caffepb.BlobProto{
			{Shape: &caffepb.BlobShape{Dim: []int64{2}}, Data: []float32{1, 2}},
			{Shape: &caffepb.BlobShape{Dim: []int64{100}}, Data: make([]float32, 100)},
		}},
	}}
}

func TestReadBinaryErrors(t *testing.T) {
	marshal := func(m proto.Message) []byte {
		b, err := proto.MarshalOptions{AllowPartial: true}.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	net := marshal(smallNet())
	// A length in the middle that does not fit its surroundings.
	broken := bytes.Clone(net)
	i := bytes.Index(broken, []byte("\x02ip")) // the length of the name of layer[1]
	broken[i] = 0x7f
	long := bytes.Clone(net)
	long[i] = 0xff
	badTag := bytes.Clone(net)
	badTag[i-1] = 0x07
	state := marshal(&caffepb.SolverState{Iter: proto.Int32(5), LearnedNet: proto.String("x.caffemodel"), History: []*caffepb.BlobProto{{Data: []float32{1}}}})
	mean := marshal(&caffepb.BlobProto{Num: proto.Int32(1), Channels: proto.Int32(1), Data: []float32{1}})
	tests := []struct {
		name string
		b    []byte
		m    proto.Message
		want string
	}{
		{"empty", nil, new(caffepb.NetParameter), "0 bytes, want a net in binary form (.caffemodel)"},
		{"truncated", net[:200], new(caffepb.NetParameter), "200 bytes, not a net in binary form (.caffemodel) or a damaged one: layer[1] at byte 16 has 432 bytes, but 180 are left"},
		{"cut in a length", net[:18], new(caffepb.NetParameter), "18 bytes, not a net in binary form (.caffemodel) or a damaged one: layer[1] at byte 16 is cut short"},
		{"broken", broken, new(caffepb.NetParameter), "damaged one: no field at byte 149 in layer[1]"},
		{"long", long, new(caffepb.NetParameter), "damaged one: layer[1].name at byte 20 has 13567 bytes, but 429 are left in layer[1]"},
		{"bad tag", badTag, new(caffepb.NetParameter), "damaged one: no field at byte 20 in layer[1]"},
		{"text", []byte("name: \"x\"\nlayer { name: 'y' }\n"), new(caffepb.NetParameter), "30 bytes, a text file, want a net in binary form (.caffemodel)"},
		{"hdf5", []byte("\x89HDF\r\n\x1a\n\x00\x00"), new(caffepb.NetParameter), "an HDF5 file, want a net in binary form (.caffemodel)"},
		{"state as net", state, new(caffepb.NetParameter), "a solver state (.solverstate), want a net in binary form (.caffemodel)"},
		{"net as state", net, new(caffepb.SolverState), "a net in binary form (.caffemodel), want a solver state (.solverstate)"},
		{"mean as net", mean, new(caffepb.NetParameter), "an array (.binaryproto), want a net in binary form (.caffemodel)"},
		{"net as mean", net, new(caffepb.BlobProto), "a net in binary form (.caffemodel), want an array (.binaryproto)"},
	}
	for _, test := range tests {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, test.b, 0o644); err != nil {
			t.Fatal(err)
		}
		err := ReadBinary(path, test.m)
		if err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
	if err := ReadBinary(filepath.Join(t.TempDir(), "absent"), new(caffepb.NetParameter)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if err := ReadBinary(t.TempDir(), new(caffepb.NetParameter)); err == nil || !strings.HasSuffix(err.Error(), " is a folder, want a regular file") {
		t.Errorf("folder: %v", err)
	}
}

// A truncated file gives an error or complete layers.
func TestReadBinaryTruncated(t *testing.T) {
	net := smallNet()
	b, err := proto.Marshal(net)
	if err != nil {
		t.Fatal(err)
	}
	whole := 0
	for n := 1; n < len(b); n++ {
		m := new(caffepb.NetParameter)
		if err := unmarshal(b[:n], m); err != nil {
			continue
		}
		whole++
		for i, l := range m.Layer {
			if !proto.Equal(l, net.Layer[i]) {
				t.Errorf("%d bytes: layer %d is %v", n, i, l)
			}
		}
	}
	if whole != 2 { // after the name and after the first layer
		t.Errorf("%d of the files were read, want 2", whole)
	}
}

// Fields of Caffe's forks at the top of a file must not prevent reading it.
func TestReadBinaryFork(t *testing.T) {
	b, err := proto.Marshal(smallNet())
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, 0xa0, 0x1f, 1)
	m := new(caffepb.NetParameter)
	if err := unmarshal(b, m); err != nil || len(m.Layer) != 2 {
		t.Errorf("%d layers, %v", len(m.Layer), err)
	}
}
