package prototxt_test

import (
	"fmt"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/prototxt"
	"google.golang.org/protobuf/proto"
)

// Read a net from text. Files of older versions of Caffe are upgraded to the current
// format, and the notes report the changes.
func ExampleParseNet() {
	file, err := prototxt.ParseNet("old.prototxt", []byte(`
		layers { name: "ip" type: INNER_PRODUCT bottom: "x" top: "y" inner_product_param { num_output: 10 } }
	`))
	if err != nil {
		fmt.Println(err)
		return
	}
	l := file.Param.Layer[0]
	fmt.Println(l.GetName(), l.GetType(), l.GetInnerProductParam().GetNumOutput())
	fmt.Println(file.Notes[0].Text)
	// Output:
	// ip InnerProduct 10
	// Attempting to upgrade input file specified using deprecated V1LayerParameter: old.prototxt
}

// ParseNet finds all errors of a file at once, each with its position.
func ExampleParseNet_errors() {
	_, err := prototxt.ParseNet("net.prototxt", []byte(`layer {
  name: "ip"
  inner_product_parm { num_output: 10 }
  top: 5
}`))
	fmt.Println(err)
	// Output:
	// net.prototxt:3:3: layer "ip": unknown field "inner_product_parm" of LayerParameter, did you mean "inner_product_param"?
	// net.prototxt:4:8: layer "ip": top: got 5, want a string in quotes
}

// Marshal formats text as Caffe does.
func ExampleMarshal() {
	fmt.Printf("%s", prototxt.Marshal(&caffepb.SolverParameter{
		Net: proto.String("net.prototxt"), BaseLr: proto.Float32(0.01), LrPolicy: proto.String("fixed"),
	}))
	// Output:
	// base_lr: 0.01
	// lr_policy: "fixed"
	// net: "net.prototxt"
}
