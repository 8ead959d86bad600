package inspect

import (
	"fmt"
	"strings"
	"time"
)

// Text returns the tree of authorities and the certificates that they signed. It names the nodes
// of a file if not every node with certificates has the file.
func (p *PKI) Text(now time.Time) string {
	var out strings.Builder
	all := p.nodes()
	for i, a := range p.Authorities {
		if i > 0 {
			out.WriteString("\n")
		}
		certificateText(&out, a, now, all, "", "│   ")
		for j, c := range a.Signed {
			branch, below := "├── ", "│   "
			if j == len(a.Signed)-1 {
				branch, below = "└── ", "    "
			}
			certificateText(&out, c, now, all, branch, below+"    ")
		}
	}
	if len(p.Strangers) > 0 {
		out.WriteString("\nsigned by none of them\n")
		for _, c := range p.Strangers {
			certificateText(&out, c, now, all, "    ", "        ")
		}
	}
	for _, k := range p.ServiceAccountKeys {
		fmt.Fprintf(&out, "\ntokens of service accounts   a pair of keys, %s, without a certificate\n", k.Algorithm)
		wrap(&out, "    ", k.Purpose)
		wrap(&out, "    ", "in "+placesText(k.Files, all))
		problemsText(&out, "    ", k.Problems)
	}
	if len(p.Problems) > 0 {
		out.WriteString("\ncannot be read\n")
		problemsText(&out, "    ", p.Problems)
	}
	return out.String()
}

// Warnings returns the number of problems.
func (p *PKI) Warnings() int {
	count := len(p.Problems)
	for _, k := range p.ServiceAccountKeys {
		count += len(k.Problems)
	}
	for _, list := range p.lists() {
		for _, c := range list {
			count += len(c.Problems)
		}
	}
	return count
}

// nodes returns the number of nodes that have any file.
func (p *PKI) nodes() int {
	names := map[string]bool{}
	add := func(places []*Place) {
		for _, place := range places {
			for _, n := range place.Nodes {
				names[n] = true
			}
		}
	}
	for _, list := range p.lists() {
		for _, c := range list {
			add(c.Files)
		}
	}
	for _, k := range p.ServiceAccountKeys {
		add(k.Files)
	}
	return len(names)
}

func certificateText(out *strings.Builder, c *Certificate, now time.Time, nodes int, branch, below string) {
	name := c.Name
	if len(c.Organizations) > 0 {
		name += " (" + strings.Join(c.Organizations, ", ") + ")"
	}
	expiry := ""
	if left := c.NotAfter.Sub(now); left > 0 {
		expiry = ", expires in " + span(left) + " (" + c.NotAfter.Format(time.DateOnly) + ")"
	}
	fmt.Fprintf(out, "%s%s   %s%s\n", branch, name, c.Usage, expiry)
	for _, purpose := range c.Purposes {
		wrap(out, below, purpose)
	}
	if len(c.Names) > 0 {
		wrap(out, below, "for "+strings.Join(c.Names, ", "))
	}
	wrap(out, below, "in "+placesText(c.Files, nodes))
	problemsText(out, below, c.Problems)
}

func problemsText(out *strings.Builder, indent string, problems []string) {
	for _, p := range problems {
		wrap(out, indent, "WARNING: "+p)
	}
}

// placesText returns the paths of files, with the nodes of a file if not all nodes have it.
func placesText(places []*Place, nodes int) string {
	var list []string
	for _, p := range places {
		text := p.Path
		if len(p.Nodes) < nodes {
			text += " (" + strings.Join(p.Nodes, ", ") + ")"
		}
		list = append(list, text)
	}
	return strings.Join(list, ", ")
}

// width is the maximum length of a line, except for longer words.
const width = 110

// wrap writes words in lines that begin with an indent. The lines after the first one have two
// more spaces.
func wrap(out *strings.Builder, indent, words string) {
	line := ""
	for _, word := range strings.Fields(words) {
		if line != "" && len([]rune(indent+line))+1+len(word) > width {
			out.WriteString(indent + line + "\n")
			line = "  "
		}
		if strings.TrimSpace(line) != "" {
			line += " "
		}
		line += word
	}
	out.WriteString(indent + line + "\n")
}

// span returns a duration in a single unit, in words. apimachinery's duration package has only
// abbreviations, such as "10y".
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*365*day:
		return count(int(d.Hours()/(365*24)+0.5), "year")
	case d >= 2*day:
		return count(int(d/day), "day")
	case d >= 2*time.Hour:
		return count(int(d/time.Hour), "hour")
	}
	return count(int(d/time.Minute), "minute")
}

func count(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
