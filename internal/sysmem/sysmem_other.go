//go:build !linux

package sysmem

// Read returns nothing: this system is not supported.
func Read() (info Info, ok bool) { return Info{}, false }
