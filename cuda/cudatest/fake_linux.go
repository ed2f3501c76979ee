package cudatest

import (
	"errors"
	"os"
	"testing"
	"unsafe"

	"github.com/gocaffe/gocaffe/cuda/driver"
	"github.com/gocaffe/gocaffe/cuda/lib"
	"github.com/gocaffe/gocaffe/internal/dynlib"
)

// Fake makes driver.Open open the fake driver, with the given settings (see
// Control.Set), until the end of the test. The test then fails if mistakes were found
// or something was not released, so call Fake before registering the clean-up of what
// uses it. Without g++ or sources the test is skipped, or fails if the environment
// variable CI is set.
func Fake(t testing.TB, settings ...string) *Control {
	t.Helper()
	file, err := Build()
	if (errors.Is(err, ErrNoCompiler) || errors.Is(err, ErrNoSources)) && os.Getenv("CI") == "" {
		t.Skipf("SKIPPED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	library, err := dynlib.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	c := &Control{File: file, lib: library, t: t}
	c.call("fake_reset", "")
	for _, s := range settings {
		c.Set(s)
	}
	t.Setenv(driver.Env, file)
	t.Setenv(lib.EnvBLAS, "none") // real ones cannot use this device
	t.Setenv(lib.EnvDNN, "none")
	t.Cleanup(c.finish)
	return c
}

// fakeAvailable returns the error with which Fake skips tests, or nil.
func fakeAvailable() error {
	if _, err := Build(); errors.Is(err, ErrNoCompiler) || errors.Is(err, ErrNoSources) {
		return err
	}
	return nil
}

// UseLibraries makes package lib open the fake's cuBLAS and cuDNN until the end of the
// test. Without it there are none.
func (c *Control) UseLibraries() {
	c.t.Setenv(lib.EnvBLAS, c.File)
	c.t.Setenv(lib.EnvDNN, c.File)
}

func (c *Control) call(function, text string) {
	dynlib.Call(c.symbol(function), uintptr(unsafe.Pointer(dynlib.CString(text))))
}

func (c *Control) lines(function string) []string {
	f := c.symbol(function)
	size := dynlib.Call(f, 0, 0)
	buffer := make([]byte, size)
	dynlib.Call(f, uintptr(unsafe.Pointer(&buffer[0])), size)
	return splitLines(dynlib.GoString(buffer))
}

func (c *Control) symbol(name string) uintptr {
	c.t.Helper()
	f, err := c.lib.Symbol(name)
	if err != nil {
		c.t.Fatal(err)
	}
	return f
}
