package reference

import (
	"os"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"google.golang.org/protobuf/proto"
)

// Arrays reads a container of golden values, a NetParameter with a list of arrays per
// layer, and returns the lists by name.
func Arrays(t testing.TB, path string) map[string][]*caffepb.BlobProto {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var container caffepb.NetParameter
	if err := proto.Unmarshal(data, &container); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	lists := make(map[string][]*caffepb.BlobProto)
	for _, l := range container.Layer {
		lists[l.GetName()] = l.Blobs
	}
	return lists
}
