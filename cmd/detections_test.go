package gocaffecmd

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// logPrefix is what a line of the log begins with.
var logPrefix = regexp.MustCompile(`(?m)^[IWEF]\d.*?\] `)

// TestMeanAveragePrecision checks what test prints for detections: of class 1, which has
// two objects, the detections are right, wrong and right.
func TestMeanAveragePrecision(t *testing.T) {
	dir := t.TempDir()
	rows := func(name string, width int, batches ...[]float32) string {
		path := filepath.Join(dir, name)
		db, err := data.Create(path, caffepb.DataParameter_LMDB, false)
		if err != nil {
			t.Fatal(err)
		}
		for i, rows := range batches {
			record, err := proto.Marshal(&caffepb.Datum{
				Channels: proto.Int32(1), Height: proto.Int32(int32(len(rows) / width)), Width: proto.Int32(int32(width)), FloatData: rows,
			})
			if err == nil {
				err = db.Append(fmt.Appendf(nil, "%d", i), record)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Commit(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	found := rows("found", 7, []float32{0, 1, 0.9, 0, 0, 0.5, 0.5, 0, 1, 0.4, 0.5, 0.5, 1, 1}, []float32{0, 1, 0.8, 0.9, 0.9, 1, 1})
	truth := rows("truth", 8, []float32{0, 1, 0, 0, 0, 0.5, 0.5, 0, 0, 1, 0, 0.5, 0.5, 1, 1, 0}, []float32{0, 2, 0, 0, 0, 0.5, 0.5, 0})
	model, weights := filepath.Join(dir, "net.prototxt"), filepath.Join(dir, "no.caffemodel")
	text := fmt.Sprintf(`
		layer { name: "found" type: "Data" top: "found" data_param { source: %q batch_size: 1 backend: LMDB } }
		layer { name: "truth" type: "Data" top: "truth" data_param { source: %q batch_size: 1 backend: LMDB } }
		layer { name: "eval" type: "DetectionEvaluate" bottom: "found" bottom: "truth" top: "detection_eval" detection_evaluate_param { num_classes: 3 } }`, found, truth)
	if err := os.WriteFile(model, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := prototxt.WriteBinary(weights, &caffepb.NetParameter{Name: proto.String("none")}); err != nil {
		t.Fatal(err)
	}
	for version, want := range map[string]string{
		"Integral":    "class1: 0.833333\nclass2: 0\ndetection_eval = 0.416667\n", // 1/2 1 + 1/2 2/3
		"MaxIntegral": "class1: 0.833333\nclass2: 0\ndetection_eval = 0.416667\n",
		"11point":     "class1: 0.848485\nclass2: 0\ndetection_eval = 0.424242\n", // (6 1 + 5 2/3) / 11
	} {
		_, stderr := mustRun(t, "test", "--model", model, "--weights", weights, "--iterations", "2", "--ap-version", version)
		if stderr = logPrefix.ReplaceAllString(stderr, ""); !strings.Contains(stderr, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", version, stderr, want)
		}
	}
	if code, _, stderr := run("test", "--model", model, "--weights", weights, "--ap-version", "12point"); code == 0 || !strings.Contains(stderr, `--ap-version is "12point", want 11point, 101point, MaxIntegral, Integral`) {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
