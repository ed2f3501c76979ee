package gocaffecmd

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/gocaffe/gocaffe/layers"
	"github.com/gocaffe/gocaffe/prototxt"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"
)

//go:generate sh -c "go run ./gocaffe layers --markdown > ../docs/layers.md"

func (a *app) layersCommand() *cobra.Command {
	markdown := false
	cmd := &cobra.Command{
		Use:   "layers [TYPE]",
		Short: "List the layer types, or describe one",
		Long: `List the layer types of this program, each with its group in Caffe's catalogue,
the devices it runs on and the package it is from. With TYPE, describe what the
layer computes and its options with their defaults, and show a sample.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			text := ""
			switch {
			case markdown && len(args) > 0:
				return errors.New("layers: --markdown describes all types and takes no TYPE")
			case markdown:
				text = layersPage()
			case len(args) == 0:
				text = listLayers()
			case layers.Lookup(args[0]) != nil:
				for i, info := range layers.Meanings(args[0]) {
					if i > 0 {
						text += "\n"
					}
					text += describeLayer(info)
				}
			default:
				return layers.UnknownType(args[0])
			}
			_, err := io.WriteString(a.stdout, text)
			return err
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "describe all types in Markdown")
	return cmd
}

// layersPage describes all types, group by group.
func layersPage() string {
	groups := make(map[string][]*layers.Info)
	for _, info := range allTypes() {
		groups[layerGroup(info)] = append(groups[layerGroup(info)], info)
	}
	var b strings.Builder
	b.WriteString("# Layers\n\nAll layer types of gocaffe, as `gocaffe layers TYPE` describes them. `make generate` writes this page.\n")
	for _, group := range sortedKeys(groups) {
		fmt.Fprintf(&b, "\n## %s\n", strings.ToUpper(group[:1])+group[1:])
		for _, info := range groups[group] {
			_, description, _ := strings.Cut(describeLayer(info), "\n\n")
			fmt.Fprintf(&b, "\n### %s\n\n```text\n%s```\n", typeTitle(info), description)
		}
	}
	return b.String()
}

// devices lists the devices that a layer runs on.
func devices(info *layers.Info) string {
	if info.Kernels != nil {
		return "CPU, CUDA"
	}
	return "CPU"
}

func listLayers() string {
	rows := [][]string{{"TYPE", "DIALECT", "GROUP", "DEVICES", "SOURCE"}}
	for _, info := range allTypes() {
		rows = append(rows, []string{info.Type, cmp.Or(strings.Join(info.Dialects, ","), "all"), layerGroup(info), devices(info), layerSource(info)})
	}
	return table(rows)
}

// allTypes returns all types in alphabetical order, those of one name one after the
// other.
func allTypes() []*layers.Info {
	var all []*layers.Info
	for _, typ := range layers.Types() {
		all = append(all, layers.Meanings(typ)...)
	}
	return all
}

// typeTitle returns the name of a type, with its dialects if others have another of
// that name.
func typeTitle(info *layers.Info) string {
	if len(info.Dialects) == 0 {
		return info.Type
	}
	return fmt.Sprintf("%s (%s)", info.Type, strings.Join(info.Dialects, ", "))
}

// table returns rows with their cells in columns.
func table(rows [][]string) string {
	var aligned, b strings.Builder
	w := tabwriter.NewWriter(&aligned, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	w.Flush() // to memory, which cannot fail
	for line := range strings.Lines(aligned.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

// layerGroup returns the group of a type.
func layerGroup(info *layers.Info) string {
	if info.Group == "" {
		return "other"
	}
	return info.Group
}

// layerSource returns the package of a type, with its version if it has one, or the
// module of a built-in type.
func layerSource(info *layers.Info) string {
	source := info.Package()
	if strings.HasPrefix(source, modulePath+"/layers/") {
		source = modulePath
	}
	if _, version := info.Module(); strings.HasPrefix(version, "v") {
		source += "@" + version
	}
	return source
}

func describeLayer(info *layers.Info) string {
	tops := info.Tops.String()
	if info.SameCount {
		tops += ", as many as bottoms"
	}
	var b strings.Builder
	doc := strings.TrimSpace(info.Doc)
	if of := info.AliasOf(); of != nil {
		doc = "Another name of " + of.Type + "."
	}
	fmt.Fprintf(&b, "%s\n\n%s\n\n", typeTitle(info), doc)
	if len(info.Dialects) > 0 {
		b.WriteString("dialects: " + strings.Join(info.Dialects, ", ") + "\n")
	}
	b.WriteString(table([][]string{
		{"group:", layerGroup(info)}, {"from:", layerSource(info)}, {"devices:", devices(info)}, {"bottoms:", info.Bottoms.String()}, {"tops:", tops},
	}))
	if field := optionsField(info); field != nil {
		fmt.Fprintf(&b, "\n%s, field %d of a layer:\n%s", field.TextName(), field.Number(), table(fieldRows(field.Message())))
	}
	added := make(map[string][][]string) // to Caffe's messages
	for _, f := range prototxt.AddedFields(info.Type, info.Dialects) {
		switch {
		case f.Message != "LayerParameter":
			added[string(f.Message)] = append(added[string(f.Message)], fieldRow(f.Field))
		case f.Field.TextName() != info.Param:
			fmt.Fprintf(&b, "\n%s:\n%s", f.Field.TextName(), table(fieldRows(f.Field.Message())))
		}
	}
	for _, message := range sortedKeys(added) {
		fmt.Fprintf(&b, "\n%s has in addition, of forks:\n%s", message, table(added[message]))
	}
	fmt.Fprintf(&b, "\nSample:\n\n%s", sampleLayer(info))
	return b.String()
}

// optionsField returns the field of LayerParameter with the options of a type,
// or nil if it has none.
func optionsField(info *layers.Info) protoreflect.FieldDescriptor {
	if info.Param == "" {
		return nil
	}
	for _, added := range prototxt.AddedFields(info.Type, info.Dialects) {
		if added.Message == "LayerParameter" && added.Field.TextName() == info.Param {
			return added.Field
		}
	}
	return prototxt.FieldOfLayer(info.Param)
}

// fieldRows returns a row for each field of a message.
func fieldRows(m protoreflect.MessageDescriptor) [][]string {
	var rows [][]string
	for i := range m.Fields().Len() {
		rows = append(rows, fieldRow(m.Fields().Get(i)))
	}
	return rows
}

// fieldRow returns a field's name, type and default.
func fieldRow(f protoreflect.FieldDescriptor) []string {
	kind := f.Kind().String()
	switch {
	case f.Enum() != nil:
		kind = strings.Join(enumNames(f.Enum()), " | ")
	case f.Message() != nil:
		kind = string(f.Message().Name())
	}
	note := ""
	switch {
	case f.IsList():
		kind = "repeated " + kind
	case f.Cardinality() == protoreflect.Required:
		note = "required"
	case f.HasDefault():
		note = "default " + fieldText(f, f.Default())
	}
	return []string{"  " + f.TextName(), kind, note}
}

func enumNames(e protoreflect.EnumDescriptor) []string {
	names := make([]string, e.Values().Len())
	for i := range names {
		names[i] = string(e.Values().Get(i).Name())
	}
	return names
}

// fieldText formats the value of a field, which is not a message, as prototxt.
func fieldText(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch f.Kind() {
	case protoreflect.EnumKind:
		if value := f.Enum().Values().ByNumber(v.Enum()); value != nil {
			return string(value.Name())
		}
		return fmt.Sprint(v.Enum())
	case protoreflect.StringKind:
		return strconv.Quote(v.String())
	case protoreflect.BytesKind:
		return strconv.Quote(string(v.Bytes()))
	case protoreflect.FloatKind:
		return strconv.FormatFloat(v.Float(), 'g', -1, 32)
	}
	return fmt.Sprint(v.Interface())
}

// sampleValues are typical values of options that a layer needs. Of the options of
// a line, such as shape and channels, a sample has the first that its message has.
var sampleValues = [][]struct{ name, value string }{
	{{"num_output", "10"}},
	{{"input_dim", "1000"}},
	{{"tiles", "2"}},
	{{"pyramid_height", "3"}},
	{{"kernel_size", "3"}},
	{{"source", `"train_lmdb"`}},
	{{"file_name", `"output.h5"`}},
	{{"batch_size", "64"}},
	{{"alphabet_size", "37"}},
	{{"time_step", "20"}},
	{{"shape", "{ dim: 64 dim: 3 dim: 32 dim: 32 }"}, {"channels", "3"}},
	{{"shape", ""}, {"height", "32"}},
	{{"shape", ""}, {"width", "32"}},
	{{"backend", "LMDB"}},
	{{"module", `"my_layers"`}},
	{{"layer", `"MyLayer"`}},
	{{"order", "0 order: 2 order: 3 order: 1"}},
	{{"min_size", "30"}},
	{{"num_classes", "21"}},
	{{"dim", "3 dim: 2 dim: 0 dim: 1"}},
	{{"kernel_size", ""}, {"stride", "2"}},
	{{"pooled_h", "7"}},
	{{"pooled_w", "7"}},
	{{"spatial_scale", "0.0625"}},
	{{"output_dim", "21"}},
	{{"group_size", "7"}},
	{{"roi_per_img", "128"}},
	{{"name_size_file", `"sizes.txt"`}},
	{{"cls_num", "21"}},
	{{"downsample_rate", "8 downsample_rate: 16 field_h: 64 field_h: 128 field_w: 64 field_w: 128"}, {"field_h", "64"}},
	{{"downsample_rate", ""}, {"field_w", "64"}},
	{{"resize_width", "640"}},
	{{"resize_height", "480"}},
	{{"kernel_depth", "3"}},
	{{"new_length", "16"}},
	{{"use_image", "true"}},
	{{"nms", "0.45"}},
	{{"box_group_param", "{ field_h: 64 field_w: 64 stride: 16 }"}},
	{{"mask_group_num", "2 anchors_scale: 32 anchors_scale: 16"}, {"anchors_scale", "32"}},
	{{"shape", ""}, {"num", "3"}, {"num_box", "3"}},
	{{"biases", "10 biases: 14 biases: 23 biases: 27 biases: 37 biases: 58 biases: 81 biases: 82 biases: 135 biases: 169 biases: 344 biases: 319"}},
	{{"mask", "3 mask: 4 mask: 5 mask: 0 mask: 1 mask: 2"}},
}

// sampleLayer returns a layer of the type in prototxt.
func sampleLayer(info *layers.Info) string {
	name := strings.ToLower(info.Type)
	if info.Loss {
		name = "loss"
	}
	var b strings.Builder
	if len(layers.Meanings(info.Type)) > 1 && len(info.Dialects) > 0 {
		fmt.Fprintf(&b, "# gocaffe: dialect %s\n", info.Dialects[0])
	}
	fmt.Fprintf(&b, "layer {\n  name: %q\n  type: %q\n", name, info.Type)
	bottoms, tops := sampleBlobs(info, name)
	for _, bottom := range bottoms {
		fmt.Fprintf(&b, "  bottom: %q\n", bottom)
	}
	for _, top := range tops {
		fmt.Fprintf(&b, "  top: %q\n", top)
	}
	if field := optionsField(info); field != nil {
		if options := sampleOptions(field.Message()); options != "" {
			fmt.Fprintf(&b, "  %s {\n%s  }\n", field.TextName(), options)
		}
		if field.Message().Fields().ByTextName("context_pad") != nil { // windows are scaled to a size
			b.WriteString("  transform_param {\n    crop_size: 227\n  }\n")
		}
		if field.Message().Fields().ByTextName("anno_type") != nil { // records are those of data_param
			b.WriteString("  data_param {\n    source: \"train_lmdb\"\n    batch_size: 32\n    backend: LMDB\n  }\n  transform_param {\n    resize_param {\n      height: 300\n      width: 300\n    }\n  }\n")
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// sampleBlobs returns names for as many bottoms and tops as the type needs.
func sampleBlobs(info *layers.Info, name string) (bottoms, tops []string) {
	several := func(names []string, stem string, n int) []string {
		for i := len(names); i < n; i++ {
			names = append(names, fmt.Sprintf("%s%d", stem, i+1))
		}
		return names[:n]
	}
	// A layer with any number of blobs shows two.
	most := func(c layers.Count) int {
		if c.Max == math.MaxInt && !info.SameCount {
			return max(c.Min, 2)
		}
		return min(max(c.Min, 1), c.Max)
	}
	switch {
	case info.Bottoms.Max == 0:
		return nil, several([]string{"data", "label"}, "data", min(max(info.Tops.Min, 1), info.Tops.Max))
	case info.Loss, info.Group == "loss":
		bottoms = several([]string{"x", "label"}, "x", most(info.Bottoms))
	case most(info.Bottoms) == 1:
		bottoms = []string{"x"}
	default:
		bottoms = several(nil, "x", most(info.Bottoms))
	}
	if most(info.Tops) == 1 {
		return bottoms, []string{name}
	}
	return bottoms, several(nil, name, most(info.Tops))
}

// sampleOptions returns lines for the options that a layer needs: those of
// sampleValues and the required fields of its message.
func sampleOptions(m protoreflect.MessageDescriptor) string {
	var b strings.Builder
	written := make(map[string]bool)
	for _, choice := range sampleValues {
		for _, option := range choice {
			f := m.Fields().ByTextName(option.name)
			if f == nil {
				continue
			}
			written[option.name] = true
			switch {
			case option.value == "":
			case f.Message() != nil:
				fmt.Fprintf(&b, "    %s %s\n", option.name, option.value)
			default:
				fmt.Fprintf(&b, "    %s: %s\n", option.name, option.value)
			}
			break
		}
	}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if f.Cardinality() != protoreflect.Required || written[f.TextName()] {
			continue
		}
		if f.Message() != nil {
			fmt.Fprintf(&b, "    %s {\n    }\n", f.TextName())
		} else {
			fmt.Fprintf(&b, "    %s: %s\n", f.TextName(), fieldText(f, f.Default()))
		}
	}
	return b.String()
}
