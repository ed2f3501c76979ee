package feed

import (
	"context"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
	"github.com/gocaffe/gocaffe/layers"
)

// DeviceMode returns OnDevice, not Recordable: each pass has a different batch.
func (f *Feeder) DeviceMode() layers.DeviceMode { return layers.OnDevice }

// ForwardDevice copies the batch of this pass, which was uploaded before, to the tops,
// which take its shapes, and starts the upload of the next one.
func (f *Feeder) ForwardDevice(ctx context.Context, d *cuda.Device, _, tops []*blob.Blob) error {
	if f.prefetcher == nil {
		return f.Fail(errNotStarted)
	}
	if f.uploader == nil {
		n := 0
		for _, top := range tops {
			n += top.Count()
		}
		if err := f.newUploader(d, n); err != nil {
			return err
		}
	}
	pass := f.spec.Env.Pass
	r, err := f.uploader.batch(ctx, pass)
	if err == nil && !r.uploaded { // the batch did not fit
		if err = f.newUploader(d, r.count+r.count/4); err == nil {
			r, err = f.uploader.batch(ctx, pass)
		}
	}
	if err != nil {
		return f.failed(ctx, err)
	}
	u, offset := f.uploader, 0
	for i, top := range tops {
		if err := top.Reshape(u.shapes[r.place][i]...); err != nil {
			return f.Fail(err)
		}
		if n := top.Count(); n > 0 {
			u.upload.Take(r.place, offset, n, top.MutableDeviceData(d))
			offset += n
		}
	}
	u.upload.Release(r.place)
	u.ask(pass + 1)
	return nil
}

// BackwardDevice does nothing.
func (f *Feeder) BackwardDevice(context.Context, *cuda.Device, []*blob.Blob, []bool, []*blob.Blob) error {
	return nil
}

// newUploader replaces the uploader, if any, by one for batches of up to n elements.
func (f *Feeder) newUploader(d *cuda.Device, n int) error {
	if f.uploader != nil {
		u := f.uploader
		f.uploader = nil
		if err := u.close(); err != nil {
			return err
		}
	}
	var err error
	f.uploader, err = newUploader(d, f.prefetcher, n)
	return err
}

// An uploader copies batches to a GPU, one ahead of the one in use. It has its own
// goroutine, so the net never waits for a batch that it does not need yet.
type uploader struct {
	prefetcher *prefetcher
	upload     *cuda.Upload
	stop       context.CancelFunc
	requests   chan request
	results    chan result // of the requests, in their order

	parts  [][]float32                // of the batch being uploaded
	shapes [cuda.UploadPlaces][][]int // of the tops of the batch in each place

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
	count    int  // number of elements in the tops
	uploaded bool // false if they did not fit
	err      error
}

// newUploader returns an uploader for batches of up to n elements.
func newUploader(d *cuda.Device, p *prefetcher, n int) (*uploader, error) {
	upload, err := d.NewUpload(max(n, 1))
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	u := &uploader{
		prefetcher: p, upload: upload, stop: stop, asked: -1,
		requests: make(chan request, 1), results: make(chan result, 1),
	}
	go u.serve(ctx)
	return u, nil
}

// serve handles requests until their channel is closed.
func (u *uploader) serve(ctx context.Context) {
	defer close(u.results)
	for r := range u.requests {
		u.results <- u.fill(ctx, r)
	}
}

// fill uploads the batch of a request.
func (u *uploader) fill(ctx context.Context, r request) result {
	res := result{request: r}
	b, err := u.prefetcher.batch(ctx, r.pass)
	if err != nil {
		res.err = err
		return res
	}
	shapes := &u.shapes[r.place]
	if *shapes == nil {
		*shapes = make([][]int, len(b.tops))
	}
	u.parts = u.parts[:0]
	for i := range b.tops {
		top := &b.tops[i].blob
		(*shapes)[i] = append((*shapes)[i][:0], top.Shape()...)
		u.parts = append(u.parts, top.Data())
		res.count += top.Count()
	}
	if res.count <= u.upload.Room() {
		res.uploaded, res.err = true, u.upload.Fill(r.place, u.parts...)
	}
	return res
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
