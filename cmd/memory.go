package gocaffecmd

import (
	"fmt"
	"runtime/debug"

	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/internal/sysmem"
)

// checkMemory compares what a run needs with the machine's memory: a warning if
// more than is free, an error if more than there is.
func (a *app) checkMemory(file string, need int64) error {
	machine, known := sysmem.Read()
	if !known {
		return nil
	}
	what := fmt.Sprintf("%s: the nets need %s of memory", file, gigabytes(need))
	switch {
	case need > machine.Total:
		return fmt.Errorf("%s, this machine has %s with swap; a smaller batch_size needs less", what, gigabytes(machine.Total))
	case need > machine.Available:
		a.glog.log(event.Warning, event.Caller(0), fmt.Sprintf("%s, %s are free", what, gigabytes(machine.Available)))
	}
	return nil
}

// weightsRead returns the memory that reading weights took to the system. Go would keep it for
// minutes.
func weightsRead() { debug.FreeOSMemory() }

func gigabytes(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }
