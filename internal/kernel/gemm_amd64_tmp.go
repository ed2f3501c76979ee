//go:build amd64 && !noasm

package kernel

var microAVX2, microAVX512 = micros0, micros0
var micros0 = micro{lanes: 4, tiles: []tileFunc{tileGeneric4, tileGeneric8}, fmaLoop: fmaLoopGeneric, fmaFlops: 16}
