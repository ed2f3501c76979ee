package prototxt

import (
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gocaffe/gocaffe/caffepb"
)

// Text that can be read, upgraded and printed is the same when read again; other text
// gives errors, one per line, each with a position.
func FuzzParse(f *testing.F) {
	seeds, err := filepath.Glob("testdata/errors/*.prototxt")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, seed := range seeds {
		f.Add(readFile(f, seed))
	}
	f.Add([]byte(positioned))
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := ParseNet("f", text)
		if err != nil {
			list, ok := err.(ErrorList)
			if !ok || len(list) == 0 {
				t.Fatalf("no list of errors: %v", err)
			}
			for _, e := range list {
				for _, c := range e.Error() {
					if c < ' ' {
						t.Errorf("control character in %q", e.Error())
					}
				}
				if !e.Pos.IsValid() {
					t.Errorf("no place: %v", e)
				}
			}
			return
		}
		printed := Marshal(n.Param)
		again := new(caffepb.NetParameter)
		if err := Parse("printed", printed, again, nil); err != nil {
			t.Fatalf("%v\n%s", err, printed)
		}
		if !proto.Equal(n.Param, again) {
			t.Errorf("got\n%s\nwant\n%s", Marshal(again), printed)
		}
	})
}

// Any bytes are a net or give an error; a net is the same after being written and read.
func FuzzReadBinary(f *testing.F) {
	for _, m := range []proto.Message{
		smallNet(),
		&caffepb.SolverState{Iter: proto.Int32(5), LearnedNet: proto.String("x"), History: []*caffepb.BlobProto{{Data: []float32{1}}}},
		&caffepb.BlobProto{Num: proto.Int32(1), Data: []float32{1}},
		&caffepb.NetParameter{Input: []string{"a"}, InputDim: []int32{1, 2, 3, 4}, Layers: []*caffepb.V1LayerParameter{
			{Layer: &caffepb.V0LayerParameter{Type: proto.String("conv"), NumOutput: proto.Uint32(1)}, Bottom: []string{"a"}}}},
		&caffepb.NetParameter{Layers: []*caffepb.V1LayerParameter{{Type: caffepb.V1LayerParameter_DATA.Enum(), BlobsLr: []float32{1}, Param: []string{"w"},
			DataParam: &caffepb.DataParameter{Scale: proto.Float32(2)}}}},
	} {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Add([]byte("name: 'x'"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := new(caffepb.NetParameter)
		if err := unmarshal(b, p); err != nil {
			return
		}
		if _, err := UpgradeNet("f", p, nil); err != nil {
			return
		}
		Marshal(p)
		written, err := proto.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		again := new(caffepb.NetParameter)
		if err := proto.Unmarshal(written, again); err != nil || !proto.Equal(p, again) {
			t.Errorf("written and read: %v", err)
		}
	})
}
