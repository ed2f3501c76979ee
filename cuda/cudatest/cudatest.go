// Package cudatest lets tests run without a GPU. Fake builds a library with the
// interface of the CUDA driver that computes on the CPU: the kernels are the same .cu
// files, compiled by g++ (cuda/kernel/cpu_shim.h). It runs the work in streams late
// and in a random order, so that missing synchronization has an effect, and reports
// mistakes: leaks, use of freed memory, copies and writes out of bounds, handles that
// were destroyed, calls that a captured stream does not allow. It also has small
// versions of cuBLAS and cuDNN.
package cudatest

import (
	_ "embed"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/internal/dynlib"
)

// A Control controls the fake driver for a test.
type Control struct {
	File string // the library
	lib  *dynlib.Library
	t    testing.TB
}

// Set changes settings of the fake driver:
//
//	devices=1 memory=8589934592 version=12040 capability=80 multiprocessors=4
//	async=random|late|eager  when streams run their work; late: only when the host waits
//	seed=1                   of the random order
//	log=1                    record Calls
//	fail=cuMemAlloc_v2:3:2   the third call from now on fails with code 2
//	workspace=6000000        bytes that the faster algorithm of cuDNN needs (2^40)
//	uncapturable=NAME        this function fails while a stream is captured, and invalidates the capture
//
// separated by spaces. A program that the test starts reads them from the environment
// variable GOCAFFE_FAKE.
func (c *Control) Set(settings string) {
	c.call("fake_configure", settings)
}

// Calls returns the calls of the driver since the last Calls. It needs the setting
// log=1.
func (c *Control) Calls() []string { return c.take("fake_calls", "fake_forget_calls") }

// Problems returns the mistakes found since the last Problems. The test fails if there
// are any at its end.
func (c *Control) Problems() []string { return c.take("fake_problems", "fake_forget_problems") }

// Leaks describes the memory and the objects that are not released. The test fails if
// there are any at its end.
func (c *Control) Leaks() []string { return c.lines("fake_leaks") }

func (c *Control) take(read, forget string) []string {
	lines := c.lines(read)
	c.call(forget, "")
	return lines
}

// finish is called at the end of the test.
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
