package net

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
)

// layerList reads layers from lines such as "ip InnerProduct data > ip 2.5":
// name, type, bottoms, tops and loss weights.
func layerList(t *testing.T, lines string) []*caffepb.LayerParameter {
	t.Helper()
	var text strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		bottoms, tops, _ := strings.Cut(line, ">")
		words := strings.Fields(bottoms)
		fmt.Fprintf(&text, "layer { name: %q type: %q ", words[0], words[1])
		for _, name := range words[2:] {
			fmt.Fprintf(&text, "bottom: %q ", name)
		}
		for _, word := range strings.Fields(tops) {
			if strings.ContainsAny(word[:1], "0123456789") {
				fmt.Fprintf(&text, "loss_weight: %s ", word)
			} else {
				fmt.Fprintf(&text, "top: %q ", word)
			}
		}
		text.WriteString("}\n")
	}
	return parse(t, text.String()).Param.Layer
}

func listed(layers []*caffepb.LayerParameter) string {
	var lines []string
	for _, l := range layers {
		words := append([]string{l.GetName(), l.GetType()}, l.Bottom...)
		words = append(append(words, ">"), l.Top...)
		for _, w := range l.LossWeight {
			words = append(words, fmt.Sprint(w))
		}
		lines = append(lines, strings.Join(words, " "))
	}
	return strings.Join(lines, "\n")
}

// The first cases are those of SplitLayerInsertionTest in Caffe's
// test_split_layer.cpp.
func TestInsertSplits(t *testing.T) {
	tests := []struct{ name, layers, want string }{
		{"NoInsertion1", `
data Data > data label
innerprod InnerProduct data > innerprod
loss SoftmaxWithLoss innerprod label >`, ""},
		{"NoInsertion2", `
data Data > data label
data_split Split data > data_split_0 data_split_1
innerprod1 InnerProduct data_split_0 > innerprod1
innerprod2 InnerProduct data_split_1 > innerprod2
loss EuclideanLoss innerprod1 innerprod2 >`, ""},
		{"NoInsertionWithInPlace", `
data Data > data label
innerprod InnerProduct data > innerprod
relu ReLU innerprod > innerprod
loss SoftmaxWithLoss innerprod label >`, ""},
		{"LossInsertion", `
data DummyData > data
innerproduct1 InnerProduct data > innerproduct1 2.5
innerproduct2 InnerProduct data > innerproduct2
loss EuclideanLoss innerproduct1 innerproduct2 >`, `
data DummyData > data
data_data_0_split Split data > data_data_0_split_0 data_data_0_split_1
innerproduct1 InnerProduct data_data_0_split_0 > innerproduct1
innerproduct1_innerproduct1_0_split Split innerproduct1 > innerproduct1_innerproduct1_0_split_0 innerproduct1_innerproduct1_0_split_1 2.5 0
innerproduct2 InnerProduct data_data_0_split_1 > innerproduct2
loss EuclideanLoss innerproduct1_innerproduct1_0_split_1 innerproduct2 >`},
		{"Insertion", `
data Data > data label
innerprod1 InnerProduct data > innerprod1
innerprod2 InnerProduct data > innerprod2
innerprod3 InnerProduct data > innerprod3
loss1 EuclideanLoss innerprod1 innerprod2 >
loss2 EuclideanLoss innerprod2 innerprod3 >`, `
data Data > data label
data_data_0_split Split data > data_data_0_split_0 data_data_0_split_1 data_data_0_split_2
innerprod1 InnerProduct data_data_0_split_0 > innerprod1
innerprod2 InnerProduct data_data_0_split_1 > innerprod2
innerprod2_innerprod2_0_split Split innerprod2 > innerprod2_innerprod2_0_split_0 innerprod2_innerprod2_0_split_1
innerprod3 InnerProduct data_data_0_split_2 > innerprod3
loss1 EuclideanLoss innerprod1 innerprod2_innerprod2_0_split_0 >
loss2 EuclideanLoss innerprod2_innerprod2_0_split_1 innerprod3 >`},
		{"InsertionTwoTop", `
data Data > data label
innerprod1 InnerProduct data > innerprod1
innerprod2 InnerProduct label > innerprod2
innerprod3 InnerProduct data > innerprod3
innerprod4 InnerProduct label > innerprod4
loss1 EuclideanLoss innerprod1 innerprod3 >
loss2 EuclideanLoss innerprod2 innerprod4 >`, `
data Data > data label
data_data_0_split Split data > data_data_0_split_0 data_data_0_split_1
label_data_1_split Split label > label_data_1_split_0 label_data_1_split_1
innerprod1 InnerProduct data_data_0_split_0 > innerprod1
innerprod2 InnerProduct label_data_1_split_0 > innerprod2
innerprod3 InnerProduct data_data_0_split_1 > innerprod3
innerprod4 InnerProduct label_data_1_split_1 > innerprod4
loss1 EuclideanLoss innerprod1 innerprod3 >
loss2 EuclideanLoss innerprod2 innerprod4 >`},
		{"WithInPlace", `
data Data > data label
innerprod1 InnerProduct data > innerprod1
relu1 ReLU innerprod1 > innerprod1
innerprod2 InnerProduct innerprod1 > innerprod2
loss1 EuclideanLoss innerprod1 label >
loss2 EuclideanLoss innerprod2 data >`, `
data Data > data label
data_data_0_split Split data > data_data_0_split_0 data_data_0_split_1
innerprod1 InnerProduct data_data_0_split_0 > innerprod1
relu1 ReLU innerprod1 > innerprod1
innerprod1_relu1_0_split Split innerprod1 > innerprod1_relu1_0_split_0 innerprod1_relu1_0_split_1
innerprod2 InnerProduct innerprod1_relu1_0_split_0 > innerprod2
loss1 EuclideanLoss innerprod1_relu1_0_split_1 label >
loss2 EuclideanLoss innerprod2 data_data_0_split_1 >`},
		{"one layer reads a blob twice", `
data Data > data
sum Eltwise data data > sum`, `
data Data > data
data_data_0_split Split data > data_data_0_split_0 data_data_0_split_1
sum Eltwise data_data_0_split_0 data_data_0_split_1 > sum`},
		{"the other loss weight stays", `
data Data > data
cut Slice data > a b 2 3
neg Power a > neg`, `
data Data > data
cut Slice data > a b 0 3
a_cut_0_split Split a > a_cut_0_split_0 a_cut_0_split_1 2 0
neg Power a_cut_0_split_1 > neg`},
		{"a loss keeps no weight of its own", `
data Data > data label
loss SoftmaxWithLoss data label > loss 1
half Power loss > half`, `
data Data > data label
loss SoftmaxWithLoss data label > loss 0
loss_loss_0_split Split loss > loss_loss_0_split_0 loss_loss_0_split_1 1 0
half Power loss_loss_0_split_1 > half`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := layerList(t, test.layers)
			before := listed(in)
			want := strings.TrimSpace(test.want)
			if want == "" {
				want = before
			}
			split := insertSplits(in, nil)
			if got := listed(split); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if again := listed(insertSplits(split, nil)); again != want {
				t.Errorf("inserted twice, got\n%s\nwant\n%s", again, want)
			}
			if listed(in) != before {
				t.Error("the layers of the file have been changed")
			}
		})
	}
}
