package lib

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gocaffe/gocaffe/internal/nvidia"
)

// TestSymbolsBLAS looks for the functions that blas.go calls in NVIDIA's cuBLAS.
func TestSymbolsBLAS(t *testing.T) {
	nvidia.HasFunctions(t, nvidia.Library(t, "libcublas.so.11"), blasFunctions)
}

// TestSymbolsDNN looks for the functions that dnn.go calls in each cuDNN of this
// machine, and for the parts of it that parts.go opens.
func TestSymbolsDNN(t *testing.T) {
	found := false
	for version, parts := range dnnParts {
		dirs := append(folders("cudnn", version), "/usr/lib/x86_64-linux-gnu")
		if dir := os.Getenv(nvidia.Env); dir != "" {
			dirs = append(dirs, dir)
		}
		for _, dir := range dirs {
			file := filepath.Join(dir, fileName("cudnn", version))
			if _, err := os.Stat(file); err != nil {
				continue
			}
			found = true
			nvidia.HasFunctions(t, file, dnnFunctions)
			for _, part := range parts {
				if _, err := os.Stat(filepath.Join(dir, fileName(part, version))); err != nil {
					t.Errorf("cuDNN of %s: %v", dir, err)
				}
			}
		}
	}
	if !found {
		t.Skip("SKIPPED: there is no cuDNN on this machine")
	}
}
