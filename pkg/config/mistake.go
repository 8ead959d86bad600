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

// A mistake is one error in a cluster: one line for its user.
type mistake struct {
	path string // the field, as in nodes[0].labels["example.com/tier"]
	line int    // in the file, 0 if unknown
	text string // the whole sentence, with the name of the field
}

func (m mistake) Error() string { return m.text }

// mistakes collects the mistakes of a cluster during its validation.
type mistakes []mistake

// addf reports that the field at path is wrong. The sentence starts with the path.
func (m *mistakes) addf(path, format string, args ...any) {
	*m = append(*m, mistake{path: path, text: path + " " + fmt.Sprintf(format, args...)})
}

// oneOf reports whether value is one of the allowed values, and adds a mistake if not.
func (m *mistakes) oneOf(path, value string, allowed ...string) bool {
	for _, a := range allowed {
		if a == value {
			return true
		}
	}
	m.addf(path, "must be %s, not %s%s", alternatives(allowed), quote(value), suggest.DidYouMean(value, allowed))
	return false
}

// printable reports whether a text has no control characters except the allowed ones, and adds a
// mistake if not. mkube writes such texts into files that consist of lines: units and manifests.
func (m *mistakes) printable(path, value, allowed string) bool {
	i := strings.IndexFunc(value, func(r rune) bool {
		return unicode.IsControl(r) && !strings.ContainsRune(allowed, r)
	})
	if i >= 0 {
		m.addf(path, "must have no control characters: %s", quote(value[i:]))
	}
	return i < 0
}

// join returns the mistakes as one error, nil if there are none.
func (m mistakes) join() error {
	all := make([]error, len(m))
	for i := range m {
		all[i] = m[i]
	}
	return errors.Join(all...)
}

// alternatives returns words as "a", "b" or "c". There must be at least one.
func alternatives(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}

// quote quotes a text of the user on one line, and shortens a long one.
func quote(s string) string {
	const most = 60 // runes, so that the error stays readable
	if utf8.RuneCountInString(s) <= most {
		return strconv.Quote(s)
	}
	return strconv.Quote(string([]rune(s)[:most])) + "..."
}

// count returns a number with its noun: "1 node", "3 nodes".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

var plainKey = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)

// fieldPath returns the path of a struct's field.
func fieldPath(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "." + name
}

// keyPath returns the path of a map's value. It quotes keys in which a dot would be ambiguous.
func keyPath(parent, key string) string {
	if plainKey.MatchString(key) {
		return fieldPath(parent, key)
	}
	return parent + "[" + strconv.Quote(key) + "]"
}

// itemPath returns the path of a list's item.
func itemPath(parent string, i int) string {
	return parent + "[" + strconv.Itoa(i) + "]"
}

// ancestors yields a path and then the paths of everything that contains it, up to "", the whole
// file. If a quoted key contains dots, it also yields paths that are not paths of fields, which
// does no harm.
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
