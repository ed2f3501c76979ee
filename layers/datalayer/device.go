package datalayer

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/layers"
)

var (
	_ layers.DeviceLayer = (*dataLayer)(nil)
	_ layers.DeviceLayer = (*imageData)(nil)
)

// uploader brings the batches of a feeder to a GPU, one ahead of the one in use. A
// goroutine does, so that nobody waits for a batch that is not needed yet.
type uploader struct {
	prefetcher *data.Prefetcher
	upload     *cuda.Upload
	stop       context.CancelFunc
	requests   chan request
	results    chan result // of the requests, in their order

	asked int64 // the batch of the last request
	ahead bool  // its result has not been read
	place int   // of the next request
}

type request struct {
	pass  int64
	place int
}

type result struct {
	request
	shape [4]int
	err   error
}

// newUploader returns an uploader of batches of up to n numbers.
func newUploader(d *cuda.Device, prefetcher *data.Prefetcher, n int) (*uploader, error) {
	upload, err := d.NewUpload(n)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	u := &uploader{
		prefetcher: prefetcher, upload: upload, stop: stop, asked: -1,
		requests: make(chan request, 1), results: make(chan result, 1),
	}
	go u.serve(ctx)
	return u, nil
}

// serve fills the places of the requests.
func (u *uploader) serve(ctx context.Context) {
	defer close(u.results)
	for r := range u.requests {
		res := result{request: r}
		var b *data.Batch
		if b, res.err = u.prefetcher.Batch(ctx, r.pass); res.err == nil {
			res.shape = b.Shape
			if len(b.Data)+len(b.Labels) <= u.upload.Room() {
				res.err = u.upload.Fill(r.place, b.Data, b.Labels)
			}
		}
		u.results <- res
	}
}

func (u *uploader) ask(pass int64) {
	u.requests <- request{pass, u.place}
	u.asked, u.ahead = pass, true
	u.place = (u.place + 1) % cuda.UploadPlaces
}

// batch returns the result for a pass.
func (u *uploader) batch(ctx context.Context, pass int64) (result, error) {
	if u.ahead && u.asked != pass { // a jump
		<-u.results
		u.ahead = false
	}
	if !u.ahead {
		u.ask(pass)
	}
	select {
	case r := <-u.results:
		u.ahead = false
		return r, r.err
	case <-ctx.Done():
		return result{}, ctx.Err()
	}
}

func (u *uploader) close() error {
	u.stop()
	close(u.requests)
	for range u.results { // until serve has ended
	}
	return u.upload.Close()
}

// DeviceMode returns OnDevice: each pass has another batch.
func (f *feeder) DeviceMode() layers.DeviceMode { return layers.OnDevice }

// ForwardDevice copies the batch of this pass to the tops, which take its shape,
// and has the next one brought to the device.
func (f *feeder) ForwardDevice(ctx context.Context, d *cuda.Device, _, top []*blob.Blob) error {
	if f.uploader == nil {
		n := top[0].Count() + f.batchSize
		var err error
		if f.uploader, err = newUploader(d, f.prefetcher, n); err != nil {
			return err
		}
	}
	u, pass := f.uploader, f.spec.Env.Pass
	r, err := u.batch(ctx, pass)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return f.fail(err)
	}
	if err := f.shape(top, r.shape); err != nil {
		return err
	}
	n := top[0].Count()
	if n+r.shape[0] > u.upload.Room() { // images of another size than the first
		f.uploader = nil
		if err := u.close(); err != nil {
			return err
		}
		if f.uploader, err = newUploader(d, f.prefetcher, n+r.shape[0]); err != nil {
			return err
		}
		return f.ForwardDevice(ctx, d, nil, top)
	}
	u.upload.Take(r.place, 0, n, top[0].MutableDeviceData(d))
	if len(top) > 1 {
		u.upload.Take(r.place, n, r.shape[0], top[1].MutableDeviceData(d))
	}
	u.upload.Release(r.place)
	u.ask(pass + 1)
	return nil
}

// BackwardDevice does nothing.
func (f *feeder) BackwardDevice(context.Context, *cuda.Device, []*blob.Blob, []bool, []*blob.Blob) error {
	return nil
}

// ForwardDevice copies the batch of this pass to the tops.
func (l *dataLayer) ForwardDevice(ctx context.Context, d *cuda.Device, bottom, top []*blob.Blob) error {
	if err := l.feeder.ForwardDevice(ctx, d, bottom, top); err != nil {
		return err
	}
	l.sendRestarts()
	return nil
}
