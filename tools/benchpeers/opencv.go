package main

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// The net that is run for inference, beside OpenCV's reader of Caffe nets, and what its
// time may be in that of OpenCV.
const (
	inferenceNet     = "mobilenet-ssd"
	inferenceThreads = 2
	inferenceTarget  = 1.0
)

//go:embed opencv_net.py
var openCVScript []byte

// inference times MobileNet-SSD on one image, in turns with OpenCV.
func (r *runner) inference(stdout io.Writer) error {
	if out, err := exec.Command(r.python, "-c", "import cv2").CombinedOutput(); err != nil {
		fmt.Fprintf(stdout, "SKIPPED: %s cannot run OpenCV, install it (Debian: apt-get install python3-opencv): %v\n%s", r.python, err, out)
		return nil
	}
	dir, err := os.MkdirTemp("", "benchpeers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	script, model, weights := filepath.Join(dir, "opencv_net.py"), filepath.Join(dir, "net.prototxt"), filepath.Join(dir, "net.caffemodel")
	for path, text := range map[string][]byte{script: openCVScript, model: []byte(mobileNetSSD())} {
		if err := os.WriteFile(path, text, 0o666); err != nil {
			return err
		}
	}
	if out, err := exec.Command(r.program, "weights", "--init", model, "--seed", "1", "--to", weights).CombinedOutput(); err != nil {
		return fmt.Errorf("%s weights --init %s: %w\n%s", r.program, model, err, out)
	}
	var peer, ours times
	threads, iterations := strconv.Itoa(inferenceThreads), strconv.Itoa(4*r.iterations)
	for round := range r.rounds {
		fmt.Fprintf(r.log, "%s, %d threads, round %d of %d:", inferenceNet, inferenceThreads, round+1, r.rounds)
		line, err := r.output(r.python, script, model, weights, threads, iterations)
		if err != nil {
			return err
		}
		ms, mib, err := parsePeer(line)
		if err != nil {
			return err
		}
		peer.add(ms, mib)
		log, err := r.output(r.program, "time", "--model", model, "--weights", weights, "--phase", "TEST", "--threads", threads, "--iterations", iterations)
		if err != nil {
			return err
		}
		own, err := parseForward(log)
		if err != nil {
			return err
		}
		ours.add(own, 0)
		fmt.Fprintf(r.log, " OpenCV %.1f ms gocaffe %.1f ms\n", ms, own)
	}
	ratio := ours.milliseconds() / peer.milliseconds()
	fmt.Fprintf(stdout, "\n%s, one image of 300 x 300, %d threads: OpenCV %.1f ms, gocaffe %.1f ms, ratio %.3f; target %.2f: %s\n",
		inferenceNet, inferenceThreads, peer.milliseconds(), ours.milliseconds(), ratio, inferenceTarget, verdict(ratio <= inferenceTarget))
	return nil
}

// output runs a program and returns what it prints.
func (r *runner) output(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// parseForward reads the mean time of a forward pass from the log of gocaffe time.
func parseForward(log string) (ms float64, err error) {
	_, rest, _ := strings.Cut(log, "Average Forward pass: ")
	if _, err := fmt.Sscanf(rest, "%f ms", &ms); err != nil {
		return 0, fmt.Errorf("gocaffe time prints no average of forward passes:\n%s", log)
	}
	return ms, nil
}
