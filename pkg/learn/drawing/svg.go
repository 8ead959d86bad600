package drawing

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Sizes in pixels, without scaling.
const (
	boxHeight  = 36.0
	passHeight = 4.0
	tipHeight  = 10.0 // between the tips of arrows that end at one box
	gap        = 16.0 // between the slots of a layer
	aisle      = 64.0 // between layers
	margin     = 12.0
	letter     = 7.25 // width of a character of the font, which is monospace
	padding    = 10.0 // around a name
	legendLine = 22.0
)

// style draws boxes with a fill, and everything outside of boxes in a gray that is legible on
// white and on black, because a picture in a web page does not know its background. No state is
// shown by its color alone.
const style = `text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#1f2328}
.box rect{fill:#eef2f7;stroke:#57606a;stroke-width:1.2}
.done rect{fill:#dafbe1;stroke:#1a7f37}
.new rect{fill:#fff1c2;stroke:#9a6700;stroke-width:3}
.later rect{fill:none;stroke:#808890;stroke-dasharray:4 3}
.later text,.legend text{fill:#808890}
.edge{fill:none;stroke:#808890;stroke-width:1.4}
.uses{stroke-dasharray:5 4}
.faint{opacity:.45}
.tip{fill:#808890;stroke:none}`

// SVG returns the graph as a picture: layers from left to right, each node behind all its
// dependencies, and a legend. It returns an error if a name is listed twice, or if an edge has
// an unlisted node or leads from a node to itself.
func SVG(g Graph) ([]byte, error) {
	numbers, err := g.index()
	if err != nil {
		return nil, fmt.Errorf("drawing a graph: %w", err)
	}
	p := &picture{graph: g, layout: newLayout(g, numbers)}
	p.columns()
	for i := range g.Edges {
		p.edge(i)
	}
	for i := range g.Nodes {
		p.box(i)
	}
	p.legend()
	return p.document(), nil
}

// picture is an SVG document under construction.
type picture struct {
	graph  Graph
	layout *layout
	left   []float64 // by the layer's number
	width  []float64
	body   strings.Builder
	right  float64 // right end of the drawing so far
	bottom float64
}

// columns sets the position and the width of each layer.
func (p *picture) columns() {
	x := margin
	for _, layer := range p.layout.layers {
		width := 0.0
		for _, s := range layer {
			if s.node >= 0 {
				width = max(width, letter*float64(len([]rune(p.graph.Nodes[s.node].Name)))+2*padding)
			}
			p.bottom = max(p.bottom, margin+s.y+s.height/2)
		}
		p.left, p.width = append(p.left, x), append(p.width, width)
		p.right = x + width
		x += width + aisle
	}
}

func (p *picture) box(i int) {
	n, s := p.graph.Nodes[i], p.layout.nodes[i]
	x, y, width := p.left[s.layer], margin+s.y, p.width[s.layer]
	fmt.Fprintf(&p.body, "<g class=\"%s\"><rect x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\" rx=\"6\"/>",
		strings.TrimSpace("box "+n.State.String()), px(x), px(y-s.height/2), px(width), px(s.height))
	fmt.Fprintf(&p.body, "<text x=\"%s\" y=\"%s\" text-anchor=\"middle\">%s</text></g>\n", px(x+width/2), px(y+4), escape(n.Name))
}

// edge draws an edge: curves between layers, and a straight line through each layer that it
// passes.
func (p *picture) edge(i int) {
	e, path := p.graph.Edges[i], p.layout.paths[i]
	first, last := path[0], path[len(path)-1]
	x, y := p.left[first.layer]+p.width[first.layer], margin+first.y
	ends := [2]string{px(x) + " " + px(y), ""}
	var d strings.Builder
	for _, s := range path[1:] {
		toX, toY := p.left[s.layer], margin+s.y
		if s == last {
			toY = margin + p.tip(i)
		}
		middle := (x + toX) / 2
		fmt.Fprintf(&d, "C%s %s %s %s %s %s", px(middle), px(y), px(middle), px(toY), px(toX), px(toY))
		ends[1] = px(toX) + " " + px(toY)
		x, y = toX, toY
		if s != last {
			x += p.width[s.layer]
			fmt.Fprintf(&d, "H%s", px(x))
		}
	}
	end := "end"
	if p.layout.turned[i] {
		end = "start"
	}
	fmt.Fprintf(&p.body, "<path class=\"edge %s%s\" marker-%s=\"url(#%s)\" d=\"M%s%s\"/>\n", e.Kind, p.faint(e), end, e.Kind, ends[0], d.String())
}

// tip returns the height at which an edge ends. Edges that end at one box share its side, in the
// order of the heights from which they come.
func (p *picture) tip(edge int) float64 {
	box := p.layout.paths[edge][len(p.layout.paths[edge])-1]
	var all []int
	for i, path := range p.layout.paths {
		if path[len(path)-1] == box {
			all = append(all, i)
		}
	}
	from := func(i int) float64 { return p.layout.paths[i][len(p.layout.paths[i])-2].y }
	slices.SortStableFunc(all, func(a, b int) int { return cmp.Compare(from(a), from(b)) })
	at := slices.Index(all, edge)
	return box.y + tipHeight*(float64(at)-float64(len(all)-1)/2)
}

// faint returns the additional class of an edge from or to a node that comes later.
func (p *picture) faint(e Edge) string {
	for _, n := range p.graph.Nodes {
		if n.State == Later && (n.Name == e.From || n.Name == e.To) {
			return " faint"
		}
	}
	return ""
}

// legend draws the legend below the graph, with the kinds of edges and the states that the graph
// has.
func (p *picture) legend() {
	y := p.bottom + margin + legendLine/2
	line := func(sample, text string) {
		fmt.Fprintf(&p.body, "<g class=\"legend\">%s<text x=\"%s\" y=\"%s\">%s</text></g>\n", sample, px(margin+52), px(y+4), escape(text))
		p.right = max(p.right, margin+52+letter*float64(len(text)))
		p.bottom = y + legendLine/2
		y += legendLine
	}
	for kind, words := range kinds {
		if slices.ContainsFunc(p.graph.Edges, func(e Edge) bool { return e.Kind == Kind(kind) }) {
			line(fmt.Sprintf("<path class=\"edge %s\" marker-end=\"url(#%s)\" d=\"M%s %sH%s\"/>", words.word, words.word, px(margin), px(y), px(margin+40)), words.word+": "+words.meaning)
		}
	}
	for state, word := range states {
		if word != "" && len(inState(p.graph, State(state))) > 0 {
			line(fmt.Sprintf("<g class=\"box %s\"><rect x=\"%s\" y=\"%s\" width=\"40\" height=\"14\" rx=\"4\"/></g>", word, px(margin), px(y-7)), word)
		}
	}
}

// tips are the markers at the ends of edges: one triangle, or two for After.
const tips = `<marker id="needs" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto-start-reverse"><path class="tip" d="M0 0L8 4L0 8z"/></marker>
<marker id="after" viewBox="0 0 16 8" refX="16" refY="4" markerWidth="16" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto-start-reverse"><path class="tip" d="M0 0L8 4L0 8zM8 0L16 4L8 8z"/></marker>
<marker id="uses" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto-start-reverse"><path class="tip" d="M0 0L8 4L0 8L3 4z"/></marker>
`

func (p *picture) document() []byte {
	width, height := px(p.right+margin), px(p.bottom+margin)
	var out strings.Builder
	fmt.Fprintf(&out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%s\" height=\"%s\" viewBox=\"0 0 %s %s\" role=\"img\">\n", width, height, width, height)
	fmt.Fprintf(&out, "<title>%s</title>\n<style>%s</style>\n<defs>\n%s</defs>\n", escape(title(p.graph)), style, tips)
	out.WriteString(p.body.String())
	out.WriteString("</svg>\n")
	return []byte(out.String())
}

// title returns the text for screen readers.
func title(g Graph) string {
	return fmt.Sprintf("A graph of %d nodes, each to the right of what it waits for", len(g.Nodes))
}

// px returns a length in whole pixels, so that lines are sharp and the output is stable.
func px(f float64) string { return fmt.Sprint(int(math.Round(f))) }

func escape(s string) string {
	var out strings.Builder
	_ = xml.EscapeText(&out, []byte(s)) // writing to a Builder never fails
	return out.String()
}
