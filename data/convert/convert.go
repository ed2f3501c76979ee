// Package convert creates databases from image sets, and mean images from
// databases, as Caffe's tools do. It leaves no incomplete files behind.
package convert

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/internal/atomicfile"
	"google.golang.org/protobuf/proto"
)

// Options are the options of all conversions.
type Options struct {
	// Replace allows existing databases to be replaced. Without it they are an
	// error.
	Replace bool

	// LevelDB makes LevelDB databases. Without it they are LMDB databases. Where a
	// conversion names them, the names end in _leveldb or _lmdb.
	LevelDB bool

	// Progress, if it is not nil, is called after each record.
	Progress func(done, total int)
}

// job counts the records of a conversion that may make several databases.
type job struct {
	Options
	done, total int

	leftOut int     // of the records that are done
	maxBad  float64 // share of a database's records that may be left out

	// second, if it is not nil, is a database that gets the datum secondOf(i) under
	// the key of each record i. It is committed before the first.
	second   data.Sink
	secondOf func(i int) *caffepb.Datum

	// wrap, if it is not nil, returns record i with the serialized datum in it.
	wrap func(i int, datum []byte) []byte
}

// backend returns the kind of databases that are made.
func (o *Options) backend() caffepb.DataParameter_DB {
	if o.LevelDB {
		return caffepb.DataParameter_LEVELDB
	}
	return caffepb.DataParameter_LMDB
}

// name returns the name of a database that is called base.
func (o *Options) name(base string) string { return base + "_" + strings.ToLower(o.backend().String()) }

// create starts a database.
func (o *Options) create(dir string) (data.Sink, error) {
	return data.Create(dir, o.backend(), o.Replace)
}

func (j *job) step() {
	j.done++
	if j.Progress != nil {
		j.Progress(j.done, j.total)
	}
}

// makeDatabase creates a database of n records. The function record returns
// record i, or nil to leave it out; it is called from several goroutines, and
// the keys must increase with i. If all records are left out, or more than j.maxBad
// allows, makeDatabase fails and an existing database stays.
func (j *job) makeDatabase(ctx context.Context, dir string, n int, record func(i int) (key string, d *caffepb.Datum, err error)) error {
	w, err := j.create(dir)
	if err != nil {
		return err
	}
	defer w.Abort()
	type made struct {
		i     int
		key   string
		value []byte
	}
	before := j.leftOut
	err = ordered(ctx, n, func(i int) (m made, err error) {
		key, d, err := record(i)
		if err != nil || d == nil {
			return m, err
		}
		m.i, m.key = i, key
		if m.value, err = marshal.Marshal(d); err == nil && j.wrap != nil {
			m.value = j.wrap(i, m.value)
		}
		return m, err
	}, func(m made) error {
		j.step()
		if m.value == nil {
			j.leftOut++
			return nil
		}
		if err := w.Append([]byte(m.key), m.value); err != nil || j.second == nil {
			return err
		}
		value, err := marshal.Marshal(j.secondOf(m.i))
		if err != nil {
			return err
		}
		return j.second.Append([]byte(m.key), value)
	})
	if err != nil {
		return err
	}
	if bad := j.leftOut - before; bad > 0 && (bad == n || float64(bad)/float64(n) > j.maxBad) {
		return &TooManyBadError{Dir: dir, Bad: bad, Total: n, MaxBad: j.maxBad}
	}
	if j.second != nil {
		if err := j.second.Commit(); err != nil {
			return err
		}
	}
	return w.Commit()
}

// A TooManyBadError means that too many records could not be read for a database
// to be written.
type TooManyBadError struct {
	Dir        string
	Bad, Total int
	MaxBad     float64 // share of records that may be bad
}

// Error returns how many records were left out, and of which database.
func (e *TooManyBadError) Error() string {
	why := ""
	if e.Bad < e.Total {
		why = fmt.Sprintf(", more than %g %%", 100*e.MaxBad)
	}
	return fmt.Sprintf("%s was not written: %d of %d images were left out%s", e.Dir, e.Bad, e.Total, why)
}

// sequential is makeDatabase for sources that are read as a stream: record is
// called by one goroutine, in order.
func (j *job) sequential(ctx context.Context, dir string, n int, record func(i int) (key string, d *caffepb.Datum, err error)) error {
	w, err := j.create(dir)
	if err != nil {
		return err
	}
	defer w.Abort()
	for i := range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		key, d, err := record(i)
		if err != nil {
			return err
		}
		value, err := marshal.Marshal(d)
		if err != nil {
			return err
		}
		if err := w.Append([]byte(key), value); err != nil {
			return err
		}
		j.step()
	}
	return w.Commit()
}

// marshal writes the fields in the order of their numbers.
var marshal = proto.MarshalOptions{Deterministic: true}

// ordered calls work for 0 to n-1 on all processors and passes the results to use
// in order. It returns the first error in that order.
func ordered[T any](ctx context.Context, n int, work func(i int) (T, error), use func(T) error) error {
	type result struct {
		thing T
		err   error
	}
	type task struct {
		i    int
		done chan result
	}
	ctx, cancel := context.WithCancel(ctx)
	threads := runtime.GOMAXPROCS(0)
	tasks := make(chan task)
	queue := make(chan task, 16*threads) // the same in order; bounds the results that wait for use
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() {
		defer close(queue)
		defer close(tasks)
		for i := range n {
			t := task{i, make(chan result, 1)}
			select {
			case queue <- t:
			case <-ctx.Done():
				return
			}
			select {
			case tasks <- t:
			case <-ctx.Done():
				return
			}
		}
	})
	for range threads {
		running.Go(func() {
			for t := range tasks {
				var r result
				r.thing, r.err = work(t.i)
				t.done <- r
			}
		})
	}
	for t := range queue {
		select {
		case r := <-t.done:
			if r.err != nil {
				return r.err
			}
			if err := use(r.thing); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// raw returns a datum of an array as Caffe's converters for MNIST and CIFAR write
// it, with the field encoded not set.
func raw(channels, height, width int, pixels []byte, label int) *caffepb.Datum {
	return &caffepb.Datum{
		Channels: proto.Int32(int32(channels)),
		Height:   proto.Int32(int32(height)),
		Width:    proto.Int32(int32(width)),
		Data:     pixels,
		Label:    proto.Int32(int32(label)),
	}
}

// checkTargets creates the folder out. It fails, before any work is done, if one of
// the databases exists and may not be replaced.
func (j *job) checkTargets(out string, names ...string) error {
	for _, name := range names {
		if err := data.CheckFree(filepath.Join(out, name), j.backend(), j.Replace); err != nil {
			return err
		}
	}
	return os.MkdirAll(out, 0o755)
}

// writeMean writes the mean image of a database that was just created.
func (j *job) writeMean(ctx context.Context, dir, file string) error {
	db, err := data.OpenAny(dir)
	if err != nil {
		return err
	}
	defer db.Close()
	mean, err := ComputeMean(ctx, db, nil)
	if err != nil {
		return err
	}
	return WriteMean(file, mean)
}

// WriteMean writes a mean file.
func WriteMean(file string, m *caffepb.BlobProto) error {
	b, err := marshal.Marshal(m)
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(file, b)
}
