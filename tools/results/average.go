package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
)

// averagePrefix begins the name of a file with the result of an average.
const averagePrefix = "average-"

// averageFile returns the file with the result of an average of nets.
func (p *program) averageFile(nets []run) (string, error) {
	hash := sha256.New()
	for _, r := range nets {
		dir, _, _, err := p.dir(r)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(hash, filepath.Base(dir))
	}
	return filepath.Join(p.out, p.scale.name, averagePrefix+hex.EncodeToString(hash.Sum(nil)[:4])+".json"), nil
}

// result returns the stored result of a net or an average, or nil.
func (p *program) result(nets []run) (*result, error) {
	if len(nets) == 1 {
		return p.stored(nets[0])
	}
	file, err := p.averageFile(nets)
	if err != nil {
		return nil, err
	}
	return p.known(file), nil
}

// together returns the costs of several nets. If the time of one training is unknown, so is
// that of all.
func together(each []result) result {
	var all result
	known := true
	for _, one := range each {
		all.TrainSeconds += one.TrainSeconds
		all.WeightBytes += one.WeightBytes
		known = known && one.TrainSeconds > 0
	}
	if !known {
		all.TrainSeconds = 0
	}
	return all
}

// average tests the average of the probabilities of nets unless its result is there.
func (p *program) average(ctx context.Context, nets []run) error {
	if res, err := p.result(nets); res != nil || err != nil {
		return err
	}
	var each []result
	args := []string{"test", "--iterations", "all"}
	for _, r := range nets {
		dir, _, _, err := p.dir(r)
		if err != nil {
			return err
		}
		args = append(args, "--model", filepath.Join(dir, "net.prototxt"), "--weights", filepath.Join(dir, r.weights()))
		one, err := p.stored(r)
		if err != nil {
			return err
		}
		each = append(each, *one)
	}
	res := together(each)
	log, seconds, err := p.gocaffe(ctx, filepath.Join(p.out, p.scale.name), args...)
	if err != nil {
		return err
	}
	res.TestSeconds = seconds
	if res.Accuracy, err = strconv.ParseFloat(find(log, `(?m)^ensemble\s+(\S+)`), 64); err != nil {
		return errors.New("gocaffe test prints no accuracy of the ensemble")
	}
	res.Accuracy *= 100
	file, err := p.averageFile(nets)
	if err != nil {
		return err
	}
	return p.store(file, res)
}
