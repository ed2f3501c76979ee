//go:build unix

package atomicfile

import "os"

// syncDir makes a rename in the folder survive a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
