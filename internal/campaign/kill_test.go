package campaign

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tally counts the effects of kills, to show that there are some.
type tally struct {
	kills, ended, temps int // runs killed, runs that ended before, temporary files left by kills
}

func (k *tally) String() string {
	return fmt.Sprintf("%d kills, which left %d temporary files that the next start removed; %d runs ended before", k.kills, k.temps, k.ended)
}

// kill runs gocaffe and kills it, with SIGKILL on Unix, at a random moment within usual.
// It reports whether the run was killed before it ended.
func (k *tally) kill(t *testing.T, r *rand.Rand, usual time.Duration, dir string, args ...string) (killed bool) {
	t.Helper()
	cmd := program(dir, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Duration(r.Int64N(int64(usual))), func() { cmd.Process.Kill() })
	err := cmd.Wait()
	timer.Stop()
	var exit *exec.ExitError
	switch {
	case err == nil:
		k.ended++
		return false
	case errors.As(err, &exit) && exit.ExitCode() < 0: // by a signal
		k.kills++
		return true
	}
	t.Fatalf("gocaffe %s: %v\n%s", strings.Join(args, " "), err, &out)
	return false
}

// timed returns the duration of an uninterrupted run of gocaffe.
func timed(t *testing.T, dir string, args ...string) time.Duration {
	t.Helper()
	start := time.Now()
	mustRun(t, dir, args...)
	return time.Since(start)
}

// TestKill kills train, convert, compute-mean and deploy with SIGKILL at random
// moments, -rounds times each.
//
// The promises are: a file under its final name is complete at every moment; training
// that continues from the last snapshot gives the same files as an uninterrupted run,
// bit for bit; and the next start removes temporary files.
func TestKill(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("on Windows a killed process cannot be distinguished from a failed one")
	}
	t.Logf("-seed %d -rounds %d", *seed, *rounds)
	t.Run("train", killTrain)
	for _, w := range append(writers, levelDB) {
		t.Run(w.name, w.kill)
	}
}

var stateName = regexp.MustCompile(`_iter_(\d+)\.solverstate$`)

// lastState returns the newest state in a folder's files, or "".
func lastState(files map[string][]byte) string {
	last, newest := "", -1
	for name := range files {
		if m := stateName.FindStringSubmatch(name); m != nil {
			if n, _ := strconv.Atoi(m[1]); n > newest {
				last, newest = name, n
			}
		}
	}
	return last
}

func killTrain(t *testing.T) {
	dir := t.TempDir()
	snap := filepath.Join(dir, "snap")
	trainFixture(t, dir, "max_iter: 60\nsnapshot: 3\nlr_policy: \"step\"\nstepsize: 25\ngamma: 0.5\n")
	train := []string{"train", "--solver", "solver.prototxt"}
	usual := timed(t, dir, train...)
	want, err := tree(snap)
	if err != nil {
		t.Fatal(err)
	}
	if len(want) < 40 {
		t.Fatalf("a run writes %d files, want 20 snapshots", len(want))
	}

	var k tally
	for life := 0; k.kills < *rounds; life++ {
		for name := range want {
			if stateName.MatchString(name) || strings.HasSuffix(name, ".caffemodel") {
				os.Remove(filepath.Join(snap, name))
			}
		}
		for try := 0; ; try++ {
			r := random(fmt.Sprintf("train %d", life), try)
			files, err := tree(snap)
			if err != nil {
				t.Fatal(err)
			}
			args := append([]string{"--threads", strconv.Itoa(1 + r.IntN(3))}, train...)
			if state := lastState(files); state != "" {
				args = append(args, "--snapshot", filepath.Join("snap", state))
			}
			killed := k.kill(t, r, usual, dir, args...)
			if files, err = tree(snap); err != nil {
				t.Fatal(err)
			}
			maps.DeleteFunc(files, func(name string, data []byte) bool {
				if temporary(name) && killed {
					k.temps++
				}
				return killed && (temporary(name) || strings.HasSuffix(name, ".lock"))
			})
			for name, data := range files {
				if w, ok := want[name]; !ok {
					t.Errorf("-seed %d, life %d, try %d: %s was left behind", *seed, life, try, name)
				} else if !bytes.Equal(data, w) {
					t.Errorf("-seed %d, life %d, try %d: %s differs from that of an uninterrupted run", *seed, life, try, name)
				}
			}
			if t.Failed() {
				return
			}
			if !killed {
				compare(t, files, want)
				break
			}
		}
	}
	t.Log(&k)
}

// A writer is a command that replaces files. The tests run it on two inputs.
type writer struct {
	name string
	make func(t *testing.T, dir string) // the fixture
	args [2][]string                    // command lines that write the folder out from either input
	// order lists files in the order in which they are written: if a file is
	// new, those before it are new too.
	order []string
}

var writers = []writer{{
	name: "convert imageset",
	make: func(t *testing.T, dir string) { imageFixture(t, dir, 30) },
	args: [2][]string{
		{"convert", "imageset", "images", "list.txt", "out", "--force"},
		{"convert", "imageset", "images.tar.gz", "list.txt", "out", "--force", "--gray"},
	},
}, {
	name: "convert mnist",
	make: func(t *testing.T, dir string) { idxFixture(t, dir, 3000) },
	args: [2][]string{
		{"convert", "mnist", "images.idx", "labels.idx", "out", "--force"},
		{"convert", "mnist", "images.idx.gz", "labels.idx.gz", "out", "--force"},
	},
}, {
	name: "compute-mean",
	make: func(t *testing.T, dir string) {
		datums(t, filepath.Join(dir, "a"), random("a", 0))
		datums(t, filepath.Join(dir, "b"), random("b", 0))
		write(t, filepath.Join(dir, "out", ".keep"), nil)
	},
	args: [2][]string{{"compute-mean", "a", "out/mean.binaryproto"}, {"compute-mean", "b", "out/mean.binaryproto"}},
}, {
	name: "deploy",
	make: func(t *testing.T, dir string) {
		trainFixture(t, dir, "max_iter: 2\nsnapshot: 1\nlr_policy: \"fixed\"\n")
		mustRun(t, dir, "train", "--solver", "solver.prototxt")
	},
	args: [2][]string{
		{"deploy", "--model", "net.prototxt", "--weights", "snap/s_iter_1.caffemodel", "-o", "out", "--force"},
		{"deploy", "--model", "net.prototxt", "--weights", "snap/s_iter_2.caffemodel", "-o", "out", "--force", "--batch", "2"},
	},
	order: []string{"deploy.caffemodel", "deploy.prototxt"},
}, {
	name: "weights",
	make: func(t *testing.T, dir string) {
		trainFixture(t, dir, "max_iter: 2\nsnapshot: 1\nlr_policy: \"fixed\"\n")
		mustRun(t, dir, "train", "--solver", "solver.prototxt")
		write(t, filepath.Join(dir, "out", ".keep"), nil)
	},
	args: [2][]string{
		{"weights", "snap/s_iter_1.caffemodel", "--to", "out/w.npz", "--force"},
		{"weights", "snap/s_iter_2.caffemodel", "--to", "out/w.npz", "--force"},
	},
}}

// levelDB writes through a library of its own, to which TestFaults does not reach.
var levelDB = writer{
	name: "convert to LevelDB",
	make: writers[0].make,
	args: [2][]string{
		{"convert", "imageset", "images", "list.txt", "out", "--force", "--backend", "leveldb"},
		{"convert", "imageset", "images.tar.gz", "list.txt", "out", "--force", "--gray", "--backend", "leveldb"},
	},
}

// written returns the files in out, but for the library's own log, which has times.
func written(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files, err := tree(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	delete(files, "LOG")
	return files
}

// outputs creates the fixture in a folder and returns the files that each command line
// writes, and the duration of the second one.
func (w *writer) outputs(t *testing.T, dir string) (want [2]map[string][]byte, usual time.Duration) {
	t.Helper()
	w.make(t, dir)
	for i, args := range w.args {
		usual = timed(t, dir, args...)
		want[i] = written(t, dir)
	}
	return want, usual
}

// check checks that the files in out are those of either input, in order, and returns the
// number of temporary files next to them.
func (w *writer) check(t *testing.T, dir string, before, after map[string][]byte) (temps int) {
	t.Helper()
	files := written(t, dir)
	for name, data := range files {
		old, isOld := before[name]
		new, isNew := after[name]
		switch {
		case temporary(name):
			temps++
		case !isOld && !isNew:
			t.Errorf("%s was left behind", name)
		case !(isOld && bytes.Equal(data, old)) && !(isNew && bytes.Equal(data, new)):
			t.Errorf("%s is neither the old file nor the new one", name)
		}
	}
	for i, name := range w.order[min(1, len(w.order)):] {
		if first := w.order[i]; bytes.Equal(files[name], after[name]) && !bytes.Equal(files[first], after[first]) {
			t.Errorf("%s is new and %s is not", name, first)
		}
	}
	for name := range before {
		if _, ok := files[name]; !ok {
			t.Errorf("%s is gone", name)
		}
	}
	return temps
}

// beside returns the temporary files and folders beside out.
func beside(t *testing.T, dir string) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, ".*.tmp"))
	if err != nil {
		t.Fatal(err)
	}
	return left
}

func (w *writer) kill(t *testing.T) {
	dir := t.TempDir()
	want, usual := w.outputs(t, dir)
	var k tally
	for i := 0; k.kills < *rounds; i++ {
		before, after, args := want[(i+1)%2], want[i%2], w.args[i%2] // out contains the files in before
		// More killed runs follow a killed run, and then one that is not killed.
		r := random(w.name, i)
		for k.kills < *rounds && k.kill(t, r, usual, dir, args...) {
			k.temps += w.check(t, dir, before, after) + len(beside(t, dir))
			if t.Failed() {
				t.Fatalf("-seed %d, round %d", *seed, i)
			}
			if r.IntN(3) == 0 {
				break
			}
		}
		mustRun(t, dir, args...)
		compare(t, written(t, dir), after)
		if left := beside(t, dir); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		if t.Failed() {
			t.Fatalf("-seed %d, round %d", *seed, i)
		}
	}
	t.Log(&k)
}
