package prototxt

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/internal/reference"
)

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Caffe logs the solver and its nets as text. Reading and printing this text gives the
// same text.
func TestMarshalLogs(t *testing.T) {
	logs, err := filepath.Glob(filepath.Join(reference.Golden(t, "formats/logs"), "*.log"))
	if err != nil || len(logs) < 4 {
		t.Fatalf("%d logs, want 4 (%v)", len(logs), err)
	}
	dump := regexp.MustCompile(`(?m)^I.*Initializing (solver|net) from parameters: \n((?:[^IWEF].*\n|\n)*)`)
	for _, log := range logs {
		dumps := dump.FindAllStringSubmatch(string(readFile(t, log)), -1)
		if len(dumps) == 0 {
			t.Errorf("%s: no parameters", log)
		}
		for _, d := range dumps {
			var m proto.Message = new(caffepb.NetParameter)
			if d[1] == "solver" {
				m = new(caffepb.SolverParameter)
			}
			want := strings.TrimRight(d[2], "\n") + "\n" // a blank line ends the text
			if err := Parse("log", []byte(want), m, nil); err != nil {
				t.Errorf("%s: %v", log, err)
			} else if got := string(Marshal(m)); got != want || len(got) < 200 {
				t.Errorf("%s: got\n%swant\n%s", log, got, want)
			}
		}
	}
}

// The wanted texts are those of C's printf with %.6g or %.9g, and %.15g or %.17g.
func TestMarshalNumbers(t *testing.T) {
	floats := []struct {
		f    float32
		want string
	}{
		{0, "0"}, {float32(math.Copysign(0, -1)), "-0"}, {1, "1"}, {0.1, "0.1"}, {0.005, "0.005"}, {100000, "100000"},
		{1e6, "1e+06"}, {123456, "123456"}, {1234567, "1234567"}, {12345678, "12345678"}, {123456789, "123456792"},
		{0.0001, "0.0001"}, {0.00001, "1e-05"}, {1.0 / 3, "0.333333343"}, {1.0 / 256, "0.00390625"}, {16777216, "16777216"},
		{math.MaxFloat32, "3.40282347e+38"}, {0x1p-126, "1.17549435e-38"}, {math.SmallestNonzeroFloat32, "1.40129846e-45"},
		{float32(math.Inf(1)), "inf"}, {float32(math.Inf(-1)), "-inf"}, {float32(math.NaN()), "nan"},
	}
	for _, test := range floats {
		if got, want := string(Marshal(&caffepb.SolverParameter{BaseLr: &test.f})), "base_lr: "+test.want+"\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	doubles := []struct {
		f    float64
		want string
	}{
		{0.1, "0.1"}, {1.0 / 3, "0.33333333333333331"}, {1e15, "1e+15"}, {123456789012345, "123456789012345"},
		{math.MaxFloat64, "1.7976931348623157e+308"}, {math.Pi, "3.1415926535897931"},
	}
	for _, test := range doubles {
		if got, want := string(Marshal(&caffepb.BlobProto{DoubleData: []float64{test.f}})), "double_data: "+test.want+"\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Fields that are not in the schema, in the order of the file and after the known ones.
// Bytes that are a message are printed as one, ten levels deep.
func TestMarshalUnknown(t *testing.T) {
	m := new(caffepb.NetParameter)
	binary := "\xa0\x1f\x96\x01" + // field 500: 150
		"\xa5\x1f\x00\x00\x80\x3f" + // field 500: float 1
		"\xa1\x1f\x01\x00\x00\x00\x00\x00\x00\x80" + // field 500, 64 bits
		"\xa2\x1f\x03abc" + // a string; "abc" is no message
		"\xa2\x1f\x00" +
		"\xa2\x1f\x04\x08\x01\x10\x02" + // a message
		"\xa3\x1f\x08\x05\xa4\x1f" + // a group
		"\x0a\x01n"
	if err := proto.Unmarshal([]byte(binary), m); err != nil {
		t.Fatal(err)
	}
	want := `name: "n"
500: 150
500: 0x3f800000
500: 0x8000000000000001
500: "abc"
500: ""
500 {
  1: 1
  2: 2
}
500 {
  1: 5
}
`
	if got := string(Marshal(m)); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	nested := []byte("\x08\x01")
	for range 12 {
		nested = append([]byte{0xa2, 0x1f, byte(len(nested))}, nested...)
	}
	m.Reset()
	if err := proto.Unmarshal(nested, m); err != nil {
		t.Fatal(err)
	}
	if got := string(Marshal(m)); strings.Count(got, "{") != 10 || !strings.Contains(got, strings.Repeat("  ", 10)+`500: "\242\037\002\010\001"`) {
		t.Errorf("got\n%s", got)
	}
}
