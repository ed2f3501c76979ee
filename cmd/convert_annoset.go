package gocaffecmd

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/gocaffe/gocaffe/data/convert"
	"github.com/gocaffe/gocaffe/event"
	"github.com/spf13/cobra"
)

func (a *app) annosetCommand(made *databases) *cobra.Command {
	var o convert.AnnosetOptions
	cmd := &cobra.Command{
		Use:   "annoset ROOT LIST DB",
		Short: "Convert images and the boxes of their objects",
		Long: `Convert images and the boxes of their objects to the database DB for layers
AnnotatedData, as convert_annoset of SSD's Caffe does. The file LIST has lines
"image annotation", with paths in the folder or tar archive ROOT. With
--label-type coco, LIST is a file of COCO, such as instances_val2017.json.

	gocaffe convert annoset --label-map-file labelmap_voc.prototxt \
		VOCdevkit/ trainval.txt trainval_lmdb
	gocaffe convert annoset --label-type coco val2017/ instances.json val_lmdb

Without a label map, COCO's categories have the labels 1, 2, ... in their order.
Images that cannot be read are left out with a warning; if they are more than
--max-bad, DB is not written, and an old one stays.`,
		Args: cobra.ExactArgs(3),
	}
	f := cmd.Flags()
	annoType := f.String("anno-type", "detection", "kind of annotation: detection")
	f.StringVar(&o.LabelType, "label-type", "xml", "annotations: xml (VOC), json (one image of COCO), txt or coco")
	f.StringVar(&o.LabelMap, "label-map-file", "", "file with the labels of the classes (LabelMap)")
	f.BoolVar(&o.CheckLabel, "check-label", false, "fail if the label map has a name or label twice")
	minDim := f.Int("min-dim", 0, "accepted if 0: see --resize-height")
	maxDim := f.Int("max-dim", 0, "accepted if 0: see --resize-height")
	maxBad := imagesetFlags(f, &o.ImagesetOptions)
	return a.conversion(made, cmd, func(ctx context.Context, args []string, all convert.Options) error {
		switch {
		case *annoType == "classification":
			return errors.New("--anno-type is classification: `gocaffe convert imageset` converts images with one label")
		case *annoType != "detection":
			return fmt.Errorf("--anno-type is %q, want detection", *annoType)
		case *minDim != 0 || *maxDim != 0:
			return errors.New("--min-dim and --max-dim are not implemented: use --resize-height and --resize-width, or resize_param of the layer")
		}
		return a.images(&o.ImagesetOptions, *maxBad, all, func() (leftOut, total int, err error) {
			return convert.Annoset(ctx, args[0], args[1], args[2], o)
		})
	})
}

// images runs a conversion of images with warnings about those that are left out or
// damaged.
func (a *app) images(o *convert.ImagesetOptions, maxBad float64, all convert.Options, run func() (leftOut, total int, err error)) error {
	if !(maxBad >= 0 && maxBad <= 100) {
		return fmt.Errorf("--max-bad is %g, want 0 to 100 percent", maxBad)
	}
	o.Options = all
	o.MaxBad = maxBad / 100
	o.Skipped = func(err error) { a.glog.log(event.Warning, "convert_imageset.cpp:115", err.Error()) }
	var damaged atomic.Int64
	o.Damaged = func(err error) {
		damaged.Add(1)
		a.glog.log(event.Warning, event.Caller(0), err.Error())
	}
	leftOut, total, err := run()
	if n := damaged.Load(); err == nil && n > 0 {
		a.glog.log(event.Warning, event.Caller(0), fmt.Sprintf("%d of %d images are damaged and in the database as far as they could be decoded", n, total))
	}
	if err == nil && leftOut > 0 {
		a.glog.log(event.Warning, event.Caller(0), fmt.Sprintf("%d of %d images were left out", leftOut, total))
	}
	return err
}
