package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// fakeProgram makes a gocaffe that takes 70 ms on one thread and 35 on more.
func fakeProgram(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "gocaffe")
	script := `#!/bin/sh
[ "$2" = --help ] && { echo --format; exit; }
[ "$1" = weights ] && { cp "$3" "$7"; exit; }
[ "$1" = time ] && { cmp "$3" "$5" && echo "x] Average Forward pass: 20.5 ms."; exit; }
case "$*" in *"--threads 1 "*) ms=70 ;; *) ms=35 ;; esac
echo "{\"threads\": 1, \"nets\": [{\"net\": \"$2\", \"batch\": 64, \"ms\": $ms}]}"
`
	if err := os.WriteFile(path, []byte(script), 0o777); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPeers(t *testing.T) {
	var stdout, stderr bytes.Buffer
	args := []string{"-gocaffe", fakeProgram(t), "-python", "sh", "-script", "testdata/fake_torch.sh"}
	if err := run(append(args, "-nets", "lenet liunet-cifar10"), &stdout, &stderr); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	for _, want := range []string{
		`lenet +64 +1 +350\.5 +channels last +70\.0 +0\.200 +0\.50 +met +321 +\d+`,
		`lenet +64 +2 +350\.5 +channels last +35\.0 +0\.100 +0\.50 +met +321 +\d+`,
		`liunet-cifar10 +128 +2 +350\.5 +channels last +35\.0 +0\.100 +0\.40 +met `,
		`liunet-cifar10: 1 thread 70\.0 ms, 2 threads 35\.0 ms, 2\.00 times as fast; target 1\.90: met`,
		`liunet-cifar10: memory \d+ MiB; target 930: met`,
	} {
		if !regexp.MustCompile(want).MatchString(stdout.String()) {
			t.Errorf("there is no line %s in\n%s", want, &stdout)
		}
	}
}

func TestPeersMissing(t *testing.T) {
	for want, args := range map[string][]string{
		`^SKIPPED: .*no such file.* GOCAFFE_SHARED`:           {"-nets", "lenet", "-script", "testdata/none.py"},
		`^SKIPPED: false cannot run PyTorch, .*python3-torch`: {"-nets", "lenet", "-script", "testdata/fake_torch.sh", "-python", "false"},
	} {
		var stdout, stderr bytes.Buffer
		if err := run(args, &stdout, &stderr); err != nil || !regexp.MustCompile(want).MatchString(stdout.String()) {
			t.Errorf("%v: %v, %s, want %s", args, err, &stdout, want)
		}
	}
	if err := run([]string{"-nets", "nonet"}, new(bytes.Buffer), new(bytes.Buffer)); err == nil {
		t.Error("a net without a target is no error")
	}
	if _, _, err := parsePeer("Segmentation fault"); err == nil {
		t.Error("a line without times is no error")
	}
}

// TestInference has an OpenCV that takes 41 ms, and one that is missing.
func TestInference(t *testing.T) {
	python := filepath.Join(t.TempDir(), "python")
	script := `#!/bin/sh
[ "$1" = -c ] && exit
grep -q Permute "$2" "$3" && echo "opencv 0: median 41.00 ms (1.00 to 2.00), peak 100 MiB, threads $5"
`
	if err := os.WriteFile(python, []byte(script), 0o777); err != nil {
		t.Fatal(err)
	}
	for want, python := range map[string]string{
		`(?m)^mobilenet-ssd, one image of 300 x 300, 2 threads: OpenCV 41\.0 ms, gocaffe 20\.5 ms, ratio 0\.500; target 1\.00: met$`: python,
		`^SKIPPED: false cannot run OpenCV, .*python3-opencv`:                                                                        "false",
	} {
		var stdout, stderr bytes.Buffer
		if err := run([]string{"-gocaffe", fakeProgram(t), "-python", python, "-nets", "mobilenet-ssd"}, &stdout, &stderr); err != nil || !regexp.MustCompile(want).MatchString(stdout.String()) {
			t.Errorf("%v, %s%s, want %s", err, &stdout, &stderr, want)
		}
	}
	if _, err := parseForward("Segmentation fault"); err == nil {
		t.Error("a log without times is no error")
	}
}
