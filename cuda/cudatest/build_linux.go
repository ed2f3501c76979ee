package cudatest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/cpu"
)

// The errors of Build on a machine without g++, and in a test that was built on another
// machine or with -trimpath.
var (
	ErrNoCompiler = errors.New("the fake CUDA driver needs g++, which is not installed")
	ErrNoSources  = errors.New("the fake CUDA driver is built from gocaffe's sources, which were not found")
)

// Build compiles the fake driver with all kernels (.cu files) of gocaffe and, if it is
// another one, of the module of the working directory. It returns the file of the
// library, which is kept in the folder for temporary files and built again only if a
// source changes.
func Build() (string, error) {
	compiler, err := exec.LookPath("g++")
	if err != nil {
		return "", ErrNoCompiler
	}
	b, err := newBuild(compiler)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(b.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close() // and releases the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	return b.library()
}

type build struct {
	compiler string
	flags    []string
	dir      string   // of the output
	root     string   // of gocaffe's sources
	fake     []string // the driver's sources
	kernels  []string // .cu files
	sum      string   // of all sources
}

func newBuild(compiler string) (*build, error) {
	b := &build{compiler: compiler, dir: filepath.Join(os.TempDir(), fmt.Sprintf("gocaffe-fake-cuda-%d", os.Getuid()))}
	_, file, _, _ := runtime.Caller(0)
	b.root = filepath.Dir(filepath.Dir(filepath.Dir(file)))
	if _, err := os.Stat(filepath.Join(b.root, "go.mod")); err != nil {
		return nil, fmt.Errorf("%w: %q", ErrNoSources, b.root)
	}
	b.flags = []string{"-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden", "-fno-math-errno", "-Wall", "-Wno-unused",
		"-DGC_CPU", "-I" + filepath.Join(b.root, "cuda", "kernel")}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		b.flags = append(b.flags, "-mavx2", "-mfma")
	}
	roots := []string{b.root}
	if here := moduleRoot(); here != "" && here != b.root {
		roots = append(roots, here)
	}
	version, err := exec.Command(compiler, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("%s --version: %w", compiler, err)
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%s%q", version, b.flags)
	for _, root := range roots {
		files, err := sources(root)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(hash, "%s %d\n%s", file, len(text), text)
			switch filepath.Ext(file) {
			case ".cu":
				b.kernels = append(b.kernels, file)
			case ".cpp":
				b.fake = append(b.fake, file)
			}
		}
	}
	b.sum = fmt.Sprintf("%x", hash.Sum(nil)[:10])
	return b, nil
}

// moduleRoot returns the folder of the go.mod at or above the working directory.
func moduleRoot() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}

// sources returns the kernels, their headers and the sources of the fake driver in a
// module.
func sources(root string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root {
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
				return filepath.SkipDir // another module
			}
			if strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules" {
				return filepath.SkipDir
			}
		}
		inFake := filepath.Base(filepath.Dir(path)) == "fake"
		switch filepath.Ext(name) {
		case ".cu", ".cuh", ".h":
			files = append(files, path)
		case ".cpp":
			if inFake {
				files = append(files, path)
			}
		}
		return nil
	})
	return files, err
}

// library builds the library unless it exists.
func (b *build) library() (string, error) {
	library := filepath.Join(b.dir, "libcuda-"+b.sum+".so")
	if _, err := os.Stat(library); err == nil {
		return library, nil
	}
	units := slices.Concat(b.fake, b.kernels)
	objects := make([]string, len(units))
	errs := make([]error, len(units))
	var wg sync.WaitGroup
	free := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, unit := range units {
		wg.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			objects[i], errs[i] = b.object(unit)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	args := slices.Concat([]string{"-shared", "-o", library + ".new"}, objects)
	if _, err := b.run(args...); err != nil {
		return "", err
	}
	return library, os.Rename(library+".new", library)
}

// object compiles a file, unless the same output of the preprocessor has been compiled
// before.
func (b *build) object(unit string) (string, error) {
	text, err := b.run(slices.Concat(b.flags, []string{"-x", "c++", "-E", unit})...)
	if err != nil {
		return "", err
	}
	if filepath.Ext(unit) == ".cu" {
		text = append(text, b.table(text)...)
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%s%s", b.compiler, b.flags)
	hash.Write(text)
	base := filepath.Join(b.dir, fmt.Sprintf("%s-%x", strings.ReplaceAll(filepath.Base(unit), ".", "_"), hash.Sum(nil)[:10]))
	if _, err := os.Stat(base + ".o"); err == nil {
		return base + ".o", nil
	}
	if err := os.WriteFile(base+".cpp", text, 0o600); err != nil {
		return "", err
	}
	defer os.Remove(base + ".cpp")
	if _, err := b.run(slices.Concat(b.flags, []string{"-c", "-o", base + ".new", base + ".cpp"})...); err != nil {
		return "", err
	}
	return base + ".o", os.Rename(base+".new", base+".o")
}

// kernelPattern matches extern "C" __global__ [__launch_bounds__(n)] void NAME(, in
// which the shim has replaced __global__ by __attribute__((used)).
var kernelPattern = regexp.MustCompile(`extern\s+"C"\s+__attribute__\(\(used\)\)\s*void\s+(\w+)\s*\(`)

// table returns source text that adds the kernels of a file to the fake's table.
func (b *build) table(text []byte) []byte {
	var table bytes.Buffer
	fmt.Fprintf(&table, "\n#include %q\n", filepath.Join(b.root, "cuda", "cudatest", "fake", "fibers.h"))
	for _, match := range kernelPattern.FindAllSubmatch(text, -1) {
		fmt.Fprintf(&table, "static gc_entry<%[1]s> gc_entry_of_%[1]s(\"%[1]s\");\n", match[1])
	}
	return table.Bytes()
}

func (b *build) run(args ...string) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(b.compiler, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", cmd, err, stderr.Bytes())
	}
	return stdout.Bytes(), nil
}
