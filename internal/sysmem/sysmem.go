// Package sysmem tells how much memory this machine gives to the process.
package sysmem

// Info is what the system says about memory, in bytes. Swap counts in Total.
type Info struct {
	Available int64 // can be taken without pushing anything out, as far as is known
	Total     int64 // no process can have more
}
