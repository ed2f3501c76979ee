//go:build race

package net

// raceEnabled is set because the race detector makes sync.Pool forget, and so
// allocate.
const raceEnabled = true
