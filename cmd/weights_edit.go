package gocaffecmd

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/net"
	"github.com/gocaffe/gocaffe/surgery"
	"github.com/spf13/cobra"
)

// weightsEdits are the flags of weights that change layers or make them.
type weightsEdits struct {
	netFlags
	init                          string
	seed                          uint64
	phase                         string
	rename, copies, shape, remove []string
	fit                           string
}

func (e *weightsEdits) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&e.init, "init", "", "in place of FILE: a net's prototxt file, whose weights the fillers make")
	f.Uint64Var(&e.seed, "seed", 0, "seed for --init; a solver with this random_seed starts from the same weights")
	f.StringArrayVar(&e.rename, "rename", nil, "OLD=NEW: give a layer another name")
	f.StringArrayVar(&e.copies, "copy", nil, "FROM=TO: copy the weights of a layer to another, which is made if there is none")
	f.StringArrayVar(&e.shape, "reshape", nil, "BLOB=SHAPE: give a blob another shape, as in fc6.0=4096,256,6,6")
	f.StringArrayVar(&e.remove, "remove", nil, "LAYER: leave out a layer")
	f.StringVar(&e.fit, "fit", "", "a net's prototxt file: give blobs the shapes they have there")
	f.StringVar(&e.phase, "phase", "", "phase of the nets of --init and --fit: TRAIN or TEST (default: TRAIN)")
	shapeFlag(cmd, &e.inputShape, "shape of one item for data layers and inputs of these nets: C,H,W, or NAME=C,H,W (default: that of the data or the input)")
	e.registerState(cmd)
}

// wanted reports whether layers are to be changed.
func (e *weightsEdits) wanted() bool {
	return len(e.rename)+len(e.copies)+len(e.shape)+len(e.remove) > 0 || e.fit != ""
}

// apply changes weights as the flags say: names first, then copies, shapes, what is left
// out, and at last the shapes of a net.
func (e *weightsEdits) apply(a *app, model *caffepb.NetParameter) error {
	for _, each := range []struct {
		flag   string
		values []string
		edit   func(p *caffepb.NetParameter, from, to string) error
	}{
		{"--rename", e.rename, surgery.Rename},
		{"--copy", e.copies, surgery.Copy},
		{"--reshape", e.shape, reshapeBlob},
	} {
		for _, value := range each.values {
			at := strings.LastIndexByte(value, '=')
			if at <= 0 {
				return fmt.Errorf("%s is %q, want two names with = between them", each.flag, value)
			}
			if err := each.edit(model, value[:at], value[at+1:]); err != nil {
				return fmt.Errorf("%s %s: %w", each.flag, value, err)
			}
		}
	}
	for _, name := range e.remove {
		if err := surgery.Remove(model, name); err != nil {
			return fmt.Errorf("--remove %s: %w", name, err)
		}
	}
	if e.fit == "" {
		return nil
	}
	n, err := e.net(a, e.fit)
	if err != nil {
		return err
	}
	defer n.Close()
	changes, err := surgery.Fit(model, n)
	if err != nil {
		return prefixed("--fit "+e.fit+": ", err)
	}
	for _, c := range changes {
		fmt.Fprintf(a.stderr, "%s.%d: %s -> %s\n", c.Layer, c.Blob, strings.Join(sizes(c.From), "x"), strings.Join(sizes(c.To), "x"))
	}
	return nil
}

// prefixed puts text before each line of an error.
func prefixed(text string, err error) error {
	return errors.New(text + strings.ReplaceAll(err.Error(), "\n", "\n"+text))
}

// reshapeBlob gives a blob, such as fc6.0, the shape of a text such as 4096,256,6,6.
func reshapeBlob(p *caffepb.NetParameter, key, text string) error {
	dot := strings.LastIndexByte(key, '.')
	i, err := strconv.Atoi(key[dot+1:])
	if dot <= 0 || err != nil {
		return fmt.Errorf("%q is no blob, want a layer and the number of the blob, such as fc6.0", key)
	}
	var shape []int
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil {
			return fmt.Errorf("the shape is %q, want numbers separated by commas", text)
		}
		shape = append(shape, n)
	}
	return surgery.Reshape(p, key[:dot], i, shape...)
}

// net makes the net of --init or --fit. Its data layers need no data if --input-shape
// gives the shape.
func (e *weightsEdits) net(a *app, path string) (*net.Net, error) {
	phase, err := parsePhase(e.phase)
	if err != nil {
		return nil, err
	}
	synthetic, err := e.generated()
	if err != nil {
		return nil, err
	}
	file, err := net.Read(path)
	if err != nil {
		return nil, err
	}
	a.notes(file.Notes)
	n, err := net.New(file, net.Options{
		State:     netState(file.Param, phase, e.level, e.stages()),
		Workers:   a.workers,
		Seed:      e.seed,
		Observer:  notesOnly{a},
		Synthetic: synthetic,
	})
	if err != nil {
		return nil, withReason(err, "the net is made in the phase of --phase, TRAIN unless it says TEST, with the level and the stages of --level and --stage")
	}
	return n, nil
}

// made returns the weights that the fillers of the net of --init make.
func (e *weightsEdits) made(a *app) (*caffepb.NetParameter, error) {
	n, err := e.net(a, e.init)
	if err != nil {
		return nil, err
	}
	defer n.Close()
	return n.ToProto(false), nil
}
