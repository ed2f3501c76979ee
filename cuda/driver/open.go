package driver

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/gocaffe/gocaffe/internal/dynlib"
)

// ErrNoDriver is the error of Open on a machine without an NVIDIA driver.
var ErrNoDriver = errors.New("no CUDA driver")

// Env is the environment variable that names a driver library to use instead of the
// system's.
const Env = "GOCAFFE_LIBCUDA"

// minVersion is the oldest CUDA version whose driver loads the kernels, which are
// PTX 7.0.
const minVersion = 11000

// Open loads and initializes the driver's library, which is never unloaded. It may be
// called again. The error is ErrNoDriver if there is no library; other errors mean
// that the driver does not work, for example because it finds no device or is too old.
func Open() (Driver, error) {
	lib, err := dynlib.Open(libraries()...)
	if errors.Is(err, dynlib.ErrUnsupported) {
		return nil, fmt.Errorf("%w: CUDA is not supported by this build", ErrNoDriver)
	}
	if err != nil {
		return nil, notFound(err)
	}
	d, err := newDriver(lib)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			e.Detail = initHint(e.Code)
		}
		return nil, err
	}
	if err := checkVersion(lib.Name(), d.Version()); err != nil {
		return nil, err
	}
	return d, nil
}

// libraries returns the names of the driver's library, in the order in which they are
// tried.
func libraries() []string {
	if name := os.Getenv(Env); name != "" {
		return []string{name}
	}
	if runtime.GOOS == "windows" {
		return []string{"nvcuda.dll"}
	}
	return []string{
		"libcuda.so.1", // from the loader's search path
		"/usr/lib/wsl/lib/libcuda.so.1",
		"/usr/local/nvidia/lib64/libcuda.so.1", // mounted into containers
		"/run/opengl-driver/lib/libcuda.so.1",  // NixOS
	}
}

// notFound returns an error that says what was looked for and what to do.
func notFound(cause error) error {
	if os.Getenv(Env) != "" {
		return fmt.Errorf("%w: %s names a file that cannot be loaded: %w", ErrNoDriver, Env, cause)
	}
	return fmt.Errorf("%w: %s was not found; it comes with NVIDIA's display driver: install that, or name the file in %s",
		ErrNoDriver, libraries()[0], Env)
}

// checkVersion returns an error for a driver that cannot load the kernels.
func checkVersion(library string, version int) error {
	if version >= minVersion {
		return nil
	}
	return fmt.Errorf("%s supports CUDA %s, the kernels need %s or newer: install NVIDIA driver 450 or newer",
		library, VersionString(version), VersionString(minVersion))
}

// VersionString formats a CUDA version: 12040 is "12.4".
func VersionString(version int) string {
	return fmt.Sprintf("%d.%d", version/1000, version%1000/10)
}

// initHint returns what to do when cuInit fails with a code.
func initHint(code Result) string {
	switch code {
	case NoDevice:
		if v, set := os.LookupEnv("CUDA_VISIBLE_DEVICES"); set {
			return fmt.Sprintf("CUDA_VISIBLE_DEVICES is %q: does it name a device of this machine?", v)
		}
		return "a driver is installed, but it sees no NVIDIA device (in a container: was it started with --gpus all?)"
	case Unknown:
		return "are the kernel modules loaded, nvidia_uvm too? nvidia-smi may say more"
	case StubLibrary:
		return "the loader found CUDA's libcuda for linking; take its folder (…/stubs) out of LD_LIBRARY_PATH"
	}
	return ""
}
