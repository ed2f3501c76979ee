// Zoo writes the files of prototxt/zoo that are alike: LiuNet, whose settings
// differ in width, data and schedule only, and the two AlexNets.
//
//	zoo DIR
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: zoo DIR")
		os.Exit(2)
	}
	for _, n := range liunets {
		write(os.Args[1], n.files())
	}
	for _, n := range alexnets {
		write(os.Args[1], n.files())
	}
}

// write writes files, given by their names, to the folder dir.
func write(dir string, files map[string]string) {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "zoo:", err)
			os.Exit(1)
		}
	}
}

// text collects the layers of a net.
type text struct {
	strings.Builder
	blob string // top of the last layer
}

func (t *text) add(format string, args ...any) { fmt.Fprintf(t, format, args...) }
