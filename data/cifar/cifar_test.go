package cifar

import (
	"bytes"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	image := bytes.Repeat([]byte{1, 2, 3}, ImageSize/3)
	other := bytes.Repeat([]byte{4, 5, 6}, ImageSize/3)
	ten := append(append(append([]byte{9}, image...), 3), other...)
	records, err := Split(ten, 1, "ten")
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 2 || records[0].Label != 9 || records[1].Label != 3 || records[1].Coarse != 0 ||
		!bytes.Equal(records[0].Pixels, image) || !bytes.Equal(records[1].Pixels, other) {
		t.Error("the records of CIFAR-10 are wrong")
	}
	records, err = Split(append([]byte{19, 99}, image...), 2, "hundred")
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 1 || records[0].Coarse != 19 || records[0].Label != 99 || !bytes.Equal(records[0].Pixels, image) {
		t.Error("the record of CIFAR-100 is wrong")
	}
	for _, n := range []int{0, 1, ImageSize, ImageSize + 2} {
		if _, err := Split(make([]byte, n), 1, "name"); err == nil || !strings.HasPrefix(err.Error(), "name: the file has ") {
			t.Errorf("%d bytes: got %v, want an error", n, err)
		}
	}
	for _, test := range []struct {
		labels []byte
		want   string
	}{
		{[]byte{10}, "name: record 1 has the label 10, want 0 to 9: is it a file of CIFAR-10?"},
		{[]byte{20, 0}, "name: record 1 has the label 20, want 0 to 19: is it a file of CIFAR-100?"},
		{[]byte{19, 100}, "name: record 1 has the label 100, want 0 to 99: is it a file of CIFAR-100?"},
	} {
		n := len(test.labels)
		b := make([]byte, 2*(n+ImageSize))
		copy(b[n+ImageSize:], test.labels)
		if _, err := Split(b, n, "name"); err == nil || err.Error() != test.want {
			t.Errorf("labels %d: got %v, want %s", test.labels, err, test.want)
		}
	}
}

// FuzzSplit splits any file. Records that are written one after the other give the
// file back.
func FuzzSplit(f *testing.F) {
	f.Add(make([]byte, 2*(1+ImageSize)), false)
	f.Add(append([]byte{19, 99}, make([]byte, ImageSize)...), true)
	f.Add([]byte{1}, false)
	f.Fuzz(func(t *testing.T, b []byte, hundred bool) {
		labels := 1
		if hundred {
			labels = 2
		}
		records, err := Split(b, labels, "name")
		if err != nil {
			return
		}
		var again []byte
		for _, r := range records {
			if hundred {
				again = append(again, byte(r.Coarse))
			}
			again = append(append(again, byte(r.Label)), r.Pixels...)
		}
		if !bytes.Equal(again, b) {
			t.Errorf("%d bytes come back as %d others", len(b), len(again))
		}
	})
}
