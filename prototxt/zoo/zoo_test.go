package zoo

import (
	"strings"
	"testing"

	_ "github.com/gocaffe/gocaffe/plugins/all"
)

// TestLosses checks that nets with other losses differ from their base in the loss only,
// and that schedules are as long as the training.
func TestLosses(t *testing.T) {
	seen := 0
	for _, e := range Entries() {
		if e.Base == "" {
			continue
		}
		seen++
		base, err := Lookup(e.Base)
		if err != nil {
			t.Fatal(err)
		}
		net, err := e.Read()
		if err != nil {
			t.Fatal(err)
		}
		plain, err := base.Read()
		if err != nil {
			t.Fatal(err)
		}
		if net.Param.GetName() == plain.Param.GetName() || len(net.Param.Layer) < len(plain.Param.Layer)-1 {
			t.Errorf("%s: net %q has %d layers, its base %d", e.Name, net.Param.GetName(), len(net.Param.Layer), len(plain.Param.Layer))
		}
		for i, l := range plain.Param.Layer {
			if l.GetName() == "ip2" {
				break
			}
			if got := net.Param.Layer[i]; got.String() != l.String() {
				t.Errorf("%s: layer %d is %v, want %v", e.Name, i, got, l)
			}
		}
		if len(e.Solvers) != 1 {
			t.Errorf("%s: solvers %q, want one", e.Name, e.Solvers)
		}
		text, err := e.text(e.Solvers[0])
		if err != nil || !strings.Contains(text, `net: "`+e.Net+`"`) {
			t.Errorf("%s: the solver names another net, error %v:\n%s", e.Name, err, text)
		}
	}
	if seen != 7*len(Losses()) {
		t.Errorf("%d nets with other losses, want %d for each of 7 LiuNets", seen, len(Losses()))
	}
	for name, want := range map[string]string{
		"liunet-mnist-lsoftmax":   "gamma: 2.5e-05 ",
		"liunet-cifar10-asoftmax": "gamma: 0.168 ",
		"liunet-imagenet32-em":    "num_output: 1000 m: 1",
		"liunet-cifar10plus-e":    "num_output: 10 lambda: 0.1 V: 2",
	} {
		e, err := Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := e.text(e.Net); err != nil || !strings.Contains(text, want) || strings.Contains(text, "GAMMA") || strings.Contains(text, "ACCURACY") {
			t.Errorf("%s: error %v, want %q in\n%s", name, err, want, text)
		}
	}
}
