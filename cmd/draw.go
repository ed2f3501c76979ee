package gocaffecmd

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gocaffe/gocaffe/internal/atomicfile"
	"github.com/gocaffe/gocaffe/internal/netdraw"
	"github.com/gocaffe/gocaffe/internal/picture"
	"github.com/spf13/cobra"
)

// drawFlags are the flags of draw.
type drawFlags struct {
	netFlags
	phase       string
	direction   string
	multipliers bool
}

func (a *app) drawCommand() *cobra.Command {
	var f drawFlags
	cmd := &cobra.Command{
		Use:   "draw NET FILE.svg|FILE.png|FILE.dot",
		Short: "Draw a net as a graph",
		Long: `Draw a net as SVG or PNG, or write its graph in Graphviz's language. Each box is a
layer, with its type, kernel/stride+padding, outputs, and the shapes of its tops;
layers that work in place are in the box of the layer before them.

Without --phase, the layers of all phases are drawn. The shapes are known if the
data is there, or if --input-shape gives that of one item; otherwise a note says
why they are not.`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error { return a.draw(args[0], args[1], &f) },
	}
	f.registerState(cmd)
	f.registerShape(cmd)
	cmd.Flags().StringVar(&f.phase, "phase", "", "phase of the net: TRAIN or TEST (default: ALL)")
	cmd.Flags().StringVar(&f.direction, "rankdir", "TB", "direction of the data: TB (down), BT, LR (right) or RL")
	cmd.Flags().BoolVar(&f.multipliers, "display-lrm", false, "show the multipliers of learning rates and decays")
	return cmd
}

// draw draws the net in the file path to the file out.
func (a *app) draw(path, out string, f *drawFlags) error {
	ending := strings.ToLower(filepath.Ext(out))
	if !slices.Contains([]string{".svg", ".png", ".dot", ".gv"}, ending) {
		return fmt.Errorf("%s: unknown ending %q, want .svg, .png or .dot", out, filepath.Ext(out))
	}
	f.direction = strings.ToUpper(f.direction)
	if !slices.Contains(netdraw.Directions, f.direction) {
		return fmt.Errorf("--rankdir is %q, want one of %s", f.direction, strings.Join(netdraw.Directions, ", "))
	}
	file, planned, _, err := a.plannedLayers(path, f.phase, &f.netFlags)
	if err != nil {
		return err
	}
	var layers []netdraw.Layer
	for _, l := range planned {
		drawn := netdraw.Layer{Param: l.param}
		if l.plan != nil {
			drawn.Tops = l.plan.Tops
		}
		layers = append(layers, drawn)
	}
	name := file.Param.GetName()
	if name == "" {
		name = filepath.Base(path)
	}
	g := netdraw.New(name, layers, netdraw.Options{
		Direction: f.direction, Multipliers: f.multipliers, ShowPhases: f.phase == "" || strings.EqualFold(f.phase, "ALL"),
	})
	if ending == ".dot" || ending == ".gv" {
		return atomicfile.Write(out, func(w io.Writer) error { return g.DOT(w) })
	}
	d := g.Layout()
	return writePicture(out, d.Width, d.Height, func(p *picture.Picture) { d.Draw(p) })
}
