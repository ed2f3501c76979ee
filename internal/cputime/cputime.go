//go:build unix

// Package cputime measures benchmarks by the time of the processor, which other work on
// the machine changes less than that of the clock.
package cputime

import (
	"syscall"
	"testing"
	"time"
)

// Used returns the processor time that this process has used, in all its threads.
func Used(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
