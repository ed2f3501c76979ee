//go:build !amd64 || noasm

package rand

// Without assembly the only level is the generic one.
var dropoutBlocksAVX2, dropoutBlocksAVX512 blocksFunc
