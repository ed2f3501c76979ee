package lmdb

import (
	"bytes"
	"sort"
)

// walker visits the leaf pages in order.
type walker struct {
	db    *DB
	path  []step // the branch pages from the root down to the current leaf
	begun bool
	err   error  // ends the walk
	leaf  []byte // scratch
}

// step is a page on the way from the root, and the node taken there.
type step struct {
	page    page
	node    int
	scratch []byte
}

// nextLeaf returns the next leaf page, or nil after the last. The page is valid
// until the next call.
func (w *walker) nextLeaf() (page, error) {
	if w.begun && w.err == nil {
		for len(w.path) > 0 {
			last := &w.path[len(w.path)-1]
			if last.node++; last.node < last.page.nodes() {
				break
			}
			w.path = w.path[:len(w.path)-1]
		}
		if len(w.path) == 0 {
			return nil, nil
		}
	}
	return w.descend(func(page) (int, error) { return 0, nil })
}

// seek goes to the leaf that has key, or would have it.
func (w *walker) seek(key []byte) (page, error) {
	w.begun, w.path, w.err = false, w.path[:0], nil
	return w.descend(func(p page) (int, error) {
		var failed error
		// the key of node 0 of a branch counts as less than all
		n := sort.Search(p.nodes()-1, func(i int) bool {
			_, k, _, err := w.db.node(p, i+1)
			if err != nil {
				failed = err
			}
			return bytes.Compare(k, key) > 0
		})
		return n, failed
	})
}

// descend goes down from the current position to a leaf, through the nodes that
// choose returns.
func (w *walker) descend(choose func(page) (int, error)) (p page, err error) {
	db := w.db
	if w.err != nil || db.depth == 0 {
		return nil, w.err
	}
	defer func() { w.err = err }()
	next := db.root
	if w.begun {
		last := w.path[len(w.path)-1]
		if next, err = db.child(last.page, last.node); err != nil {
			return nil, err
		}
	}
	w.begun = true
	for len(w.path) < db.depth-1 {
		if len(w.path) < cap(w.path) {
			w.path = w.path[:len(w.path)+1] // with the scratch it had
		} else {
			w.path = append(w.path, step{})
		}
		s := &w.path[len(w.path)-1]
		if s.page, err = db.page(next, pageBranch, &s.scratch); err != nil {
			return nil, err
		}
		if s.node, err = choose(s.page); err != nil {
			return nil, err
		}
		if next, err = db.child(s.page, s.node); err != nil {
			return nil, err
		}
	}
	return db.page(next, pageLeaf, &w.leaf)
}

// A Cursor iterates over the records in the order of their keys. It must not be used
// by several goroutines.
type Cursor struct {
	walk       walker
	leaf       page
	next       int  // node of the leaf
	read       int  // records so far, to detect cycles
	sought     bool // Seek was called: the walk did not begin at the first record
	key, value []byte
	err        error
}

// Cursor returns a cursor before the first record.
func (db *DB) Cursor() *Cursor { return &Cursor{walk: walker{db: db}} }

// Next advances to the next record. It returns false after the last one and on an
// error, which Err returns.
func (c *Cursor) Next() bool {
	if c.err != nil {
		return false
	}
	db := c.walk.db
	if c.leaf == nil || c.next == c.leaf.nodes() {
		if c.leaf, c.err = c.walk.nextLeaf(); c.leaf == nil {
			if c.err == nil && !c.sought && c.read != db.entries {
				c.err = db.tooFew()
			}
			return false
		}
		c.next = 0
	}
	if c.read++; c.read > db.entries {
		c.err = db.tooMany()
		return false
	}
	if c.key, c.value, c.err = db.record(c.leaf, c.next, &c.walk.leaf); c.err != nil {
		return false
	}
	c.next++
	return true
}

// Key returns the key of the current record. It is valid until Next or Seek.
func (c *Cursor) Key() []byte { return c.key }

// Value returns the value of the current record. It is valid until Next or Seek.
func (c *Cursor) Value() []byte { return c.value }

// Err returns the error that ended the iteration, nil at the end of the records.
func (c *Cursor) Err() error { return c.err }

// Seek moves before the first record whose key is not less than key: Next advances
// to it.
func (c *Cursor) Seek(key []byte) {
	c.next, c.read, c.sought = 0, 0, true
	if c.leaf, c.err = c.walk.seek(key); c.leaf == nil {
		return
	}
	c.next = sort.Search(c.leaf.nodes(), func(i int) bool {
		_, k, _, err := c.walk.db.node(c.leaf, i)
		if err != nil {
			c.err = err
		}
		return bytes.Compare(k, key) >= 0
	})
}
