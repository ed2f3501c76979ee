package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/data"
	_ "github.com/gocaffe/gocaffe/layers/all"
	_ "github.com/gocaffe/gocaffe/plugins/all"
	"github.com/gocaffe/gocaffe/prototxt/zoo"
)

// zoo returns the texts of a net of the zoo and of its solver, with "zoo/" before the names
// of databases.
func (p *program) zoo(name string) (texts [2]string, err error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if texts, ok := p.texts[name]; ok {
		return texts, nil
	}
	entry, err := zoo.Lookup(name)
	if err != nil {
		return texts, err
	}
	dir, err := os.MkdirTemp("", "results")
	if err != nil {
		return texts, err
	}
	defer os.RemoveAll(dir)
	paths, err := entry.Write(dir, false)
	if err != nil {
		return texts, err
	}
	for i := range texts {
		b, err := os.ReadFile(paths[i])
		if err != nil {
			return texts, err
		}
		texts[i] = strings.ReplaceAll(string(b), `"`+filepath.ToSlash(dir)+"/", `"zoo/`)
	}
	if p.texts == nil {
		p.texts = make(map[string][2]string)
	}
	p.texts[name] = texts
	return texts, nil
}

// prepare makes the databases of a dataset, and those of the part of the training set that
// settings are tried on, unless they are there.
func (p *program) prepare(ctx context.Context, d dataset) error {
	train, done := filepath.Join(p.data, d.files+"_train_lmdb"), filepath.Join(p.data, d.files+".done")
	if exists(done) {
		return nil
	}
	args := []string{"convert", d.files, p.sources[d.files], p.data, "--force"}
	if d.files == "digits" {
		args = []string{"convert", "digits", p.data, "--force"}
	} else if p.sources[d.files] == "" {
		return fmt.Errorf("the files of %s are missing: give their folder with -%s", d.title, d.files)
	}
	if err := os.MkdirAll(p.data, 0o777); err != nil {
		return err
	}
	if _, _, err := p.gocaffe(ctx, p.data, args...); err != nil {
		return err
	}
	if err := split(train, filepath.Join(p.data, d.files+"_fit_lmdb"), filepath.Join(p.data, d.files+"_valid_lmdb")); err != nil {
		return err
	}
	return writeWhole(done, nil)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// split copies nine tenths of the records of a database to fit, and then the rest to valid.
func split(train, fit, valid string) error {
	db, err := data.OpenAny(train)
	if err != nil {
		return err
	}
	defer db.Close()
	n := db.Len()
	for _, part := range []struct {
		path     string
		from, to int
	}{{fit, 0, n * 9 / 10}, {valid, n * 9 / 10, n}} {
		sink, err := data.Create(part.path, caffepb.DataParameter_LMDB, true)
		if err != nil {
			return err
		}
		var scratch []byte
		for i := part.from; i < part.to; i++ {
			key, value, err := db.Record(i, &scratch)
			if err == nil {
				err = sink.Append(key, value)
			}
			if err != nil {
				sink.Abort()
				return err
			}
		}
		if err := sink.Commit(); err != nil {
			return err
		}
	}
	return nil
}
