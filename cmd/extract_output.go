package gocaffecmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gocaffe/gocaffe/blob"
	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/data/npy"
	"github.com/gocaffe/gocaffe/internal/atomicfile"
	"google.golang.org/protobuf/proto"
)

// A featurePlan says where a blob is written.
type featurePlan struct {
	path    string
	kind    string // .npy, .npz, .csv, or "" for a database
	backend caffepb.DataParameter_DB
	force   bool
}

// plans returns the plan of each blob, after a check that none of them is taken.
func (f *extractFlags) plans(names []string) ([]featurePlan, error) {
	outputs := strings.Split(f.outputs, ",")
	if len(outputs) == 1 && strings.EqualFold(filepath.Ext(outputs[0]), ".npz") {
		outputs = slices.Repeat(outputs, len(names))
	} else if len(outputs) != len(names) {
		return nil, fmt.Errorf("there are %d blobs and %d outputs, want one output for each blob, or one .npz file", len(names), len(outputs))
	}
	backend, ok := map[string]caffepb.DataParameter_DB{"lmdb": caffepb.DataParameter_LMDB, "leveldb": caffepb.DataParameter_LEVELDB}[f.backend]
	if !ok {
		return nil, fmt.Errorf("the kind of databases is %q, want lmdb or leveldb", f.backend)
	}
	var plans []featurePlan
	for i, path := range outputs {
		p := featurePlan{path: path, kind: strings.ToLower(filepath.Ext(path)), backend: backend, force: f.force}
		switch p.kind {
		case ".npy", ".npz", ".csv":
		default:
			p.kind = ""
		}
		switch {
		case path == "" || names[i] == "":
			return nil, errors.New("the name of a blob or of its output is empty")
		case slices.Index(outputs, path) < i && p.kind != ".npz", slices.Index(names, names[i]) < i && p.kind == ".npz":
			return nil, fmt.Errorf("%s is there twice", path)
		}
		if err := p.check(); err != nil {
			return nil, err
		}
		plans = append(plans, p)
	}
	return plans, nil
}

// check fails if the output exists and may not be replaced.
func (p *featurePlan) check() error {
	if p.kind == "" {
		return data.CheckFree(p.path, p.backend, p.force)
	}
	if p.force {
		return nil
	}
	switch _, err := os.Lstat(p.path); {
	case err == nil:
		return fmt.Errorf("%s: %w", p.path, fs.ErrExist)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// A featureSink writes a blob, batch by batch.
type featureSink interface {
	// add writes the items of a batch; key returns the name of a record.
	add(b *blob.Blob, key func(i int) (string, error)) error
	items() int
	commit() error
	abort() // does nothing after commit
}

// openSinks begins all outputs. With an error it returns those that it has begun.
func openSinks(plans []featurePlan, names []string, blobs []*blob.Blob) (sinks []featureSink, err error) {
	var archive *arrayFile
	for i, p := range plans {
		b := blobs[i]
		if b.Axes() == 0 || p.kind == "" && b.Axes() > 4 {
			return sinks, fmt.Errorf("blob %q has the shape %v, want one with an axis for items, and at most 4 for a database", names[i], b.Shape())
		}
		var s featureSink
		switch p.kind {
		case ".npy":
			s, err = newArraySink(p.path, b.Shape()[1:])
		case ".npz":
			last := i == len(plans)-1
			if archive == nil {
				archive = &arrayFile{path: p.path}
			}
			s = &memberSink{file: archive, name: names[i], last: last}
		case ".csv":
			s, err = newCSVSink(p.path, b.CountFrom(1))
		default:
			s, err = newDatabaseSink(&p)
		}
		if err != nil {
			return sinks, err
		}
		sinks = append(sinks, s)
	}
	return sinks, nil
}

// arraySink writes a .npy file.
type arraySink struct {
	file *atomicfile.File
	*npy.Appender
}

func newArraySink(path string, item []int) (*arraySink, error) {
	file, err := atomicfile.Create(path)
	if err != nil {
		return nil, err
	}
	appender, err := npy.NewAppender(file, item)
	if err != nil {
		file.Abort()
		return nil, err
	}
	return &arraySink{file, appender}, nil
}

func (s *arraySink) add(b *blob.Blob, _ func(int) (string, error)) error { return s.Append(b.Data()) }
func (s *arraySink) items() int                                          { return s.Items() }
func (s *arraySink) abort()                                              { s.file.Abort() }

func (s *arraySink) commit() error {
	if err := s.Close(); err != nil {
		return err
	}
	return s.file.Commit()
}

// csvSink writes a .csv file.
type csvSink struct {
	rows  *rowFile
	cells []string
	count int
}

func newCSVSink(path string, values int) (*csvSink, error) {
	header := []string{"key"}
	for i := range values {
		header = append(header, "f"+strconv.Itoa(i))
	}
	rows, err := createRows(path, "csv", header)
	return &csvSink{rows: rows}, err
}

func (s *csvSink) add(b *blob.Blob, key func(int) (string, error)) error {
	size := b.CountFrom(1)
	for i := range b.Dim(0) {
		name, err := key(i)
		if err != nil {
			return err
		}
		if name == "" {
			name = strconv.Itoa(s.count)
		}
		s.cells = append(s.cells[:0], name)
		for _, v := range b.Data()[i*size:][:size] {
			s.cells = append(s.cells, strconv.FormatFloat(float64(v), 'g', -1, 32))
		}
		if err := s.rows.add(s.cells, nil); err != nil {
			return err
		}
		s.count++
	}
	return nil
}

func (s *csvSink) items() int    { return s.count }
func (s *csvSink) commit() error { return s.rows.commit() }
func (s *csvSink) abort()        { s.rows.file.Abort() }

// arrayFile is a .npz file of several blobs.
type arrayFile struct {
	path   string
	arrays []npy.Named
}

// memberSink collects an array of an arrayFile. The last one writes the file.
type memberSink struct {
	file  *arrayFile
	name  string
	array npy.Array
	last  bool
}

func (s *memberSink) add(b *blob.Blob, _ func(int) (string, error)) error {
	if s.array.Shape == nil {
		s.array.Shape = append([]int{0}, b.Shape()[1:]...)
	}
	s.array.Shape[0] += b.Dim(0)
	s.array.Data = append(s.array.Data, b.Data()...)
	return nil
}

func (s *memberSink) items() int { return s.array.Shape[0] }
func (s *memberSink) abort()     {}

func (s *memberSink) commit() error {
	s.file.arrays = append(s.file.arrays, npy.Named{Name: s.name, Array: s.array})
	if !s.last {
		return nil
	}
	return writeArrays(s.file.path, s.file.arrays)
}

// databaseSink writes a database as Caffe's extract_features.cpp does.
type databaseSink struct {
	sink  data.Sink
	count int
}

func newDatabaseSink(p *featurePlan) (*databaseSink, error) {
	sink, err := data.Create(p.path, p.backend, p.force)
	if err != nil {
		return nil, err
	}
	return &databaseSink{sink: sink}, nil
}

func (s *databaseSink) add(b *blob.Blob, _ func(int) (string, error)) error {
	shape := append(slices.Clone(b.Shape()), 1, 1, 1) // the axes that old blobs have
	size := b.CountFrom(1)
	for i := range b.Dim(0) {
		datum := &caffepb.Datum{
			Channels: proto.Int32(int32(shape[1])), Height: proto.Int32(int32(shape[2])), Width: proto.Int32(int32(shape[3])),
			FloatData: b.Data()[i*size:][:size],
		}
		value, err := proto.MarshalOptions{Deterministic: true}.Marshal(datum)
		if err != nil {
			return err
		}
		if err := s.sink.Append(fmt.Appendf(nil, "%010d", s.count), value); err != nil {
			return err
		}
		s.count++
	}
	return nil
}

func (s *databaseSink) items() int    { return s.count }
func (s *databaseSink) commit() error { return s.sink.Commit() }
func (s *databaseSink) abort()        { s.sink.Abort() }
