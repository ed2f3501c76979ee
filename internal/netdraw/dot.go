package netdraw

import (
	"fmt"
	"html"
	"io"
	"strings"
)

// DOT writes the graph in the language of Graphviz.
func (g *Graph) DOT(w io.Writer) error {
	var s strings.Builder
	fmt.Fprintf(&s, "digraph %s {\n", dotString(g.name))
	fmt.Fprintf(&s, "  rankdir=%s;\n  label=%s; labelloc=t;\n", g.o.Direction, dotString(g.name))
	s.WriteString("  node [shape=plain, fontname=\"Liberation Sans,Arial,Helvetica\", fontsize=11];\n")
	s.WriteString("  edge [color=\"#6e6e6e\", fontname=\"Liberation Sans,Arial,Helvetica\", fontsize=9];\n")
	for i, b := range g.boxes {
		fmt.Fprintf(&s, "  n%d [label=<<table border=\"1\" cellborder=\"0\" cellspacing=\"0\" cellpadding=\"3\">", i)
		for _, r := range b.rows {
			red, green, blue, _ := colors[r.kind].RGBA()
			fmt.Fprintf(&s, "<tr><td bgcolor=\"#%02x%02x%02x\">%s<br/><font point-size=\"9\">%s</font></td></tr>",
				red>>8, green>>8, blue>>8, dotText(r.name), dotText(r.text))
		}
		for _, t := range b.tops {
			fmt.Fprintf(&s, "<tr><td><font point-size=\"9\">%s</font></td></tr>", dotText(t))
		}
		s.WriteString("</table>>];\n")
	}
	for _, e := range g.edges {
		label := ""
		if last := g.boxes[e.from].rows[0].name; last != e.blob {
			label = fmt.Sprintf(" [label=%s]", dotString(e.blob))
		}
		fmt.Fprintf(&s, "  n%d -> n%d%s;\n", e.from, e.to, label)
	}
	s.WriteString("}\n")
	_, err := io.WriteString(w, s.String())
	return err
}

// dotText returns a text for an HTML label, which may not be empty.
func dotText(s string) string {
	if s == "" {
		return " "
	}
	return html.EscapeString(s)
}

// dotString returns a text as DOT's quoted string, in which only quotes and
// backslashes have a meaning.
func dotString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
