package datalayer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gocaffe/gocaffe/caffepb"
	"github.com/gocaffe/gocaffe/cuda/cudatest"
	"github.com/gocaffe/gocaffe/internal/leak"
	"github.com/gocaffe/gocaffe/internal/reference"
	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/layers/layertest"
)

func dataText(source, more string) string {
	return fmt.Sprintf(`layer { name: "d" type: "Data" top: "data" top: "label" %s data_param { source: %q batch_size: 4 backend: LMDB } }`, more, source)
}

func imageText(list, more, transform string) string {
	return fmt.Sprintf(`layer { name: "d" type: "ImageData" top: "data" top: "label" transform_param { %s } image_data_param { source: %q root_folder: %q batch_size: 4 is_color: false %s } }`,
		transform, list, filepath.Dir(list)+"/", more)
}

// TestPromises runs layers with everything random: resumed, on several threads, and
// on a GPU. The random numbers differ each time that a record is read.
func TestPromises(t *testing.T) {
	db, list := database(t, 10), imageFolder(t, 10)
	sizes := strings.Replace(dataText(reference.Golden(t, "formats/encoded_original_lmdb"), "transform_param { force_color: true }"), "batch_size: 4", "batch_size: 1", 1)
	const transform = `crop_size: 4 mirror: true pad: 2 mean_value: 3 scale: 0.5`
	const augment = transform + ` max_rotation_angle: 20 min_side_min: 5 min_side_max: 7 random_aspect_ratio_param { min_area_ratio: 0.7 }
		max_color_shift: 9 contrast_brightness_adjustment: true cutout_size: 2 distort_param { brightness_prob: 1 brightness_delta: 9 }`
	d := cudatest.Device(t)
	for name, text := range map[string]string{
		"Data":                 dataText(db, "transform_param { "+transform+" }"),
		"shuffled":             strings.Replace(dataText(db, "transform_param { "+transform+" }"), "batch_size", "shuffle: true cache: true batch_size", 1),
		"ImageData":            imageText(list, "shuffle: true rand_skip: 9", transform),
		"Data, augmented":      dataText(db, "transform_param { "+augment+" }"),
		"ImageData, augmented": imageText(list, "", augment),
		"sizes":                sizes,
	} {
		t.Run(name, func(t *testing.T) {
			layertest.CheckData(t, d, text)
			if name == "sizes" {
				return
			}
			want := run(t, &layers.Env{Seed: 5}, text, upTo(20)...)
			for i := range 10 { // ten batches are four times all records
				if slices.Equal(want[i], want[i+10]) {
					t.Errorf("passes %d and %d have the same data", i, i+10)
				}
			}
			if equal(run(t, &layers.Env{Seed: 6}, text, upTo(5)...), want[:5]) {
				t.Error("another seed gives the same data")
			}
		})
	}
}

func TestDataOrder(t *testing.T) {
	db := database(t, 10)
	got := labels(run(t, new(layers.Env), dataText(db, ""), upTo(6)...), 4)
	for i, label := range got {
		if label != i%10 {
			t.Fatalf("labels %v, want 0 to 9 again and again", got)
		}
	}
	jumped := labels(run(t, new(layers.Env), dataText(db, ""), 3, 4, 1, 1, 100), 4)
	if want := []int{2, 3, 4, 5, 6, 7, 8, 9, 4, 5, 6, 7, 4, 5, 6, 7, 0, 1, 2, 3}; !slices.Equal(jumped, want) {
		t.Errorf("in passes 3, 4, 1, 1, 100 labels %v, want %v", jumped, want)
	}
}

// TestShuffledDatabase reads a shuffled database: each epoch has all records, in an order of
// its own that another seed changes, whether they are in memory or not.
func TestShuffledDatabase(t *testing.T) {
	const records = 12 // three batches
	db := database(t, records)
	options := func(more string) string {
		return strings.Replace(dataText(db, ""), "batch_size", more+" batch_size", 1)
	}
	order := func(text string, seed uint64) []int {
		return labels(run(t, &layers.Env{Seed: seed}, text, upTo(9)...), 4)
	}
	got := order(options("shuffle: true"), 1)
	seen := map[string]bool{}
	for epoch := range 3 {
		part := got[records*epoch:][:records]
		seen[fmt.Sprint(part)] = true
		if sorted := slices.Sorted(slices.Values(part)); !slices.Equal(sorted, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}) {
			t.Errorf("epoch %d has the records %v", epoch, part)
		}
	}
	if seen["[0 1 2 3 4 5 6 7 8 9 10 11]"] || len(seen) != 3 {
		t.Errorf("the orders are %v, want three, none of them that of the keys", got)
	}
	if other := order(options("shuffle: true"), 2); slices.Equal(got, other) {
		t.Errorf("the order is %v for two seeds", got)
	}
	if cached := order(options("shuffle: true cache: true"), 1); !slices.Equal(got, cached) {
		t.Errorf("with cache the order is %v, want %v", cached, got)
	}
	if plain := order(options("cache: true"), 1); !slices.Equal(plain[:13], []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0}) {
		t.Errorf("with cache alone the order is %v, want that of the keys", plain)
	}
}

// TestCache reads on after the database was lost: with cache nothing is read from it
// once the layer is set up.
func TestCache(t *testing.T) {
	for _, cache := range []bool{false, true} {
		db := database(t, 10)
		text := strings.Replace(dataText(db, ""), "batch_size", fmt.Sprintf("cache: %v batch_size", cache), 1)
		f, err := layertest.SetUp(new(layers.Env), text)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := os.Truncate(filepath.Join(db, "data.mdb"), 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Forward(); (err == nil) != cache {
			t.Errorf("cache: %v: the error of a pass after the file was cut off is %v", cache, err)
		}
	}
}

// TestDealing has three solvers: in training they take the records in turns, in
// tests each would take all.
func TestDealing(t *testing.T) {
	db, list := database(t, 10), imageFolder(t, 10)
	for _, text := range []string{dataText(db, ""), imageText(list, "", "")} {
		for rank := range 3 {
			got := labels(run(t, &layers.Env{Rank: rank, Ranks: 3}, text, upTo(4)...), 4)
			for i, label := range got {
				if want := (3*i + rank) % 10; label != want {
					t.Fatalf("solver %d gets %v", rank, got)
				}
			}
			got = labels(run(t, &layers.Env{Rank: rank, Ranks: 3, Phase: caffepb.Phase_TEST}, text, 0), 4)
			if !slices.Equal(got, []int{0, 1, 2, 3}) {
				t.Errorf("in tests solver %d gets %v", rank, got)
			}
		}
	}
}

func TestDataLog(t *testing.T) {
	db := database(t, 10)
	mean := reference.Golden(t, "formats/mean.binaryproto")
	raw := reference.Golden(t, "formats/raw_lmdb")
	for _, test := range []struct {
		text string
		rank int
		want []string
	}{
		{dataText(db, ""), 0, []string{
			"I db_lmdb.cpp:35] Opened lmdb " + db,
			"I data_layer.cpp:45] output data size: 4,1,6,8",
			"I data_layer.cpp:73] Restarting data prefetching from start.", // in pass 2, with record 9
			"I data_layer.cpp:73] Restarting data prefetching from start.", // in pass 4, which ends with record 9
		}},
		{dataText(db, ""), 1, []string{
			"I db_lmdb.cpp:35] Opened lmdb " + db,
			"I data_layer.cpp:45] output data size: 4,1,6,8",
		}},
		{dataText(raw, fmt.Sprintf("transform_param { crop_size: 7 mean_file: %q }", mean)), 0, []string{
			"I db_lmdb.cpp:35] Opened lmdb " + raw,
			"I data_transformer.cpp:25] Loading mean file from: " + mean,
			"I data_layer.cpp:45] output data size: 4,3,7,7",
		}},
	} {
		var log logged
		run(t, &layers.Env{Observer: log.observer(), Rank: test.rank, Ranks: 2 * test.rank}, test.text, 0, 1, 2, 2, 3, 4)
		if !slices.Equal(log.lines, test.want) {
			t.Errorf("the log is\n%s\nwant\n%s", strings.Join(log.lines, "\n"), strings.Join(test.want, "\n"))
		}
	}
}

func TestDataWithoutLabels(t *testing.T) {
	text := strings.Replace(dataText(database(t, 5), ""), `top: "label" `, "", 1)
	f := layertest.New(t, text)
	defer f.Close()
	if err := f.Forward(); err != nil || len(f.Top) != 1 || !f.Top[0].ShapeEqual([]int{4, 1, 6, 8}) {
		t.Errorf("shape %v, error %v", f.Top[0].Shape(), err)
	}
}

func TestDataErrors(t *testing.T) {
	db := database(t, 3)
	empty := database(t, 0)
	leveldb := reference.Golden(t, "formats/raw_leveldb")
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	mean := reference.Golden(t, "formats/mean.binaryproto")
	for _, test := range []struct {
		line int
		want string
		text string
	}{
		{3, "source is missing, want the folder of a database", "\n\ndata_param { batch_size: 4 }"},
		{1, "batch_size is 0 or missing, want at least 1", `data_param { source: "x" batch_size: 0 }`},
		{2, "prefetch is 4000000000, want 1 to 65536 batches", "data_param { source: 'x' batch_size: 1\nprefetch: 4000000000 }"},
		{2, `no LMDB database at "no/such_lmdb": there is no file ` + wd + "/no/such_lmdb (working directory " + wd + ")", "data_param { batch_size: 4 backend: LMDB\nsource: 'no/such_lmdb' }"},
		{1, fmt.Sprintf("%q is an LMDB database, and backend is LEVELDB, which is the default: write backend: LMDB", db), fmt.Sprintf("data_param { source: %q batch_size: 4 }", db)},
		{1, "cannot open the LevelDB database no/such_db: stat no/such_db: no such file or directory", "data_param { batch_size: 4 source: 'no/such_db' }"},
		{1, fmt.Sprintf("%q is a LevelDB database, and backend is LMDB: write backend: LEVELDB", leveldb), fmt.Sprintf("data_param { source: %q batch_size: 4 backend: LMDB }", leveldb)},
		{1, "the database " + empty + " has no records", fmt.Sprintf("data_param { source: %q batch_size: 4 backend: LMDB }", empty)},
		{1, `record 0, key "00000000": the image is 6 x 8 (height x width), less than crop_size 9`, fmt.Sprintf("data_param { source: %q batch_size: 4 backend: LMDB } transform_param { crop_size: 9 }", db)},
		{2, "mean_file and mean_value cannot both be set", "data_param { source: 'x' batch_size: 4 backend: LMDB } transform_param { mean_file: 'm'\nmean_value: 3 }"},
		{2, `"no_mean": no such file (working directory ` + wd + ")", fmt.Sprintf("data_param { source: %q batch_size: 4 backend: LMDB } transform_param {\nmean_file: 'no_mean' }", db)},
		{1, `record 0, key "00000000": the image is 1 x 6 x 8 (channels x height x width), the mean_file 3 x 10 x 12`, fmt.Sprintf("data_param { source: %q batch_size: 4 backend: LMDB } transform_param { mean_file: %q }", db, mean)},
		{1, "blob shape [4000000000 1 6 8] has more than 2147483647 elements", fmt.Sprintf("data_param { source: %q batch_size: 4000000000 backend: LMDB }", db)},
	} {
		layertest.CheckError(t, test.line, `layer "d": `+test.want, `layer { name: "d" type: "Data" top: "data" top: "label" `+test.text+" }")
	}
}

// TestTruncated cuts a database short: an error when it is opened, or in the
// pass that comes to the cut.
func TestTruncated(t *testing.T) {
	dir := database(t, 300)
	file := filepath.Join(dir, "data.mdb")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, info.Size()*2/3); err != nil {
		t.Fatal(err)
	}
	_, err = layertest.SetUp(new(layers.Env), dataText(dir, ""))
	if err == nil || !strings.Contains(err.Error(), "layer.prototxt:1:") || !strings.Contains(err.Error(), "is it cut short?") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v, want one line with the position, about the cut", err)
	}
}

func TestNoGoroutinesLeft(t *testing.T) {
	db, list := database(t, 10), imageFolder(t, 10)
	leak.Check(t, func() {
		for range 10 {
			run(t, new(layers.Env), dataText(db, ""), 0, 7)
			run(t, new(layers.Env), imageText(list, "", ""), 0, 7)
			layertest.SetUp(new(layers.Env), dataText(db, "transform_param { crop_size: 99 }"))
		}
	})
}

func TestAllocs(t *testing.T) {
	for _, text := range []string{
		dataText(database(t, 10), "transform_param { crop_size: 4 mirror: true pad: 2 }"),
		dataText(database(t, 10), "transform_param { crop_size: 4 max_rotation_angle: 9 min_side: 7 random_aspect_ratio_param { } distort_param { contrast_prob: 1 } cutout_size: 1 }"),
		`layer { type: "Input" top: "a" input_param { shape { dim: 3 } } }`,
		`layer { type: "DummyData" top: "a" dummy_data_param { shape { dim: 3 } } }`,
	} {
		layertest.CheckAllocs(t, text)
	}
}

func TestSources(t *testing.T) {
	for text, want := range map[string][]string{
		dataText("db", "transform_param { mean_file: 'm' }"): {"db", "m"},
		imageText("folder/list", "", ""):                     {"folder/list"},
	} {
		spec := specOf(t, text)
		l, err := layers.Of(spec.Param).New(spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.(layers.DataSource).Sources(); !slices.Equal(got, want) {
			t.Errorf("sources %v, want %v", got, want)
		}
	}
}

// TestOneByOne has images of different sizes: with batch_size 1 the tops follow.
func TestOneByOne(t *testing.T) {
	text := strings.Replace(dataText(reference.Golden(t, "formats/encoded_original_lmdb"), "transform_param { force_color: true }"), "batch_size: 4", "batch_size: 1", 1)
	env := new(layers.Env)
	f, err := layertest.SetUp(env, text)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for pass, want := range [][]int{{1, 3, 14, 20}, {1, 3, 10, 22}, {1, 3, 9, 19}} {
		env.Pass = int64(pass)
		if err := f.Layer.Forward(t.Context(), nil, f.Top); err != nil || !f.Top[0].ShapeEqual(want) || !f.Top[1].ShapeEqual([]int{1}) {
			t.Errorf("pass %d: shapes %v and %v, error %v, want %v", pass, f.Top[0].Shape(), f.Top[1].Shape(), err, want)
		}
	}
	f, err = layertest.SetUp(new(layers.Env), strings.Replace(text, "batch_size: 1", "batch_size: 2", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Layer.Forward(t.Context(), nil, f.Top); err == nil || !strings.Contains(err.Error(), `record 1, key "00000001_colour01.png": the image is 3 x 10 x 22`) {
		t.Errorf("images of two sizes in a batch: %v", err)
	}
}
