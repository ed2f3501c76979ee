package gocaffecmd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/internal/reference"
)

// The plot of Caffe's own log: the loss falls from 2.36 to 0, the accuracy of the
// tests rises from 0.07 to 1.
func TestPlotText(t *testing.T) {
	logs := reference.Golden(t, "formats/logs")
	stdout, _ := mustRun(t, "plot", filepath.Join(logs, "train.log"))
	for line := range strings.Lines(stdout) {
		if len(line) > 80+len("\n") {
			t.Errorf("%q is wider than 80 columns", line)
		}
	}
	panels := strings.Split(stdout, "\n\n")
	if len(panels) != 2 {
		t.Fatalf("%d panels, want loss and accuracy\n%s", len(panels), stdout)
	}
	for i, want := range []struct {
		head        string
		left, right float64 // height of the curve at the ends of the panel
	}{{"loss:  * train loss  + test loss", 1, 0}, {"accuracy:  * test accuracy", 0.07, 1}} {
		head, rest, _ := strings.Cut(panels[i], "\n")
		if head != want.head {
			t.Errorf("panel %d begins with %q, want %q", i, head, want.head)
		}
		rows := strings.Split(rest, "\n")[:16]
		edge := strings.IndexAny(rows[1], "|+")
		height := func(column int) float64 {
			row := slices.IndexFunc(rows, func(r string) bool { return len(r) > column && strings.ContainsAny(r[column:column+1], "*+") })
			return float64(15-row) / 15
		}
		if left, right := height(edge+1), height(79); left < want.left-0.1 || left > want.left+0.1 || right < want.right-0.1 || right > want.right+0.1 {
			t.Errorf("panel %d goes from %g to %g of the height, want %g to %g\n%s", i, left, right, want.left, want.right, panels[i])
		}
	}
}

func TestPlotFiles(t *testing.T) {
	logs := reference.Golden(t, "formats/logs")
	dir := t.TempDir()
	svg, png := filepath.Join(dir, "a.svg"), filepath.Join(dir, "b.PNG")
	mustRun(t, "plot", "-o", svg, "--y", "loss,lr", "--log-scale", filepath.Join(logs, "train.log"), filepath.Join(logs, "resume.log"))
	text, err := os.ReadFile(svg)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<svg width=\"720pt\" height=\"600pt\"", ">train.log: train loss<", ">resume.log: test loss<", ">learning rate<", ">0.001<"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the SVG file lacks %s", want)
		}
	}
	stdout, _ := mustRun(t, "plot_training_log.py", "0", png, filepath.Join(logs, "train.log"))
	if b, err := os.ReadFile(png); err != nil || !strings.HasPrefix(string(b), "\x89PNG") || stdout != "" {
		t.Errorf("plot_training_log made no PNG file, and printed %q (%v)", stdout, err)
	}
}

func TestPlotErrors(t *testing.T) {
	log := filepath.Join(reference.Golden(t, "formats/logs"), "train.log")
	dir := t.TempDir()
	for _, tt := range []struct{ line, want string }{
		{"plot " + log + " --y recall", "no recall in the logs, want one of loss, accuracy, lr"},
		{"plot " + log + " --x days", `--x is "days", want iterations or seconds`},
		{"plot " + log + " -o " + dir + "/a.gif", `unknown ending ".gif", want .svg or .png`},
		{"plot " + log + " -o " + dir + "/none/a.svg", "none"},
		{"plot " + log + " --size 100x100 -o " + dir + "/a.svg", `--size is "100x100", want WIDTHxHEIGHT from 200x150`},
		{"plot " + log + " --size 300x300x -o " + dir + "/a.svg", `--size is "300x300x"`},
		{"plot_training_log 9 a.png x.log", "plot_training_log: want KIND FILE.png LOG..., where KIND is a number from 0 to 7"},
	} {
		code, _, stderr := run(strings.Fields(tt.line)...)
		if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s: exit code %d and %q, want 1 and %q", tt.line, code, stderr, tt.want)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Errorf("failed plots left %v", files)
	}
}

func TestShortNames(t *testing.T) {
	for _, tt := range []struct{ paths, want []string }{
		{[]string{"a/b/x.log"}, []string{"x.log"}},
		{[]string{"a/1/x.log", "a/2/x.log"}, []string{"1/x.log", "2/x.log"}},
		{[]string{"x.log", "a/x.log"}, []string{"x.log", "a/x.log"}},
		{[]string{"a/x.log", "a/x.log"}, []string{"x.log", "x.log"}},
		{[]string{"a/b/c/x.log", "a/b/y.log"}, []string{"c/x.log", "y.log"}},
	} {
		if got := shortNames(tt.paths); !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.paths, got, tt.want)
		}
	}
}
