// Package sysmem reports the memory available to the process, and allocates large arrays.
package sysmem

// Info is the memory that the system reports, in bytes. Total includes swap.
type Info struct {
	Available int64 // can be used without swapping anything out, as far as is known
	Total     int64 // upper limit for a process
}
