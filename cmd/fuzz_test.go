package gocaffecmd

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

// FuzzArgs reads command lines, with a word in each line and a flag file. What they
// come to is read as itself, and cobra finds the same command in both.
func FuzzArgs(f *testing.F) {
	f.Add("train\n-solver\ns.prototxt\n-gpu=0\n--flagfile\nflags", "--threads=2\n# a comment\n-noalsologtostderr\n")
	f.Add("-nonsense\nx\ntrian", "")
	f.Add(strings.Repeat("x", 16000), "")
	f.Add("convert\nmnist\na\nb\n--backend=lmdb\n--\n-x", "")
	f.Add("convert_mnist_data\na\nb\nc\n--flagfile=flags", "--flagfile=flags\n")
	f.Add("zoo\nwrite\n-threads\n2\nlenet\ndir\n-h\n--version\n-v=3", "")
	f.Chdir(f.TempDir())
	f.Fuzz(func(t *testing.T, line, flags string) {
		if strings.Contains(line, "/") || strings.Contains(flags, "/") {
			return // no other files than these
		}
		if err := os.WriteFile("flags", []byte(flags), 0o666); err != nil {
			t.Fatal(err)
		}
		parse := func(words []string) ([]string, string, error) {
			root := (&app{stdout: io.Discard, stderr: io.Discard, glog: new(glog)}).root()
			args, err := caffeArgs(root, words)
			if err != nil {
				return nil, "", err
			}
			c, _, err := root.Find(args)
			if err != nil {
				return args, "", nil
			}
			return args, c.CommandPath(), nil
		}
		args, command, err := parse(strings.Split(line, "\n"))
		if err != nil {
			if message := err.Error(); message == "" || len(message) > 4096 {
				t.Errorf("a message of %d bytes", len(message))
			}
			return
		}
		again, same, err := parse(args)
		if err != nil || !slices.Equal(again, args) || same != command {
			t.Errorf("%q is %q (%s), and that is %q (%s), error %v", line, args, command, again, same, err)
		}
	})
}
