package gocaffecmd

import (
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/internal/sysmem"
)

// A run that no machine can hold is refused before it takes anything.
func TestTooLargeForTheMachine(t *testing.T) {
	if _, known := sysmem.Read(); !known {
		t.Skip("SKIPPED: the memory of this system is not known")
	}
	t.Chdir(t.TempDir())
	const net = `
layer { name: "d" type: "DummyData" top: "x" top: "y" dummy_data_param { shape { dim: 1 dim: 1 } shape { dim: 1 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" inner_product_param { num_output: 40000 } }
`
	text := net
	for _, l := range []string{"b", "c", "d2", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"} {
		text += `layer { name: "` + l + `" type: "InnerProduct" bottom: "a" top: "` + l + `" inner_product_param { num_output: 50000 } }` + "\n"
	}
	write(t, "net.prototxt", text)
	write(t, "s.prototxt", `net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 snapshot_prefix: "s"`)
	for _, args := range []string{"train --solver s.prototxt", "time --model net.prototxt"} {
		code, _, stderr := run(strings.Fields(args)...)
		if code != 1 || !strings.Contains(stderr, "the nets need ") || !strings.Contains(stderr, "this machine has") {
			t.Errorf("%s: exit code %d and\n%.500s", args, code, stderr)
		}
	}
}
