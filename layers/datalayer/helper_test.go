package datalayer

import (
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffelog"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data/lmdb"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
	"google.golang.org/protobuf/proto"
)

// database writes n records of 1 x 6 x 8 bytes, whose labels are their numbers,
// and returns the folder.
func database(t testing.TB, n int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "db")
	w, err := lmdb.Create(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		pixels := make([]byte, 48)
		for j := range pixels {
			pixels[j] = byte(i*7 + j)
		}
		value, err := proto.Marshal(&caffepb.Datum{
			Channels: proto.Int32(1), Height: proto.Int32(6), Width: proto.Int32(8), Data: pixels, Label: proto.Int32(int32(i)),
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(fmt.Appendf(nil, "%08d", i), value); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// imageFolder writes n images of 6 x 8 pixels and a list of them, whose labels
// are their numbers, and returns the list.
func imageFolder(t testing.TB, n int) string {
	t.Helper()
	dir := t.TempDir()
	var list strings.Builder
	for i := range n {
		img := image.NewGray(image.Rect(0, 0, 8, 6))
		for j := range img.Pix {
			img.Pix[j] = byte(i*7 + j)
		}
		f, err := os.Create(fmt.Sprintf("%s/%d.png", dir, i))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, img); err != nil {
			t.Fatal(err)
		}
		f.Close()
		fmt.Fprintf(&list, "%d.png %d\n", i, i)
	}
	name := filepath.Join(dir, "list.txt")
	if err := os.WriteFile(name, []byte(list.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// logged collects Caffe's log.
type logged struct{ lines []string }

// observer returns the observer that writes to l.
func (l *logged) observer() event.Observer { return caffelog.New(l.log) }

func (l *logged) log(level event.Level, source, text string) {
	l.lines = append(l.lines, fmt.Sprintf("%c %s] %s", level, source, text))
}

// run sets up the layer and returns its tops' numbers in the given passes.
func run(t testing.TB, env *layers.Env, text string, passes ...int64) [][]float32 {
	t.Helper()
	f, err := layertest.SetUp(env, text)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all [][]float32
	for _, env.Pass = range passes {
		if err := f.Forward(); err != nil {
			t.Fatal(err)
		}
		var numbers []float32
		for _, top := range f.Top {
			numbers = append(numbers, top.Data()...)
		}
		all = append(all, numbers)
	}
	return all
}

// labels returns the labels in batches of two tops, of n labels each.
func labels(batches [][]float32, n int) []int {
	var all []int
	for _, b := range batches {
		for _, v := range b[len(b)-n:] {
			all = append(all, int(v))
		}
	}
	return all
}

func upTo(n int64) []int64 {
	all := make([]int64, n)
	for i := range all {
		all[i] = int64(i)
	}
	return all
}

func equal(a, b [][]float32) bool {
	return slices.EqualFunc(a, b, func(x, y []float32) bool { return slices.Equal(x, y) })
}
