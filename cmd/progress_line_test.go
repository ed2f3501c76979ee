package gocaffecmd

import (
	"strings"
	"testing"
	"time"
)

func TestProgressLine(t *testing.T) {
	now := time.Unix(1000, 0)
	var out strings.Builder
	l := newProgressLine(&out, "iteration", 4000, 10_000)
	l.now, l.begin = func() time.Time { return now }, now
	l.width = func() int { return 80 }
	l.Describe("loss 0.0123457  lr 0.00999999")
	now = now.Add(10 * time.Second)
	l.Set(5000) // after a resume: 100 iterations in a second, not 500
	want := "\riteration 5000/10000 [=====     ]  50 %  100/s  50 s left  loss 0.0123457  lr 0.00999999\x1b[K"
	if got := out.String(); len(got)-len("\r\x1b[K") > 79 || !strings.Contains(got, "5000/10000") || !strings.Contains(got, "50 s left") || !strings.Contains(got, "lr 0.00999999") {
		t.Errorf("got  %q\nlike %q in 79 columns", got, want)
	}
	out.Reset()
	l.Set(5001) // too soon after the last drawing
	if out.String() != "" {
		t.Errorf("drawn again at once: %q", out.String())
	}
	for n := range 130 {
		if got := l.line(n); columns(got) > n {
			t.Errorf("%d columns, want %d: %s", columns(got), n, got)
		}
		if got := l.line(n); n >= 21 && !strings.HasPrefix(got, "iteration 5001/10000") {
			t.Errorf("%d columns: the count is missing: %s", n, got)
		}
	}
	if got, want := l.line(120), "iteration 5001/10000 [==========          ]  50 %  100/s  50 s left  loss 0.0123457  lr 0.00999999"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	l.Clear()
	if got := out.String(); got != "\r\x1b[K" {
		t.Errorf("Clear wrote %q", got)
	}
	l.Set(5002) // at once after others have written
	if !strings.Contains(out.String(), "5002/10000") {
		t.Errorf("after Clear: %q", out.String())
	}

	out.Reset()
	l = newProgressLine(&out, "record", 0, 0) // nobody knows how many
	l.Set(7)
	if got := out.String(); !strings.HasPrefix(got, "\rrecord 7") || strings.Contains(got, "%") {
		t.Errorf("without a total: %q", got)
	}
	newProgressLine(nil, "record", 0, 5).Set(1) // shows nothing
}

func TestShortTime(t *testing.T) {
	for d, want := range map[time.Duration]string{
		400 * time.Millisecond: "0 s", 59 * time.Second: "59 s", 200 * time.Second: "3 min 20 s",
		2*time.Hour + 15*time.Minute: "2 h 15 min", 76 * time.Hour: "3 d 4 h",
	} {
		if got := shortTime(d); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
}
