package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gocaffe/gocaffe/internal/atomicfile"
	"github.com/gocaffe/gocaffe/prototxt"
)

// Files returns the paths of the two files in a folder.
func Files(dir string) (model, weights string) {
	return filepath.Join(dir, "deploy.prototxt"), filepath.Join(dir, "deploy.caffemodel")
}

// CheckTarget fails if a file that Write would write exists, unless force is
// set.
func CheckTarget(dir string, force bool) error {
	model, weights := Files(dir)
	for _, path := range []string{model, weights} {
		switch _, err := os.Lstat(path); {
		case err == nil && !force:
			return fmt.Errorf("%s: %w", path, fs.ErrExist)
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return nil
}

// Write writes deploy.prototxt and deploy.caffemodel to a folder, which it
// creates if necessary. The text begins with the given lines as comments.
// Unless force is set, it fails if one of the files exists. If it fails,
// existing files stay as they were; the model is written last.
func (n *Net) Write(dir string, comment []string, force bool) (paths []string, err error) {
	if err := CheckTarget(dir, force); err != nil {
		return nil, err
	}
	model, weights := Files(dir)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	if err := prototxt.WriteBinary(weights, n.Weights); err != nil {
		return nil, err
	}
	if err := atomicfile.WriteBytes(model, n.text(comment)); err != nil {
		return nil, err
	}
	return []string{model, weights}, nil
}

// text returns the net as text.
func (n *Net) text(comment []string) []byte {
	var b bytes.Buffer
	for _, line := range comment {
		fmt.Fprintf(&b, "# %s\n", strings.ReplaceAll(line, "\n", " "))
	}
	for _, in := range n.Inputs {
		if in.Preparation != "" {
			fmt.Fprintf(&b, "# preprocessing of %q: %s\n", in.Name, in.Preparation)
		}
	}
	b.Write(prototxt.MarshalNet(n.Param))
	return b.Bytes()
}
