package data

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"google.golang.org/protobuf/proto"
)

func TestReadMean(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mean")
	read := func(b []byte) (*Mean, error) {
		if err := os.WriteFile(file, b, 0o666); err != nil {
			t.Fatal(err)
		}
		return ReadMean(file)
	}
	marshal := func(p *caffepb.BlobProto) []byte {
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	shape := func(dim ...int64) *caffepb.BlobShape { return &caffepb.BlobShape{Dim: dim} }
	six := []float32{1, 2, 3, 4, 5, 6}
	for _, p := range []*caffepb.BlobProto{
		{Num: proto.Int32(1), Channels: proto.Int32(1), Height: proto.Int32(2), Width: proto.Int32(3), Data: six},
		{Shape: shape(1, 1, 2, 3), Data: six},
		{Shape: shape(1, 2, 3), DoubleData: []float64{1, 2, 3, 4, 5, 6}},
	} {
		b := marshal(p)
		if m, err := read(b); err != nil || m.Channels != 1 || m.Height != 2 || m.Width != 3 || !slices.Equal(m.Data, six) {
			t.Errorf("%v is read as %v, %v", p, m, err)
		}
		for n := range b {
			if m, err := read(b[:n]); err == nil {
				t.Errorf("%d of %d bytes of %v are read as %v", n, len(b), p, m)
			}
		}
		if m, err := read(append(b, 1)); err == nil {
			t.Errorf("%v with a byte more is read as %v", p, m)
		}
	}
	nan := []float32{1, 2, 3, float32(math.NaN()), 5, 6}
	for _, test := range []struct {
		p    *caffepb.BlobProto
		want string
	}{
		{&caffepb.BlobProto{}, "the mean image has shape [0 0 0 0], want 1 x channels x height x width"},
		{&caffepb.BlobProto{Shape: shape(2, 1, 1, 3), Data: six}, "the mean image has shape [2 1 1 3], want"},
		{&caffepb.BlobProto{Shape: shape(6), Data: six}, "the mean image has shape [6], want"},
		{&caffepb.BlobProto{Shape: shape(1, 2, -3), Data: six}, "the mean image has shape [1 2 -3], want"},
		{&caffepb.BlobProto{Shape: shape(1<<20, 1<<20, 1<<30), Data: six}, "the mean image has shape"},
		{&caffepb.BlobProto{Shape: shape(1, 2, 2), Data: six}, "the mean image of shape [1 2 2] has 6 values, want 4"},
		{&caffepb.BlobProto{Shape: shape(2, 2, 2), Data: six}, "the mean image of shape [2 2 2] has 6 values, want 8"},
		{&caffepb.BlobProto{Shape: shape(1, 2, 3), Data: six, DoubleData: []float64{7}}, "the mean image of shape [1 2 3] has 7 values, want 6"},
		{&caffepb.BlobProto{Shape: shape(1, 2, 3), Data: nan}, "value 3 of the mean image is NaN"},
	} {
		if _, err := read(marshal(test.p)); err == nil || !strings.HasPrefix(err.Error(), file+": "+test.want) {
			t.Errorf("%v: got %v, want %s", test.p, err, fmt.Sprint(file, ": ", test.want))
		}
	}
	if _, err := ReadMean(file + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
}

// FuzzReadMean reads mean files. What can be read is an image of finite numbers that
// is read again after it was written.
func FuzzReadMean(f *testing.F) {
	for _, p := range []*caffepb.BlobProto{
		{Num: proto.Int32(1), Channels: proto.Int32(1), Height: proto.Int32(1), Width: proto.Int32(2), Data: []float32{1, 2}},
		{Shape: &caffepb.BlobShape{Dim: []int64{1, 2, 1}}, DoubleData: []float64{1, 2}},
		{Shape: &caffepb.BlobShape{Dim: []int64{1 << 31, 1 << 31, 1 << 31}}},
	} {
		b, err := proto.Marshal(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(dir, "mean")
		read := func(b []byte) (*Mean, error) {
			if err := os.WriteFile(path, b, 0o666); err != nil {
				t.Fatal(err)
			}
			return ReadMean(path)
		}
		m, err := read(b)
		if err != nil {
			return
		}
		if len(m.Data) != m.Channels*m.Height*m.Width || slices.ContainsFunc(m.Data, func(v float32) bool { return v-v != 0 }) {
			t.Fatalf("got %+v", m)
		}
		again, err := proto.Marshal(&caffepb.BlobProto{Data: m.Data, Shape: &caffepb.BlobShape{
			Dim: []int64{1, int64(m.Channels), int64(m.Height), int64(m.Width)}}})
		if err != nil {
			t.Fatal(err)
		}
		if same, err := read(again); err != nil || same.Channels != m.Channels || same.Height != m.Height || !slices.Equal(same.Data, m.Data) {
			t.Errorf("%+v comes back as %+v, %v", m, same, err)
		}
	})
}
