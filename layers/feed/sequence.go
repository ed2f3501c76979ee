package feed

import (
	"fmt"
	"sync"

	"github.com/gocaffe/gocaffe/event"
	"github.com/gocaffe/gocaffe/layers"
)

// ListOrder returns the order in which a layer reads a list of n items, as Caffe's
// ImageData does: that of the list, or one shuffled anew in each epoch, without a random
// number of items at the start, less than mostSkipped. It tells the observer. option is
// that of mostSkipped, for errors: "image_data_param.rand_skip".
func ListOrder(spec *layers.Spec, n int, shuffle bool, mostSkipped uint32, option string) (Order, error) {
	var order Order
	name, observer := spec.Param.GetName(), spec.Env.Observer
	if shuffle {
		event.Send(observer, layers.Shuffling{Layer: name})
		order.Permute = Shuffle(spec.Rand("shuffle"))
	}
	event.Send(observer, layers.ListRead{Layer: name, Type: spec.Param.GetType(), Items: n})
	if mostSkipped == 0 {
		return order, nil
	}
	var word [1]uint32
	spec.Rand("skip").Uint32(nil, 0, 0, word[:])
	order.Skip = int(uint64(word[0]) * uint64(mostSkipped) >> 32)
	event.Send(observer, layers.Skipping{Layer: name, Items: order.Skip})
	if order.Skip >= n {
		return order, spec.Errorf(option, "skipping %d of %d images leaves none", order.Skip, n)
	}
	return order, nil
}

// A sequence determines the records in a solver's batches: of the dataset's records,
// repeated endlessly, every ranks'th one, starting with number rank. Caffe's data layer
// distributes them this way to solvers that train together.
type sequence struct {
	records int
	batch   int // items in a batch
	rank    int
	ranks   int // 1 for a solver that trains alone
	order   Order

	mu     sync.Mutex
	epochs [2]epoch // an even and an odd one, for batches that reach into the next
}

// epoch is the order of the records in one epoch.
type epoch struct {
	number  int64
	records []int32 // nil if there is none yet
}

// place returns the position of item i of batch n in the endless sequence, counting
// the records of all solvers.
func (s *sequence) place(n int64, i int) int64 {
	return (n*int64(s.batch)+int64(i))*int64(s.ranks) + int64(s.rank)
}

// left returns how many items batch n has if each record is read once.
func (s *sequence) left(n int64) int {
	return int(min(max(int64(s.records)-n*int64(s.batch), 0), int64(s.batch)))
}

// at returns the epoch of a place, and the position in it.
func (s *sequence) at(place int64) (position int, epoch int64) {
	place += int64(s.order.Skip)
	return int(place % int64(s.records)), place / int64(s.records)
}

// record returns the record at a place, and its epoch.
func (s *sequence) record(place int64) (record int, epoch int64, err error) {
	position, epoch := s.at(place)
	if s.order.Permute == nil {
		return position, epoch, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &s.epochs[epoch%2]
	if e.records == nil || e.number != epoch {
		if err := s.permute(e, epoch); err != nil {
			return 0, 0, err
		}
	}
	return int(e.records[position]), epoch, nil
}

// permute computes the order of an epoch.
func (s *sequence) permute(e *epoch, number int64) error {
	order := e.records
	e.records = nil // invalid until all elements are checked
	if order == nil {
		order = make([]int32, s.records)
	}
	for i := range order {
		order[i] = int32(i)
	}
	s.order.Permute(number, order)
	for i, record := range order {
		if record < 0 || int(record) >= s.records {
			return fmt.Errorf("Order.Permute put record %d at position %d of epoch %d, want 0 to %d", record, i, number, s.records-1)
		}
	}
	e.number, e.records = number, order
	return nil
}

// restarts returns how often Caffe's cursor, which advances after each record, returns
// to the first one while batch n is read.
func (s *sequence) restarts(n int64) int {
	_, after := s.at(s.place(n, s.batch-1) + 1)
	if n == 0 {
		return int(after)
	}
	_, before := s.at(s.place(n-1, s.batch-1) + 1)
	return int(after - before)
}
