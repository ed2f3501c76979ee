//go:build linux

package cudatest_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/cuda/driver"
)

// plugin makes the working directory a module with one kernel.
func plugin(t *testing.T, kernel string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.com/plugin\n", "layer/twice.cu": kernel} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Join(dir, "layer"))
}

// TestPlugin runs a kernel of another module on the fake device.
func TestPlugin(t *testing.T) {
	plugin(t, `#include "gpu.h"
extern "C" __global__ void plugin_twice(float *x) { x[threadIdx.x] *= 2; }
`)
	cudatest.Fake(t)
	d, err := driver.Open()
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, errContext := d.PrimaryRetain(0)
	errCurrent := d.SetCurrent(c)
	m, errModule := d.ModuleLoad(".version 7.0\n.target sm_70\n.visible .entry plugin_twice(\n.param .u64 x\n)\n{}\n")
	f, errFunction := d.ModuleFunction(m, "plugin_twice")
	p, errAlloc := d.MemAlloc(8)
	x := [2]float32{3, 4}
	errIn := d.CopyToDevice(p, unsafe.Pointer(&x), 8)
	one := driver.Dim{X: 1, Y: 1, Z: 1}
	errLaunch := d.Launch(f, &driver.Config{Grid: one, Block: driver.Dim{X: 2, Y: 1, Z: 1}}, []unsafe.Pointer{unsafe.Pointer(&p)})
	errOut := d.CopyToHost(unsafe.Pointer(&x), p, 8)
	err = errors.Join(errContext, errCurrent, errModule, errFunction, errAlloc, errIn, errLaunch, errOut,
		d.MemFree(p), d.ModuleUnload(m), d.PrimaryRelease(0))
	if err != nil {
		t.Fatal(err)
	}
	if x != [2]float32{6, 8} {
		t.Errorf("twice 3 and 4 is %v", x)
	}
}

func TestBuildErrors(t *testing.T) {
	for _, c := range []struct{ name, kernel, want string }{
		{"syntax", "#include \"gpu.h\"\nextern \"C\" __global__ void plugin_bad(float *x) { x[0] = ; }\n", "twice.cu:2:"},
		{"name", "#include \"gpu.h\"\nextern \"C\" __global__ void selftest_scale(float *x) { x[0] = 1; }\n", "selftest_scale"},
	} {
		t.Run(c.name, func(t *testing.T) {
			plugin(t, c.kernel)
			_, err := cudatest.Build()
			if errors.Is(err, cudatest.ErrNoCompiler) && os.Getenv("CI") == "" {
				t.Skipf("SKIPPED: %v", err)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}
