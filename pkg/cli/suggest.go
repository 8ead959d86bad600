package cli

import (
	"strconv"
	"strings"
)

// didYouMean is the end of a message: the word that was probably meant, or nothing.
func didYouMean(word string, candidates []string) string {
	if meant := closest(word, candidates); meant != "" {
		return ": did you mean " + strconv.Quote(meant) + "?"
	}
	return ""
}

// closest is the word that was probably meant, "" if none is close: one that word
// begins, or at most two letters away, and most letters right.
func closest(word string, candidates []string) string {
	word = strings.ToLower(word)
	best, least := "", 3
	for _, candidate := range candidates {
		d := distance(word, candidate)
		if len(word) > 1 && strings.HasPrefix(candidate, word) {
			d = 1
		}
		if d < least && d <= len(candidate)/3+1 {
			best, least = candidate, d
		}
	}
	return best
}

// distance is how many letters must be added, lost, changed or swapped with their
// neighbour to make a of b (the optimal string alignment distance).
func distance(a, b string) int {
	var before []int // the row before last
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := 1
			if a[i] == b[j] {
				change = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+change)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// alternatives writes words as "a, b or c".
func alternatives(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
