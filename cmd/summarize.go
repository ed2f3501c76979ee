package gocaffecmd

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gocaffe/gocaffe/internal/netdraw"
	"github.com/gocaffe/gocaffe/internal/texttable"
	"github.com/spf13/cobra"
)

func (a *app) summarizeCommand() *cobra.Command {
	var f netFlags
	phase, width := "", 0
	cmd := &cobra.Command{
		Use:   "summarize NET",
		Short: "List the layers of a net in a table",
		Long: `List the layers of a net: type, kernel/stride+padding with outputs/groups, the
bottoms if they are not the tops of the layer before, multipliers of learning rates
and decays (D) that are not 1, shapes of the tops, weights and multiply-adds (MACs).

Without --phase, the layers of all phases are listed. The shapes are known if the
data is there, or if --input-shape gives that of one item. gocaffe check tells
what a net needs and what is wrong with it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if width == 0 {
				width = max(80, terminalWidth(a.stdout))
			}
			if width < 40 || width > 10000 {
				return fmt.Errorf("--width is %d, want 40 to 10000", width)
			}
			return a.summarize(args[0], phase, width, &f)
		},
	}
	f.registerState(cmd)
	f.registerShape(cmd)
	cmd.Flags().StringVar(&phase, "phase", "", "phase of the net: TRAIN or TEST (default: ALL)")
	cmd.Flags().IntVarP(&width, "width", "w", 0, "columns of the table, which cuts names to fit (default: the terminal's, 80 elsewhere)")
	return cmd
}

// summarize prints the table of a net.
func (a *app) summarize(path, phase string, width int, f *netFlags) error {
	_, layers, total, err := a.plannedLayers(path, phase, f)
	if err != nil {
		return err
	}
	rows := [][]string{{"layer", "type", "bottoms", "lr", "tops", "weights", "MACs"}}
	const texts = 4 // of the columns
	previous := ""  // top
	for _, l := range layers {
		bottoms, tops := strings.Join(l.param.Bottom, " "), strings.Join(l.param.Top, " ")
		if bottoms == previous {
			bottoms = ""
		}
		row := []string{l.param.GetName(), strings.TrimSpace(l.param.GetType() + " " + netdraw.Kernel(l.param)), bottoms,
			netdraw.Multipliers(l.param), tops, "", ""}
		if l.plan != nil {
			row[4], row[5], row[6] = texttable.Shapes(l.plan.Tops), count(l.plan.Weights), count(l.plan.MACs)
		}
		rows = append(rows, row)
		previous = tops
	}
	if total != nil {
		rows = append(rows, []string{"all", "", "", "", "", count(total.Weights), count(total.MACs)})
	}
	kept, keptTexts := withoutEmpty(rows, texts)
	fit(kept, []int{16, 18, 10}, width)
	var table strings.Builder
	texttable.Write(&table, kept, keptTexts, width)
	fmt.Fprint(a.stdout, table.String())
	return nil
}

// count returns a number in few characters, "" for 0.
func count(n int64) string {
	if n == 0 {
		return ""
	}
	return strings.ReplaceAll(texttable.Short(n), " ", "")
}

// fit cuts texts in the first columns of a table, which has gaps of two, to a width:
// always in the column that is most above its least width.
func fit(rows [][]string, least []int, width int) {
	widths := make([]int, len(rows[0]))
	total := -2
	for c := range widths {
		for _, row := range rows {
			widths[c] = max(widths[c], utf8.RuneCountInString(row[c]))
		}
		total += widths[c] + 2
	}
	least = least[:min(len(least), len(widths))]
	for ; total > width; total-- {
		widest := 0
		for c := range least {
			if widths[c]-least[c] > widths[widest]-least[widest] {
				widest = c
			}
		}
		if widths[widest] <= least[widest] {
			break
		}
		widths[widest]--
	}
	for _, row := range rows {
		for c := range least {
			row[c] = texttable.Cut(row[c], widths[c])
		}
	}
}

// withoutEmpty returns a table without the columns that have only a header, and how
// many of the first columns are left.
func withoutEmpty(rows [][]string, first int) (kept [][]string, left int) {
	kept = make([][]string, len(rows))
	for c := range rows[0] {
		if !slices.ContainsFunc(rows[1:], func(row []string) bool { return row[c] != "" }) {
			continue
		}
		if c < first {
			left++
		}
		for i, row := range rows {
			kept[i] = append(kept[i], row[c])
		}
	}
	return kept, left
}
