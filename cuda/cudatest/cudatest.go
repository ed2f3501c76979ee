// Package cudatest lets tests use a CUDA device that is not there. Fake builds a
// library that looks like the CUDA driver and computes on the CPU: the kernels
// are the same .cu files, compiled by g++ (cuda/kernel/cpu_shim.h). It does the
// work in streams late and in a random order, so that missing synchronization
// shows, and notes mistakes: leaks, memory used after it was freed, copies and
// writes out of bounds, handles that are destroyed, calls that a captured stream
// forbids. It also has small versions of cuBLAS and cuDNN.
package cudatest

import (
	_ "embed"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/internal/dynlib"
)

// A Control is the other end of the fake driver: what a test sets and sees.
type Control struct {
	File string // the library
	lib  *dynlib.Library
	t    testing.TB
}

// Set changes settings of the fake driver; it has
//
//	devices=1 memory=8589934592 version=12040 capability=80 multiprocessors=4
//	async=random|late|eager  when the work in a stream is done
//	seed=1                   of all that is random
//	log=1                    keep Calls
//	fail=cuMemAlloc_v2:3:2   the third call from now on fails with code 2
//	workspace=6000000        the faster algorithm of cuDNN needs as many bytes, and not 2^40
//	uncapturable=NAME        a call of this function fails while a stream is captured, and ends the capture
//
// with spaces between. A program that is started by the test reads them from
// the environment variable GOCAFFE_FAKE.
func (c *Control) Set(settings string) {
	c.call("fake_configure", settings)
}

// Calls returns the calls of the driver since the last Calls, if the setting log=1
// is made.
func (c *Control) Calls() []string { return c.take("fake_calls", "fake_forget_calls") }

// Problems returns the mistakes that were seen since the last Problems. What is
// left at the end of the test fails it.
func (c *Control) Problems() []string { return c.take("fake_problems", "fake_forget_problems") }

// Leaks says what is not given back at this moment. What is left at the end of the
// test fails it.
func (c *Control) Leaks() []string { return c.lines("fake_leaks") }

func (c *Control) take(read, forget string) []string {
	lines := c.lines(read)
	c.call(forget, "")
	return lines
}

// finish is called when the test ends.
func (c *Control) finish() {
	for _, problem := range c.Problems() {
		c.t.Errorf("fake CUDA driver: %s", problem)
	}
	for _, leak := range c.Leaks() {
		c.t.Errorf("fake CUDA driver: at the end of the test: %s", leak)
	}
	c.call("fake_reset", "")
}

func splitLines(text string) []string {
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

//go:embed selftest.ptx.gz
var selfTest string

//go:embed selftest_sm80.ptx.gz
var selfTestSM80 string

// SelfTest and SelfTestSM80 are the modules of selftest.cu and selftest_sm80.cu.
var (
	SelfTest     = cuda.NewModule(selfTest)
	SelfTestSM80 = cuda.NewModule(selfTestSM80)
)
