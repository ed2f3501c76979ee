package imagelist

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/internal/atomicfile"
)

// write makes a list file.
func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestReadPairs reads lists of images and label images.
func TestReadPairs(t *testing.T) {
	for _, test := range []struct {
		text  string
		alone bool
		want  []Item
		err   string
	}{
		{"a.png b.png\n\n c.png\t d.png \r\n", false, []Item{{"a.png", "b.png", 1}, {"c.png", "d.png", 3}}, ""},
		{"\ufeffa b c d\ne f", false, []Item{{"a", "b", 1}, {"c", "d", 1}, {"e", "f", 2}}, ""},
		{"a\nb 3 4\n", true, []Item{{"a", "", 1}, {"b", "", 2}}, ""},
		{"", false, nil, ""},
		{"a b\nc\n", false, nil, `:2: got "c", want an image and its labels, two words with a blank between them`},
		{"a b c\n", false, nil, `:1: got "a b c", want an image`},
	} {
		name := write(t, test.text)
		list, err := ReadPairs(t.Context(), name, test.alone)
		if test.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), name+test.err) {
				t.Errorf("%q: %v, want %s", test.text, err, test.err)
			}
			continue
		}
		if err != nil || !slices.Equal(list.Items, test.want) {
			t.Errorf("%q: %v, %v, want %v", test.text, list, err, test.want)
		}
	}
}

func TestRead(t *testing.T) {
	type item struct {
		path   string
		line   int
		labels string
	}
	one := Options{Labels: 1}
	for _, test := range []struct {
		text string
		o    Options
		want []item
	}{
		{"a.png 3\nmy photos/b c.jpg -1\r\n\n  \nlast.png 2147483647   ", one,
			[]item{{"a.png", 1, "[3]"}, {"my photos/b c.jpg", 2, "[-1]"}, {"last.png", 5, "[2.147483647e+09]"}}},
		{"\ufeffa.png 3\n\ufeffb.png 4\n", one, []item{{"a.png", 1, "[3]"}, {"\ufeffb.png", 2, "[4]"}}},
		{"a  b.png \t 3\nb.png\t4\t\n c.png 5", one, []item{{"a  b.png", 1, "[3]"}, {"b.png", 2, "[4]"}, {" c.png", 3, "[5]"}}},
		{"bücher 图.png 7", one, []item{{"bücher 图.png", 1, "[7]"}}},
		{"a.png 0.5\nb.png -1e3", Options{Labels: 1, Float: true}, []item{{"a.png", 1, "[0.5]"}, {"b.png", 2, "[-1000]"}}},
		{"a.png 0 1\nb 7.png  2\t3\n7 8 9", Options{Labels: 2}, []item{{"a.png", 1, "[0 1]"}, {"b 7.png", 2, "[2 3]"}, {"7", 3, "[8 9]"}}},
		{"a b.png 0 -1 1.5\n1 2 3 4", Options{Float: true}, []item{{"a b.png", 1, "[0 -1 1.5]"}, {"1", 2, "[2 3 4]"}}},
		{"1 2\n", Options{}, []item{{"1", 1, "[2]"}}},
		{"", one, nil},
	} {
		name := write(t, test.text)
		list, err := Read(t.Context(), name, test.o)
		if err != nil {
			t.Errorf("%q: %v", test.text, err)
			continue
		}
		var got []item
		for i, it := range list.Items {
			got = append(got, item{it.Path, it.Line, fmt.Sprint(list.Labels(i))})
			if place := fmt.Sprintf("%s:%d", name, it.Line); list.Place(i) != place {
				t.Errorf("%q: place %s, want %s", test.text, list.Place(i), place)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%q: got %v, want %v", test.text, got, test.want)
		}
	}
}

func TestReadErrors(t *testing.T) {
	one := Options{Labels: 1, Hint: "the hint"}
	for _, test := range []struct {
		text string
		o    Options
		want string
	}{
		{"a.png 3\nb.png", one, `:2: got "b.png", want a path, a space and a label`},
		{" 3", one, `:1: got " 3", want a path, a space and a label`},
		{"a.png three", one, `:1: label "three", want a whole number`},
		{"a.png 2147483648", one, `:1: label "2147483648", want a whole number; the hint`},
		{"a.png 1.5", one, `:1: label "1.5", want a whole number; the hint`},
		{"a.png 1.5 x", Options{Labels: 2, Float: true}, `:1: label "x", want a number`},
		{"a.png nan", Options{Labels: 1, Float: true}, `:1: label "nan", want a number`},
		{"a.png 1e99", Options{Labels: 1, Float: true}, `:1: label "1e99", want a number`},
		{"a.png 1\nb.png 1 2\n3 4", Options{Labels: 2}, `:1: got "a.png 1", want a path and 2 labels`},
		{"b.png 1 2\n3 4", Options{}, `:2: got "3 4", want a path and 2 labels`},
		{"a.png 1 2", Options{Labels: 1 << 30}, ": 1073741824 labels on a line are asked for, want at most 1048576"},
		{"\xff\xfea\x00.\x00", one, ":1: the list is in UTF-16, want UTF-8 (in Windows' Notepad: Save as, Encoding)"},
		{"\xfe\xff\x00a\x00.", one, ":1: the list is in UTF-16, want UTF-8 (in Windows' Notepad: Save as, Encoding)"},
		{"a.png 1\nb\x00.png 1", one, ":2: the line has a byte 0: is it a list of images, in UTF-8?"},
		{"a.png 1\rb.png 2\r", one, ":1: the line has a carriage return in it: want lines that end in a line feed"},
		{"\n" + strings.Repeat("x", 3e6), one, ":2: the line has more than 1048576 bytes: is it a list of images?"},
	} {
		name := write(t, test.text)
		if _, err := Read(t.Context(), name, test.o); err == nil || err.Error() != name+test.want {
			t.Errorf("%.20q: got %.200v, want %s%s", test.text, err, name, test.want)
		}
	}
	if _, err := Read(t.Context(), "/no/list.txt", one); !errors.Is(err, fs.ErrNotExist) || err.Error() != `"/no/list.txt": no such file` {
		t.Errorf("absent: %v", err)
	}
}

func TestExplain(t *testing.T) {
	absent := &fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}
	for line, more := range map[string]string{
		"a.png 1": "", "a 1/b.png 1": "", "my photo.png 1": "", "1 2": "",
		"a.png 0 1":        "the line has 2 labels, one is expected; the hint",
		"a.png 0.5 -1 0 1": "the line has 4 labels, one is expected; the hint",
		"a b 3 1":          "if the line has 2 labels, one is expected; the hint",
		`img\a.png 1`:      `write / in place of \ in the path`,
	} {
		list, err := Read(t.Context(), write(t, line), Options{Labels: 1, Hint: "the hint"})
		if err != nil {
			t.Fatal(err)
		}
		want := absent.Error()
		if more != "" && (filepath.Separator == '/' || !strings.Contains(line, `\`)) {
			want += ": " + more
			if strings.HasPrefix(more, "the line") {
				want = more + ": " + absent.Error()
			}
		}
		if got := list.Explain(0, absent); !errors.Is(got, fs.ErrNotExist) || got.Error() != want {
			t.Errorf("%s: %v, want %s", line, got, want)
		}
		if other := errors.New("other"); list.Explain(0, other) != other {
			t.Errorf("%s: another error is changed", line)
		}
	}
	list, err := Read(t.Context(), write(t, "a.png 1 2 3"), Options{Labels: 2})
	if err != nil {
		t.Fatal(err)
	}
	if got := list.Explain(0, absent); got.Error() != "the line has 3 labels, 2 are expected: "+absent.Error() {
		t.Error(got)
	}
}

// archives writes the same files as a folder, a tar file and a compressed one.
func archives(t testing.TB, files map[string]string) []string {
	t.Helper()
	dir := t.TempDir()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: "./sub/", Typeflag: tar.TypeDir, Mode: 0o755})
	for name, content := range files {
		path := filepath.Join(dir, "folder", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		w.WriteHeader(&tar.Header{Name: "./" + name, Size: int64(len(content)), Mode: 0o644})
		w.Write([]byte(content))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(b.Bytes())
	z.Close()
	for name, content := range map[string][]byte{"a.tar": b.Bytes(), "a.tar.gz": zipped.Bytes()} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return []string{filepath.Join(dir, "folder"), filepath.Join(dir, "a.tar"), filepath.Join(dir, "a.tar.gz")}
}

func TestFiles(t *testing.T) {
	files := map[string]string{"a": "first", "sub/b": strings.Repeat("second", 3000), "sub/empty": ""}
	for _, root := range archives(t, files) {
		scratch := t.TempDir()
		f, err := Open(t.Context(), root, scratch)
		if err != nil {
			t.Fatal(err)
		}
		var buf []byte
		for name, want := range files {
			if buf, err = f.ReadFile(name, buf); err != nil || string(buf) != want {
				t.Errorf("%s: %s has %d bytes, error %v, want %d", root, name, len(buf), err, len(want))
			}
		}
		for _, name := range []string{"absent", "sub/absent"} {
			if _, err := f.ReadFile(name, nil); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v, want a not-exist error that names %s", root, err, name)
			}
		}
		if _, err := f.ReadFile("sub", nil); err == nil {
			t.Errorf("%s: a folder was read as a file", root)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(scratch); len(left) > 0 {
			t.Errorf("%s: %v is left", root, left)
		}
	}
}

// What a killed process has unpacked goes when images are opened again; what another
// process is using stays.
func TestUnpackedByKilled(t *testing.T) {
	dead := exec.Command(os.Args[0], "-test.run", "^$")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	scratch := t.TempDir()
	temp := func(pid int) string {
		name := strings.Replace(atomicfile.TempPattern("unpacked"), "*", "77", 1)
		path := filepath.Join(scratch, strings.Replace(name, fmt.Sprintf(".p%d.", os.Getpid()), fmt.Sprintf(".p%d.", pid), 1))
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	left, used := temp(dead.Process.Pid), temp(os.Getpid())
	f, err := Open(t.Context(), t.TempDir(), scratch)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file of a process that has ended: %v, want it removed", err)
	}
	if _, err := os.Stat(used); err != nil {
		t.Errorf("the file of a process that runs: %v", err)
	}
}

func TestDamagedArchives(t *testing.T) {
	roots := archives(t, map[string]string{"a": strings.Repeat("first", 1000)})
	scratch := t.TempDir()
	for _, root := range roots[1:] {
		whole, err := os.ReadFile(root)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 1, 20, len(whole) / 2} {
			if err := os.WriteFile(root, whole[:n], 0o644); err != nil {
				t.Fatal(err)
			}
			f, err := Open(t.Context(), root, scratch)
			if err == nil {
				_, err = f.ReadFile("a", nil)
				f.Close()
			}
			if err == nil || !strings.Contains(err.Error(), root) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%d of %d bytes: got %v, want one line that names the archive", n, len(whole), err)
			}
		}
		if err := os.WriteFile(root, whole, 0o644); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Open(ctx, root, scratch); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want a cancelled context", root, err)
		}
	}
	if left, _ := os.ReadDir(scratch); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// TestArchiveEnd has archives with too little and too much at the end, and one with
// a flipped bit.
func TestArchiveEnd(t *testing.T) {
	roots := archives(t, map[string]string{"a": strings.Repeat("first", 1000)})
	packed, err := os.ReadFile(roots[2])
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(roots[1])
	if err != nil {
		t.Fatal(err)
	}
	const end = 512 + 512 + 5120 // a folder, a header, 5000 bytes of content in whole blocks
	flipped := bytes.Clone(packed)
	flipped[len(flipped)-6] ^= 1 // in the checksum of gzip
	for name, test := range map[string]struct {
		archive []byte
		want    string // "" for none
	}{
		"as it is":           {whole, ""},
		"one block of zeros": {whole[:end+512], ""},
		"more zeros":         {append(bytes.Clone(whole), make([]byte, 70000)...), ""},
		"no end":             {whole[:end], "the tar archive has no end mark: is it cut short?"},
		"something behind":   {append(append(bytes.Clone(whole), make([]byte, 70000)...), 1), "the tar archive has no end mark, or something after it"},
		"two archives":       {append(bytes.Clone(whole), whole...), "the tar archive has no end mark, or something after it"},
		"gzip":               {packed, ""},
		"gzip, flipped":      {flipped, "gzip: invalid checksum"},
		"gzip, surplus":      {append(bytes.Clone(packed), "surplus bytes"...), "gzip: invalid header"},
		"gzip, cut":          {packed[:len(packed)-1], "unexpected EOF"},
	} {
		file := filepath.Join(t.TempDir(), "a.tar")
		if err := os.WriteFile(file, test.archive, 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := Open(t.Context(), file, t.TempDir())
		if err == nil {
			f.Close()
		}
		if (err == nil) != (test.want == "") || err != nil && (!strings.HasPrefix(err.Error(), file) || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}
