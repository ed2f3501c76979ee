// Package numpytest finds a Python with NumPy for tests.
package numpytest

import (
	"os"
	"os/exec"
	"sync"
	"testing"
)

var python = sync.OnceValue(func() string {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import numpy").Run() == nil {
			return python
		}
	}
	return ""
})

// Python returns a Python that has NumPy, or skips the test.
func Python(t testing.TB) string {
	t.Helper()
	if path := python(); path != "" {
		return path
	}
	if os.Getenv("CI") != "" && !testing.Short() {
		t.Fatal("CI promises a python3 with NumPy, and there is none")
	}
	t.Skip("SKIPPED: no python3 with NumPy (apt-get install python3-numpy)")
	return ""
}
