package gocaffecmd

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/internal/reference"

	_ "github.com/gocaffe/gocaffe/layers/all"
)

// run runs a command line in this process and returns what it wrote.
func run(args ...string) (code int, stdout, stderr string) {
	var out, err strings.Builder
	code = Run(args, &out, &err)
	return code, out.String(), err.String()
}

// mustRun is run for a command line that must work.
func mustRun(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	code, stdout, stderr := run(args...)
	if code != 0 {
		t.Fatalf("gocaffe %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
	}
	return stdout, stderr
}

// program builds the program once for the tests that need a process of its
// own.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "gocaffe")
	if err != nil {
		return "", err
	}
	programDir = dir
	path := filepath.Join(dir, "gocaffe")
	build := exec.Command("go", "build", "-o", path, "./gocaffe")
	build.Dir = packageDir
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// packageDir is the folder of this package: tests work in folders of their own.
// programDir is that of the program, if a test has needed it.
var packageDir, programDir string

func TestMain(m *testing.M) {
	var err error
	if packageDir, err = os.Getwd(); err != nil {
		panic(err)
	}
	code := m.Run()
	if programDir != "" {
		os.RemoveAll(programDir)
	}
	os.Exit(code)
}

// copyFiles copies files of a folder into another.
func copyFiles(t *testing.T, from, to string, names ...string) {
	t.Helper()
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

var (
	prefix  = regexp.MustCompile(`(?m)^([IW])\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ `)
	number  = regexp.MustCompile(`[-+]?\d+\.?\d*(e[-+]\d+)?|nan|inf`)
	waiting = regexp.MustCompile(`(?m)^.*(data_layer.cpp:73\]|blocking_queue.cpp:49\]).*\n`)
)

// resumeNet has everything that chance decides: dropout, a shuffled list,
// random crops and mirror images.
const resumeNet = `
name: "chance"
layer {
  name: "images" type: "ImageData" top: "data" top: "label" include { phase: TRAIN }
  transform_param { scale: 0.01 crop_size: 10 mirror: true mean_value: 100 }
  image_data_param { source: "list.txt" root_folder: "%s/" batch_size: 7 shuffle: true new_height: 12 new_width: 12 }
}
layer {
  name: "images" type: "ImageData" top: "data" top: "label" include { phase: TEST }
  transform_param { scale: 0.01 crop_size: 10 mean_value: 100 }
  image_data_param { source: "list.txt" root_folder: "%[1]s/" batch_size: 7 new_height: 12 new_width: 12 }
}
layer {
  name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: "msra" } }
}
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "scale" type: "Scale" bottom: "conv" top: "conv" scale_param { bias_term: true } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "drop" type: "Dropout" bottom: "pool" top: "pool" }
layer {
  name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
`

const resumeSolver = `
net: "net.prototxt"
test_iter: 2
test_interval: 15
base_lr: 0.01
momentum: 0.9
weight_decay: 0.001
lr_policy: "step"
gamma: 0.5
stepsize: 12
iter_size: 2
max_iter: 40
snapshot: 20
snapshot_prefix: "%s"
random_seed: 3
display: 5
`

// resumeFolder makes a folder with a net that learns from images, and works in
// it.
func resumeFolder(t *testing.T) {
	t.Helper()
	images, err := filepath.Abs(reference.Golden(t, "formats/images"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	copyFiles(t, filepath.Dir(images), dir, "list.txt")
	t.Chdir(dir)
	write(t, "net.prototxt", fmt.Sprintf(resumeNet, filepath.ToSlash(images)))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// start runs the program in a process of its own. It returns when wait tells
// that it has come far enough.
func start(t *testing.T, wait func(log string) bool, args ...string) (*exec.Cmd, *buffer) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	log := new(buffer)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	for deadline := time.Now().Add(60 * time.Second); !wait(log.String()); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("gocaffe %s has not come to the point in a minute:\n%s", strings.Join(args, " "), log.String())
		}
	}
	return cmd, log
}

// finish waits for the program to end, which it must within half a minute.
func finish(cmd *exec.Cmd) error {
	late := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	defer late.Stop()
	return cmd.Wait()
}

// buffer is a bytes.Buffer that is read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestResumeAfterKill compares training of 40 iterations with training that is
// killed after the snapshot of iteration 20 and continued, for one and two
// threads: the weights must be the same to the last bit, and so must they be
// for every number of threads.
func TestResumeAfterKill(t *testing.T) {
	resumeFolder(t)
	write(t, "whole.prototxt", fmt.Sprintf(resumeSolver, "whole"))
	mustRun(t, "train", "-solver", "whole.prototxt", "-threads", "1")
	want, err := os.ReadFile("whole_iter_40.caffemodel")
	if err != nil {
		t.Fatal(err)
	}
	half, err := os.ReadFile("whole_iter_20.caffemodel")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(want, half) {
		t.Fatal("the weights do not change from iteration 20 to 40")
	}
	for _, threads := range []string{"1", "2"} {
		t.Run(threads+" threads", func(t *testing.T) {
			name := "killed" + threads
			write(t, name+".prototxt", fmt.Sprintf(resumeSolver, name))
			cmd, _ := start(t, func(string) bool {
				_, err := os.Stat(name + "_iter_20.solverstate")
				return err == nil
			}, "train", "-solver", name+".prototxt", "-threads", threads)
			cmd.Process.Signal(syscall.SIGKILL)
			cmd.Wait()
			os.Remove(name + "_iter_40.caffemodel") // if it was quicker than the signal
			mustRun(t, "train", "-solver", name+".prototxt", "-snapshot", name+"_iter_20.solverstate", "-threads", threads)
			got, err := os.ReadFile(name + "_iter_40.caffemodel")
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Error("the weights differ from those of the run that was not interrupted")
			}
		})
	}
}

// A result that cannot be written is no success.
func TestOutputLost(t *testing.T) {
	var stderr strings.Builder
	if code := Run([]string{"layers"}, fullDisk{}, &stderr); code != 1 || !strings.Contains(stderr.String(), "no space left") {
		t.Errorf("exit code %d, %q, want 1 and the reason", code, stderr.String())
	}
}

// fullDisk is a writer that takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
