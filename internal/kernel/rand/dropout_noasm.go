//go:build !amd64 || noasm

package rand

// Without assembly there is only the generic level.
var dropoutBlocksAVX2, dropoutBlocksAVX512 blocksFunc
