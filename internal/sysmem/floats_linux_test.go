package sysmem

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"
)

// TestHugePages looks for the pages of arrays in what the system says about them.
func TestHugePages(t *testing.T) {
	for _, bytes := range []int{hugePage / 8, hugePage, 16 * hugePage} {
		t.Run(fmt.Sprint(bytes), func(t *testing.T) { testHugePages(t, bytes) })
	}
}

func testHugePages(t *testing.T, bytes int) {
	mode, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil || strings.Contains(string(mode), "[never]") {
		t.Skipf("SKIPPED: the system gives no huge pages (%q, %v)", mode, err)
	}
	x := Floats(bytes / 4)
	for i := range x {
		x[i] = 1
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	middle := uintptr(unsafe.Pointer(&x[len(x)/2]))
	inside := false
	for line := range strings.Lines(string(maps)) {
		var first, last uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &first, &last); n == 2 {
			inside = first <= middle && middle < last
		}
		if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok && inside {
			if !strings.Contains(flags, " hg ") {
				t.Errorf("the flags of the array's pages are%s, want hg among them", strings.TrimRight(flags, "\n"))
			}
			return
		}
	}
	t.Error("the system knows no pages of the array")
}
