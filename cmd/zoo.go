package gocaffecmd

import (
	"fmt"
	"path/filepath"
	"text/tabwriter"

	"github.com/gocaffe/gocaffe/prototxt/zoo"
	"github.com/spf13/cobra"
)

func (a *app) zooCommand() *cobra.Command {
	list := &cobra.Command{
		Use:   "zoo",
		Short: "List the nets that come with gocaffe, or write one to a folder",
		Args:  noArgs(""),
		RunE:  func(*cobra.Command, []string) error { return a.zooList() },
	}
	var force bool
	write := &cobra.Command{
		Use:   "write NAME DIR",
		Short: "Write a net and its solvers to a folder",
		Long: `Write a net and its solvers to a folder.

The files name the databases that "gocaffe convert" puts into the same folder:

	gocaffe convert mnist DATA mnist
	gocaffe zoo write lenet mnist
	gocaffe train --solver mnist/lenet_solver.prototxt`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error { return a.zooWrite(args[0], args[1], force) },
	}
	write.Flags().BoolVar(&force, "force", false, "overwrite existing files")
	list.AddCommand(write)
	return list
}

func (a *app) zooList() error {
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	for _, e := range zoo.Entries() {
		if e.Base == "" {
			fmt.Fprintf(w, "%s\t%s\n", e.Name, e.Doc)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(a.stdout, "\nEach LiuNet is there with other losses too, as liunet-mnist-em:")
	for _, l := range zoo.Losses() {
		fmt.Fprintf(w, "  -%s\t%s\n", l.Name, l.Doc)
	}
	return w.Flush()
}

func (a *app) zooWrite(name, dir string, force bool) error {
	entry, err := zoo.Lookup(name)
	if err != nil {
		return err
	}
	paths, err := entry.Write(dir, force)
	if err != nil {
		return err
	}
	for _, p := range paths {
		fmt.Fprintln(a.stdout, p)
	}
	switch entry.Data {
	case "":
	case "digits", "digit-scenes":
		fmt.Fprintf(a.stdout, "\nnext:\n  gocaffe convert %s %s\n", entry.Data, dir)
	default:
		fmt.Fprintf(a.stdout, "\nnext, with the %s files in the folder DATA:\n  gocaffe convert %[1]s DATA %s\n", entry.Data, dir)
	}
	for _, s := range entry.Solvers {
		fmt.Fprintf(a.stdout, "  gocaffe train --solver %s\n", filepath.ToSlash(filepath.Join(dir, s)))
	}
	if entry.Deploy != "" {
		at := func(name string) string { return filepath.ToSlash(filepath.Join(dir, name)) }
		fmt.Fprintf(a.stdout, "  gocaffe detect %s WEIGHTS %s --labels %s --draw found\n", at(entry.Deploy), at("scenes"), at("digit_scenes_labelmap.prototxt"))
	}
	return nil
}
