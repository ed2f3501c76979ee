package campaign

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	gocaffecmd "github.com/gocaffe/gocaffe/cmd"
)

// processLimit is the memory limit of a worker's process in bytes.
const processLimit = 2 << 30

// A request is a mutant of a kind for a worker to try; number -1 is the original.
type request struct {
	Seed         uint64
	Kind, Number int
}

// A result is the outcome of a request.
type result struct {
	Skipped   bool
	Code      int
	Outcome   string // checksum of everything printed and written
	Allocated int64  // total bytes
	Output    string // the ends of the output
	Longest   int    // bytes in the longest line of the log and of errors
	Leaked    string // goroutines and files that were left open
}

// work tries mutants in the working folder, a fixture.
func work(in io.Reader, out io.Writer) error {
	if err := limitMemory(processLimit); err != nil {
		return err
	}
	original, err := tree(".")
	if err != nil {
		return err
	}
	// The goroutine for signals starts with the first command that handles them, and
	// stays.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	signal.Stop(signals)
	requests, results := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var q request
		switch err := requests.Decode(&q); {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		*seed = q.Seed
		r, err := try(kinds[q.Kind], q.Number, original)
		if err == nil {
			err = results.Encode(r)
		}
		if err != nil {
			return err
		}
	}
}

// try runs the command of a kind on a mutant, and restores the folder.
func try(k kind, number int, original map[string][]byte) (r result, err error) {
	args, data := k.args, k.mutant(number, original)
	if number >= 0 && k.skip != nil && k.skip(data) {
		return result{Skipped: true}, nil
	}
	if k.file == "" {
		args = strings.Split(string(data), "\n")
	} else if err := os.WriteFile(k.file, data, 0o666); err != nil {
		return r, err
	}
	var stdout, stderr bytes.Buffer
	var before, after runtime.MemStats
	held := measureHeld()
	runtime.ReadMemStats(&before)
	r.Code = gocaffecmd.Run(args, &stdout, &stderr)
	runtime.ReadMemStats(&after)
	r.Allocated = int64(after.TotalAlloc - before.TotalAlloc)
	r.Leaked = held.leaked()
	r.Output = last(stdout.String(), 500) + last(stderr.String(), 1500)
	for line := range strings.Lines(stderr.String()) {
		r.Longest = max(r.Longest, len(line))
	}

	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n", &stdout, masked(stderr.String()))
	files, err := tree(".")
	if err != nil {
		return r, err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		was, ok := original[name]
		if name == k.file || ok && bytes.Equal(files[name], was) {
			continue
		}
		fmt.Fprintf(sum, "%s %x\n", name, sha256.Sum256(files[name]))
	}
	r.Outcome = hex.EncodeToString(sum.Sum(nil))
	return r, restore(files, original, k.file)
}

// mutant returns the mutated file, or the lines of the command line, for a number.
func (k kind) mutant(number int, original map[string][]byte) []byte {
	data := original[k.file]
	if k.file == "" {
		data = []byte(strings.Join(k.args, "\n"))
	}
	if number < 0 {
		return data
	}
	return mutate(random(k.name, number), data, k.text)
}

// restore restores a folder.
func restore(files, original map[string][]byte, changed string) error {
	for name := range files {
		if _, ok := original[name]; !ok {
			top, _, _ := strings.Cut(name, "/")
			if _, err := os.Stat(filepath.Join(top, ".keep")); err == nil {
				top = name // of a folder of the fixture
			}
			if err := os.RemoveAll(top); err != nil {
				return err
			}
		}
	}
	for name, data := range original {
		if now, ok := files[name]; name == changed || !ok || !bytes.Equal(now, data) {
			if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
				return err
			}
			if err := os.WriteFile(name, data, 0o666); err != nil {
				return err
			}
		}
	}
	return nil
}

// last returns the end of a text.
func last(s string, n int) string { return s[max(0, len(s)-n):] }

var (
	logPrefix = regexp.MustCompile(`(?m)^([IWEF])\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ `)
	logTimes  = regexp.MustCompile(`\([^()]* iter/s, [^()]*\)`)
)

// masked returns a log without times and durations.
func masked(log string) string {
	return logTimes.ReplaceAllString(logPrefix.ReplaceAllString(log, "$1 "), "(time)")
}

// held is the set of goroutines and files that a process has open.
type held struct{ routines, files int }

func measureHeld() held {
	entries, _ := os.ReadDir("/proc/self/fd") // nothing on other systems
	return held{runtime.NumGoroutine(), len(entries)}
}

// leaked describes what is open now and was not before. A goroutine may still run its
// last instructions after the goroutine waiting for it has been woken.
func (h held) leaked() string {
	var now held
	for range 200 {
		if now = measureHeld(); now.routines <= h.routines && now.files <= h.files {
			return ""
		}
		time.Sleep(5 * time.Millisecond)
	}
	stacks := make([]byte, 1<<14)
	return fmt.Sprintf("%+v before, %+v after\n%s", h, now, stacks[:runtime.Stack(stacks, true)])
}
