package predict

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/net"
)

// A feeder prepares images for the input of a net.
type feeder struct {
	net           *net.Net
	input         *blob.Blob
	shape         [3]int // channels, height and width of the input
	height, width int    // that images are scaled to
	swap          []int  // for each channel of the net, the one of the image; nil: the same
	transformer   *data.Transformer
	crops         []data.Crop // parts of a scaled image that the net sees
	batch         int         // images in a pass
	observer      event.Observer

	pixels data.Pixels
}

// findInput finds the input of images among the inputs of the net, and its shape.
func (f *feeder) findInput(names []string) error {
	if len(names) == 0 {
		for _, l := range f.net.Layers() {
			if l.Info.Group == "data" && len(l.BottomNames) == 0 {
				return fmt.Errorf("the net reads its data by layer %q of type %s, want one for inference, with an Input layer (gocaffe deploy makes one)", l.Name, l.Type)
			}
		}
	}
	if len(names) != 1 {
		return fmt.Errorf("the net has %d inputs%s, want one", len(names), list(names))
	}
	f.input = f.net.Blob(names[0])
	if f.input.Axes() != 4 || f.input.Dim(1) != 1 && f.input.Dim(1) != 3 || f.input.Count() == 0 {
		return fmt.Errorf("the input %q has the shape %v, want batch x channels x height x width with 1 or 3 channels", names[0], f.input.Shape())
	}
	f.shape = [3]int(f.input.Shape()[1:])
	return nil
}

// outputBlob returns the blob of a name, or the only output of the net if the name is "".
// what says what it has to hold.
func (f *feeder) outputBlob(name, what string) (*blob.Blob, string, error) {
	if name == "" {
		outputs := f.net.Outputs()
		if len(outputs) != 1 {
			var names []string
			for _, o := range outputs {
				names = append(names, o.Name)
			}
			return nil, "", fmt.Errorf("the net has %d outputs%s: name the blob with %s", len(outputs), list(names), what)
		}
		name = outputs[0].Name
	}
	b := f.net.Blob(name)
	if b == nil {
		return nil, "", fmt.Errorf("the net has no blob %q; its blobs are %s", name, strings.Join(f.net.BlobNames(), ", "))
	}
	f.keep(name)
	return b, name, nil
}

// keep makes the net keep the values of blobs, which may otherwise share memory with others
// or not be computed.
func (f *feeder) keep(names ...string) {
	if slices.ContainsFunc(names, func(name string) bool { return !f.net.Keeps(name) }) {
		f.net.Keep()
	}
}

// setBatch sets how many images, or parts of images, are in a pass; 0: as many as the
// net's input has.
func (f *feeder) setBatch(n int) error {
	switch {
	case n < 0:
		return fmt.Errorf("the batch size is %d, want 1 or more", n)
	case n == 0:
		n = f.input.Dim(0)
	}
	f.batch = max(1, n/len(f.crops))
	return nil
}

// mode returns how images are to be decoded for the net.
func (f *feeder) mode() data.Mode {
	if f.shape[0] == 1 {
		return data.Gray
	}
	return data.Color
}

// fill gives the input the shape for some images and writes them into it. first is the
// number of the first one in errors.
func (f *feeder) fill(images []*data.Image, first int) error {
	if err := f.input.Reshape(len(images)*len(f.crops), f.shape[0], f.shape[1], f.shape[2]); err != nil {
		return err
	}
	size := f.input.CountFrom(1) * len(f.crops)
	to := f.input.MutableData()
	for i, image := range images {
		if err := f.prepare(to[i*size:][:size], image); err != nil {
			return fmt.Errorf("image %d: %w", first+i, err)
		}
	}
	return nil
}

// predictFiles reads image files and predicts them by run, f.batch at a time. For each
// file in order it calls result with what run returns, or with the error of reading the
// file; the others go on. It ends at the first error of run, or that result returns.
func predictFiles[T any](ctx context.Context, f *feeder, paths []string,
	run func(context.Context, ...*data.Image) ([]T, error), result func(i int, image *data.Image, of T, err error) error) error {
	for first := 0; first < len(paths); first += f.batch {
		if err := ctx.Err(); err != nil {
			return err
		}
		some := paths[first:min(first+f.batch, len(paths))]
		images, errs := f.decode(some)
		var readable []*data.Image
		for i, image := range images {
			if errs[i] != nil {
				continue
			}
			readable = append(readable, image)
			if image.Warning != "" {
				event.Send(f.observer, event.Note{Level: event.Warning, Source: event.Caller(0), Text: fmt.Sprintf("%q: %s", some[i], image.Warning)})
			}
		}
		results, err := run(ctx, readable...)
		if err != nil {
			return err
		}
		for i := range some {
			var own T
			if errs[i] == nil {
				own, results = results[0], results[1:]
			}
			if err := result(first+i, images[i], own, errs[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// decode reads image files, several at a time.
func (f *feeder) decode(paths []string) ([]*data.Image, []error) {
	images, errs := make([]*data.Image, len(paths)), make([]error, len(paths))
	var running sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, path := range paths {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			images[i], errs[i] = ReadImage(path, f.mode())
		})
	}
	running.Wait()
	return images, errs
}

// list returns names in brackets, or "".
func list(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}
