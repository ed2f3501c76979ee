package near

import (
	"strings"
	"testing"
)

func TestName(t *testing.T) {
	types := []string{"Accuracy", "Convolution", "Deconvolution", "ELU", "InnerProduct", "PReLU", "ReLU", "Softmax", "SoftmaxWithLoss"}
	tests := []struct{ got, want string }{
		{"Convolutoin", "Convolution"}, {"convolution", "Convolution"}, {"Relu", "ReLU"}, {"Softmx", "Softmax"},
		{"SoftmaxWithLos", "SoftmaxWithLoss"}, {"Inner", "InnerProduct"}, {"Conv", "Convolution"},
		{"Xyz", ""}, {"", ""}, {"LSTM", ""}, {"ab", ""}, {"ELA", "ELU"}, {"ALA", ""},
	}
	for _, test := range tests {
		if got := Name(test.got, types); got != test.want {
			t.Errorf("Name(%q) = %q, want %q", test.got, got, test.want)
		}
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "ab", 1},
		{"abc", "axc", 1}, {"kitten", "sitting", 3}, {"pool2", "pool1", 1},
	}
	for _, test := range tests {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

// A megabyte is not a misspelt name, and comparing it would take seconds.
func TestLongName(t *testing.T) {
	if got := Name(strings.Repeat("x", 1<<20), []string{strings.Repeat("x", 1<<20)}); got != "" {
		t.Errorf("got a name of %d bytes", len(got))
	}
}
