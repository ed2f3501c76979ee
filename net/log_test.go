package net

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/prototxt"
)

// prefix is what glog puts in front of a line: level, date, time and thread.
var prefix = regexp.MustCompile(`^([IWEF])\d{4} [0-9:.]+ +\d+ (.*)$`)

// caffeLog returns the lines of a log of Caffe, from the n-th line about the
// rules of a net to the end of its construction, without times and threads.
// The lines that are left out are those of other threads.
func caffeLog(t *testing.T, path string, n int) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	inside := false
	for _, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		m := prefix.FindStringSubmatch(line)
		switch {
		case m != nil && strings.HasPrefix(m[2], "data_layer.cpp:73"):
		case m == nil && inside:
			lines[len(lines)-1] += "\n" + line
		case m != nil && (inside || strings.HasPrefix(m[2], "net.cpp:296")):
			inside = true
			lines = append(lines, m[1]+" "+m[2])
		}
		if inside && strings.Contains(line, "Network initialization done.") {
			if n--; n < 0 {
				return lines
			}
			inside, lines = false, nil
		}
	}
	t.Fatalf("%s does not show the construction of so many nets", path)
	return nil
}

// TestLog builds the net of Caffe's own logs and compares what is logged, line
// by line.
func TestLog(t *testing.T) {
	logs := reference.Golden(t, "formats/logs")
	file, err := prototxt.ReadNet(filepath.Join(logs, "net.prototxt"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(logs)) // the source of the data is idx_lmdb
	tests := []struct {
		log   string
		net   int
		state string // with an empty stage, which Caffe's program adds
	}{
		{"train.log", 0, "TRAIN 0 ,"},
		{"train.log", 1, "TEST"},
		{"resume.log", 0, "TRAIN 0 ,"},
		{"resume.log", 1, "TEST"},
		{"test.log", 0, "TEST 0 ,"},
		{"time.log", 0, "TRAIN 0 ,"},
	}
	for _, test := range tests {
		t.Run(test.log+"/"+test.state, func(t *testing.T) {
			var r recorder
			st := state(t, test.state)
			if len(st.Stage) > 0 {
				st.Stage = []string{""}
			}
			n, err := New(file, Options{State: st, Observer: r.observer()})
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			got, want := r.lines, caffeLog(t, filepath.Join(logs, test.log), test.net)
			for i := range max(len(got), len(want)) {
				if i >= len(got) || i >= len(want) || got[i] != want[i] {
					t.Fatalf("line %d\ngot\n%s\nwant\n%s", i, strings.Join(got[min(i, len(got)):min(i+3, len(got))], "\n"),
						strings.Join(want[min(i, len(want)):min(i+3, len(want))], "\n"))
				}
			}
		})
	}
}

// The lines of debug_info are those of Caffe's net.cpp, in its order.
func TestDebugInfo(t *testing.T) {
	var r recorder
	n := build(t, `debug_info: true
layer { name: 'in' type: 'Input' top: 'x' top: 'y' input_param { shape { dim: 2 dim: 2 } } }
layer { name: 'ip' type: 'InnerProduct' bottom: 'x' top: 'ip' param { name: 'w' } param { lr_mult: 0 } inner_product_param { num_output: 2 weight_filler { value: 0.5 } bias_filler { value: 1 } } }
layer { name: 'relu' type: 'ReLU' bottom: 'ip' top: 'ip' }
layer { name: 'loss' type: 'EuclideanLoss' bottom: 'ip' bottom: 'y' }`, Options{Observer: r.observer()})
	copy(n.Blob("x").MutableData(), []float32{1, 2, 3, -4})
	r.lines = nil
	forward(t, n)
	backward(t, n)
	// x is (1 2; 3 -4), so ip is (2.5 2.5; 0.5 0.5) and the loss is 13/4. The
	// gradient of ip is ip/2, that of the weights its transpose times x:
	// (2 1.5; 2 1.5). With the weights 1/2 the gradient of x is not needed.
	want := []string{
		"I net.cpp:593]     [Forward] Layer in, top blob x data: 2.5",
		"I net.cpp:593]     [Forward] Layer in, top blob y data: 0",
		"I net.cpp:593]     [Forward] Layer ip, top blob ip data: 1.5",
		"I net.cpp:605]     [Forward] Layer ip, param blob w data: 0.5",
		"I net.cpp:605]     [Forward] Layer ip, param blob 1 data: 1",
		"I net.cpp:593]     [Forward] Layer relu, top blob ip data: 1.5",
		"I net.cpp:593]     [Forward] Layer loss, top blob (automatic) data: 3.25",
		"I net.cpp:621]     [Backward] Layer loss, bottom blob ip diff: 0.75",
		"I net.cpp:621]     [Backward] Layer relu, bottom blob ip diff: 0.75",
		"I net.cpp:632]     [Backward] Layer ip, param blob 0 diff: 1.75",
		"E net.cpp:721]     [Backward] All net params (data, diff): L1 norm = (4, 7); L2 norm = (1.73205, 3.53553)",
	}
	if !slices.Equal(r.lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(r.lines, "\n"), strings.Join(want, "\n"))
	}
	r.lines = nil
	n.SetDebugInfo(false)
	forward(t, n)
	backward(t, n)
	if len(r.lines) > 0 {
		t.Errorf("switched off, it logs %q", r.lines)
	}
}
