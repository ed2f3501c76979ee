// Package testtool runs programs with which tests compare. Where one of them is absent, a
// test is skipped and says so; with CI set it fails.
package testtool

import (
	"os"
	"os/exec"
	"testing"
)

// Run returns what a program prints. The package of Debian that has the program is named
// where it is absent.
func Run(t testing.TB, pkg, program string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		Absent(t, "no "+program+" (apt-get install "+pkg+")")
	}
	return run(t, program, args...)
}

// Python runs a script that imports a module, such as "h5py", and returns what it prints.
// The module is that of Debian's package python3-<module>.
func Python(t testing.TB, module, script string, args ...string) string {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import "+module).Run() == nil {
			return run(t, python, append([]string{"-c", script}, args...)...)
		}
	}
	Absent(t, "no python3 with "+module+" (apt-get install python3-"+module+")")
	return ""
}

func run(t testing.TB, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", program, err, out)
	}
	return string(out)
}

// Absent skips a test, or fails it where CI promises what is absent.
func Absent(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal("CI promises it: ", what)
	}
	t.Skip("SKIPPED: ", what)
}
