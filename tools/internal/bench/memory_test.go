package bench

import (
	"os/exec"
	"runtime"
	"testing"
)

// TestRunMiB runs a small program from a process with much memory.
func TestRunMiB(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: the system does not tell the memory of a running program")
	}
	big := make([]byte, 200<<20)
	for i := 0; i < len(big); i += 4096 {
		big[i] = 1
	}
	mib, err := RunMiB(exec.Command("sleep", "0.2"))
	runtime.KeepAlive(big)
	if err != nil || !(mib > 0.1 && mib < 100) {
		t.Errorf("sleep had %.1f MiB (%v), want its own memory", mib, err)
	}
	if _, err := RunMiB(exec.Command("false")); err == nil {
		t.Error("no error from a program that fails")
	}
}
