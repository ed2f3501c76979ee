package gocaffecmd

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gocaffe/gocaffe/internal/kernel/cpu"
	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/parallel"
)

// A benchReport has the results of gocaffe bench.
type benchReport struct {
	Date    string      `json:"date"`
	Commit  string      `json:"commit"`
	CPU     string      `json:"cpu"`
	L2      int         `json:"l2_bytes,omitempty"` // second and third cache, as package cpu defines them; 0 if unknown
	L3      int         `json:"l3_bytes,omitempty"`
	Kernels string      `json:"kernels"` // instruction set
	Threads int         `json:"threads"`
	GPU     string      `json:"gpu,omitempty"` // name; empty for the CPU
	Nets    []*netBench `json:"nets"`
}

// A netBench has the results of one net. Times are medians.
type netBench struct {
	Net                string       `json:"net"`
	Batch              int          `json:"batch"`
	Iterations         int          `json:"iterations"`
	ForwardOnly        bool         `json:"forward_only,omitempty"` // the net has no loss
	Milliseconds       float64      `json:"ms"`                     // of an iteration
	UpdateMilliseconds float64      `json:"update_ms"`              // of the update, part of ms
	ImagesPerSecond    float64      `json:"images_per_second"`
	GFlops             float64      `json:"gflops"` // per second
	PeakGFlops         float64      `json:"peak_gflops"`
	PeakPercent        float64      `json:"peak_percent"`
	PeakGBytes         float64      `json:"peak_gbytes,omitempty"` // per second; 0 without --layers
	Layers             []layerBench `json:"layers,omitempty"`

	flops float64 // of an iteration
}

// A layerBench has the results of one pass of a layer.
type layerBench struct {
	Layer         string  `json:"layer"`
	Type          string  `json:"type"`
	Pass          string  `json:"pass"` // forward, backward or update
	Milliseconds  float64 `json:"ms"`
	Percent       float64 `json:"percent"` // of the iteration
	GFlops        float64 `json:"gflops"`  // per second; 0 without products
	PeakPercent   float64 `json:"peak_percent"`
	GBytes        float64 `json:"gbytes"` // per second
	MemoryPercent float64 `json:"memory_percent"`

	flops, bytes float64
}

func newBenchReport(workers *parallel.Pool) *benchReport {
	_, commit := buildVersion()
	return &benchReport{
		Date:    time.Now().UTC().Format(time.DateOnly),
		Commit:  strings.TrimSpace(commit),
		CPU:     cpu.Name(),
		L2:      max(0, cpu.L2()),
		L3:      max(0, cpu.L3()),
		Kernels: kernel.Variant(),
		Threads: workers.Threads(),
	}
}

// benchWriters write a report, by format.
var benchWriters = map[string]func(io.Writer, *benchReport) error{
	"table":   writeBenchTable,
	"json":    writeBenchJSON,
	"go":      writeBenchGo,
	"history": writeBenchHistory,
}

func benchFormats() []string { return slices.Sorted(maps.Keys(benchWriters)) }

func writeBenchTable(out io.Writer, r *benchReport) error {
	if r.GPU != "" {
		fmt.Fprintf(out, "%s, ", r.GPU)
	}
	fmt.Fprintf(out, "%d threads, kernels for %s\n\n", r.Threads, r.Kernels)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "net\tbatch\tms/iteration\timages/s\tGFLOP/s\tpeak\t% of peak\t")
	for _, b := range r.Nets {
		fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", b.Net, b.Batch,
			b.Milliseconds, b.ImagesPerSecond, b.GFlops, b.PeakGFlops, b.PeakPercent)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, b := range r.Nets {
		if b.ForwardOnly {
			fmt.Fprintf(out, "\n%s has no loss: its iterations are forward passes.\n", b.Net)
		}
		if err := writeBenchLayers(out, b); err != nil {
			return err
		}
	}
	return nil
}

func writeBenchLayers(out io.Writer, b *netBench) error {
	if len(b.Layers) == 0 {
		return nil
	}
	fmt.Fprintf(out, "\n%s, batch %d: %.2f ms; peak %.1f GFLOP/s, memory %.1f GB/s\n\n",
		b.Net, b.Batch, b.Milliseconds, b.PeakGFlops, b.PeakGBytes)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "layer\ttype\tpass\tms\t%\tGFLOP/s\t% of peak\tGB/s\t% of memory\t")
	for _, l := range b.Layers {
		flops := "-\t-"
		if l.flops > 0 {
			flops = fmt.Sprintf("%.1f\t%.1f", l.GFlops, l.PeakPercent)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.3f\t%.1f\t%s\t%.1f\t%.1f\t\n", l.Layer, l.Type, l.Pass,
			l.Milliseconds, l.Percent, flops, l.GBytes, l.MemoryPercent)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nby type: %s\n", b.byType())
	return err
}

// byType returns the share of an iteration that each type of layer takes, in
// descending order.
func (b *netBench) byType() string {
	sums := make(map[string]float64)
	for _, l := range b.Layers {
		sums[l.Type] += l.Percent
	}
	types := slices.SortedFunc(maps.Keys(sums), func(x, y string) int {
		return cmp.Or(cmp.Compare(sums[y], sums[x]), cmp.Compare(x, y))
	})
	for i, t := range types {
		types[i] = fmt.Sprintf("%s %.1f %%", t, sums[t])
	}
	return strings.Join(types, ", ")
}

func writeBenchJSON(out io.Writer, r *benchReport) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// writeBenchGo writes the format of Go's benchmarks
// (golang.org/x/perf/benchfmt), with the number of threads in place of
// GOMAXPROCS.
func writeBenchGo(out io.Writer, r *benchReport) error {
	fmt.Fprintf(out, "goos: %s\ngoarch: %s\ncpu: %s\n", runtime.GOOS, runtime.GOARCH, r.CPU)
	if r.GPU != "" {
		fmt.Fprintf(out, "gpu: %s\n", r.GPU)
	}
	for _, b := range r.Nets {
		name := "Train"
		if b.ForwardOnly {
			name = "Forward"
		}
		fmt.Fprintf(out, "Benchmark%s/net=%s/batch=%d-%d %d %.0f ns/op %.1f images/s %.1f GFLOP/s %.1f %%peak\n",
			name, b.Net, b.Batch, r.Threads, b.Iterations, 1e6*b.Milliseconds, b.ImagesPerSecond, b.GFlops, b.PeakPercent)
		for _, l := range b.Layers {
			fmt.Fprintf(out, "BenchmarkLayer/net=%s/batch=%d/layer=%s/pass=%s-%d %d %.0f ns/op %.1f GB/s\n",
				b.Net, b.Batch, strings.NewReplacer("/", "_", " ", "_").Replace(l.Layer), l.Pass, r.Threads, b.Iterations,
				1e6*l.Milliseconds, l.GBytes)
		}
	}
	return nil
}

// writeBenchHistory writes rows of the table in docs/performance.md.
func writeBenchHistory(out io.Writer, r *benchReport) error {
	machine, threads := r.CPU, fmt.Sprintf(", %d threads", r.Threads)
	if r.GPU != "" {
		machine, threads = r.GPU, ""
	}
	for _, b := range r.Nets {
		name := b.Net
		if b.ForwardOnly {
			name += " forward"
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s, batch %d%s | %.1f ms | %.0f %% of %.0f GFLOP/s | |\n",
			r.Date, cmp.Or(r.Commit, "unknown"), machine, name, b.Batch, threads, b.Milliseconds, b.PeakPercent, b.PeakGFlops)
	}
	return nil
}
