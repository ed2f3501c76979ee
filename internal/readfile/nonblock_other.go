//go:build !unix

package readfile

// nonblock is not known here.
const nonblock = 0
