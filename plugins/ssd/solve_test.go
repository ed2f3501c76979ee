package ssd_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffelog"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/event"
	_ "github.com/gocaffe/gocaffe/layers/all"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/solver"
	"google.golang.org/protobuf/proto"
)

// rowsDB returns a database of batches of rows, each of the given width.
func rowsDB(t *testing.T, width int, batches ...[]float32) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "db")
	db, err := data.Create(dir, caffepb.DataParameter_LMDB, false)
	if err != nil {
		t.Fatal(err)
	}
	for i, rows := range batches {
		record, err := proto.Marshal(&caffepb.Datum{
			Channels: proto.Int32(1), Height: proto.Int32(int32(len(rows) / width)), Width: proto.Int32(int32(width)), FloatData: rows,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Append(fmt.Appendf(nil, "%d", i), record); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Commit(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestMeanAveragePrecision trains a net whose test is the evaluation of detections, and
// compares the log with average precisions computed by hand: of class 1, which has three
// objects, the detections are right, wrong and right; class 2 is not found.
func TestMeanAveragePrecision(t *testing.T) {
	detections := rowsDB(t, 7,
		[]float32{0, 1, 0.9, 0, 0, 0.5, 0.5, 0, 1, 0.4, 0.5, 0.5, 1, 1},
		[]float32{0, 1, 0.8, 0.9, 0.9, 1, 1})
	truth := rowsDB(t, 8,
		[]float32{0, 1, 0, 0, 0, 0.5, 0.5, 0, 0, 1, 0, 0.5, 0.5, 1, 1, 0, 0, 2, 0, 0, 0, 1, 1, 0},
		[]float32{0, 1, 0, 0, 0, 0.5, 0.5, 0})
	text := fmt.Sprintf(`base_lr: 0.1 lr_policy: "fixed" max_iter: 1 test_iter: 2 test_interval: 1 test_initialization: false
		eval_type: "detection" ap_version: "MaxIntegral" show_per_class_result: true solver_mode: CPU random_seed: 1 snapshot_after_train: false
		net_param {
			layer { name: "data" type: "DummyData" top: "x" top: "t" dummy_data_param { shape { dim: 1 dim: 1 } } include { phase: TRAIN } }
			layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 1 } include { phase: TRAIN } }
			layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "t" top: "loss" include { phase: TRAIN } }
			layer { name: "found" type: "Data" top: "found" data_param { source: %q batch_size: 1 backend: LMDB } include { phase: TEST } }
			layer { name: "truth" type: "Data" top: "truth" data_param { source: %q batch_size: 1 backend: LMDB } include { phase: TEST } }
			layer { name: "eval" type: "DetectionEvaluate" bottom: "found" bottom: "truth" top: "detection_eval"
				detection_evaluate_param { num_classes: 3 } include { phase: TEST } }
		}`, detections, truth)
	run := func(text string) (log string, err error) {
		file, err := prototxt.ParseSolver("solver.prototxt", []byte(text))
		if err != nil {
			return "", err
		}
		var lines strings.Builder
		observer := caffelog.New(func(_ event.Level, _ string, text string) { fmt.Fprintln(&lines, text) })
		s, err := solver.New(file, solver.Options{Observer: observer})
		if err != nil {
			return "", err
		}
		defer s.Close()
		err = s.Solve(context.Background())
		return lines.String(), err
	}
	log, err := run(text)
	if err != nil {
		t.Fatal(err)
	}
	// precision 1 up to a recall of 1/3, then 2/3 up to 2/3
	for _, want := range []string{"class1: 0.555556\n", "Missing true_pos for label: 2\n", "    Test net output #0: detection_eval = 0.277778\n"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	for _, test := range []struct{ old, new, want string }{
		{`eval_type: "detection"`, `eval_type: "segmentation"`, `solver.prototxt:2:14: eval_type is "segmentation", want classification or detection`},
		{`"MaxIntegral"`, `"12point"`, `ap_version is "12point", want 11point, 101point, MaxIntegral, Integral`},
		{`include { phase: TEST } }
		}`, `include { phase: TEST } }
			layer { name: "silence" type: "Split" bottom: "found" top: "rest" include { phase: TEST } }
		}`, `output "rest" of the test net has shape [1 1 2 7], and eval_type is detection: want rows of 5`},
	} {
		if _, err := run(strings.Replace(text, test.old, test.new, 1)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error %v, want %s", err, test.want)
		}
	}
}

// TestSynthetic checks that a net with a MultiBoxLoss runs on made-up data, with boxes.
func TestSynthetic(t *testing.T) {
	file, err := prototxt.ParseNet("net.prototxt", []byte(`
		layer { name: "data" type: "AnnotatedData" top: "data" top: "label" data_param { source: "nowhere" batch_size: 3 backend: LMDB } }
		layer { name: "loc" type: "Convolution" bottom: "data" top: "loc" convolution_param { num_output: 4 kernel_size: 1 weight_filler { type: "msra" } } }
		layer { name: "conf" type: "Convolution" bottom: "data" top: "conf" convolution_param { num_output: 2 kernel_size: 1 weight_filler { type: "msra" } } }
		layer { name: "a" type: "Permute" bottom: "loc" top: "a" permute_param { order: 0 order: 2 order: 3 order: 1 } }
		layer { name: "b" type: "Permute" bottom: "conf" top: "b" permute_param { order: 0 order: 2 order: 3 order: 1 } }
		layer { name: "aa" type: "Flatten" bottom: "a" top: "aa" }
		layer { name: "bb" type: "Flatten" bottom: "b" top: "bb" }
		layer { name: "priors" type: "PriorBox" bottom: "loc" bottom: "data" top: "priors" prior_box_param { min_size: 3 } }
		layer { name: "loss" type: "MultiBoxLoss" bottom: "aa" bottom: "bb" bottom: "priors" bottom: "label" top: "loss"
			propagate_down: true propagate_down: true propagate_down: false propagate_down: false multibox_loss_param { num_classes: 2 } }`))
	if err != nil {
		t.Fatal(err)
	}
	n, err := net.New(file, net.Options{
		State: &caffepb.NetState{Phase: caffepb.Phase_TRAIN.Enum()}, Synthetic: &net.Synthetic{Shape: []int{1, 6, 6}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	loss, err := n.Forward(context.Background())
	if err == nil {
		err = n.Backward(context.Background())
	}
	if err != nil || !(loss > 0.1) {
		t.Errorf("loss %g, error %v", loss, err)
	}
}
