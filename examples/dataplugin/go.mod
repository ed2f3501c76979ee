module example.org/csvdata

go 1.26.0

require github.com/gocaffe/gocaffe v0.0.0

require (
	github.com/ebitengine/purego v0.11.3 // indirect
	github.com/emicklei/proto v1.14.3 // indirect
	github.com/golang/snappy v1.0.0 // indirect
	github.com/google/uuid v1.1.1 // indirect
	github.com/klauspost/cpuid/v2 v2.4.2 // indirect
	github.com/pkg/errors v0.9.1 // indirect
	github.com/syndtr/goleveldb v1.0.0 // indirect
	golang.org/x/image v0.48.0 // indirect
	golang.org/x/sys v0.50.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
	gorgonia.org/cu v0.9.6 // indirect
)

replace github.com/gocaffe/gocaffe => ../..
