package gocaffecmd

import (
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/cuda/driver"
)

func TestDeviceQuery(t *testing.T) {
	fake := cudatest.Fake(t, "devices=2 memory=16000000000 version=12040 capability=86")
	fake.UseLibraries()
	code, stdout, stderr := run("device_query")
	for _, want := range []string{
		"common.cpp:171] Device id:                     1\n",
		"] Major revision number:         8\n",
		"] Minor revision number:         6\n",
		"] Name:                          Fake device 0\n",
		"] Total global memory:           16000000000\n",
		"] Total shared memory per block: 49152\n",
		"] Number of multiprocessors:     4\n",
		"] Kernel execution timeout:      No\n",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("the log does not have %q:\n%s", want, stderr)
		}
	}
	for _, want := range []string{
		", CUDA 12.4\n", "GPU 1: Fake device 1, 16.0 of 16.0 GB free\n",
		"cuBLAS 12.4.5: " + fake.File, "cuDNN 9.1.0: " + fake.File,
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the output does not have %q:\n%s", want, stdout)
		}
	}
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, _, stderr := run("device_query", "--gpu", "1"); strings.Contains(stderr, "Fake device 0") || !strings.Contains(stderr, "Fake device 1") {
		t.Errorf("--gpu 1 shows:\n%s", stderr)
	}
}

func TestDeviceQueryErrors(t *testing.T) {
	t.Run("no driver", func(t *testing.T) {
		t.Setenv(driver.Env, "/nowhere/libcuda.so.1")
		code, stdout, _ := run("device_query")
		if code != 0 || !strings.Contains(stdout, "GPU: none: no CUDA driver: GOCAFFE_LIBCUDA names a file") {
			t.Errorf("exit code %d:\n%s", code, stdout)
		}
		code, _, stderr := run("device_query", "--gpu", "0")
		if code != 1 || !strings.Contains(stderr, "--gpu 0: no CUDA driver") {
			t.Errorf("exit code %d:\n%s", code, stderr)
		}
		for _, args := range [][]string{{"device_query", "--gpu", "0,x"}, {"time", "--model", "net.prototxt", "--gpu", "0,x"}} {
			if code, _, stderr := run(args...); code != 1 || !strings.Contains(stderr, `--gpu 0,x: "x" is not the number of a GPU`) {
				t.Errorf("%q: exit code %d:\n%s", args, code, stderr)
			}
		}
	})
	for _, c := range []struct{ settings, gpu, want string }{
		{"devices=0", "0", "--gpu 0: cuInit: no CUDA device"},
		{"devices=1", "1", "--gpu 1: there is no GPU 1: the driver finds 1, numbered from 0"},
		{"devices=1", "x", `"x" is not the number of a GPU`},
		{"version=10020", "all", "supports CUDA 10.2, the kernels need 11.0 or newer"},
		{"fail=cuDevicePrimaryCtxRetain:1:2", "0", "GPU 0: cuDevicePrimaryCtxRetain: out of memory"},
	} {
		t.Run(c.settings, func(t *testing.T) {
			cudatest.Fake(t, c.settings)
			code, _, stderr := run("device_query", "--gpu", c.gpu)
			if code != 1 || !strings.Contains(stderr, c.want) {
				t.Errorf("exit code %d, want 1 and %q:\n%s", code, c.want, stderr)
			}
		})
	}
}
