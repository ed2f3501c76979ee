package layertest

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"google.golang.org/protobuf/proto"
)

// The files of a golden case.
const (
	goldenNet       = "net.prototxt"
	goldenArrays    = "golden.binaryproto"
	goldenTolerance = "tolerance.txt"
)

// arrays holds named lists of arrays.
type arrays map[string][]*caffepb.BlobProto

// readArrays reads golden.binaryproto of a case.
func readArrays(cases fs.FS, folder string) (arrays, error) {
	name := path.Join(folder, goldenArrays)
	data, err := fs.ReadFile(cases, name)
	if err != nil {
		return nil, err
	}
	var net caffepb.NetParameter
	if err := proto.Unmarshal(data, &net); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	a := make(arrays)
	for _, entry := range net.GetLayer() {
		a[entry.GetName()] = entry.GetBlobs()
	}
	return a, nil
}

// empty reports whether an array only keeps a place in its list.
func empty(p *caffepb.BlobProto) bool {
	dims := p.GetShape().GetDim()
	return len(dims) == 1 && dims[0] == 0 && len(p.GetData()) == 0
}

// tolerances maps "ENTRY INDEX" to {atol, rtol}.
type tolerances map[string][2]float64

// readTolerances reads tolerance.txt of a case.
func readTolerances(cases fs.FS, folder string) (tolerances, error) {
	name := path.Join(folder, goldenTolerance)
	data, err := fs.ReadFile(cases, name)
	if err != nil {
		return nil, err
	}
	tol := make(tolerances)
	for i, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		fields := strings.Fields(line)
		if len(fields) != 4 {
			return nil, fmt.Errorf("%s:%d: line has %d fields, want ENTRY INDEX ATOL RTOL", name, i+1, len(fields))
		}
		atol, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
		rtol, err := strconv.ParseFloat(fields[3], 64)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
		tol[fields[0]+" "+fields[1]] = [2]float64{atol, rtol}
	}
	return tol, nil
}

// enter makes the other files of a case, such as InfogainLoss's source, available
// under the names that its net gives them: relative to the working directory.
func enter(t *testing.T, cases fs.FS, folder string) {
	t.Helper()
	entries, err := fs.ReadDir(cases, folder)
	if err != nil {
		t.Fatal(err)
	}
	dir := ""
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() || slices.Contains([]string{goldenNet, goldenArrays, goldenTolerance}, name) {
			continue
		}
		data, err := fs.ReadFile(cases, path.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if dir == "" {
			dir = t.TempDir()
			t.Chdir(dir)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}
