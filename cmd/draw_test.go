package gocaffecmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func zooNet(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	mustRun(t, "zoo", "write", name, dir)
	return filepath.Join(dir, name+"_train_test.prototxt")
}

func TestDraw(t *testing.T) {
	lenet := zooNet(t, "lenet")
	dir := t.TempDir()
	draw := func(name string, args ...string) (text, stderr string) {
		t.Helper()
		file := filepath.Join(dir, name)
		stdout, stderr := mustRun(t, append(args, lenet, file)...)
		b, err := os.ReadFile(file)
		if err != nil || stdout != "" {
			t.Fatalf("%v: %q, %v", args, stdout, err)
		}
		return string(b), stderr
	}
	svg, stderr := draw("a.svg", "draw", "--input-shape", "1,28,28")
	for _, want := range []string{">LeNet</text>", ">64x20x24x24</text>", ">Data (TEST)</text>", ">Accuracy (TEST)</text>", ">Pooling MAX 2x2/2</text>"} {
		if !strings.Contains(svg, want) {
			t.Errorf("the drawing lacks %s", want)
		}
	}
	if stderr != "" {
		t.Errorf("stderr has %q", stderr)
	}
	svg, stderr = draw("b.svg", "draw", "--phase", "TRAIN")
	if strings.Contains(svg, "Accuracy") || strings.Contains(svg, "24x24") || !strings.Contains(svg, ">SoftmaxWithLoss</text>") {
		t.Error("the drawing of phase TRAIN has other layers, or shapes without data")
	}
	if !strings.Contains(stderr, "note: shapes are not known: ") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("stderr has %q", stderr)
	}
	dot, _ := draw("c.dot", "draw_net.py", "--phase", "TEST", "--display_lrm", "--input_shape", "1,28,28")
	for _, want := range []string{"rankdir=LR;", "Convolution 5x5 20, lr 1,2", "100x20x24x24"} {
		if !strings.Contains(dot, want) {
			t.Errorf("the graph lacks %s:\n%s", want, dot)
		}
	}
	if png, _ := draw("d.png", "draw", "--rankdir=bt"); !strings.HasPrefix(png, "\x89PNG") {
		t.Error("no PNG file")
	}
	for _, tt := range []struct{ line, want string }{
		{"draw " + lenet + " " + dir + "/x.pdf", `unknown ending ".pdf", want .svg, .png or .dot`},
		{"draw " + lenet + " " + dir + "/x.svg --rankdir XY", `--rankdir is "XY", want one of TB, BT, LR, RL`},
		{"draw " + lenet + " " + dir + "/x.svg --phase DEPLOY", `--phase is "DEPLOY", want TRAIN, TEST or ALL`},
		{"draw absent " + dir + "/x.svg", `"absent": no such file`},
		{"draw " + lenet, "draw: accepts 2 arg(s), received 1; usage: gocaffe draw NET FILE.svg"},
	} {
		code, _, stderr := run(strings.Fields(tt.line)...)
		if code != 1 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit code %d and %q, want 1 and %q", tt.line, code, stderr, tt.want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "x.svg")); err == nil {
		t.Error("a failed drawing left a file")
	}
}

func TestSummarize(t *testing.T) {
	lenet := zooNet(t, "lenet")
	stdout, _ := mustRun(t, "summarize", lenet, "--input-shape", "1,28,28")
	// 5*5*20 + 20 weights and 64*20*24*24 * 5*5 products, and so on.
	want := `layer     type                bottoms    lr              tops  weights   MACs
mnist     Data                                  64x1x28x28 64
mnist     Data                                100x1x28x28 100
conv1     Convolution 5x5 20  data       1,2      64x20x24x24      520  18.4M
pool1     Pooling MAX 2x2/2                       64x20x12x12
conv2     Convolution 5x5 50             1,2        64x50x8x8    25.1k   102M
pool2     Pooling MAX 2x2/2                         64x50x4x4
ip1       InnerProduct 500               1,2           64x500     400k  25.6M
relu1     ReLU                                         64x500
ip2       InnerProduct 10                1,2            64x10     5010   320k
accuracy  Accuracy            ip2 label                     1
loss      SoftmaxWithLoss     ip2 label                     1
all                                                               431k   147M
`
	if stdout != want {
		t.Errorf("got\n%s\nwant\n%s", stdout, want)
	}
	stdout, stderr := mustRun(t, "summarize.py", "-w", "60", "--phase", "TEST", zooNet(t, "alexnet"))
	if !strings.Contains(stdout, "Convolut..2 256/2") || strings.Contains(stdout, "weights") || !strings.Contains(stderr, "note: shapes are not known") {
		t.Errorf("got\n%s\n%s", stdout, stderr)
	}
	for line := range strings.Lines(stdout) {
		if len(line) > 60+len("\n") {
			t.Errorf("%q is wider than 60 columns", line)
		}
	}
	if code, _, stderr := run("summarize", "-w", "3", lenet); code != 1 || !strings.Contains(stderr, "--width is 3, want 40 to 10000") {
		t.Errorf("exit code %d and %q", code, stderr)
	}
}
