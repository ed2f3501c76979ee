package lib

import (
	"fmt"
	"path/filepath"
	"runtime"

	"github.com/gocaffe/gocaffe/internal/dynlib"
)

// dnnParts are the libraries that convolutions need, by version of cuDNN, each after
// those that it depends on. libcudnn only forwards calls to them.
var dnnParts = map[int][]string{
	8: {"cudnn_ops_infer", "cudnn_ops_train", "cudnn_cnn_infer", "cudnn_cnn_train"},
	9: {"cudnn_graph", "cudnn_engines_precompiled", "cudnn_engines_runtime_compiled", "cudnn_heuristic", "cudnn_ops", "cudnn_cnn"},
}

// dnnLinks are libraries that the parts of cuDNN 8 open by names without a version,
// which are links that only development packages install.
var dnnLinks = []string{"libcuda.so", "libnvrtc.so"}

// openParts opens the libraries that cuDNN opens when its functions are first called,
// and returns an error if one is missing, for which cuDNN would abort the program.
// cuDNN finds libraries that are open already by their names. A file that is not named
// like cuDNN's is taken to be complete.
func openParts(lib *dynlib.Library) error {
	file := lib.Name()
	if addr, err := lib.Symbol("cudnnGetVersion"); err == nil {
		if f := dynlib.File(addr); f != "" {
			file = f // the loader may have found it in any folder
		}
	}
	version := versionOf("cudnn", file)
	dir := filepath.Dir(file)
	open := func(name string) error {
		if _, err := dynlib.Open(filepath.Join(dir, name), name); err != nil {
			return fmt.Errorf("%s cannot be used: it would abort the program, because it needs %s: %w", file, name, err)
		}
		return nil
	}
	for _, part := range dnnParts[version] {
		if err := open(fileName(part, version)); err != nil {
			return err
		}
	}
	if version == 8 && runtime.GOOS == "linux" {
		for _, link := range dnnLinks {
			if err := open(link); err != nil {
				return err
			}
		}
	}
	return nil
}
