package progress

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// seconds formats d for people: "3.2s", and from 100 seconds on "1m43s". apimachinery's duration
// package has no tenths of a second.
func seconds(d time.Duration) string {
	d = d.Round(100 * time.Millisecond)
	if d < 100*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	s := int(d.Round(time.Second).Seconds())
	return fmt.Sprintf("%dm%02ds", s/60, s%60)
}

// amount formats the bytes of a step for people: "312 of 840 MiB", or "312 MiB" if the total is not
// known or reached. It returns "" if nothing was copied.
func amount(bytes, total int64) string {
	unit, size := "MiB", int64(1<<20)
	if max(bytes, total) < size {
		unit, size = "KiB", 1<<10
	}
	switch {
	case bytes <= 0:
		return ""
	case bytes >= total:
		return inUnits(bytes, size) + " " + unit
	}
	return inUnits(bytes, size) + " of " + inUnits(total, size) + " " + unit
}

// inUnits returns a number of bytes in units of a size, with a decimal if there are few.
func inUnits(bytes, size int64) string {
	decimals := 0
	if bytes < 10*size {
		decimals = 1
	}
	return strconv.FormatFloat(float64(bytes)/float64(size), 'f', decimals, 64)
}

// clean converts s to one line without control characters, because a detail may be a program's
// output, which must not move the cursor. "; " joins the lines. If ascii is set, '?' replaces all
// characters that a terminal without UTF-8 cannot show.
func clean(s string, ascii bool) string {
	lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' })
	for i, line := range lines {
		lines[i] = strings.TrimSpace(printable(line, ascii))
	}
	return strings.Join(lines, "; ")
}

// printable replaces the control characters of s with spaces.
func printable(s string, ascii bool) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
			return ' '
		case ascii && r > unicode.MaxASCII:
			return '?'
		}
		return r
	}, s)
}

// wide lists the scripts whose characters take two cells, as in Unicode Standard Annex 11 (East
// Asian Width), and the emoji. The list is coarse, but a board shows only names and errors.
var wide = []*unicode.RangeTable{
	unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana,
	{
		R16: []unicode.Range16{{Lo: 0x3000, Hi: 0x303e, Stride: 1}, {Lo: 0xff01, Hi: 0xff60, Stride: 1}, {Lo: 0xffe0, Hi: 0xffe6, Stride: 1}},
		R32: []unicode.Range32{{Lo: 0x1f300, Hi: 0x1faff, Stride: 1}, {Lo: 0x20000, Hi: 0x3fffd, Stride: 1}},
	},
}

// runeCells returns the number of cells that r takes on a terminal.
func runeCells(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= 0xff61 && r <= 0xffdc: // half-width forms
		return 1
	case unicode.In(r, wide...):
		return 2
	}
	return 1
}

// cells returns the number of cells that s takes on a terminal.
func cells(s string) int {
	n := 0
	for _, r := range s {
		n += runeCells(r)
	}
	return n
}

// cut shortens s to at most width cells. If it shortens s, the result ends with more ("…").
func cut(s string, width int, more string) string {
	if cells(s) <= width {
		return s
	}
	room := width - cells(more)
	if room < 0 {
		return strings.Repeat(".", max(0, width))
	}
	for i, r := range s {
		if room -= runeCells(r); room < 0 {
			return s[:i] + more
		}
	}
	return s
}

// pad returns s with exactly width cells: cut, or filled with spaces.
func pad(s string, width int, more string) string {
	s = cut(s, width, more)
	return s + strings.Repeat(" ", max(0, width-cells(s)))
}
