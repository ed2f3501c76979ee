package data

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

func TestDatumErrors(t *testing.T) {
	pixels := func(n int) []byte { return make([]byte, n) }
	for _, test := range []struct {
		datum *caffepb.Datum
		want  string
	}{
		{&caffepb.Datum{Channels: proto.Int32(3), Height: proto.Int32(4), Width: proto.Int32(5), Data: pixels(59)}, "59 values, its shape 3 x 4 x 5 needs 60"},
		{&caffepb.Datum{Channels: proto.Int32(1), Height: proto.Int32(1), Width: proto.Int32(2), FloatData: []float32{1}}, "1 values, its shape 1 x 1 x 2 needs 2"},
		{&caffepb.Datum{Data: pixels(5)}, "shape 0 x 0 x 0"},
		{&caffepb.Datum{Channels: proto.Int32(-3), Height: proto.Int32(4), Width: proto.Int32(-5), Data: pixels(60)}, "shape -3 x 4 x -5"},
		{&caffepb.Datum{Channels: proto.Int32(1 << 20), Height: proto.Int32(1 << 20), Width: proto.Int32(1 << 24)}, "shape 1048576 x"},
		{&caffepb.Datum{Encoded: proto.Bool(true), Data: pixels(7)}, "cannot decode the image of 7 bytes"},
	} {
		b, err := proto.Marshal(test.datum)
		if err != nil {
			t.Fatal(err)
		}
		var d Datum
		if err := d.Unmarshal(b); err != nil {
			t.Fatal(err)
		}
		tr, err := NewTransformer(new(caffepb.TransformationParameter), caffepb.Phase_TEST, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.SetDatum(new(Pixels), &d); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want an error with %q", err, test.want)
		}
	}
}

// FuzzDatum compares our reading of the message with that of the generated
// code.
func FuzzDatum(f *testing.F) {
	for _, d := range []*caffepb.Datum{
		{},
		{Channels: proto.Int32(3), Height: proto.Int32(1), Width: proto.Int32(2), Data: []byte("abcdef"), Label: proto.Int32(7)},
		{Label: proto.Int32(-1), FloatData: []float32{1, -2.5}, Encoded: proto.Bool(true)},
	} {
		b, err := proto.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	packed := protowire.AppendTag(nil, datumFloat, protowire.BytesType)
	f.Add(protowire.AppendBytes(packed, []byte{0, 0, 128, 63, 0, 0, 0, 64}))
	f.Add([]byte("\xb0\xb0\xb0\xb0\x19\x08")) // a field number beyond the largest
	f.Fuzz(func(t *testing.T, b []byte) {
		var want caffepb.Datum
		wantErr := proto.Unmarshal(b, &want)
		var got Datum
		if err := got.Unmarshal(b); (err == nil) != (wantErr == nil) {
			t.Fatalf("error %v, want %v", err, wantErr)
		} else if err != nil {
			return
		}
		again, err := proto.Marshal(&want)
		if err != nil {
			t.Fatal(err)
		}
		for _, message := range [][]byte{b, again} { // what was read, and a round trip
			if err := got.Unmarshal(message); err != nil {
				t.Fatal(err)
			}
			same := slices.EqualFunc(got.Float, want.GetFloatData(), func(a, b float32) bool { return a == b || a != a && b != b })
			if !same || got.Channels != int(want.GetChannels()) || got.Height != int(want.GetHeight()) || got.Width != int(want.GetWidth()) ||
				got.Label != int(want.GetLabel()) || got.Encoded != want.GetEncoded() || !bytes.Equal(got.Data, want.GetData()) {
				t.Fatalf("%+v, want %v", got, &want)
			}
		}
		if _, err := got.pixels(); err == nil && len(got.Data)+len(got.Float) == 0 {
			t.Fatal("pixels without data")
		}
	})
}
