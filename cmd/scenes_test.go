package gocaffecmd

import (
	"encoding/json"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/internal/digits"
	"github.com/gocaffe/gocaffe/layers/boxes"
)

// precisionOf returns the last mean average precision in a log.
func precisionOf(t *testing.T, log string) float64 {
	t.Helper()
	all := regexp.MustCompile(`detection_eval = ([\d.]+)`).FindAllStringSubmatch(log, -1)
	if len(all) == 0 {
		t.Fatalf("the log has no mean average precision:\n%s", log)
	}
	v, err := strconv.ParseFloat(all[len(all)-1][1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSSD trains the zoo's ssd-digits for a sixth of its iterations, with batches of half the
// size: its mean average precision is 0.94. Then it tests the net and finds the digits of
// scenes that neither training nor test has.
func TestSSD(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED with -short: trains for half a minute")
	}
	t.Chdir(t.TempDir())
	mustRun(t, "convert", "digit-scenes", "d", "--train", "2000", "--test", "100", "--pictures", "40")
	mustRun(t, "zoo", "write", "ssd-digits", "d")
	shorten := func(name string, replacements ...string) {
		t.Helper()
		path := filepath.Join("d", name)
		text := readFile(t, path)
		for i := 0; i < len(replacements); i += 2 {
			if !strings.Contains(text, replacements[i]) {
				t.Fatalf("%s is not as this test thinks: it lacks %s", name, replacements[i])
			}
		}
		write(t, path, strings.NewReplacer(replacements...).Replace(text))
	}
	shorten("ssd_digits_train_test.prototxt", "batch_size: 32", "batch_size: 16", "batch_size: 50", "batch_size: 20")
	shorten("ssd_digits_solver.prototxt", "max_iter: 1500", "max_iter: 250", "stepvalue: 1000", "stepvalue: 200", "stepvalue: 1300\n", "", "test_iter: 20", "test_iter: 5", "test_interval: 500", "test_interval: 250")
	_, log := mustRun(t, "train", "--solver", "d/ssd_digits_solver.prototxt")
	const least = 0.85
	trained := precisionOf(t, log)
	t.Logf("mean average precision %.3f", trained)
	if trained < least {
		t.Errorf("the mean average precision is %.3f, want %g", trained, least)
	}
	_, log = mustRun(t, "test", "--model", "d/ssd_digits_train_test.prototxt", "--weights", "d/ssd_digits_iter_250.caffemodel", "--iterations", "5", "--ap-version", "11point")
	if got := precisionOf(t, log); got != trained {
		t.Errorf("gocaffe test says %g, the training %g", got, trained)
	}

	mustRun(t, "detect", "d/ssd_digits_deploy.prototxt", "d/ssd_digits_iter_250.caffemodel", "d/scenes", "--labels", "d/digit_scenes_labelmap.prototxt", "--draw", "drawn", "-o", "found.json")
	var scenes []searched
	if err := json.Unmarshal([]byte(readFile(t, "found.json")), &scenes); err != nil || len(scenes) != 40 {
		t.Fatalf("%d scenes, want 40; error %v", len(scenes), err)
	}
	wanted, found, wrong := 0, 0, 0
	pixels := make([]byte, digits.SceneSize*digits.SceneSize)
	for i, scene := range scenes {
		objects := digits.Scene(pictureScenes, uint64(i), pixels)
		wanted += len(objects)
		for _, got := range scene.Objects {
			right := false
			for _, o := range objects {
				truth := boxes.Box{XMin: float32(o.XMin), YMin: float32(o.YMin), XMax: float32(o.XMax), YMax: float32(o.YMax)}
				right = right || got.Label == strconv.Itoa(o.Digit) && boxes.Overlap(boxOf(got), truth, 0) > 0.5
			}
			if right {
				found++
			} else {
				wrong++
			}
		}
		file, err := os.Open(filepath.Join("drawn", filepath.Base(scene.Image)))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		drawn, err := png.Decode(file)
		if err != nil || drawn.Bounds() != image.Rect(0, 0, 4*digits.SceneSize, 4*digits.SceneSize) {
			t.Fatalf("%s: error %v, bounds %v", file.Name(), err, drawn.Bounds())
		}
		coloured := 0
		for y := range drawn.Bounds().Dy() {
			for x := range drawn.Bounds().Dx() {
				if r, g, b, _ := drawn.At(x, y).RGBA(); r != g || g != b {
					coloured++
				}
			}
		}
		if coloured < 160*len(scene.Objects) {
			t.Errorf("%s: %d coloured pixels for %d boxes", file.Name(), coloured, len(scene.Objects))
		}
	}
	t.Logf("%d of %d digits found, %d wrong", found, wanted, wrong)
	if found < wanted*2/3 || wrong > wanted/3 {
		t.Errorf("%d of %d digits found, %d wrong", found, wanted, wrong)
	}
}

func TestScenesRefuse(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--train", "0"}, "--train is 0, --test 1000 and --pictures 8, want 1 or more scenes"},
		{[]string{"--backend", "leveldb"}, `--backend is "leveldb", want lmdb`},
	} {
		if code, _, stderr := run(append([]string{"convert", "digit-scenes", "d"}, tt.args...)...); code != 1 || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: exit code %d, %s", tt.args, code, stderr)
		}
	}
	mustRun(t, "convert", "digit-scenes", "d", "--train", "3", "--test", "2", "--pictures", "0")
	if code, _, stderr := run("convert", "digit-scenes", "d", "--train", "3", "--test", "2"); code != 1 || !strings.Contains(stderr, "--force") {
		t.Errorf("over an existing database: exit code %d, %s", code, stderr)
	}
	if _, err := os.Stat("d/scenes"); err == nil {
		t.Error("there is a folder of pictures")
	}
}
