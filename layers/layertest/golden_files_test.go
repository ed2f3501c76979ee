package layertest

import (
	"fmt"
	"io/fs"
	"path"
	"testing"

	"github.com/gocaffe/gocaffe/internal/reference"
)

// TestForks reads the golden cases of Caffe's forks, most of whose layers are not
// there: every array that is compared must have a tolerance, and every tolerance
// an array.
func TestForks(t *testing.T) {
	compared := []string{"tops", "params_after", "bottom_diffs", "param_diffs", "tops_test2"}
	for root, want := range map[string]int{
		"layers-misc": 64, "layers-normface": 41, "layers-pspnet": 23, "layers-rcnn": 15, "layers-segnet": 15, "layers-ssd": 85, "layers-yolo": 13,
	} {
		cases := reference.ForksFS(t, root)
		files, err := fs.Glob(cases, "*/*/"+goldenArrays)
		if err != nil || len(files) < want {
			t.Errorf("%s has %d cases (error %v), want at least %d", root, len(files), err, want)
		}
		for _, file := range files {
			folder := path.Dir(file)
			values, err := readArrays(cases, folder)
			if err != nil {
				t.Fatal(err)
			}
			tolerance, err := readTolerances(cases, folder)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range compared {
				for i, p := range values[entry] {
					name := fmt.Sprintf("%s %d", entry, i)
					if _, ok := tolerance[name]; !ok && !empty(p) {
						t.Errorf("%s/%s: %s has no tolerance", root, folder, name)
					}
					delete(tolerance, name)
				}
			}
			for name := range tolerance {
				t.Errorf("%s/%s: there is a tolerance for %s, but no array", root, folder, name)
			}
		}
	}
}
