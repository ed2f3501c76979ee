package gocaffecmd

import (
	"errors"
	"fmt"
	"strconv"
)

// iterationsFlag is a number of batches, or all.
type iterationsFlag struct {
	number *int
	all    *bool
}

func (f iterationsFlag) String() string {
	if f.number == nil { // pflag asks a zero value
		return "0"
	}
	if *f.all {
		return "all"
	}
	return strconv.Itoa(*f.number)
}

func (f iterationsFlag) Set(text string) error {
	if *f.all = text == "all"; *f.all {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return errors.New("want a number or all")
	}
	*f.number = n
	return nil
}

// Type names the value in help and errors.
func (iterationsFlag) Type() string { return "int" }

// readOnce does what --iterations all says: the nets read each record once, and the
// number of iterations is that of the batches. It returns the part of a whole batch
// that the last one is.
func (f *testFlags) readOnce(nets []*testNet) (last float32, err error) {
	if !f.once {
		return 1, nil
	}
	var first [2]int
	for i, t := range nets {
		records, batch, err := t.net.ReadOnce()
		switch {
		case err != nil:
			return 0, fmt.Errorf("%w; --iterations N needs no such layers", err)
		case i == 0:
			first = [2]int{records, batch}
			f.iterations, last = passesOf(records, batch)
		case first != [2]int{records, batch}:
			return 0, fmt.Errorf("net %d reads %d records in batches of %d, the first one %d in batches of %d: want the same",
				i+1, records, batch, first[0], first[1])
		}
	}
	return last, nil
}

// passesOf returns how many batches there are if each record is read once, and which
// part of a whole batch the last one is.
func passesOf(records, batch int) (passes int, last float32) {
	passes = (records + batch - 1) / batch
	return passes, float32(records-(passes-1)*batch) / float32(batch)
}
