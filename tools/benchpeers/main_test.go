package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data/npy"
	"github.com/gocaffe/gocaffe/net"
)

// fakeProgram makes a gocaffe that trains in 70 ms on one thread and in 35 on more, and
// runs an image in 20.5 and 10.5 ms. Its first runs, with the least number of passes, take
// 50 ms a step and 25 ms an image. A step has 8.4 billion operations. The peak is highest in
// the first run of training steps. Its fillers make the weights of a file.
func fakeProgram(t *testing.T, weights string) string {
	return program(t, "gocaffe", `#!/bin/sh
[ "$2" = --help ] && { echo --format; exit; }
[ "$1" = weights ] && { cp "`+weights+`" "$7"; exit; }
case "$*" in *"--threads 1 "*) ms=70; gflops=120; image=20.5; peak=240 ;; *) ms=35; gflops=240; image=10.5; peak=478 ;; esac
case "$*" in
*"--iterations 5 "*) ms=50; gflops=168; peak=$((peak + 10)) ;;
*"--iterations 25 "* | *"--iterations 36 "*) peak=100 ;;
*"--iterations 20") image=25 ;;
*"--iterations 1 "* | *"--iterations 50" | *"--iterations 120") ;;
*) exit 5 ;;
esac
[ "$1" = time ] && { grep -q Softmax "$3" && [ -f "$5" ] && [ "$7" = TEST ] && for ms in 99 $image 3 $image 77.5; do echo "x] Iteration: 1 forward time: $ms ms."; done; echo "x] Average Forward pass: 60 ms."; exit; }
case "$2" in *.prototxt)
	grep -q SoftmaxWithLoss "$2" || exit 3
	case "$*" in *"--input-shape 3,"*) ;; *) exit 4 ;; esac ;;
esac
echo "{\"date\": \"2001-02-03\", \"cpu\": \"Wheel 9 (Cog 4)\", \"l2_bytes\": 1310720, \"l3_bytes\": 33554432, \"kernels\": \"abacus\", \"threads\": 1, \"nets\": [{\"net\": \"$2\", \"batch\": 64, \"ms\": $ms, \"gflops\": $gflops, \"peak_gflops\": $peak}]}"
`)
}

// program writes a program.
func program(t *testing.T, name, text string) string {
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o777); err != nil {
		t.Fatal(err)
	}
	return path
}

// expect runs benchpeers and wants lines.
func expect(t *testing.T, args []string, lines ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if err := run(args, &stdout, &stderr); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	for _, want := range lines {
		if !regexp.MustCompile(`(?m)^` + want + `$`).MatchString(stdout.String()) {
			t.Errorf("there is no line %s in\n%s", want, &stdout)
		}
	}
	return stdout.String()
}

// TestTimes checks that times are medians: one slow moment does not count.
func TestTimes(t *testing.T) {
	got := times{ms: []float64{30, 20, 90}}
	if ms := got.milliseconds(); ms != 30 {
		t.Errorf("the median is %v ms, want 30", ms)
	}
}

// TestMeasure wants runs of at least a second: one with less gives the number of passes of
// the next ones, and its time does not count.
func TestMeasure(t *testing.T) {
	for name, c := range map[string]struct {
		ms     []float64 // of the runs
		passes []int
		want   []float64
	}{
		"short":                 {[]float64{10, 9, 11}, []int{3, 125, 125}, []float64{9, 11}},
		"slow in the beginning": {[]float64{40, 10, 11}, []int{3, 32, 125}, []float64{11}},
		"faster later":          {[]float64{350, 250, 260}, []int{3, 3, 5}, []float64{350, 260}},
		"long":                  {[]float64{400, 340}, []int{3, 3}, []float64{400, 340}},
		"longer than a second":  {[]float64{1200, 1300}, []int{3, 3}, []float64{1200, 1300}},
	} {
		var got times
		var passes []int
		r := &runner{log: new(bytes.Buffer)}
		for len(got.ms) < len(c.want) {
			err := r.measure(&got, "gocaffe", 3, func(n int) (sample, error) {
				passes = append(passes, n)
				return sample{ms: c.ms[len(passes)-1]}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(passes, c.passes) || !slices.Equal(got.ms, c.want) {
			t.Errorf("%s: runs of %v passes, times %v, want %v and %v", name, passes, got.ms, c.passes, c.want)
		}
	}
	err := new(runner).measure(new(times), "gocaffe", 3, func(int) (sample, error) { return sample{}, nil })
	if err == nil {
		t.Error("0 ms are no error")
	}
}

// TestAimed has a row at half of the peak: a missed aim of two thirds of the time is 75 %.
func TestAimed(t *testing.T) {
	r := report{peaks: [...]float64{50, 100}}
	l := row{threads: 2, theirs: &times{ms: []float64{100}}, ours: &times{ms: []float64{30}, gflop: 1.5}}
	for aim, want := range map[float64]string{0: "", 0.2: "missed: the aim is 75 % of the peak", 0.3: "met", 0.4: "met"} {
		l.aim = aim
		if _, got := r.aimed(&l); got != want {
			t.Errorf("aim %v: %q, want %q", aim, got, want)
		}
	}
}

func TestTraining(t *testing.T) {
	args := []string{"-gocaffe", fakeProgram(t, ""), "-python", "sh", "-script", "testdata/fake_torch.sh", "-own", "testdata/fake_torch.sh", "-rounds", "1"}
	nets := append(args, "-nets", "lenet liunet-cifar10 cifar10-full liunet-cifar10-quarter")
	expect(t, nets,
		`Wheel 9 \(Cog 4\), second cache 1\.25 MB, third cache 32 MB, 2001-02-03: kernels for abacus, peak 250 GFLOP/s on 1 thread, 488 on 2; PyTorch 0`,
		`lenet +training, 64 +2 +PyTorch, channels last +350\.5 +35\.0 +49 % +0\.100 +0\.22 +met +337 +\d+`,
		`liunet-cifar10 +training, 128 +2 +PyTorch, channels last +350\.5 +35\.0 +49 % +0\.100 +0\.25 +met +337 +\d+`,
		`cifar10-full +training, 100 +2 +PyTorch, channels last +350\.5 +35\.0 +49 % +0\.100 +337 +\d+`,
		`liunet-cifar10-quarter +training, 128 +2 .* 0\.30 +met .*`,
		`liunet-cifar10, training: 1 thread 70\.0 ms, 2 threads 35\.0 ms, 2\.00 times as fast; aim 1\.90: met`,
		`liunet-cifar10, training: memory \d+ MB; aim 600: met`,
		`cifar10-full, training: 49 % of the peak; aim 85: missed`,
	)
	expect(t, append(nets, "-format", "markdown"),
		`### Wheel 9 \(Cog 4\), second cache 1\.25 MB, third cache 32 MB, 2001-02-03`,
		`Kernels for abacus, peak 250 GFLOP/s on 1 thread, 488 on 2; PyTorch 0\.`,
		`\| lenet \| training, 64 \| 2 \| PyTorch, channels last \| 350\.5 ms \| 35\.0 ms \| 49 % \| 0\.10 \| 0\.22 \| met \| 337, \d+ MB \|`,
		`- liunet-cifar10, training: memory \d+ MB; aim 600: met`,
	)
}

func TestMissing(t *testing.T) {
	gocaffe := []string{"-gocaffe", fakeProgram(t, ""), "-rounds", "1", "-own", "testdata/fake_torch.sh"}
	both := append(gocaffe, "-nets", "lenet alexnet mobilenet-v1", "-python")
	text := expect(t, append(both, "false", "-script", "testdata/fake_torch.sh"),
		`SKIPPED: false cannot run PyTorch, .*python3-torch\): exit status 1`,
		`SKIPPED: false cannot run OpenCV 4, .*python3-opencv\): exit status 1`)
	if strings.Contains(text, "\nlenet") {
		t.Errorf("without PyTorch it prints\n%s", text)
	}
	noCV := program(t, "python", "#!/bin/sh\n[ \"$1\" = -c ] && exit 1\nexec sh \"$@\"\n")
	text = expect(t, append(both, noCV, "-script", "testdata/none.py"),
		`SKIPPED: the zoo's nets .*no such file.* GOCAFFE_SHARED .*`, `mobilenet-v1 +training, 16 .*`)
	if strings.Count(text, "GOCAFFE_SHARED") != 1 || strings.Contains(text, "\nlenet") {
		t.Errorf("without the script it prints\n%s", text)
	}
	for _, args := range [][]string{{"-nets", "nonet"}, {"-format", "html"}, {"-rounds", "0"}} {
		if err := run(append(gocaffe, args...), new(bytes.Buffer), new(bytes.Buffer)); err == nil {
			t.Errorf("%v is no error", args)
		}
	}
	if _, err := parsePeer("Segmentation fault"); err == nil {
		t.Error("a line without times is no error")
	}
	if _, err := parseForward("Segmentation fault"); err == nil {
		t.Error("a log without times is no error")
	}
}

// TestImages has an OpenCV that takes 40 ms in its first, short run and then 41 ms, and whose
// outputs are those of gocaffe or, in the second run, wrong. The net has 388 million
// multiply-adds: 15.8 % of 240 GFLOP/s in 20.5 ms, 15.5 % of 478 in 10.5.
func TestImages(t *testing.T) {
	dir := t.TempDir()
	model, weights, input := fillers(t, squeezeNet(false), 227)
	right, wrong := filepath.Join(dir, "right.npz"), filepath.Join(dir, "wrong.npz")
	err := withNet(model, weights, input, caffepb.Phase_TEST, func(n *net.Net) error {
		out := n.Outputs()[0].Blob
		writeArray(t, right, npy.Array{Shape: out.Shape(), Data: out.Data()})
		other := append([]float32{out.Data()[0] + 1}, out.Data()[1:]...)
		writeArray(t, wrong, npy.Array{Shape: out.Shape(), Data: other})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for outputs, want := range map[string]string{
		right: `squeezenet-1.1: the outputs differ from OpenCV's by at most 0 of the largest; aim 0.0001: met`,
		wrong: `squeezenet-1.1: the outputs differ from OpenCV's by at most (0\.9\d|1) of the largest; aim 0.0001: missed`,
	} {
		python := program(t, "python", `#!/bin/sh
[ "$1" = -c ] && exit
[ "$5" = --outputs ] && { cp "`+outputs+`" "$6"; exit; }
case $8 in 20) ms=40.00 ;; 32) ms=41.00 ;; *) exit 5 ;; esac
grep -q fire9 "$2" && [ -f "$4" ] && echo "opencv 0: median $ms ms (1.00 to 2.00), peak 100 MiB, threads $6"
`)
		args := []string{"-gocaffe", fakeProgram(t, weights), "-python", python, "-nets", "squeezenet-1.1", "-rounds", "2"}
		expect(t, args,
			`Wheel 9 .*: .*; OpenCV 0`,
			`squeezenet-1.1 +one image +1 +OpenCV +41\.0 +20\.5 +16 % +0\.500 +0\.38 +missed: the aim is 21 % of the peak +105 +\d+`,
			`squeezenet-1.1 +one image +2 +OpenCV +41\.0 +10\.5 +15 % +0\.256 +0\.38 +met +105 +\d+`, want)
		expect(t, append(args, "-format", "markdown"),
			`\| squeezenet-1.1 \| one image \| 1 \| OpenCV \| 41\.0 ms \| 20\.5 ms \| 16 % \| 0\.50 \| 0\.38 \| missed: the aim is 21 % of the peak \| 105, \d+ MB \|`)
	}
}

// fillers writes the files of a net, with the weights of its fillers and an image.
func fillers(t *testing.T, text string, side int) (model, weights, input string) {
	dir := t.TempDir()
	model, weights, input = filepath.Join(dir, "net.prototxt"), filepath.Join(dir, "net.caffemodel"), filepath.Join(dir, "input.npy")
	if err := os.WriteFile(model, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	file, err := net.Read(model)
	if err != nil {
		t.Fatal(err)
	}
	n, err := net.New(file, net.Options{Seed: 1, ForwardOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.SaveWeights(weights, false); err != nil {
		t.Fatal(err)
	}
	if err := writeNoise(input, side); err != nil {
		t.Fatal(err)
	}
	return model, weights, input
}

// TestStatistics wants probabilities of a net with BatchNorm, whose outputs overflow without
// statistics.
func TestStatistics(t *testing.T) {
	model, weights, input := fillers(t, mobileNet(false), 224)
	sum := func() (sum float64) {
		err := withNet(model, weights, input, caffepb.Phase_TEST, func(n *net.Net) error {
			for _, p := range n.Outputs()[0].Blob.Data() {
				sum += float64(p)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	if s := sum(); !math.IsNaN(s) {
		t.Errorf("without statistics the probabilities add up to %g, want NaN", s)
	}
	if err := setStatistics(model, weights, input); err != nil {
		t.Fatal(err)
	}
	if s := sum(); !(math.Abs(s-1) < 1e-5) {
		t.Errorf("the probabilities add up to %g", s)
	}
}

func writeArray(t *testing.T, path string, a npy.Array) {
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := npy.NewWriter(f)
	if err := w.Write("prob", a); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDifference(t *testing.T) {
	for _, c := range []struct {
		x, want []float32
		d       float64
	}{
		{[]float32{1, 2, -4}, []float32{1, 2, -4}, 0},
		{[]float32{1, 3, -4}, []float32{1, 2, -4}, 0.25},
		{[]float32{float32(math.NaN()), 2}, []float32{1, 2}, math.NaN()},
		{[]float32{0, 0}, []float32{0, 0}, math.NaN()}, // of nothing
	} {
		if d, err := difference(c.x, c.want); err != nil || d != c.d && !(math.IsNaN(d) && math.IsNaN(c.d)) {
			t.Errorf("difference(%v, %v) = %v, %v, want %v", c.x, c.want, d, err, c.d)
		}
	}
	if _, err := difference([]float32{1}, nil); err == nil {
		t.Error("outputs of different sizes are no error")
	}
}

// TestNets counts weights, without BatchNorm's means and variances. ResNet-50 and SqueezeNet
// 1.1 must have as many as torchvision's models, GoogLeNet as BVLC's model, MobileNet as
// Keras's model; LiuNet's are 432 + 9216 + 32256 + 129024 of convolutions, 928 + 128 of
// Scale and 65536 + 640 of inner products. PyTorch's in bench/torch_nets.py have as many
// (--macs prints them).
func TestNets(t *testing.T) {
	quarter, err := quarterLiuNet()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text     string
		training bool
		side     int
		weights  int
	}{
		"resnet-50":           {resNet50(false), false, 224, 25557032},
		"squeezenet-1.1":      {squeezeNet(false), false, 227, 1235496},
		"mobilenet-v1":        {mobileNet(false), false, 224, 4231976},
		"googlenet":           {googLeNet(false), false, 224, 6998552},
		"googlenet, training": {googLeNet(true), true, 224, 13378280},
		"quarter":             {quarter, true, 32, 238160},
	} {
		file, err := net.Parse(name, []byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		phase := caffepb.Phase_TEST
		if c.training {
			phase = caffepb.Phase_TRAIN
		}
		n, err := net.New(file, net.Options{State: &caffepb.NetState{Phase: &phase}, ForwardOnly: !c.training, Memory: new(net.Memory),
			Synthetic: &net.Synthetic{Shape: []int{3, c.side, c.side}, Batch: 2}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		weights := 0
		for _, l := range n.Layers() {
			if l.Type != "BatchNorm" {
				for _, p := range l.Params {
					weights += p.Count()
				}
			}
		}
		if weights != c.weights {
			t.Errorf("%s has %d weights, want %d", name, weights, c.weights)
		}
		n.Close()
	}
}

// TestChoose has names of nets, and one that there is no aim for.
func TestChoose(t *testing.T) {
	training, images, err := choose([]string{"squeezenet-1.1"})
	if err != nil || len(training) != 0 || len(images) == 0 {
		t.Errorf("squeezenet-1.1: %d and %d comparisons, %v", len(training), len(images), err)
	}
	if _, _, err = choose([]string{"resnet"}); err == nil {
		t.Fatal("resnet is taken")
	}
	for _, name := range names() {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%v: want %s in it", err, name)
		}
		if _, _, err := choose([]string{name}); err != nil {
			t.Error(err)
		}
	}
}
