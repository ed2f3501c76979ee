package net

import (
	_ "embed"
	"errors"
	"time"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/cuda"
)

//go:embed loss.ptx.gz
var lossPTX string

var netLoss = cuda.NewModule(lossPTX).Kernel("net_loss")

// ringSize is the number of passes whose losses stay in the GPU's memory until
// they are read.
const ringSize = 1024

// maxEnds and maxDelay limit how long the call of Done is delayed.
const (
	maxEnds  = 128
	maxDelay = 200 * time.Millisecond
)

// lossQueue holds the passes that were started on a GPU and not yet reported to
// their Receivers. Their losses are in a ring in the GPU's memory.
type lossQueue struct {
	gpu  *cuda.Device
	tops []*blob.Blob // those with a loss weight

	sum    blob.Blob // of the losses of the tops in the current pass
	ring   blob.Blob // (ringSize) losses of the last passes
	passes blob.Blob // number of losses written to the ring, an int64
	read   int64     // number of losses read from it

	reports []report
	spare   []report // empty; takes new reports while the others are delivered
	ends    int      // number of reports that are ends

	begin     time.Time // of the first pass in the queue
	delivered time.Time // when the queue was last emptied
}

// A report is a call of Loss or Done that a Receiver is still to get.
type report struct {
	to  Receiver
	end bool
}

func (q *lossQueue) init(n *Net, gpu *cuda.Device) error {
	q.gpu = gpu
	for _, l := range n.layers {
		for j, w := range l.LossWeights {
			if w != 0 {
				q.tops = append(q.tops, l.Tops[j])
			}
		}
	}
	return errors.Join(q.sum.Reshape(1), q.ring.Reshape(ringSize), q.passes.Reshape(2))
}

// sumLoss makes the GPU compute the loss of a pass and write it to the ring. It can
// be recorded.
func (q *lossQueue) sumLoss() error {
	d := q.gpu
	for i, top := range q.tops {
		first, last := i == 0, i == len(q.tops)-1
		d.Launch(netLoss, cuda.Blocks(1, 1, 1), top.DeviceData(d), top.DeviceDiff(d), top.Count(), q.sum.MutableDeviceData(d),
			q.ring.MutableDeviceData(d), q.passes.MutableDeviceData(d), ringSize, first, last)
	}
	return d.Check()
}

// pass adds a pass, whose loss will be in the ring.
func (q *lossQueue) pass(r Receiver) {
	if q.begin.IsZero() {
		q.begin = time.Now()
	}
	q.reports = append(q.reports, report{to: r})
}

// end adds an end, and reports whether the queue should be delivered now.
func (q *lossQueue) end(r Receiver) bool {
	q.reports = append(q.reports, report{to: r, end: true})
	q.ends++
	return q.ends >= maxEnds || time.Since(q.delivered) > maxDelay
}

func (q *lossQueue) empty() bool { return len(q.reports) == 0 }

// full reports whether the next loss would overwrite one that was not read.
func (q *lossQueue) full() bool { return len(q.reports)-q.ends == ringSize }

// deliver waits for the GPU and reports all passes in the queue to their
// Receivers. If the GPU has failed, it drops them and returns the error.
func (q *lossQueue) deliver() error {
	reports, ends, begin, read := q.reports, q.ends, q.begin, q.read
	q.reports, q.spare, q.ends, q.begin = q.spare, nil, 0, time.Time{}
	q.read += int64(len(reports) - ends)
	defer func() {
		clear(reports)
		q.spare = reports[:0]
	}()
	var losses []float32
	if len(q.tops) > 0 {
		losses = q.ring.Data()
	} else {
		q.gpu.Sync()
	}
	if err := q.gpu.Check(); err != nil {
		return err
	}
	q.delivered = time.Now()
	var took time.Duration
	if ends > 0 && !begin.IsZero() {
		took = q.delivered.Sub(begin) / time.Duration(ends)
	}
	for _, r := range reports {
		switch {
		case r.end:
			r.to.Done(took)
		case losses == nil:
			r.to.Loss(0)
		default:
			r.to.Loss(losses[read%ringSize])
			read++
		}
	}
	return nil
}
