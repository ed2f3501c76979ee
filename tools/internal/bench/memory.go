package bench

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// sampleTime is how often the memory of a program is looked up.
const sampleTime = 10 * time.Millisecond

// RunMiB runs a program and returns its largest resident memory in MiB. On Linux it asks the
// system while the program runs, since what wait4 reports is at least the memory of the
// process that started it: Linux keeps that number when a program is executed.
func RunMiB(cmd *exec.Cmd) (float64, error) {
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	done, last := make(chan bool), make(chan float64)
	go func() {
		mib := 0.0
		for tick := time.NewTicker(sampleTime); ; {
			mib = max(mib, highWater(cmd.Process.Pid))
			select {
			case <-tick.C:
			case <-done:
				tick.Stop()
				last <- mib
				return
			}
		}
	}()
	err := cmd.Wait()
	close(done)
	mib := <-last
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok && mib == 0 {
		mib = float64(usage.Maxrss) / 1024 // not on Linux, or too short a run
	}
	return mib, err
}

// highWater returns the largest resident memory that a process has had since it began its
// program, in MiB, or 0 if the system does not tell.
func highWater(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "\nVmHWM:")
	var kib float64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		return 0 // it has ended
	}
	return kib / 1024
}
