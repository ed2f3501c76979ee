package data

import (
	"bytes"
	"encoding/binary"
)

// jpegOrientation returns the orientation in the Exif data of a JPEG file, or 1.
func jpegOrientation(file []byte) int {
	for at := 2; at+4 <= len(file) && file[at] == 0xff; {
		marker := file[at+1]
		if marker == 0xff { // a byte to fill
			at++
			continue
		}
		size := int(binary.BigEndian.Uint16(file[at+2:]))
		if marker == 0xda || size < 2 || at+2+size > len(file) { // the data of the image
			break
		}
		if exif, ok := bytes.CutPrefix(file[at+4:at+2+size], []byte("Exif\x00\x00")); ok && marker == 0xe1 {
			return tag(exif, orientationTag, 1)
		}
		at += 2 + size
	}
	return 1
}

// Tags of TIFF and Exif files.
const (
	compressionTag = 259
	photometricTag = 262
	orientationTag = 274
	samplesTag     = 277
	planarTag      = 284
)

// tag returns the value of a tag in the first directory of a TIFF file, which Exif data
// are too, or otherwise if it is not there.
func tag(file []byte, number uint16, otherwise int) int {
	if !isTIFF(file) || len(file) < 8 {
		return otherwise
	}
	var order binary.ByteOrder = binary.LittleEndian
	if file[0] == 'M' {
		order = binary.BigEndian
	}
	at := int64(order.Uint32(file[4:]))
	if at > int64(len(file))-2 {
		return otherwise
	}
	entries := file[at+2:]
	for range order.Uint16(file[at:]) {
		if len(entries) < 12 {
			break
		}
		if order.Uint16(entries) == number {
			return int(order.Uint16(entries[8:]))
		}
		entries = entries[12:]
	}
	return otherwise
}

// turn turns an image as an orientation of Exif says, 1 to 8: what the rows and the
// columns of the file are in the picture.
func (im *Image) turn(orientation int) {
	if orientation < 2 || orientation > 8 {
		return
	}
	w, h, c := im.Width, im.Height, im.Channels
	right, down := c, w*c // steps in the file, for a step to the right or down in the picture
	width, height := w, h
	if orientation >= 5 { // rows become columns
		right, down = down, right
		width, height = h, w
	}
	start := 0
	if orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7 { // from right to left
		start += (width - 1) * right
		right = -right
	}
	if orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8 { // from the bottom up
		start += (height - 1) * down
		down = -down
	}
	from := im.Pix
	im.Pix = make([]byte, len(from))
	out := im.Pix
	for y := range height {
		at := start + y*down
		for range width {
			copy(out[:c], from[at:at+c])
			out, at = out[c:], at+right
		}
	}
	im.Width, im.Height = width, height
}
