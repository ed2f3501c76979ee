package cuda

import (
	"errors"

	"github.com/gocaffe/gocaffe/cuda/driver"
)

// Peak returns the largest number of float32 operations that the device can do in a
// second, two for each multiply-add, without tensor cores and at the clock rate that
// the driver reports, and the largest number of bytes that it can move in its memory.
func (d *Device) Peak() (flops, bytes float64, err error) {
	var errs []error
	attribute := func(a driver.Attribute) float64 {
		v, err := d.drv.DeviceAttribute(a, driver.Device(d.number))
		errs = append(errs, err)
		return float64(v)
	}
	flops = 2 * attribute(driver.MultiprocessorCount) * float64(d.lanes()) * 1e3 * attribute(driver.ClockRate)
	bytes = 2 * 1e3 * attribute(driver.MemoryClockRate) * attribute(driver.MemoryBusWidth) / 8 // two transfers per clock
	return flops, bytes, errors.Join(errs...)
}

// lanes returns the number of float32 multiply-adds that a multiprocessor starts per
// clock, from the table of arithmetic throughput in the CUDA programming guide.
func (d *Device) lanes() int {
	if d.major == 7 || d.major == 8 && d.minor == 0 {
		return 64
	}
	return 128
}
