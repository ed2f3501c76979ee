package feed

import (
	"slices"
	"testing"

	"github.com/gocaffe/gocaffe/layers"
)

func TestSequence(t *testing.T) {
	// Caffe's data_layer.cpp, step by step: a cursor and a count of all records
	for _, s := range []*sequence{
		{records: 10, batch: 3, ranks: 1},
		{records: 3, batch: 10, ranks: 1},
		{records: 5, batch: 5, ranks: 1},
		{records: 7, batch: 4, rank: 0, ranks: 3},
		{records: 7, batch: 4, rank: 2, ranks: 3},
		{records: 1, batch: 2, rank: 1, ranks: 2},
	} {
		offset, cursor := 0, 0
		for n := range int64(12) {
			restarts := 0
			next := func() {
				if cursor++; cursor == s.records {
					cursor = 0
					restarts++
				}
				offset++
			}
			for i := range s.batch {
				for offset%s.ranks != s.rank {
					next()
				}
				place := s.place(n, i)
				record, epoch, err := s.record(place)
				if err != nil || place != int64(offset) || record != cursor || epoch != int64(offset/s.records) {
					t.Fatalf("%+v: item %d of batch %d is record %d at %d, want %d at %d", s, i, n, record, place, cursor, offset)
				}
				next()
			}
			if got := s.restarts(n); got != restarts {
				t.Errorf("%+v: batch %d restarts %d times, want %d", s, n, got, restarts)
			}
		}
	}
	skipping := &sequence{records: 10, batch: 4, ranks: 1, order: Order{Skip: 9}}
	if record, epoch, _ := skipping.record(skipping.place(0, 1)); record != 0 || epoch != 1 {
		t.Errorf("after skipping 9 of 10 the second record is %d of epoch %d, want 0 of 1", record, epoch)
	}
}

// TestPermute checks that positions read in any order have the same records as when read
// in order, with two epochs in memory.
func TestPermute(t *testing.T) {
	shuffled := func() *sequence {
		return &sequence{records: 5, batch: 3, ranks: 1, order: Order{Skip: 2, Permute: Shuffle(layers.NewRand(1, "shuffle"))}}
	}
	s := shuffled()
	var all []int
	for place := range int64(48) {
		record, _, err := s.record(place)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, record)
	}
	for first := 3; first < 48; first += 5 { // epoch 0 has lost two records
		epoch := slices.Sorted(slices.Values(all[first : first+5]))
		if !slices.Equal(epoch, []int{0, 1, 2, 3, 4}) {
			t.Errorf("the epoch from place %d on has the records %v", first, epoch)
		}
	}
	if slices.Equal(all[3:8], all[8:13]) && slices.Equal(all[8:13], all[13:18]) {
		t.Errorf("all epochs have the order %v", all[3:8])
	}
	s = shuffled()
	for _, place := range []int64{40, 3, 41, 4, 12, 47, 0, 0} {
		if record, _, err := s.record(place); err != nil || record != all[place] {
			t.Errorf("place %d has record %d, %v, want %d", place, record, err, all[place])
		}
	}
}
