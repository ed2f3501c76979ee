package campaign

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strconv"
)

// words are the replacements for a number or a name in a mutant of text.
var words = []string{
	"0", "-1", "1", "2", "3", "7", "255", "256", "65536", "2147483647", "-2147483648", "2147483648", "4294967295", "9223372036854775807",
	"1e38", "1e39", "-1e-45", "nan", "inf", "-inf", "0.5", "true", "MAX", "LMDB", "TRAIN", "TEST", "data", "label", "\"\"", "\"loss\"", "\"data\"",
	"{", "}", "{ }", ":", "[1, 2]", "#", "\"", "\\", "\x00", "\xff\xfe", "\ufeff", "é", "../x", "\r\n", "--", "=",
}

// numbers are the replacements for 1, 2, 4 or 8 bytes in a mutant of bytes.
var numbers = []uint64{
	0, 1, 2, 3, 4, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 1<<24 - 1, 1 << 24, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32,
	1<<63 - 1, 1 << 63, math.MaxUint64, 0x7f800000, 0x7fc00000, 0xff800000, 0x00000001, // float32's infinities, a NaN, the smallest number
}

// mutate returns data with one to four random changes.
func mutate(r *rand.Rand, data []byte, text bool) []byte {
	data = bytes.Clone(data)
	for range 1 + r.IntN(4)*r.IntN(2) {
		if text && r.IntN(4) > 0 {
			data = mutateText(r, data)
		} else {
			data = mutateBytes(r, data)
		}
	}
	return data
}

// span returns the bounds of a random part of n bytes, more often short than long.
func span(r *rand.Rand, n int) (from, to int) {
	if n == 0 {
		return 0, 0
	}
	from = r.IntN(n)
	longest := n - from
	if r.IntN(4) > 0 {
		longest = min(longest, 16)
	}
	return from, from + 1 + r.IntN(longest)
}

// splice returns data with the part between two positions replaced.
func splice(data []byte, from, to int, by []byte) []byte {
	return append(append(bytes.Clone(data[:from]), by...), data[to:]...)
}

func mutateBytes(r *rand.Rand, data []byte) []byte {
	if len(data) == 0 {
		return []byte{byte(r.IntN(256))}
	}
	from, to := span(r, len(data))
	switch r.IntN(9) {
	case 0, 1: // a bit
		data[from] ^= 1 << r.IntN(8)
	case 2: // a byte
		data[from] = byte(r.IntN(256))
	case 3: // a number, in either order
		var b [8]byte
		n := numbers[r.IntN(len(numbers))]
		size := 1 << r.IntN(4)
		if r.IntN(2) == 0 {
			binary.LittleEndian.PutUint64(b[:], n)
			copy(data[from:], b[:size])
		} else {
			binary.BigEndian.PutUint64(b[:], n<<(64-8*size))
			copy(data[from:], b[:size])
		}
	case 4: // a part is missing
		data = splice(data, from, to, nil)
	case 5: // a part is duplicated, there or elsewhere
		at := r.IntN(len(data) + 1)
		data = splice(data, at, at, bytes.Clone(data[from:to]))
	case 6: // a part is overwritten by a different one
		copy(data[r.IntN(len(data)):], bytes.Clone(data[from:to]))
	case 7: // the end is missing
		data = data[:from]
	case 8: // something is appended
		more := make([]byte, 1+r.IntN(64))
		if r.IntN(2) == 0 {
			for i := range more {
				more[i] = byte(r.IntN(256))
			}
		}
		data = append(data, more...)
	}
	return data
}

// tokens returns the bounds of the words of a text, and of the characters between them.
func tokens(data []byte) (ends [][2]int) {
	word := func(c byte) bool {
		return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '.' || c == '-'
	}
	for i := 0; i < len(data); {
		if data[i] == ' ' || data[i] == '\n' {
			i++
			continue
		}
		from := i
		for i < len(data) && word(data[i]) {
			i++
		}
		if i == from {
			i++
		}
		ends = append(ends, [2]int{from, i})
	}
	return ends
}

func mutateText(r *rand.Rand, data []byte) []byte {
	all := tokens(data)
	if len(all) == 0 {
		return append(data, words[r.IntN(len(words))]...)
	}
	a, b := all[r.IntN(len(all))], all[r.IntN(len(all))]
	switch r.IntN(7) {
	case 0, 1: // a word becomes one of the list
		return splice(data, a[0], a[1], []byte(words[r.IntN(len(words))]))
	case 2: // a number becomes a nearby one
		for range 20 {
			if n, err := strconv.Atoi(string(data[a[0]:a[1]])); err == nil {
				return splice(data, a[0], a[1], strconv.AppendInt(nil, int64(n+r.IntN(7)-3), 10))
			}
			a = all[r.IntN(len(all))]
		}
		return data
	case 3: // a word becomes another word of the text
		return splice(data, a[0], a[1], bytes.Clone(data[b[0]:b[1]]))
	case 4: // a word is missing
		return splice(data, a[0], a[1], nil)
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	i, j := r.IntN(len(lines)), r.IntN(len(lines))
	switch r.IntN(3) {
	case 0: // a line is missing
		lines[i] = nil
	case 1: // two lines are swapped
		lines[i], lines[j] = lines[j], lines[i]
	case 2: // a line is duplicated
		lines[i] = append(bytes.Clone(lines[i]), lines[j]...)
	}
	return bytes.Join(lines, nil)
}
