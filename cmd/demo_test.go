package gocaffecmd

import (
	"regexp"
	"strconv"
	"testing"
)

// TestDemo runs what the README tells a newcomer to run first.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED with -short: trains for half a minute")
	}
	t.Chdir(t.TempDir())
	out, _ := mustRun(t, "demo")
	m := regexp.MustCompile(`The net gets ([\d.]+) % of the test digits right`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no result in\n%s", out)
	}
	if right, _ := strconv.ParseFloat(m[1], 64); right < 98 {
		t.Errorf("%v %% are right, want 98", right)
	}
	mustRun(t, "check", "demo/liunet_digits_solver.prototxt")
}
