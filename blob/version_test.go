package blob

import (
	"sync"
	"testing"
)

// TestDataVersion changes data in every way and checks that the version changes with them, and only
// then.
func TestDataVersion(t *testing.T) {
	b, _ := New(2, 3)
	other, _ := New(2, 3)
	d := newFakeDevice()
	seen := map[uint64]bool{0: true}
	changed := func(what string, b *Blob, f func()) {
		t.Helper()
		before := b.DataVersion()
		seen[before] = true
		f()
		after := b.DataVersion()
		if seen[after] {
			t.Errorf("%s: version %d, which was seen before; the last one is %d", what, after, before)
		}
		seen[after] = true
	}
	same := func(what string, b *Blob, f func()) {
		t.Helper()
		before := b.DataVersion()
		f()
		if after := b.DataVersion(); after != before {
			t.Errorf("%s: version %d, want %d as before", what, after, before)
		}
	}
	if b.DataVersion() == other.DataVersion() {
		t.Error("two blobs have the same version")
	}
	changed("MutableData", b, func() { b.MutableData()[1] = 2 })
	same("Data, Diff", b, func() { b.Data(); b.Diff(); b.MutableDiff() })
	same("Reshape", b, func() { b.Reshape(3, 2) })
	same("ToProto", b, func() { b.ToProto(true) })
	changed("FromProto", b, func() { b.FromProto(other.ToProto(false), true) })
	changed("MutableDeviceData", b, func() { b.MutableDeviceData(d) })
	same("DeviceData", b, func() { b.DeviceData(d); b.DeviceDiff(d); b.MutableDeviceDiff(d); b.Data() })
	changed("MutableData with a copy on a device", b, func() { b.MutableData() })
	changed("FillLater", b, func() { b.FillLater(func(data []float32) { data[0] = 1 }) })
	same("the filling", b, func() { b.Data() })

	changed("ShareData", b, func() { b.ShareData(other) })
	if b.DataVersion() != other.DataVersion() {
		t.Error("blobs that share their data have different versions")
	}
	changed("MutableData of the blob that shares it", b, func() { other.MutableData() })

	d.uses = new(Uses)
	b.MutableDeviceData(d)
	uses := d.uses
	d.uses = nil
	changed("recorded work done again", b, func() { uses.Again(d) })

	s := new(Storage)
	changed("PlaceData", b, func() { b.PlaceData(s) })
	other.PlaceData(s)
	changed("MutableData of another blob in the Storage", b, func() { other.MutableData() })

	part, _ := New(2)
	part.PlaceData(b.DataPart(1, 2))
	changed("MutableData of a part", b, func() { part.MutableData() })
	changed("MutableData of the whole", part, func() { b.MutableData() })
	separate := b.DataPart(0, 2)
	part.PlaceData(separate)
	changed("Separate", part, separate.Separate)
	same("Data", part, func() { part.Data() })
	changed("MutableData", part, func() { part.MutableData() })

	changed("a zero Blob", new(Blob), func() {})
}

// TestDataVersionRace asks for the version in several goroutines.
func TestDataVersionRace(t *testing.T) {
	b, _ := New(4)
	b.MutableData()
	var all [4]uint64
	var done sync.WaitGroup
	for i := range all {
		done.Go(func() { b.Data(); all[i] = b.DataVersion() })
	}
	done.Wait()
	for _, v := range all {
		if v != all[0] || v == 0 {
			t.Errorf("versions %v, want one", all)
		}
	}
}
