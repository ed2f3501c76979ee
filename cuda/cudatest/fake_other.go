//go:build !linux

package cudatest

import (
	"errors"
	"testing"
)

// Fake skips the test: the fake driver is for Linux.
func Fake(t testing.TB, _ ...string) *Control {
	t.Skipf("SKIPPED: %v", fakeAvailable())
	return nil
}

func fakeAvailable() error { return errors.New("the fake CUDA driver is for Linux") }

// UseLibraries does nothing: Fake has skipped the test.
func (c *Control) UseLibraries() {}

func (c *Control) call(string, string)   {}
func (c *Control) lines(string) []string { return nil }
