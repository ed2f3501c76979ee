package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/gocaffe/gocaffe/prototxt/zoo"
	"github.com/gocaffe/gocaffe/tools/internal/bench"
	"google.golang.org/protobuf/proto"
)

// A training is a net whose training steps are compared with PyTorch's, on mostThreads.
type training struct {
	net   string
	batch int
	own   bool // in this repository's torch_nets.py
	text  func() (string, error)
	side  int     // of the images of text, which have 3 channels; nil text: a net of gocaffe's zoo
	aim   float64 // the time of gocaffe in that of PyTorch, at most

	// Further aims, 0 for none.
	percent float64 // of the machine's peak, at least
	scaling float64 // how many times as fast as on one thread
	memory  float64 // MB, at most
}

// GoogLeNet has both auxiliary losses, here and in PyTorch. Of cifar10-full the aim was
// 17 ms on a machine where 24 ms are 60 % of the peak.
var trainings = []training{
	{net: "liunet-cifar10", batch: 128, aim: 0.25, scaling: 1.9, memory: 600},
	{net: "liunet-mnist", batch: 128, aim: 0.26},
	{net: "lenet", batch: 64, aim: 0.22},
	{net: "cifar10-quick", batch: 100, aim: 0.32},
	{net: "alexnet", batch: 16, aim: 0.30},
	{net: "cifar10-full", batch: 100, own: true, percent: 85},
	{net: "liunet-cifar10-quarter", batch: 128, own: true, text: quarterLiuNet, side: 32, aim: 0.3},
	{net: "resnet-50", batch: 8, own: true, text: forTraining(resNet50), side: 224, aim: 0.5},
	{net: "googlenet", batch: 8, own: true, text: forTraining(googLeNet), side: 224, aim: 0.5},
	{net: "mobilenet-v1", batch: 16, own: true, text: forTraining(mobileNet), side: 224, aim: 0.5},
}

func forTraining(text func(training bool) string) func() (string, error) {
	return func() (string, error) { return text(true), nil }
}

// quarterLiuNet returns LiuNet for CIFAR-10 with a quarter of its channels and features.
func quarterLiuNet() (string, error) {
	entry, err := zoo.Lookup("liunet-cifar10")
	if err != nil {
		return "", err
	}
	file, err := entry.Read()
	if err != nil {
		return "", err
	}
	net := proto.CloneOf(file.Param)
	for _, l := range net.Layer {
		if c := l.ConvolutionParam; c != nil {
			c.NumOutput = proto.Uint32(c.GetNumOutput() / 4)
		}
		if l.GetName() == "ip1" {
			l.InnerProductParam.NumOutput = proto.Uint32(l.InnerProductParam.GetNumOutput() / 4)
		}
	}
	return string(prototxt.MarshalNet(net)), nil
}

// trainAll compares training steps, of the nets for which everything is there.
func (r *runner) trainAll(chosen []training) error {
	if len(chosen) == 0 {
		return nil
	}
	if out, err := exec.Command(r.python, r.own, "--help").CombinedOutput(); err != nil {
		r.report.skipped("%s cannot run PyTorch, install it (Debian: apt-get install python3-torch): %v\n%s", r.python, err, out)
		return nil
	}
	missing := false
	for _, t := range chosen {
		if _, err := os.Stat(r.script); err != nil && !t.own {
			if !missing {
				r.report.skipped("the zoo's nets for PyTorch are missing: %v; set GOCAFFE_SHARED to the folder that has bench/torch_nets.py", err)
			}
			missing = true
			continue
		}
		if err := r.train(t); err != nil {
			return err
		}
	}
	return nil
}

// train compares the steps of one net.
func (r *runner) train(t training) error {
	options := bench.Options{Net: t.net, Batch: t.batch}
	if t.text != nil {
		text, err := t.text()
		if err != nil {
			return err
		}
		options.Net, options.Shape = filepath.Join(r.dir, t.net+".prototxt"), fmt.Sprintf("3,%d,%[1]d", t.side)
		if err := os.WriteFile(options.Net, []byte(text), 0o666); err != nil {
			return err
		}
	}
	script := r.script
	if t.own {
		script = r.own
	}
	peerArgs := []string{script, t.net, strconv.Itoa(mostThreads), "--batch", strconv.Itoa(t.batch)}
	var rows, last times // PyTorch's layouts
	var one, ours times  // on one and on all threads
	steps := []func() error{
		func() error { return r.peer(&rows, "PyTorch", r.iterations, peerArgs...) },
		func() error { return r.step(&ours, options, mostThreads) },
		func() error { return r.peer(&last, "PyTorch", r.iterations, append(peerArgs, "--channels-last")...) },
	}
	if t.scaling > 0 {
		steps = append(steps, func() error { return r.step(&one, options, 1) })
	}
	if err := r.turns(t.net+", training", steps); err != nil {
		return err
	}
	line := row{net: t.net, run: fmt.Sprintf("training, %d", t.batch), threads: mostThreads, peer: "PyTorch", theirs: &rows, ours: &ours, aim: t.aim}
	if last.milliseconds() < rows.milliseconds() {
		line.peer, line.theirs = "PyTorch, channels last", &last
	}
	r.report.rows = append(r.report.rows, line)
	if t.percent > 0 {
		percent := r.report.percent(&line)
		r.report.check(percent >= t.percent, "%s, training: %.0f %% of the peak; aim %.0f", t.net, percent, t.percent)
	}
	r.report.further(t.net+", training", &one, &ours, t.scaling, t.memory)
	return nil
}

// turns takes steps in turns, as many rounds as the flags say.
func (r *runner) turns(what string, steps []func() error) error {
	for round := range r.rounds {
		fmt.Fprintf(r.log, "%s, round %d of %d:", what, round+1, r.rounds)
		for _, step := range steps {
			if err := step(); err != nil {
				fmt.Fprintln(r.log)
				return fmt.Errorf("%s: %w", what, err)
			}
		}
		fmt.Fprintln(r.log)
	}
	return nil
}

// step adds a run of gocaffe's training steps to t.
func (r *runner) step(t *times, o bench.Options, threads int) error {
	return r.measure(t, "gocaffe", r.iterations, func(passes int) (sample, error) {
		o.Threads, o.Iterations = threads, passes
		result, err := r.bench(o)
		if err != nil {
			return sample{}, err
		}
		t.gflop = result.GFlops * result.Milliseconds / 1000
		return sample{ms: result.Milliseconds, mib: result.MiB}, nil
	})
}
