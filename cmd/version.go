package gocaffecmd

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/gocaffe/gocaffe/kernel"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/spf13/cobra"
)

// A release is built by make release, whose linker sets these.
var release, releaseCommit string

// buildVersion returns the version and the commit that the program was built from,
// if they are known.
func buildVersion() (version, commit string) {
	if release != "" {
		return release, strings.TrimRight(" "+releaseCommit, " ")
	}
	version = "(devel)"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, ""
	}
	if info.Main.Path == modulePath {
		version = info.Main.Version
	}
	for _, dep := range info.Deps {
		if dep.Path == modulePath {
			version = dep.Version
		}
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = " " + s.Value[:min(12, len(s.Value))] + commit
		case s.Key == "vcs.modified" && s.Value == "true":
			commit += " (modified)"
		}
	}
	return version, commit
}

// versionText returns the output of gocaffe version: version, commit, kernels and
// number of layer types.
func versionText() string {
	version, commit := buildVersion()
	var s strings.Builder
	fmt.Fprintf(&s, "gocaffe %s%s %s %s/%s\n", version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(&s, "kernels: %s\n", kernel.Variant())
	fmt.Fprintf(&s, "layer types: %d\n", len(layers.Types()))
	return s.String()
}

const modulePath = "github.com/gocaffe/gocaffe"

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs(""),
		Run:   func(*cobra.Command, []string) { fmt.Fprint(a.stdout, versionText()) },
	}
}
