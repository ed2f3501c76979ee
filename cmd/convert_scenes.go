package gocaffecmd

import (
	"context"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/gocaffe/gocaffe/data"
	"github.com/gocaffe/gocaffe/internal/atomicfile"
	"github.com/gocaffe/gocaffe/internal/digits"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
)

// Seeds of the sets of scenes.
const (
	trainScenes = iota + 1
	testScenes
	pictureScenes
)

// sceneFlags are the flags of convert digit-scenes.
type sceneFlags struct{ train, test, pictures int }

func (a *app) digitScenesCommand(made *databases) *cobra.Command {
	var f sceneFlags
	cmd := &cobra.Command{
		Use:   "digit-scenes DIR",
		Short: "Draw scenes of several digits with their boxes, for the zoo's ssd-digits",
		Long: `Draw scenes of one to six digits of different sizes to DIR/digit_scenes_train_lmdb
and DIR/digit_scenes_test_lmdb, with the boxes of the digits, for layers
AnnotatedData. DIR/digit_scenes_labelmap.prototxt has the names of the classes,
and the folder DIR/scenes a few more scenes as PNG files, for gocaffe detect.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return untilSignal(cmd.Context(), func(ctx context.Context) error {
				return nameForce(a.drawScenes(ctx, args[0], &f, made.force))
			})
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&f.train, "train", 8000, "number of scenes to train on")
	flags.IntVar(&f.test, "test", 1000, "number of scenes to test on")
	flags.IntVar(&f.pictures, "pictures", 8, "number of PNG files")
	return cmd
}

// drawScenes writes the databases, the label map and the PNG files.
func (a *app) drawScenes(ctx context.Context, dir string, f *sceneFlags, replace bool) error {
	if f.train < 1 || f.test < 1 || f.pictures < 0 {
		return fmt.Errorf("--train is %d, --test %d and --pictures %d, want 1 or more scenes, and 0 or more files", f.train, f.test, f.pictures)
	}
	pixels := make([]byte, digits.SceneSize*digits.SceneSize)
	sets := []drawnSet{{"digit_scenes_train_lmdb", trainScenes, f.train}, {"digit_scenes_test_lmdb", testScenes, f.test}}
	err := a.drawSets(ctx, dir, replace, "drawing scenes", sets, func(seed uint64, i int) ([]byte, error) {
		objects := sceneObjects(digits.Scene(seed, uint64(i), pixels))
		datum, err := proto.Marshal(grayDatum(digits.SceneSize, pixels, 0))
		return data.AppendAnnotated(nil, datum, objects), err
	})
	if err != nil {
		return err
	}
	var labels strings.Builder
	fmt.Fprintln(&labels, `item { name: "background" label: 0 display_name: "background" }`)
	for digit := range 10 {
		fmt.Fprintf(&labels, "item { name: \"digit%d\" label: %d display_name: \"%[1]d\" }\n", digit, digit+1)
	}
	if err := atomicfile.WriteBytes(filepath.Join(dir, "digit_scenes_labelmap.prototxt"), []byte(labels.String())); err != nil {
		return err
	}
	if f.pictures == 0 {
		return nil
	}
	if err := os.MkdirAll(filepath.Join(dir, "scenes"), 0o777); err != nil {
		return err
	}
	for i := range f.pictures {
		im := image.NewGray(image.Rect(0, 0, digits.SceneSize, digits.SceneSize))
		digits.Scene(pictureScenes, uint64(i), im.Pix)
		path := filepath.Join(dir, "scenes", fmt.Sprintf("scene%04d.png", i))
		if err := atomicfile.Write(path, func(w io.Writer) error { return png.Encode(w, im) }); err != nil {
			return err
		}
	}
	return nil
}

// sceneObjects returns the objects of a scene as AnnotatedData has them: digit d has the
// label d+1, since 0 is the background.
func sceneObjects(scene []digits.Object) []data.Object {
	var objects []data.Object
	instances := make(map[int]int)
	for _, o := range scene {
		objects = append(objects, data.Object{
			Label: o.Digit + 1, Instance: instances[o.Digit],
			XMin: float32(o.XMin / digits.SceneSize), YMin: float32(o.YMin / digits.SceneSize),
			XMax: float32(o.XMax / digits.SceneSize), YMax: float32(o.YMax / digits.SceneSize),
		})
		instances[o.Digit]++
	}
	return objects
}
