//go:build !linux

package sysmem

// Read returns nothing: memory is not asked for on this system.
func Read() (info Info, ok bool) { return Info{}, false }
