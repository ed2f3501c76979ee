package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/tools/internal/bench"
)

// An image is a net whose forward pass of one image is compared with OpenCV's.
type image struct {
	net  string
	text func() string
	raw  func() string // without the layer that decides, to compare outputs; nil: text
	side int           // of the image, which has 3 channels
	aims [mostThreads]float64

	// Further aims, 0 for none.
	scaling float64 // how many times as fast as on one thread
	memory  float64 // MB, at most
}

// The aims are milliseconds of gocaffe and of OpenCV on one machine (two cores of a
// Sapphire Rapids Xeon).
var images = []image{
	{net: "resnet-50", text: forInference(resNet50), side: 224, aims: [...]float64{52.0 / 140, 30.0 / 81}, scaling: 1.7, memory: 180},
	{net: "googlenet", text: forInference(googLeNet), side: 224, aims: [...]float64{20.0 / 53, 11.5 / 32}},
	{net: "squeezenet-1.1", text: forInference(squeezeNet), side: 227, aims: [...]float64{5 / 13.3, 3 / 8.0}},
	{net: "mobilenet-v1", text: forInference(mobileNet), side: 224, aims: [...]float64{9 / 26.5, 5.5 / 14.5}},
	{net: "mobilenet-ssd", text: func() string { return mobileNetSSD(true) }, raw: func() string { return mobileNetSSD(false) },
		side: 300, aims: [...]float64{1, 1}},
}

func forInference(text func(training bool) string) func() string {
	return func() string { return text(false) }
}

//go:embed opencv_net.py
var openCVScript []byte

// showAll compares forward passes.
func (r *runner) showAll(chosen []image) error {
	if len(chosen) == 0 {
		return nil
	}
	if out, err := exec.Command(r.python, "-c", "import cv2; cv2.dnn.readNetFromCaffe").CombinedOutput(); err != nil {
		r.report.skipped("%s cannot run OpenCV 4, install it (Debian: apt-get install python3-opencv): %v\n%s", r.python, err, out)
		return nil
	}
	if err := os.WriteFile(filepath.Join(r.dir, "opencv_net.py"), openCVScript, 0o666); err != nil {
		return err
	}
	for _, i := range chosen {
		if err := r.show(i); err != nil {
			return err
		}
	}
	return nil
}

// show compares the passes of one net, and its outputs.
func (r *runner) show(i image) error {
	model := filepath.Join(r.dir, i.net+".prototxt")
	weights, input := filepath.Join(r.dir, i.net+".caffemodel"), filepath.Join(r.dir, i.net+".npy")
	if err := os.WriteFile(model, []byte(i.text()), 0o666); err != nil {
		return err
	}
	if err := writeNoise(input, i.side); err != nil {
		return err
	}
	if _, err := output(r.program, "weights", "--init", model, "--seed", "1", "--to", weights); err != nil {
		return err
	}
	if err := setStatistics(model, weights, input); err != nil {
		return err
	}
	difference, err := r.compare(i, weights, input)
	if err != nil {
		return fmt.Errorf("%s: %w", i.net, err)
	}
	r.report.check(difference <= sameOutputs, "%s: the outputs differ from OpenCV's by at most %.2g of the largest; aim %g", i.net, difference, sameOutputs)
	macs, err := multiplyAdds(model, weights, input)
	if err != nil {
		return err
	}
	var peer, ours [mostThreads]times
	var steps []func() error
	for t := range mostThreads {
		threads, least := strconv.Itoa(t+1), 4*r.iterations
		steps = append(steps,
			func() error {
				return r.peer(&peer[t], "OpenCV", least, r.openCV(model, weights, input, "--threads", threads)...)
			},
			func() error {
				return r.forward(&ours[t], least, "time", "--model", model, "--weights", weights, "--phase", "TEST", "--threads", threads)
			})
	}
	if err := r.turns(i.net+", one image", steps); err != nil {
		return err
	}
	for t := range mostThreads {
		ours[t].gflop = 2 * float64(macs) / 1e9
		r.report.rows = append(r.report.rows, row{net: i.net, run: "one image", threads: t + 1, peer: "OpenCV", theirs: &peer[t], ours: &ours[t], aim: i.aims[t]})
	}
	r.report.further(i.net+", one image", &ours[0], &ours[mostThreads-1], i.scaling, i.memory)
	return nil
}

// openCV returns the arguments of Python that run OpenCV's side.
func (r *runner) openCV(args ...string) []string {
	return append([]string{filepath.Join(r.dir, "opencv_net.py")}, args...)
}

// forward adds a run of gocaffe's forward passes to t.
func (r *runner) forward(t *times, least int, args ...string) error {
	return r.measure(t, "gocaffe", least, func(passes int) (sample, error) {
		cmd := exec.Command(r.program, append(args, "--iterations", strconv.Itoa(passes))...)
		var log strings.Builder
		cmd.Stdout, cmd.Stderr = &log, &log
		mib, err := bench.RunMiB(cmd)
		if err != nil {
			return sample{}, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, log.String())
		}
		ms, err := parseForward(log.String())
		return sample{ms: ms, mib: mib}, err
	})
}

// output runs a program and returns what it prints.
func output(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), err
}

var forwardTime = regexp.MustCompile(`forward time: ([0-9.]+) ms`)

// parseForward returns the median time of the forward passes in the log of gocaffe time, as the
// peers print it.
func parseForward(log string) (ms float64, err error) {
	var list []float64
	for _, found := range forwardTime.FindAllStringSubmatch(log, -1) {
		ms, err := strconv.ParseFloat(found[1], 64)
		if err != nil {
			return 0, err
		}
		list = append(list, ms)
	}
	if len(list) == 0 {
		return 0, fmt.Errorf("gocaffe time prints no times of forward passes:\n%s", log)
	}
	return median(list), nil
}
