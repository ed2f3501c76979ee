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

// maxEnds and maxDelay bound how long a Receiver waits for Done.
const (
	maxEnds  = 128
	maxDelay = 200 * time.Millisecond
)

// lossQueue has the passes that were started on a GPU and of which the Receivers
// have not heard. Their losses are in a ring in the GPU's memory.
type lossQueue struct {
	gpu  *cuda.Device
	tops []*blob.Blob // those with a loss weight

	sum    blob.Blob // of the tops of the pass under way
	ring   blob.Blob // (ringSize)
	passes blob.Blob // how many losses the ring has got, an int64
	read   int64     // how many of them have been read

	reports []report
	spare   []report // empty: takes the next reports while these are delivered
	ends    int      // how many of the reports are ends

	begin     time.Time // of the first pass in the queue
	delivered time.Time // when the queue was last emptied
}

// A report is a loss that is due to a Receiver, or an end.
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

// sumLoss has the GPU add up the loss of a pass and put it into the ring. It can
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

// pass adds a pass, whose loss is going to be in the ring.
func (q *lossQueue) pass(r Receiver) {
	if q.begin.IsZero() {
		q.begin = time.Now()
	}
	q.reports = append(q.reports, report{to: r})
}

// end adds an end. It reports whether the queue should be delivered now.
func (q *lossQueue) end(r Receiver) bool {
	q.reports = append(q.reports, report{to: r, end: true})
	q.ends++
	return q.ends >= maxEnds || time.Since(q.delivered) > maxDelay
}

func (q *lossQueue) empty() bool { return len(q.reports) == 0 }

// full reports whether the next loss would overwrite one that nobody has read.
func (q *lossQueue) full() bool { return len(q.reports)-q.ends == ringSize }

// deliver waits for the GPU and tells the Receivers of all passes in the queue.
// If the GPU has failed, it drops them and returns the error.
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
