//go:build static || !((linux && (amd64 || arm64)) || (windows && amd64))

package dynlib

func open(string) (uintptr, error) { return 0, ErrUnsupported }

func symbol(uintptr, string) (uintptr, error) { return 0, ErrUnsupported }

// Call is for libraries that Open has opened; here it opens none.
func Call(uintptr, ...uintptr) uintptr { return 0 }

// CallSlice is for libraries that Open has opened; here it opens none.
func CallSlice(uintptr, []uintptr) uintptr { return 0 }

// Callback returns 0: no library is open that could call f.
func Callback(func(a, b, c uintptr) uintptr) uintptr { return 0 }

func fileOf(uintptr) string { return "" }
