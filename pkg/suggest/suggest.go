// Package suggest finds the word that a user probably meant.
package suggest

import (
	"strconv"
	"strings"
)

// Closest returns the candidate that a user probably meant by word, or "" if none is close. It
// ignores case. A candidate that starts with word is at most one slip away. Of equally close
// candidates, it returns the first.
func Closest(word string, candidates []string) string {
	word = strings.ToLower(word)
	best, least := "", tooMany
	for _, candidate := range candidates {
		lower := strings.ToLower(candidate)
		slips := distance(word, lower, tolerance(candidate))
		if len(word) > 1 && strings.HasPrefix(lower, word) {
			slips = min(slips, 1)
		}
		if slips < least {
			best, least = candidate, slips
		}
	}
	return best
}

// DidYouMean returns the end of an error message that suggests the closest candidate, or "".
func DidYouMean(word string, candidates []string) string {
	if meant := Closest(word, candidates); meant != "" {
		return ": did you mean " + strconv.Quote(meant) + "?"
	}
	return ""
}

// tooMany is more slips than any word may have.
const tooMany = 4

// tolerance returns the number of slips that a word of this length may have: one for every four
// letters, and one for three letters. So "v" is not close to "x".
func tolerance(word string) int {
	if len(word) == 3 {
		return 1
	}
	return min(len(word)/4, tooMany-1)
}

// distance returns the number of letters that are added, missing, changed or swapped between two
// words (optimal string alignment). If it is more than the limit, distance returns tooMany.
//
// It does not use a library, because the usual ones do not count swapped letters as one slip.
func distance(a, b string, limit int) int {
	if max(len(a), len(b))-min(len(a), len(b)) > limit {
		return tooMany // before the allocation of a table as large as the input
	}
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
	if last[len(b)] > limit {
		return tooMany
	}
	return last[len(b)]
}
