package python

import (
	"testing"
	"time"

	"github.com/gocaffe/gocaffe/layers"
)

// PID returns the process that a layer runs in.
func PID(l layers.Layer) int { return l.(*layer).process.cmd.Process.Pid }

// MemorySize returns the size of the memory that a layer shares with its process.
func MemorySize(l layers.Layer) int64 { return l.(*layer).process.memory.size }

// SetStopTime sets stopTime for a test.
func SetStopTime(t *testing.T, d time.Duration) {
	before := stopTime
	stopTime = d
	t.Cleanup(func() { stopTime = before })
}
