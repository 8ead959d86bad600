package config

import "strings"

// closest returns the word among candidates that was probably meant, or "" when
// none is close. The first of equally close ones wins.
func closest(word string, candidates []string) string {
	best, bestDistance := "", 4
	for _, candidate := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(candidate), tolerance(candidate)); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// tolerance is how many slips a word of this length may have and still be meant:
// one in four letters, so that "v" is not read as "x", and never more than three.
func tolerance(word string) int {
	return min(len(word)/4, 3)
}

// distance is the number of letters added, lost, changed or swapped between two
// words, or a large number when it is more than limit.
func distance(a, b string, limit int) int {
	const far = 1 << 20
	if max(len(a), len(b))-min(len(a), len(b)) > limit {
		return far // also keeps long input from costing time
	}
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			d[i][j] = step(d, a, b, i, j)
		}
	}
	if result := d[len(a)][len(b)]; result <= limit {
		return result
	}
	return far
}

// step is one cell of the optimal string alignment table.
func step(d [][]int, a, b string, i, j int) int {
	change := 1
	if a[i-1] == b[j-1] {
		change = 0
	}
	best := min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+change)
	if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
		best = min(best, d[i-2][j-2]+1)
	}
	return best
}

// didYouMean is the end of a message: the word that was probably meant, as a
// question, or nothing.
func didYouMean(word string, candidates []string) string {
	if meant := closest(word, candidates); meant != "" {
		return ": did you mean " + quote(meant) + "?"
	}
	return ""
}

// didYouMeanOr is didYouMean or, where no word is close, all that there are.
func didYouMeanOr(word string, candidates []string, all string) string {
	if meant := didYouMean(word, candidates); meant != "" {
		return meant
	}
	return ": " + all + strings.Join(candidates, ", ")
}
