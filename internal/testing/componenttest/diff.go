package componenttest

import "strings"

// diff returns the changes from one text to another: removed lines with "- " and added lines with
// "+ ", in order, without the common lines. Golden files contain this text, so its format must
// never change. The output of cmp.Diff is deliberately unstable.
func diff(from, to string) string {
	a, b := strings.SplitAfter(from, "\n"), strings.SplitAfter(to, "\n")
	common := commonLines(a, b)
	var out strings.Builder
	line := func(mark, s string) {
		if s != "" {
			out.WriteString(mark + strings.TrimSuffix(s, "\n") + "\n")
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			line("- ", a[i])
			i++
		default:
			line("+ ", b[j])
			j++
		}
	}
	return out.String()
}

// commonLines returns for each pair of suffixes the length of their longest common subsequence of
// lines.
func commonLines(a, b []string) [][]int {
	table := make([][]int, len(a)+1)
	for i := range table {
		table[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	return table
}
