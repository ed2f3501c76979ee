package layertest_test

import (
	"archive/zip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/reference"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/layers/layertest"
	_ "github.com/gocaffe/gocaffe/plugins/all"
	"google.golang.org/protobuf/proto"
)

// TestGolden runs the cases of the folder or zip file that GOCAFFE_GOLDEN names,
// relative to this folder or to the repository's root, or else those of the
// reference data.
func TestGolden(t *testing.T) {
	if name := os.Getenv("GOCAFFE_GOLDEN"); name != "" {
		info, err := os.Stat(name)
		if err != nil && !filepath.IsAbs(name) {
			name = filepath.Join("..", "..", name)
			info, err = os.Stat(name)
		}
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			layertest.Golden(t, os.DirFS(name))
			return
		}
		z, err := zip.OpenReader(name)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		layertest.Golden(t, z)
		return
	}
	layertest.Golden(t, reference.GoldenFS(t, "layers"))
}

// writeCase writes a case of the layer y = scale·x for x = 1, 2, whose golden
// values are those of scale 3.
func writeCase(t *testing.T, dir, typ, scale, tolerance string) {
	t.Helper()
	dir = filepath.Join(dir, typ, "case")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	array := func(values ...float32) []*caffepb.BlobProto {
		return []*caffepb.BlobProto{{Shape: &caffepb.BlobShape{Dim: []int64{2}}, Data: values}}
	}
	var golden caffepb.NetParameter
	for name, blobs := range map[string][]*caffepb.BlobProto{
		"bottoms": array(1, 2), "tops": array(3, 6), "top_diffs": array(10, 20), "bottom_diffs": array(30, 60),
	} {
		golden.Layer = append(golden.Layer, &caffepb.LayerParameter{Name: &name, Blobs: blobs})
	}
	data, err := proto.Marshal(&golden)
	if err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{
		"golden.binaryproto": string(data),
		"tolerance.txt":      "tops 0 " + tolerance + "\nbottom_diffs 0 " + tolerance + "\n",
		"net.prototxt": `force_backward: true
			layer { name: "bottom0" type: "Input" top: "bottom0" input_param { shape { dim: 2 } } }
			layer { name: "layer" type: "` + typ + `" bottom: "bottom0" top: "top0" power_param { scale: ` + scale + ` } }`,
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// pack writes a zip file of a folder beside it.
func pack(t *testing.T, dir string) (name string) {
	t.Helper()
	name = dir + ".zip"
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z := zip.NewWriter(file)
	if err := z.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestWrongCases runs this test program on cases that must pass or fail, in folders
// and in zip files.
func TestWrongCases(t *testing.T) {
	for i, test := range []struct {
		scale, tolerance string
		ok               bool
	}{
		{"3", "0 0", true},
		{"3.00001", "1e-3 0", true},
		{"3.00001", "0 1e-5", true},
		{"3.00001", "1e-6 0", false},
		{"3.00001", "0 0", false},
		{"nan", "1 1", false},
	} {
		name := filepath.Join(t.TempDir(), "cases")
		writeCase(t, filepath.Join(name, "layers"), "Power", test.scale, test.tolerance)
		writeCase(t, filepath.Join(name, "layers"), "Nonesuch", "1", "0 0")
		if i%2 != 0 {
			name = pack(t, name)
		}
		cmd := exec.Command(os.Args[0], "-test.run=^TestGolden$", "-test.v")
		cmd.Env = append(os.Environ(), "GOCAFFE_GOLDEN="+name)
		out, err := cmd.CombinedOutput()
		want := "golden cases: 0 passed, 1 failed, 1 of unknown type (Nonesuch)"
		if test.ok {
			want = "golden cases: 1 passed, 0 failed, 1 of unknown type (Nonesuch)"
		}
		if (err == nil) != test.ok || !strings.Contains(string(out), want) || !strings.Contains(string(out), "TestGolden/Power/case") {
			t.Errorf("scale %s for 3, tolerance %s, in %s: %v, want %q\n%s", test.scale, test.tolerance, name, err, want, out)
		}
	}
}
