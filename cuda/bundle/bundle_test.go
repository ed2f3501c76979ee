//go:build linux

// Package bundle_test packs a small bundle for machines with a GPU, unpacks it
// elsewhere and runs its scripts on the fake GPU.
package bundle_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
)

// mostBytes is how large a bundle may be.
const mostBytes = 60e6

// script runs a script with these settings added to the environment, in a folder
// that is not its own and without Go, and checks its output and exit status.
func script(t *testing.T, success bool, want, file string, env ...string) {
	t.Helper()
	cmd := exec.Command("sh", file)
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{"PATH=/usr/bin:/bin", "HOME=" + cmd.Dir}, env...)
	out, err := cmd.CombinedOutput()
	if (err == nil) != success {
		t.Errorf("%s %q: %v", filepath.Base(file), env, err)
	}
	if !regexp.MustCompile(want).Match(out) {
		t.Errorf("%s %q prints\n%swant\n%s", filepath.Base(file), env, out, want)
	}
}

func TestBundle(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED with -short: takes 20 seconds")
	}
	if _, err := exec.LookPath("xz"); err != nil && os.Getenv("CI") == "" {
		t.Skipf("SKIPPED: the bundle is packed by xz: %v", err)
	}
	lib, err := cudatest.Build()
	if errors.Is(err, cudatest.ErrNoCompiler) && os.Getenv("CI") == "" {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "gpu-bundle")
	pack := exec.Command("sh", "bundle.sh", bundle)
	// Built with the flags of this test, so that what is compiled already is used.
	pack.Env = append(os.Environ(), "BUILD=", "PACKAGES=cuda plugins/centerloss")
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("bundle.sh: %v\n%s", err, out)
	}
	if info, err := os.Stat(bundle + ".tar.xz"); err != nil {
		t.Fatal(err)
	} else if info.Size() > mostBytes {
		t.Errorf("the bundle has %d bytes, want at most %g", info.Size(), mostBytes)
	}
	elsewhere := t.TempDir()
	if out, err := exec.Command("tar", "-C", elsewhere, "-xf", bundle+".tar.xz").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	if err := os.RemoveAll(bundle); err != nil {
		t.Fatal(err)
	}
	test, bench := filepath.Join(elsewhere, "gpu-bundle", "gpu-test.sh"), filepath.Join(elsewhere, "gpu-bundle", "gpu-bench.sh")

	fake := "GOCAFFE_LIBCUDA=" + lib
	for _, file := range []string{test, bench} {
		script(t, false, `no CUDA driver(?s:.*) cannot be used: .* NVIDIA driver`, file, "GOCAFFE_LIBCUDA=/nowhere/libcuda.so.1")
		script(t, false, `there is no GPU 7(?s:.*)GPU 7 cannot be used`, file, fake, "GOCAFFE_DEVICE=7")
	}
	tests := "TESTS=Device|Memory|Number|Replay"
	script(t, true, `(?s)^GPU: .*\ncuda +\d+ passed +0 failed +\d+ skipped\n.*plugins/centerloss +\d+ passed +0 failed.*\npassed \d+, failed 0, skipped \d+\n$`,
		test, fake, tests)
	script(t, false, `(?s)cuLaunchKernel: a kernel failed.*\npassed \d+, failed [1-9]\d*, skipped \d+\n$`,
		test, fake, tests, "GOCAFFE_FAKE=fail=cuLaunchKernel:3:719")
	script(t, false, `passed 0, failed 0, skipped 0\n$`, test, fake, "TESTS=Nonesuch")
	script(t, true, `liunet-digits, batch 2: (?s:.*)\nfp32: [\d.]+ ms an iteration, \d+ images/s, 20,000 iterations: [\d.]+ minutes, \d+ GFLOP/s, [\d.]+ % of the float32 peak\n`+
		`fp32: EM-Softmax [\d.]+ ms: [-+][\d.]+ %\ntf32: `,
		bench, fake, "MODES=fp32 tf32", "NET=liunet-digits", "SHAPE=1,28,28", "BATCH=2", "ITERATIONS=1", "ROUNDS=1")
}
