package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/atomicfile"
	"github.com/gocaffe/gocaffe/internal/readfile"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/spf13/cobra"
)

func (a *app) upgradeNetCommand() *cobra.Command {
	var form string
	cmd := &cobra.Command{
		Use:   "upgrade-net IN OUT",
		Short: "Upgrade an old net or weights file to the current format",
		Long: `Upgrade a net in Caffe's V0 or V1 format, or with other fields that newer
versions replaced, to the current format. IN is a prototxt file, or a binary file
of weights (.caffemodel); OUT, which may be the same file, is of the same form.

It does what Caffe's upgrade_net_proto_text and upgrade_net_proto_binary do. The
text is printed anew, so comments are lost.`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error { return a.upgradeNet(args[0], args[1], form) },
	}
	cmd.Flags().StringVar(&form, "form", "", "form of the files: text or binary (default: that of IN)")
	return cmd
}

// upgradeNet writes the net in the file in, in the current format, to the file out.
func (a *app) upgradeNet(in, out, form string) error {
	switch form {
	case "text", "binary":
	case "":
		text, err := startsAsText(in)
		if err != nil {
			return err
		}
		form = "binary"
		if text {
			form = "text"
		}
	default:
		return fmt.Errorf("--form is %q, want text or binary", form)
	}
	if form == "binary" {
		p := new(caffepb.NetParameter)
		if err := prototxt.ReadBinary(in, p); err != nil {
			return err
		}
		notes, err := prototxt.UpgradeNet(in, p, nil)
		if err != nil {
			return err
		}
		a.upgraded(in, out, notes)
		return prototxt.WriteBinary(out, p)
	}
	n, err := prototxt.ReadNet(in)
	if err != nil {
		return err
	}
	a.upgraded(in, out, n.Notes)
	return atomicfile.WriteBytes(out, prototxt.Marshal(n.Param))
}

// startsAsText reports whether a file looks like text, from its first bytes.
func startsAsText(path string) (bool, error) {
	f, _, err := readfile.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	head := make([]byte, 1000)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	return prototxt.IsText(head[:n]), nil
}

func (a *app) upgradeSolverCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "upgrade-solver IN OUT",
		Short: "Upgrade an old solver file to the current format",
		Long: `Upgrade a solver whose algorithm is given as solver_type to the current format,
and old nets inside the solver. OUT may be the same file as IN.

It does what Caffe's upgrade_solver_proto_text does. The text is printed anew, so
comments are lost.`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := readfile.Text(context.Background(), args[0])
			if err != nil {
				return err
			}
			s, err := prototxt.ParseSolver(args[0], text)
			if err != nil {
				return err
			}
			a.upgraded(args[0], args[1], s.Notes)
			return atomicfile.WriteBytes(args[1], prototxt.Marshal(s.Param))
		},
	}
}

// upgraded logs what was upgraded in the file in.
func (a *app) upgraded(in, out string, notes []prototxt.Note) {
	if len(notes) == 0 {
		a.result("upgrade.go:1", fmt.Sprintf("%s is in the current format already; %s is written all the same", in, out))
	}
	a.notes(notes)
}
