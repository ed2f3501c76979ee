package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A keptResult is a result and where it is from.
type keptResult struct {
	result
	Processor string
}

// kept are all results of a scale, by the name of the run's folder or the average's file.
// They are stored in one file too, which is small enough to be published: what one machine
// has computed, another need not compute again.
type kept struct {
	file    string // "" for none
	results map[string]keptResult
}

// load reads the file of kept results and those in the folder of the scale, which are
// newer.
func (k *kept) load(file, folder string) error {
	*k = kept{file: file, results: make(map[string]keptResult)}
	if file != "" {
		b, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(b, &k.results)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	var found []string
	for _, pattern := range []string{filepath.Join("*", resultFile), averagePrefix + "*.json"} {
		files, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			return err
		}
		found = append(found, files...)
	}
	for _, f := range found {
		res, err := readResult(f)
		if err != nil {
			return err
		}
		name := keptName(f)
		if old := k.results[name]; old.result != *res {
			k.results[name] = keptResult{*res, processor()}
		}
	}
	return nil
}

// keptName returns the name of a result that is stored in a file of its own.
func keptName(file string) string {
	if filepath.Base(file) == resultFile {
		return filepath.Base(filepath.Dir(file))
	}
	return strings.TrimSuffix(filepath.Base(file), ".json")
}

// add adds the result in a file of its own, and stores all.
func (k *kept) add(file string, res result) error {
	k.results[keptName(file)] = keptResult{res, processor()}
	if k.file == "" {
		return nil
	}
	b, err := json.MarshalIndent(k.results, "", "\t")
	if err != nil {
		return err
	}
	return writeWhole(k.file, append(b, '\n'))
}

// spent returns the time and the number of all trainings, and the processors they ran on.
func (k *kept) spent() (hours float64, runs int, processors string) {
	names := make(map[string]bool)
	for name, r := range k.results {
		names[r.Processor] = true
		if !strings.HasPrefix(name, averagePrefix) {
			hours += r.TrainSeconds / 3600
			runs++
		}
	}
	return hours, runs, strings.Join(slices.Sorted(maps.Keys(names)), "; ")
}

// known returns the result that is or was in a file, or nil.
func (p *program) known(file string) *result {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if r, ok := p.kept.results[keptName(file)]; ok {
		return &r.result
	}
	return nil
}

// store writes a result to its file and keeps it.
func (p *program) store(file string, res result) error {
	b, err := json.MarshalIndent(res, "", "\t")
	if err != nil {
		return err
	}
	if err := writeWhole(file, append(b, '\n')); err != nil {
		return err
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.kept.add(file, res)
}
