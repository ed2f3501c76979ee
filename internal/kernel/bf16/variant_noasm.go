//go:build !amd64 || noasm

package bf16

func native() ([]*Micro, error) { return nil, lacking(nil) }
