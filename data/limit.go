package data

import (
	"fmt"
	"os"
	"strconv"
)

// LimitVariable is the environment variable that sets the number of pixels an image
// may have. Without it, images may have 2²⁶, as 8192 x 8192, and more only if their
// file is large: 64 for each of its bytes. A damaged file or one made for the purpose
// could otherwise take all memory with a few bytes.
const LimitVariable = "GOCAFFE_MAX_IMAGE_PIXELS"

const (
	usualPixels  = 1 << 26
	usualPerByte = 64
	mostPixels   = 1 << 30 // OpenCV's limit
	maxSide      = 1 << 20 // OpenCV's limit of the width and the height
)

// pixelLimit returns the limit that the environment sets, or 0 if it sets none.
func pixelLimit() (int64, error) {
	text := os.Getenv(LimitVariable)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > mostPixels {
		return 0, fmt.Errorf("%s is %q, want a number from 1 to %d", LimitVariable, text, mostPixels)
	}
	return n, nil
}

// CheckSize returns an error if an image that is made, by Resize for example, would be
// larger than the limit.
func CheckSize(height, width int) error { return checkSize(width, height, 0) }

// checkSize returns an error if an image of a file is larger than the limit.
func checkSize(width, height, file int) error {
	limit, err := pixelLimit()
	if err != nil {
		return err
	}
	if limit == 0 {
		limit = max(usualPixels, usualPerByte*int64(file))
	}
	n := int64(width) * int64(height)
	switch {
	case width < 1 || height < 1 || width > maxSide || height > maxSide:
		return fmt.Errorf("the image has %d x %d pixels (width x height), want 1 to %d on each side", width, height, maxSide)
	case n > limit || n > mostPixels:
		return fmt.Errorf("the image has %d x %d pixels (width x height), the limit is %d; the environment variable %s sets another",
			width, height, min(limit, mostPixels), LimitVariable)
	}
	return nil
}

// checkContent returns an error if a file is too short for its image, of which it holds
// at most perByte units in a byte.
func checkContent(width, height int, units, perByte int64, file int) error {
	if units > perByte*int64(file)+1<<16 {
		return fmt.Errorf("it claims to have %d x %d pixels, for which it is too short", width, height)
	}
	return nil
}
