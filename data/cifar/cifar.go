// Package cifar reads the binary files of CIFAR-10 and CIFAR-100.
package cifar

import "fmt"

// Sizes of an image: three planes, red, green and blue.
const (
	Channels  = 3
	Side      = 32
	ImageSize = Channels * Side * Side
)

// A Record is an image with its label.
type Record struct {
	Label  int
	Coarse int    // one of CIFAR-100's 20 superclasses, 0 in CIFAR-10
	Pixels []byte // Channels x Side x Side, part of the file
}

// classes are the numbers of classes by the number of labels in a record.
var classes = [][]int{1: {10}, 2: {20, 100}}

// Split returns the records of a file. Each consists of its labels, one for
// CIFAR-10, a coarse and a fine one for CIFAR-100, and of an image. Errors call
// the file name.
func Split(file []byte, labels int, name string) ([]Record, error) {
	size := labels + ImageSize
	if len(file) == 0 || len(file)%size != 0 {
		return nil, fmt.Errorf("%s: the file has %d bytes, want a multiple of %d: is it cut short?", name, len(file), size)
	}
	records := make([]Record, len(file)/size)
	for i := range records {
		b := file[i*size : (i+1)*size]
		for k, n := range classes[labels] {
			if int(b[k]) >= n {
				return nil, fmt.Errorf("%s: record %d has the label %d, want 0 to %d: is it a file of CIFAR-%d?", name, i, b[k], n-1, classes[labels][labels-1])
			}
		}
		records[i] = Record{Label: int(b[labels-1]), Pixels: b[labels:]}
		if labels > 1 {
			records[i].Coarse = int(b[0])
		}
	}
	return records, nil
}
