//go:build !linux

package cudatest

import "testing"

// Fake skips the test: the fake driver is for Linux.
func Fake(t testing.TB, _ ...string) *Control {
	t.Skip("SKIPPED: the fake CUDA driver is for Linux")
	return nil
}

// UseLibraries does nothing: Fake has skipped the test.
func (c *Control) UseLibraries() {}

func (c *Control) call(string, string)   {}
func (c *Control) lines(string) []string { return nil }
