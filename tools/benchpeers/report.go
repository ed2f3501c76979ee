package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/gocaffe/gocaffe/tools/internal/bench"
)

// A report is what was measured on a machine.
type report struct {
	bench   *bench.Result        // one run of gocaffe bench, for the machine and the date
	peaks   [mostThreads]float64 // the highest measured, GFLOP/s, on 1 thread and so on
	peers   []string             // with versions
	rows    []row
	checks  []string // further aims
	missing []string
}

// A row is a comparison of times.
type row struct {
	net, run     string
	threads      int
	peer         string
	theirs, ours *times
	aim          float64 // of the ratio; 0 for none
}

func (r *row) ratio() float64 { return r.ours.milliseconds() / r.theirs.milliseconds() }

// aimed returns the aim and whether it is met. Of a missed one it says which share of the
// machine's peak it is: more than 100 % needs an algorithm with fewer multiply-adds than
// direct convolution.
func (r *report) aimed(l *row) (aim, met string) {
	if l.aim == 0 {
		return "", ""
	}
	aim, met = fmt.Sprintf("%.2f", l.aim), verdict(l.ratio() <= l.aim)
	if l.ratio() > l.aim {
		met += fmt.Sprintf(": the aim is %.0f %% of the peak", r.percent(l)*l.ratio()/l.aim)
	}
	return aim, met
}

// percent returns the share of the machine's peak that gocaffe reaches.
func (r *report) percent(l *row) float64 {
	return 100 * l.ours.gflop / (l.ours.milliseconds() / 1000) / r.peaks[l.threads-1]
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "missed"
}

func (r *report) addPeer(name string) {
	if !slices.Contains(r.peers, name) {
		r.peers = append(r.peers, name)
	}
}

// check adds a line about an aim.
func (r *report) check(met bool, format string, args ...any) {
	r.checks = append(r.checks, fmt.Sprintf(format, args...)+": "+verdict(met))
}

// further checks the speed of two threads and the memory, where there are aims.
func (r *report) further(what string, one, two *times, scaling, memory float64) {
	if scaling > 0 {
		times := one.milliseconds() / two.milliseconds()
		r.check(times >= scaling, "%s: 1 thread %.1f ms, %d threads %.1f ms, %.2f times as fast; aim %.2f",
			what, one.milliseconds(), mostThreads, two.milliseconds(), times, scaling)
	}
	if memory > 0 {
		r.check(two.mb <= memory, "%s: memory %.0f MB; aim %.0f", what, two.mb, memory)
	}
}

// skipped adds a line about something that is missing.
func (r *report) skipped(format string, args ...any) {
	r.missing = append(r.missing, "SKIPPED: "+strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// writers write a report, by format.
var writers = map[string]func(io.Writer, *report) error{"table": writeTable, "markdown": writeMarkdown}

// heading names the processor, its caches where they are known, and the date.
func (r *report) heading() string {
	list := []string{r.bench.CPU}
	for _, cache := range []struct {
		name  string
		bytes int
	}{{"second", r.bench.L2}, {"third", r.bench.L3}} {
		if cache.bytes > 0 {
			list = append(list, fmt.Sprintf("%s cache %.4g MB", cache.name, float64(cache.bytes)/(1<<20)))
		}
	}
	return strings.Join(append(list, r.bench.Date), ", ")
}

// machine describes the kernels, the peaks and the peers in a line.
func (r *report) machine() string {
	text := fmt.Sprintf("kernels for %s, peak %.0f GFLOP/s on 1 thread, %.0f on %d", r.bench.Kernels, r.peaks[0], r.peaks[mostThreads-1], mostThreads)
	if len(r.peers) > 0 {
		text += "; " + strings.Join(r.peers, ", ")
	}
	return text
}

func writeTable(out io.Writer, r *report) error {
	fmt.Fprintf(out, "%s: %s\n", r.heading(), r.machine())
	if len(r.rows) > 0 {
		fmt.Fprintln(out)
		w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, "net\trun\tthreads\tpeer\tits ms\tgocaffe ms\tof the peak\tratio\taim\t\tits MB\tgocaffe MB")
		for _, l := range r.rows {
			aim, met := r.aimed(&l)
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%.1f\t%.1f\t%.0f %%\t%.3f\t%s\t%s\t%.0f\t%.0f\n", l.net, l.run, l.threads, l.peer,
				l.theirs.milliseconds(), l.ours.milliseconds(), r.percent(&l), l.ratio(), aim, met, l.theirs.mb, l.ours.mb)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if len(r.checks) > 0 {
		fmt.Fprintln(out)
	}
	_, err := fmt.Fprint(out, lines("", r.checks), lines("", r.missing))
	return err
}

// writeMarkdown writes a section of docs/performance.md.
func writeMarkdown(out io.Writer, r *report) error {
	fmt.Fprintf(out, "### %s\n\n%s.\n", r.heading(), strings.ToUpper(r.machine()[:1])+r.machine()[1:])
	if len(r.rows) > 0 {
		fmt.Fprint(out, `
| net | run | threads | peer | time of the peer | gocaffe | of the peak | ratio | aim | | memory of the peer, gocaffe |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
`)
		for _, l := range r.rows {
			aim, met := r.aimed(&l)
			fmt.Fprintf(out, "| %s | %s | %d | %s | %.1f ms | %.1f ms | %.0f %% | %.2f | %s | %s | %.0f, %.0f MB |\n", l.net, l.run, l.threads, l.peer,
				l.theirs.milliseconds(), l.ours.milliseconds(), r.percent(&l), l.ratio(), aim, met, l.theirs.mb, l.ours.mb)
		}
	}
	if len(r.checks) > 0 {
		fmt.Fprintln(out)
	}
	_, err := fmt.Fprint(out, lines("- ", r.checks), lines("- ", r.missing))
	return err
}

func lines(before string, list []string) string {
	var text strings.Builder
	for _, l := range list {
		fmt.Fprintf(&text, "%s%s\n", before, l)
	}
	return text.String()
}
