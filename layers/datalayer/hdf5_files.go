package datalayer

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"

	"github.com/gocaffe/gocaffe/data/hdf5"
	"github.com/gocaffe/gocaffe/data/imagelist"
	"github.com/gocaffe/gocaffe/layers/feed"
)

// hdf5File is a file of a list.
type hdf5File struct {
	path  string
	line  int // of the list
	first int // number of its first row among those of all files
	rows  int
	block int // rows that are read together; 0 reads each into its batch
}

// hdf5Top is a dataset that every file has.
type hdf5Top struct {
	name  string
	class hdf5.Class // in the first file
	row   []int      // shape of a row
	size  int        // numbers of a row
}

// hdf5Rows is a feed.Dataset of the rows of files.
type hdf5Rows struct {
	list   string
	files  []hdf5File
	tops   []hdf5Top
	blocks hdf5Blocks
}

// Bounds of what is read at once, in bytes of float32.
const (
	hdf5Whole    = 512 << 20 // a file is read as a whole up to this
	hdf5Shuffled = 4 << 30   // or up to this, if its rows are shuffled
	hdf5Part     = 64 << 20  // parts of larger files
)

// readHDF5List reads a list of files.
func readHDF5List(name string) (*hdf5Rows, error) {
	text, err := imagelist.ReadFile(name, nil)
	if err != nil {
		return nil, err
	}
	s := &hdf5Rows{list: name}
	for i, line := range bytes.Split(text, []byte("\n")) {
		for _, path := range bytes.Fields(line) {
			s.files = append(s.files, hdf5File{path: string(path), line: i + 1})
		}
	}
	if len(s.files) == 0 {
		return nil, fmt.Errorf("the list %s is empty, want at least one HDF5 file", name)
	}
	return s, nil
}

// open opens each file to find its rows. The tops have the names of the datasets.
func (s *hdf5Rows) open(tops []string, shuffle bool) error {
	for _, name := range tops {
		s.tops = append(s.tops, hdf5Top{name: name})
	}
	first := 0
	for i := range s.files {
		f := &s.files[i]
		f.first = first
		if err := s.inspect(i, shuffle); err != nil {
			return fmt.Errorf("%s:%d: %w", s.list, f.line, err)
		}
		first += f.rows
	}
	if first == 0 {
		return fmt.Errorf("the files of %s have no rows", s.list)
	}
	return nil
}

// inspect finds the rows of file i, and those of the first file their shapes.
func (s *hdf5Rows) inspect(i int, shuffle bool) error {
	f := &s.files[i]
	file, err := hdf5.Open(f.path)
	if err != nil {
		return err
	}
	defer file.Close()
	chunk, size := 1, 0
	for k := range s.tops {
		top := &s.tops[k]
		d, err := file.Dataset(top.name)
		if err != nil {
			return err
		}
		shape := d.Shape()
		switch class := d.Class(); {
		case class != hdf5.Float && class != hdf5.Integer:
			return fmt.Errorf("%s: dataset %q has elements of type %v, want H5T_FLOAT or H5T_INTEGER", f.path, top.name, class)
		case len(shape) == 0:
			return fmt.Errorf("%s: dataset %q is a single number, want at least one axis, which counts the rows", f.path, top.name)
		case k > 0 && shape[0] != f.rows:
			return fmt.Errorf("%s: dataset %q has %d rows, %q has %d", f.path, top.name, shape[0], s.tops[0].name, f.rows)
		case i == 0:
			top.class, top.row, top.size = class, shape[1:], 1
			for _, n := range top.row {
				top.size *= n
			}
		case !slices.Equal(shape[1:], top.row):
			return fmt.Errorf("%s: rows of dataset %q have shape %v, in %s %v", f.path, top.name, shape[1:], s.files[0].path, top.row)
		}
		f.rows = shape[0]
		chunk = max(chunk, d.ChunkRows())
		size += 4 * top.size
	}
	s.blocks.row = size
	f.block = blockRows(f.rows, size, chunk, shuffle)
	return nil
}

// blockRows returns how many rows of a file are read together: all, if they are not too
// large, or else none if they are shuffled, or a number of chunks. A row has size
// bytes.
func blockRows(rows, size, chunk int, shuffle bool) int {
	whole := hdf5Whole
	if shuffle {
		whole = hdf5Shuffled
	}
	switch {
	case size == 0 || rows <= whole/size:
		return max(rows, 1)
	case shuffle:
		return 0
	}
	n := max(hdf5Part/size, 1)
	return max(n/chunk, 1) * chunk
}

func (s *hdf5Rows) Len() int {
	last := &s.files[len(s.files)-1]
	return last.first + last.rows
}

// find returns the file of a row, and its number there.
func (s *hdf5Rows) find(row int) (file *hdf5File, number int) {
	i := sort.Search(len(s.files), func(i int) bool { return s.files[i].first+s.files[i].rows > row })
	return &s.files[i], row - s.files[i].first
}

// Name returns the file, and the number of the row in it.
func (s *hdf5Rows) Name(i int) string {
	f, row := s.find(i)
	return fmt.Sprintf("%s, row %d", f.path, row)
}

// Key is shorter than Name.
func (s *hdf5Rows) Key(i int) string {
	f, row := s.find(i)
	return fmt.Sprintf("%s:%d", f.path, row)
}

func (s *hdf5Rows) NewReader() feed.Reader { return &hdf5Reader{hdf5Rows: s} }

// hdf5Reader reads rows. It holds on to what it read last: the rows of a batch mostly
// lie together.
type hdf5Reader struct {
	*hdf5Rows
	block *hdf5Block

	path string // of the file that is open for reading single rows
	file *hdf5.File
	sets []*hdf5.Dataset
}

// Read writes the row to the tops.
func (r *hdf5Reader) Read(it *feed.Item) error {
	f, row := r.find(it.Record)
	if f.block == 0 {
		return r.readRow(it, f, row)
	}
	b, err := r.load(f, row/f.block*f.block)
	if err != nil {
		return err
	}
	for i := range r.tops {
		dst, err := it.Top(i, r.tops[i].row...)
		if err != nil {
			return err
		}
		copy(dst, b.data[i][(row-b.first)*r.tops[i].size:])
	}
	return nil
}

// load returns a block of a file, which begins with row first.
func (r *hdf5Reader) load(f *hdf5File, first int) (*hdf5Block, error) {
	if r.block == nil || r.block.file != f || r.block.first != first {
		r.block = r.blocks.block(f, first)
	}
	b := r.block
	b.once.Do(func() { b.err = b.read(r.tops) })
	return b, b.err
}

// Finish lets go of the block: the next batch may be far away.
func (r *hdf5Reader) Finish(*feed.Batch) error {
	r.block = nil
	return nil
}

// readRow reads a row of a file of which no parts are kept.
func (r *hdf5Reader) readRow(it *feed.Item, f *hdf5File, row int) error {
	if r.path != f.path {
		if err := r.openFile(f.path); err != nil {
			return err
		}
	}
	for i := range r.tops {
		dst, err := it.Top(i, r.tops[i].row...)
		if err != nil {
			return err
		}
		if err := r.sets[i].ReadRows(row, 1, dst); err != nil {
			return err
		}
	}
	return nil
}

func (r *hdf5Reader) openFile(path string) error {
	err := r.Close()
	if err != nil {
		return err
	}
	if r.file, r.sets, err = openDatasets(path, r.tops); err != nil {
		return err
	}
	r.path = path
	return nil
}

// Close closes the file.
func (r *hdf5Reader) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.path, r.file, r.sets = "", nil, nil
	return err
}

// openDatasets opens a file and its datasets, whose rows must have the shapes of tops.
func openDatasets(path string, tops []hdf5Top) (*hdf5.File, []*hdf5.Dataset, error) {
	file, err := hdf5.Open(path)
	if err != nil {
		return nil, nil, err
	}
	var sets []*hdf5.Dataset
	for i := range tops {
		d, err := file.Dataset(tops[i].name)
		if err == nil && (len(d.Shape()) == 0 || !slices.Equal(d.Shape()[1:], tops[i].row)) {
			err = fmt.Errorf("%s: the file has changed: dataset %q has shape %v", path, tops[i].name, d.Shape())
		}
		if err != nil {
			return nil, nil, errors.Join(err, file.Close())
		}
		sets = append(sets, d)
	}
	return file, sets, nil
}

// A hdf5Block holds rows of a file.
type hdf5Block struct {
	file  *hdf5File
	first int
	bytes int

	once sync.Once
	data [][]float32 // of each top
	err  error
}

// read reads the rows.
func (b *hdf5Block) read(tops []hdf5Top) error {
	file, sets, err := openDatasets(b.file.path, tops)
	if err != nil {
		return err
	}
	defer file.Close()
	n := min(b.file.block, b.file.rows-b.first)
	for i, d := range sets {
		data := make([]float32, n*tops[i].size)
		if err := d.ReadRows(b.first, n, data); err != nil {
			return err
		}
		b.data = append(b.data, data)
	}
	return nil
}

// hdf5Blocks keeps the blocks that were used last, for all readers.
type hdf5Blocks struct {
	mu   sync.Mutex
	list []*hdf5Block // the newest first
	row  int          // bytes of a row
}

// block returns a block, which may still have to be read.
func (s *hdf5Blocks) block(f *hdf5File, first int) *hdf5Block {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.list, func(b *hdf5Block) bool { return b.file == f && b.first == first })
	if i < 0 {
		i = len(s.list)
		s.list = append(s.list, &hdf5Block{file: f, first: first, bytes: min(f.block, f.rows-first) * s.row})
	}
	b := s.list[i]
	copy(s.list[1:], s.list[:i])
	s.list[0] = b
	kept := 0
	for i, b := range s.list {
		if kept += b.bytes; i > 0 && kept > hdf5Whole {
			clear(s.list[i:])
			s.list = s.list[:i]
			break
		}
	}
	return b
}
