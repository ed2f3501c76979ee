// Package nvidia lets tests look at NVIDIA's own libraries, on machines without a
// GPU too.
package nvidia

import (
	"debug/elf"
	"os"
	"path/filepath"
	"testing"
)

// Env is the environment variable with the folder of the libraries, which make
// ptxas fetches.
const Env = "GOCAFFE_NVIDIA"

// Library returns the file of a library, such as "libcuda.so.1". Without Env, or if
// the folder does not have it, it skips the test.
func Library(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv(Env)
	if dir == "" {
		t.Skipf("SKIPPED: %s does not name a folder with NVIDIA's libraries (make ptxas)", Env)
	}
	file := filepath.Join(dir, name)
	if _, err := os.Stat(file); err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	return file
}

// HasFunctions fails the test unless a library exports all the functions.
func HasFunctions(t testing.TB, file string, functions []string) {
	t.Helper()
	lib, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer lib.Close()
	symbols, err := lib.DynamicSymbols()
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	exported := make(map[string]bool)
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF && elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			exported[s.Name] = true
		}
	}
	for _, f := range functions {
		if !exported[f] {
			t.Errorf("%s has no function %s", file, f)
		}
	}
}
