package gocaffecmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) installCompatCommand() *cobra.Command {
	var force bool
	var program string
	cmd := &cobra.Command{
		Use:   "install-compat DIR",
		Short: "Create links by the names of Caffe's tools",
		Long: `Create links to gocaffe in the folder DIR by the names of Caffe's tools: caffe,
convert_imageset, compute_image_mean, and so on. Called by such a name, gocaffe
takes the tool's flags and arguments. Running it again updates the links.

If DIR has another file of such a name, no link is created; --force replaces it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return a.installCompat(args[0], program, force) },
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace files that are no links to gocaffe")
	cmd.Flags().StringVar(&program, "program", "", "what the links point to (default: this program)")
	return cmd
}

// installCompat links the names of Caffe's tools in dir to the program.
func (a *app) installCompat(dir, program string, force bool) error {
	if program == "" {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		if program, err = linkTarget(dir, self); err != nil {
			return err
		}
	}
	names := ToolNames()
	if runtime.GOOS == "windows" {
		for i, name := range names {
			names[i] = strings.TrimSuffix(strings.TrimSuffix(name, ".py"), ".bin") + ".exe"
		}
	}
	var taken []error
	for _, name := range names {
		path := filepath.Join(dir, name)
		if !force && !replaceable(path, program) {
			taken = append(taken, fmt.Errorf("%s is there and is no link to %s; --force replaces it", path, program))
		}
	}
	if err := errors.Join(taken...); err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := link(program, path); err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "%s -> %s\n", path, program)
	}
	return nil
}

// linkTarget returns what links in dir to a program have: its name if it is in dir,
// else its path.
func linkTarget(dir, program string) (string, error) {
	info, err := os.Stat(program)
	if err != nil {
		return "", err
	}
	beside, err := os.Stat(filepath.Join(dir, filepath.Base(program)))
	if err == nil && os.SameFile(info, beside) {
		return filepath.Base(program), nil
	}
	return program, nil
}

// replaceable reports whether nothing is lost if path becomes a link to the program.
func replaceable(path, program string) bool {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err != nil {
		return false
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(path)
		return err == nil && (target == program || filepath.Base(target) == filepath.Base(program))
	}
	return isSame(path, program)
}

// isSame reports whether path is a hard link to the program.
func isSame(path, program string) bool {
	if !filepath.IsAbs(program) {
		program = filepath.Join(filepath.Dir(path), program)
	}
	a, errA := os.Stat(path)
	b, errB := os.Stat(program)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// link makes a link to the program: a hard link on Windows, where only some users may
// create symbolic ones.
func link(program, path string) error {
	if runtime.GOOS != "windows" {
		return os.Symlink(program, path)
	}
	if !filepath.IsAbs(program) {
		program = filepath.Join(filepath.Dir(path), program)
	}
	return os.Link(program, path)
}
