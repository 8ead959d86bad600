package drawing

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Text returns a line for each node: its name, its state if it has one, and its dependencies by
// kind.
func Text(g Graph) string {
	width := 0
	for _, n := range g.Nodes {
		width = max(width, len(n.Name))
	}
	var out strings.Builder
	for _, n := range g.Nodes {
		var parts []string
		if n.State != Plain {
			parts = append(parts, "["+n.State.String()+"]")
		}
		if waits := waitsFor(g, n.Name); waits != "" {
			parts = append(parts, waits)
		}
		line := fmt.Sprintf("%-*s   %s", width, n.Name, strings.Join(parts, " "))
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return out.String()
}

func waitsFor(g Graph, name string) string {
	var parts []string
	for kind, words := range kinds {
		var from []string
		for _, e := range g.Edges {
			if e.To == name && e.Kind == Kind(kind) {
				from = append(from, e.From)
			}
		}
		if len(from) > 0 {
			parts = append(parts, words.word+" "+strings.Join(from, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

// Mermaid returns the graph in Mermaid's language, which GitHub draws in Markdown. See
// https://mermaid.js.org/syntax/flowchart.html.
func Mermaid(g Graph) string {
	arrows := [...]string{Needs: "-->", After: "==>", Uses: "-.->"}
	styles := [...]string{
		Plain: "",
		Done:  "fill:#dafbe1,stroke:#1a7f37,color:#1f2328",
		New:   "fill:#fff1c2,stroke:#9a6700,stroke-width:3px,color:#1f2328",
		Later: "fill:none,stroke:#808890,stroke-dasharray:4,color:#808890",
	}
	var out strings.Builder
	out.WriteString("flowchart LR\n")
	ids := map[string]string{}
	for i, n := range g.Nodes {
		// Some words, such as "end", are reserved in Mermaid, so nodes are identified by number.
		ids[n.Name] = "n" + strconv.Itoa(i)
		fmt.Fprintf(&out, "  %s[\"%s\"]\n", ids[n.Name], strings.ReplaceAll(n.Name, `"`, "#quot;"))
	}
	for _, e := range g.Edges {
		fmt.Fprintf(&out, "  %s %s %s\n", ids[e.From], arrows[e.Kind], ids[e.To])
	}
	for state, style := range styles {
		members := inState(g, State(state))
		if style == "" || len(members) == 0 {
			continue
		}
		fmt.Fprintf(&out, "  classDef %s %s\n", State(state), style)
		for i := range members {
			members[i] = ids[members[i]]
		}
		fmt.Fprintf(&out, "  class %s %s\n", strings.Join(members, ","), State(state))
	}
	return out.String()
}

func inState(g Graph, s State) []string {
	var names []string
	for _, n := range g.Nodes {
		if n.State == s {
			names = append(names, n.Name)
		}
	}
	return names
}

// DOT returns the graph in Graphviz' language, which dot -Tsvg draws. See
// https://graphviz.org/doc/info/lang.html.
func DOT(g Graph) string {
	edges := [...]string{Needs: "", After: "arrowhead=normalnormal", Uses: "style=dashed"}
	nodes := [...]string{Plain: "", Done: "color=darkgreen", New: "penwidth=3", Later: "style=dashed"}
	var out strings.Builder
	out.WriteString("digraph {\n  rankdir=LR\n  node [shape=box]\n")
	for _, n := range g.Nodes {
		fmt.Fprintf(&out, "  %s%s\n", quoted(n.Name), attributes(nodes[n.State]))
	}
	for _, e := range g.Edges {
		fmt.Fprintf(&out, "  %s -> %s%s\n", quoted(e.From), quoted(e.To), attributes(edges[e.Kind]))
	}
	out.WriteString("}\n")
	return out.String()
}

func attributes(list ...string) string {
	list = slices.DeleteFunc(list, func(s string) bool { return s == "" })
	if len(list) == 0 {
		return ""
	}
	return " [" + strings.Join(list, ", ") + "]"
}

// quoted returns a DOT string. Only the quotation mark needs escaping.
func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }
