package prototxt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/internal/testdata"
)

// Old files and what Caffe's upgrade_net_proto_text and
// upgrade_solver_proto_text make of them.
func TestUpgradeGolden(t *testing.T) {
	dir := testdata.Golden(t, "formats/upgrade")
	upgraded, err := filepath.Glob(filepath.Join(dir, "*.upgraded.prototxt"))
	if err != nil || len(upgraded) < 13 {
		t.Fatalf("%d upgraded files, want 13 or more (%v)", len(upgraded), err)
	}
	for _, golden := range upgraded {
		old := strings.TrimSuffix(golden, ".upgraded.prototxt") + ".prototxt"
		t.Run(filepath.Base(old), func(t *testing.T) {
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			if strings.HasPrefix(filepath.Base(old), "solver") {
				s, err := ReadSolver(old)
				if err != nil {
					t.Fatal(err)
				}
				got = Marshal(s.Param)
			} else {
				n, err := ReadNet(old)
				if err != nil {
					t.Fatal(err)
				}
				got = Marshal(n.Param)
			}
			if string(got) != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}
