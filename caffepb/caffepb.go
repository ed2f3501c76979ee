// Package caffepb holds the messages of Caffe's files, text and binary.
package caffepb

//go:generate go run -C ../tools ./protogen -I ../caffepb -out ../caffepb/caffe.pb.go caffe.proto
