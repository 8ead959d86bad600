package docs

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"html"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// A frame is what a terminal shows from a time on, with the codes for colors.
type frame struct {
	at    time.Duration
	lines []string
}

// The size of a character in a picture of a terminal, in pixels.
const charWidth, lineHeight = 7.8, 18

// terminal returns frames as an SVG picture. The frames are below each other in the file, and the
// picture shows one of them at a time. A reader who prefers less motion sees the last one.
func terminal(title string, frames []frame) []byte {
	columns, rows := extent(frames)
	height := lineHeight * rows
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" font-family="ui-monospace, monospace" font-size="13">
<title>%s</title>
<style>
text { fill: #d4d4d4 } .c1 { font-weight: bold } .c2 { fill: #8a8a8a } .c31 { fill: #f48771 } .c32 { fill: #89d185 } .c33 { fill: #e5c07b } .c36 { fill: #4fc1ff }
%s</style>
<rect width="100%%" height="100%%" rx="6" fill="#1e1e1e"/>
<svg x="10" y="10" height="%d"><g id="film" xml:space="preserve">
`, float64(columns)*charWidth+20, height+20, html.EscapeString(title), motion(frames, height), height)
	for i, f := range frames {
		for row, line := range f.lines {
			fmt.Fprintf(&b, "<text y=\"%d\">%s</text>\n", height*i+lineHeight*row+14, colored(line))
		}
	}
	b.WriteString("</g></svg>\n</svg>\n")
	return b.Bytes()
}

// extent returns the size of the smallest terminal that can show all frames.
func extent(frames []frame) (columns, rows int) {
	for _, f := range frames {
		rows = max(rows, len(f.lines))
		for _, line := range f.lines {
			columns = max(columns, utf8.RuneCountInString(color.ReplaceAllString(line, "$2")))
		}
	}
	return columns, rows
}

// motion returns the style that moves each frame into the picture at its time, again and again.
func motion(frames []frame, height int) string {
	if len(frames) == 1 {
		return ""
	}
	last := len(frames) - 1
	total := (frames[last].at + lastFrameLength).Seconds()
	var b strings.Builder
	fmt.Fprintf(&b, "#film { animation: play %.1fs steps(1) infinite }\n", total)
	fmt.Fprintf(&b, "@media (prefers-reduced-motion: reduce) { #film { animation: none; transform: translateY(%dpx) } }\n@keyframes play {\n", -height*last)
	for i, f := range frames {
		fmt.Fprintf(&b, "%.2f%% { transform: translateY(%dpx) }\n", 100*f.at.Seconds()/total, -height*i)
	}
	return b.String() + "}\n"
}

// color matches a piece of text in a color. mkube always ends a color before the next one.
var color = regexp.MustCompile(`\x1b\[([0-9]+)m(.*?)\x1b\[0m`)

// colored returns a line of a terminal as the content of an SVG text.
func colored(line string) string {
	const escape = "\x1b" // no character of XML, so EscapeText would replace it
	var escaped bytes.Buffer
	_ = xml.EscapeText(&escaped, []byte(strings.ReplaceAll(line, escape, "\ue000"))) // a buffer accepts every write
	text := strings.ReplaceAll(escaped.String(), "\ue000", escape)
	return color.ReplaceAllString(strings.TrimRight(text, " "), `<tspan class="c$1">$2</tspan>`)
}
