package campaign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	patience   = 30 * time.Second // for one mutant
	allowance  = 64 << 20         // total bytes that a mutant may allocate beyond those of the original
	longest    = 1000             // bytes in a line of a message
	batch      = 50               // mutants that a worker tries at a time
	manyFaults = 40
)

// A fault is a mutant that the program handled badly.
type fault struct {
	kind   string
	number int
	what   string
	output string
}

// A score counts the results of the mutants of a kind.
type score struct{ made, skipped, refused, same, other int }

// inLibrary is in what the Go runtime prints if a signal ends the process in C.
const inLibrary = "signal arrived during cgo execution"

// TestMutants changes the files and command lines of all kinds, -mutants in all, and runs
// the program on each, in processes with limits on memory and time. The program must
// reject a mutant with a readable message, or accept it; a result that differs from the
// original's is allowed only if the format has no checksum. No mutant may cause a panic,
// a signal or a timeout, allocate more than allowance, or leak a goroutine or an open
// file.
func TestMutants(t *testing.T) {
	t.Logf("-seed %d -mutants %d", *seed, *mutants)
	base := t.TempDir()
	mutantFixture(t, base)
	if *only != "" {
		showMutant(t, base)
		return
	}
	c := campaign{base: base, scores: make([]score, len(kinds))}
	tasks := make(chan [2]int) // kind, first number
	var workers sync.WaitGroup
	for i := range runtime.GOMAXPROCS(0) {
		dir := filepath.Join(t.TempDir(), strconv.Itoa(i))
		if err := os.CopyFS(dir, os.DirFS(base)); err != nil {
			t.Fatal(err)
		}
		workers.Go(func() {
			w := &worker{dir: dir}
			defer w.stop()
			for task := range tasks {
				c.batch(w, task[0], task[1], min(task[1]+batch, c.share(task[0])))
			}
		})
	}
	for first := 0; first < c.share(0); first += batch {
		for k := range kinds {
			if first < c.share(k) {
				tasks <- [2]int{k, first}
			}
		}
	}
	close(tasks)
	workers.Wait()
	c.report(t)
}

// A campaign is the state of TestMutants.
type campaign struct {
	base string

	mu      sync.Mutex
	scores  []score
	faults  []fault
	crashes int // of libraries in C
}

// share returns the number of mutants of a kind.
func (c *campaign) share(k int) int { return (*mutants + len(kinds) - 1 - k) / len(kinds) }

// batch tries a range of mutants of a kind.
func (c *campaign) batch(w *worker, k, from, to int) {
	original, what := w.ask(k, -1)
	if again, more := w.ask(k, -1); what == "" && more == "" && (original.Code != 0 || original.Outcome != again.Outcome) {
		what = fmt.Sprintf("the original: exit code %d, twice the same: %v", original.Code, original.Outcome == again.Outcome)
	} else {
		what += more
	}
	if what != "" {
		c.add(fault{kinds[k].name, -1, what, original.Output})
		return
	}
	var s score
	for n := from; n < to; n++ {
		r, what := w.ask(k, n)
		s.made++
		switch {
		case kinds[k].native && strings.Contains(what, inLibrary):
			what = ""
			c.crashed()
		case what != "":
		case r.Skipped:
			s.skipped++
		case strings.Contains(r.Output, "panic"):
			what = "panic"
		case r.Allocated > original.Allocated+allowance:
			what = fmt.Sprintf("%d MB allocated, %d by the original", r.Allocated>>20, original.Allocated>>20)
		case r.Leaked != "":
			what = "left open: " + r.Leaked
		case r.Longest > longest:
			what = fmt.Sprintf("a line of %d bytes", r.Longest)
		case r.Code != 0 && !strings.Contains(r.Output, "gocaffe: "):
			what = "rejected without a message"
		case r.Code != 0:
			s.refused++
		case r.Outcome == original.Outcome:
			s.same++
		case kinds[k].checked:
			what = "accepted with a different result, although the format has a checksum"
		default:
			s.other++
		}
		if what != "" {
			c.add(fault{kinds[k].name, n, what, r.Output})
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := &c.scores[k]
	*sum = score{sum.made + s.made, sum.skipped + s.skipped, sum.refused + s.refused, sum.same + s.same, sum.other + s.other}
}

// crashed counts a mutant that has crashed a library in C.
func (c *campaign) crashed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.crashes++
}

func (c *campaign) add(f fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, f)
}

// report logs the table for docs/reliability.md, and the faults.
func (c *campaign) report(t *testing.T) {
	var b strings.Builder
	var sum score
	row := func(name string, s score) {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d |\n", name, s.made, s.skipped, s.refused, s.same, s.other)
	}
	for k, s := range c.scores {
		row(kinds[k].name, s)
		sum = score{sum.made + s.made, sum.skipped + s.skipped, sum.refused + s.refused, sum.same + s.same, sum.other + s.other}
	}
	row("all", sum)
	t.Logf("%d faults\n| kind | mutants | not run | rejected | same result | different result |\n| --- | --- | --- | --- | --- | --- |\n%s", len(c.faults), &b)
	if c.crashes > 0 {
		t.Logf("%d mutants crashed libhdf5", c.crashes)
	}
	for _, f := range c.faults[:min(len(c.faults), manyFaults)] {
		t.Errorf("-seed %d -only '%s/%d': %s\n%s", *seed, f.kind, f.number, f.what, f.output)
	}
	if tried := sum.made - sum.skipped; len(c.faults) == 0 && (sum.refused < tried/10 || sum.refused > tried*95/100) {
		t.Errorf("%d of %d mutants were rejected, want some but not all", sum.refused, tried)
	}
}

// showMutant tries one mutant, writes it to a file, and logs the result.
func showMutant(t *testing.T, base string) {
	i := strings.LastIndexByte(*only, '/')
	number, err := strconv.Atoi((*only)[i+1:])
	for k, kind := range kinds {
		if err != nil || i < 0 || kind.name != (*only)[:i] {
			continue
		}
		original, err := tree(base)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(os.TempDir(), "mutant")
		write(t, path, kind.mutant(number, original))
		w := &worker{dir: base}
		defer w.stop()
		was, _ := w.ask(k, -1)
		r, what := w.ask(k, number)
		t.Logf("mutant of %s in %s: %s%+v\nthe original: %+v", kind.file, path, what, r, was)
		return
	}
	t.Fatalf("-only %s: want KIND/NUMBER", *only)
}

// A worker is a process that tries mutants. It is restarted after a mutant that ends it.
type worker struct {
	dir     string
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	results *json.Decoder
	pipe    *os.File
	stderr  bytes.Buffer
}

func (w *worker) start() error {
	r, out, err := os.Pipe()
	if err != nil {
		return err
	}
	defer out.Close()
	w.stderr.Reset()
	w.pipe, w.results = r, json.NewDecoder(r)
	w.cmd = exec.Command(os.Args[0])
	w.cmd.Dir, w.cmd.Stderr, w.cmd.ExtraFiles = w.dir, &w.stderr, []*os.File{out}
	w.cmd.Env = append(os.Environ(), roleEnv+"=worker")
	if w.stdin, err = w.cmd.StdinPipe(); err != nil {
		return err
	}
	return w.cmd.Start()
}

// stop ends the process, if there is one.
func (w *worker) stop() error {
	if w.cmd == nil {
		return nil
	}
	w.stdin.Close()
	err := w.cmd.Wait()
	w.pipe.Close()
	w.cmd = nil
	return err
}

// ask makes the process try a mutant. If that ends the process, ask returns how.
func (w *worker) ask(k, number int) (r result, what string) {
	if w.cmd == nil {
		if err := w.start(); err != nil {
			return r, err.Error()
		}
	}
	process, late := w.cmd.Process, false
	timer := time.AfterFunc(patience, func() {
		late = true
		process.Kill()
	})
	err := json.NewEncoder(w.stdin).Encode(request{*seed, k, number})
	if err == nil {
		err = w.results.Decode(&r)
	}
	stopped := timer.Stop()
	if err == nil {
		return r, ""
	}
	end := w.stop()
	if !stopped && late {
		return r, fmt.Sprintf("no end after %v", patience)
	}
	return r, fmt.Sprintf("the process ended: %v\n%.4000s", end, &w.stderr)
}
