package net

import (
	"errors"
	"fmt"

	"github.com/gocaffe/gocaffe/layers"
)

// ReadOnce has the data layers give each of their records once, in the passes from
// number 0 on; the batch of the last pass is smaller if need be. It returns the
// number of records and the size of the other batches. Call it before the first pass.
//
// It fails if a data layer cannot count its records (layers.RecordSource), or if data
// layers differ in the numbers of their records or in the sizes of their batches.
func (n *Net) ReadOnce() (records, batch int, err error) {
	var first *Layer
	for _, l := range n.layers {
		if len(l.BottomNames) > 0 || l.Info.Group != "data" {
			continue
		}
		source, ok := l.Impl.(layers.RecordSource)
		if !ok || source.Records() == 0 {
			return 0, 0, l.wrap(fmt.Errorf("a layer of type %s has no records that could be read once each", l.Type))
		}
		if err := source.ReadOnce(); err != nil {
			return 0, 0, l.wrap(err)
		}
		if first == nil {
			first, records, batch = l, source.Records(), source.BatchSize()
			continue
		}
		if source.Records() != records || source.BatchSize() != batch {
			return 0, 0, l.wrap(fmt.Errorf("to read each record once, all data layers need as many records and as large batches: "+
				"got %d records in batches of %d, layer %q has %d in batches of %d", source.Records(), source.BatchSize(), first.Name, records, batch))
		}
	}
	if first == nil {
		return 0, 0, errors.New("the net has no data layer whose records could be read once each")
	}
	return records, batch, nil
}

// RecordName returns what names the record that is item i in the batch of a pass, its
// key or its path, and "" if the net's data layers have no records. Of several data
// layers, the first counts.
func (n *Net) RecordName(pass int64, i int) (string, error) {
	for _, l := range n.layers {
		if source, ok := l.Impl.(layers.RecordSource); ok && source.Records() > 0 {
			return source.RecordName(pass, i)
		}
	}
	return "", nil
}
