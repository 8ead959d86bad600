package config

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mkube/mkube/pkg/suggest"
)

// A mistake is one thing wrong with a cluster: one line for its user to read.
type mistake struct {
	path string // the field, as in nodes[0].labels["example.com/tier"]
	line int    // of the file, 0 where not known
	text string // the whole sentence, which names the field
}

func (m mistake) Error() string { return m.text }

// mistakes is a list of them that fills up as a cluster is looked at.
type mistakes []mistake

// addf notes that the field at path is wrong. The sentence begins with the path.
func (m *mistakes) addf(path, format string, args ...any) {
	*m = append(*m, mistake{path: path, text: path + " " + fmt.Sprintf(format, args...)})
}

// oneOf notes it when value is none of those allowed, and returns whether it is one.
func (m *mistakes) oneOf(path, value string, allowed ...string) bool {
	for _, a := range allowed {
		if a == value {
			return true
		}
	}
	m.addf(path, "must be %s, not %s%s", alternatives(allowed), quote(value), suggest.DidYouMean(value, allowed))
	return false
}

// printable notes it when a text has control characters but for those allowed, and
// returns whether it is fine. Free text ends up in files of lines: units, manifests.
func (m *mistakes) printable(path, value, allowed string) bool {
	i := strings.IndexFunc(value, func(r rune) bool {
		return unicode.IsControl(r) && !strings.ContainsRune(allowed, r)
	})
	if i >= 0 {
		m.addf(path, "must have no control characters: %s", quote(value[i:]))
	}
	return i < 0
}

// join makes the list one error, nil for an empty one.
func (m mistakes) join() error {
	all := make([]error, len(m))
	for i := range m {
		all[i] = m[i]
	}
	return errors.Join(all...)
}

// alternatives writes words as "a", "b" or "c".
func alternatives(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}

// quote quotes what a user wrote, on one line and not endlessly.
func quote(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) <= most {
		return strconv.Quote(s)
	}
	return strconv.Quote(string([]rune(s)[:most])) + "..."
}

// count writes a number with its noun: "1 node", "3 nodes".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

var plainKey = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)

// fieldPath is the path of a struct's field.
func fieldPath(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "." + name
}

// keyPath is the path of a map's value, in quotes where dots would confuse.
func keyPath(parent, key string) string {
	if plainKey.MatchString(key) {
		return fieldPath(parent, key)
	}
	return parent + "[" + strconv.Quote(key) + "]"
}

// itemPath is the path of a list's item.
func itemPath(parent string, i int) string {
	return parent + "[" + strconv.Itoa(i) + "]"
}

// ancestors yields a path, then what it is in, up to "", the whole file. Where a
// quoted key holds dots it also yields paths that are no field's; they do no harm.
func ancestors(path string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for yield(path) && path != "" {
			path = path[:max(strings.LastIndexAny(path, ".["), 0)]
		}
	}
}

// didYouMeanOr returns the closest candidate as a question or, if no word is close, all candidates.
func didYouMeanOr(word string, candidates []string, all string) string {
	if meant := suggest.DidYouMean(word, candidates); meant != "" {
		return meant
	}
	return ": " + all + strings.Join(candidates, ", ")
}
